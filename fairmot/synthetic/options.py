"""What a synthetic sequence is made of: its size and length, and the presets `easy` and `hard`."""

from dataclasses import dataclass

from fairmot.utils.errors import InputError


@dataclass(frozen=True)
class Preset:
    """How crowded, how hidden and how unsteady a world is.

    Counts are people or things at a time. Heights are the share of the image height that a 1.7 m tall person fills.
    Crossings and occlusions are the least number of each in 300 frames; see `fairmot.synthetic.statistics`.
    """

    name: str
    people: int
    heights: tuple[float, float]  # at the far and at the near end of the walkable ground
    speed: tuple[float, float]  # metres a second
    turn_share: float  # walks that turn back
    stop_share: float  # walks that pause
    hide_share: float  # turns and pauses that happen behind an occluder
    screens: tuple[int, int]  # things that hide a whole person, least and most
    screen_width: tuple[float, float]  # metres
    screen_place: tuple[float, float]  # where they stand, from 0 (far) to 1 (near)
    clutter: tuple[int, int]  # low things that hide a part: benches, planters, signs, cars
    statues: int  # distractors, class 8
    bystanders: int  # static people, class 7
    riders: int  # cyclists, class 2
    lookalikes: int  # people who dress alike; 1 = nobody does
    pan: float  # camera swing, share of the image width
    shake: float  # camera shake, share of the image height
    zoom: float  # slow change of scale, share
    light: float  # light change over the sequence, share of the brightness
    shutter: float  # share of the frame time that the shutter is open
    crossings: int
    occlusions: int
    hidden_share: float  # boxes with visibility below 0.25, at most; in a short sequence up to 60 / frames more


EASY = Preset(
    name="easy",
    people=7,
    heights=(0.30, 0.62),
    speed=(1.1, 1.5),
    turn_share=0.1,
    stop_share=0.1,
    hide_share=0.0,
    screens=(1, 1),
    screen_width=(0.65, 0.8),
    screen_place=(0.3, 0.55),
    clutter=(0, 2),
    statues=1,
    bystanders=0,
    riders=0,
    lookalikes=1,
    pan=0.0,
    shake=0.001,
    zoom=0.0,
    light=0.06,
    shutter=0.3,
    crossings=10,
    occlusions=4,
    hidden_share=0.05,
)

HARD = Preset(
    name="hard",
    people=16,
    heights=(0.22, 0.58),
    speed=(1.1, 2.2),
    turn_share=0.3,
    stop_share=0.15,
    hide_share=0.7,
    screens=(2, 2),
    screen_width=(0.9, 1.2),
    screen_place=(0.35, 0.6),
    clutter=(3, 5),
    statues=2,
    bystanders=2,
    riders=1,
    lookalikes=3,
    pan=0.06,
    shake=0.006,
    zoom=0.04,
    light=0.3,
    shutter=0.5,
    crossings=30,
    occlusions=12,
    hidden_share=0.14,
)

PRESETS = {preset.name: preset for preset in (EASY, HARD)}


@dataclass(frozen=True)
class WorldOptions:
    """One sequence to render.

    preset: a name in PRESETS. seed: the sequence's own seed. size_hw: height and width in pixels. frame_rate: 1/s.
    people: walkers at a time, None for the preset's number.

    Raises InputError for a value that makes no sense.
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
            ("rate", self.frame_rate, 1, 240),
            ("people", self.world.people if self.people is None else self.people, 1, 200),
        ):
            if not low <= value <= high:
                raise InputError(f"{name}: {value} is not between {low} and {high}")

    @property
    def world(self) -> Preset:
        """The preset's settings."""
        return PRESETS[self.preset]

    @property
    def crowd(self) -> int:
        """Walkers at a time."""
        return self.world.people if self.people is None else self.people

    @property
    def name(self) -> str:
        """The sequence's name: preset and seed, e.g. SYN-easy-0007."""
        return f"SYN-{self.preset}-{self.seed:04d}"
