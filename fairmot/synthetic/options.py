"""Options of a synthetic sequence, and the presets `easy` and `hard`."""

from dataclasses import dataclass

from fairmot.utils.errors import InputError


@dataclass(frozen=True)
class Preset:
    """Density, occlusion and camera settings of a world; the defaults are those of `easy`.

    Counts of people and props are at a time. Crossings and occlusions are minimum counts in 300 frames, as measured by
    `fairmot.synthetic.statistics`.
    """

    name: str
    people: int = 7
    heights: tuple[float, float] = (0.30, 0.62)  # of 1.7 m at the far and near end, fractions of the image height
    speed: tuple[float, float] = (1.1, 1.5)  # m/s
    turn_fraction: float = 0.1  # of paths that turn back
    stop_fraction: float = 0.1  # of paths with a pause
    hide_fraction: float = 0.0  # of turns and pauses that are behind an occluder
    occluders: tuple[int, int] = (1, 1)  # minimum and maximum number of props that hide a full person
    occluder_width: tuple[float, float] = (0.65, 0.8)  # metres
    occluder_position: tuple[float, float] = (0.3, 0.55)  # from 0 (far) to 1 (near)
    clutter: tuple[int, int] = (0, 2)  # number of props that hide a part of a person: benches, planters, signs, cars
    statues: int = 1  # distractors, class 8
    bystanders: int = 0  # static people, class 7
    riders: int = 0  # cyclists, class 2
    lookalikes: int = 1  # size of groups with similar clothes
    pan: float = 0.0  # camera pan, fraction of the image width
    shake: float = 0.001  # camera shake, fraction of the image height
    zoom: float = 0.0  # change of scale
    light_change: float = 0.06  # relative change of brightness over the sequence
    shutter: float = 0.3  # exposure, fraction of the frame interval
    crossings: int = 10
    occlusions: int = 4
    max_hidden: float = 0.05  # fraction of boxes with visibility below 0.25; in a short sequence up to 60 / frames more


EASY = Preset("easy")
HARD = Preset(
    "hard",
    people=16,
    heights=(0.22, 0.58),
    speed=(1.1, 2.2),
    turn_fraction=0.3,
    stop_fraction=0.15,
    hide_fraction=0.7,
    occluders=(2, 2),
    occluder_width=(0.9, 1.2),
    occluder_position=(0.35, 0.6),
    clutter=(3, 5),
    statues=2,
    bystanders=2,
    riders=1,
    lookalikes=3,
    pan=0.06,
    shake=0.006,
    zoom=0.04,
    light_change=0.3,
    shutter=0.5,
    crossings=30,
    occlusions=12,
    max_hidden=0.14,
)

PRESETS = {preset.name: preset for preset in (EASY, HARD)}


@dataclass(frozen=True)
class WorldOptions:
    """Options of one sequence.

    preset: a name in PRESETS. size_hw: height and width in pixels. frame_rate: 1/s.
    people: number of walkers at a time, None for the preset's.

    Raises InputError for a value out of range.
    """

    preset: str = "easy"
    seed: int = 0
    frames: int = 300
    size_hw: tuple[int, int] = (270, 480)
    frame_rate: float = 30.0
    people: int | None = None

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise InputError(f"preset: unknown {self.preset!r}; choose from {', '.join(PRESETS)}")
        for name, value, low, high in (
            ("seed", self.seed, 0, 2**63),
            ("frames", self.frames, 1, 10**6),
            ("height", self.size_hw[0], 64, 4320),
            ("width", self.size_hw[1], 64, 7680),
            ("fps", self.frame_rate, 1, 240),
            ("people", self.num_people, 1, 200),
        ):
            if not low <= value <= high:
                raise InputError(f"{name}: {value} is not between {low} and {high}")

    @property
    def settings(self) -> Preset:
        """The preset."""
        return PRESETS[self.preset]

    @property
    def num_people(self) -> int:
        """Number of walkers at a time."""
        return self.settings.people if self.people is None else self.people

    @property
    def name(self) -> str:
        """Name of the sequence: preset and seed, e.g. SYN-easy-0007."""
        return f"SYN-{self.preset}-{self.seed:04d}"
