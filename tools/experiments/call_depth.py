"""Call depth of one training step: the package's functions between the command line and the arithmetic.

    python tools/experiments/call_depth.py

It renders a small synthetic sequence, trains on it for one step and prints two chains of calls, outermost first:
from `fairmot.cli.main` to the identity loss, and from the training loop (`Trainer.fit`) to the decoder of an image
file. Every Python frame whose source file belongs to `fairmot/` counts, comprehensions and generators included; frames
of PyTorch and of the standard library do not. Exit code 1 where a chain is longer than its limit.
"""

import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from types import CodeType, FrameType

import fairmot
from fairmot.cli import main as run_fairmot
from fairmot.engine.trainer import Trainer
from fairmot.losses.identity import IdentityLoss
from fairmot.synthetic.options import WorldOptions
from fairmot.synthetic.world import build_world
from fairmot.synthetic.write import write_sequence

PACKAGE = Path(fairmot.__file__).parent
FORMATS = f"{PACKAGE}/formats/"
CONFIG = PACKAGE.parent / "configs" / "quickstart.yaml"
TINY = (
    "INPUT.SIZE_HW", "(64, 96)", "MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "MODEL.REID_DIM", "8",
    "DEVICE", "cpu", "DATA.WORKERS", "0", "SOLVER.BATCH_SIZE", "2", "SOLVER.MAX_STEPS", "1",
)  # fmt: skip
LOSS_LIMIT, DECODE_LIMIT = 12, 15


class CallChains:
    """Trace function that keeps the deepest chain of the package's frames that ends in each of some functions.

    targets: name -> outermost function of the chain, and whether a code object is an end of it.
    """

    def __init__(self, targets: dict[str, tuple[CodeType, Callable[[CodeType], bool]]]) -> None:
        self.targets = targets
        self.chains: dict[str, list[str]] = {name: [] for name in targets}

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Record the call of a function; the result None turns off tracing within it."""
        if not _is_own(frame.f_code):
            return
        for name, (start, is_end) in self.targets.items():
            if is_end(frame.f_code):
                self.chains[name] = max(self.chains[name], _chain(frame, start), key=len)


def _chain(frame: FrameType | None, start: CodeType) -> list[str]:
    """Return the package's functions from the outermost call of `start` to `frame`; empty where it is not below it."""
    codes = []
    while frame is not None:
        if _is_own(frame.f_code):
            codes.append(frame.f_code)
        frame = frame.f_back
    codes.reverse()
    below = codes[codes.index(start) :] if start in codes else []
    return [f"{Path(code.co_filename).relative_to(PACKAGE)}:{code.co_qualname}" for code in below]


def _is_own(code: CodeType) -> bool:
    return code.co_filename.startswith(f"{PACKAGE}/")


def measure_chains(work: Path) -> dict[str, list[str]]:
    """Train one step below the folder `work`; return both chains by name, outermost function first."""
    write_sequence(build_world(WorldOptions("easy", 1, 4, (96, 160), 10.0, 4)), work / "data")
    chains = CallChains(
        {
            "identity loss": (run_fairmot.__code__, lambda code: code is IdentityLoss.forward.__code__),
            "decoded pixels": (
                Trainer.fit.__code__,
                lambda code: code.co_filename.startswith(FORMATS) and "decode" in code.co_name,
            ),
        }
    )
    argv = ["train", "--config", str(CONFIG), "--output", str(work / "run"), "DATA.ROOT", str(work / "data"), *TINY]
    previous = sys.gettrace()
    sys.settrace(chains)
    try:
        with redirect_stdout(sys.stderr):
            code = run_fairmot(argv)
    finally:
        sys.settrace(previous)
    if code:
        raise RuntimeError(f"the training ended with code {code}")
    return chains.chains


def main() -> int:
    """Print both chains and their lengths."""
    with tempfile.TemporaryDirectory() as work:
        chains = measure_chains(Path(work))
    limits = {"identity loss": LOSS_LIMIT, "decoded pixels": DECODE_LIMIT}
    for name, chain in chains.items():
        print(f"{name}: {len(chain)} functions (limit {limits[name]})")
        for depth, function in enumerate(chain, start=1):
            print(f"{depth:>4}  {function}")
    return int(any(len(chain) > limits[name] for name, chain in chains.items()))


if __name__ == "__main__":
    raise SystemExit(main())
