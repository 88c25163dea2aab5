"""Which tracker keys a tuning may search, in which ranges, and which of them have an effect."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int
from optuna.trial import BaseTrial

from fairmot.utils.errors import InputError

SECTION = "TRACKER."
NOT_SEARCHED = (  # names, what the source is, and what a tracker associates by: not for a search to choose
    "PRESET",
    "CAMERA_FILE",
    "CAMERA_MOTION_SIZE",
    "KALMAN_RATE",
    "USE_APPEARANCE",
    "USE_MOTION",
    "USE_OVERLAP",
)
_OFF = (False, 0, "none")
_CAMERA = "CAMERA_MOTION"  # all caches must hold it
ALL = "all"
DIGITS = 6  # decimals of a value on the grid: 0.2 + 3 * 0.01 is 0.23
Asked = Literal["always", "when on", "by name"]


class Need(NamedTuple):
    """What another key must be for a key to have an effect: `value`, or where that is None anything that is on."""

    key: str
    value: Any = None

    def __str__(self) -> str:
        return f"{SECTION}{self.key} is {'on' if self.value is None else self.value}"


@dataclass(frozen=True)
class SearchKey:
    """One key of the TRACKER section.

    domain: where its values are drawn from; a float without a step is one whose start lies off the table's grid.
    needs: what makes it count; all of them.
    asked: whether it is searched when no keys are named: always, when its value is not `off`, or only by name.
    off: the value that switches it off.
    """

    name: str
    domain: BaseDistribution
    needs: tuple[Need, ...] = ()
    asked: Asked = "always"
    off: Any = None

    @property
    def full_name(self) -> str:
        """The key as configurations and studies have it."""
        return SECTION + self.name


def _switch(name: str, *needs: Need) -> SearchKey:
    return SearchKey(name, Choice((False, True)), needs, "by name", off=False)


def _choice(name: str, values: Sequence[str], *needs: Need, off: Any = None) -> SearchKey:
    return SearchKey(name, Choice(tuple(values)), needs, "by name", off=off)


_LOOKS, _MOTION, _OVERLAP = Need("USE_APPEARANCE"), Need("USE_MOTION"), Need("USE_OVERLAP")
_GAPS = Need("INTERPOLATE")
TABLE = (  # a key stands below those that it needs
    _switch("FUSE_SCORE", _OVERLAP),
    _switch("SECOND_ASSOCIATION", _OVERLAP),
    _switch("OCR", _OVERLAP),
    _switch("ORU", _MOTION),
    _choice("APPEARANCE_METRIC", ("cosine", "euclidean"), _LOOKS),
    _choice("KALMAN_STATE", ("xyah", "xywh"), _MOTION),
    _choice("MEASUREMENT_NOISE", ("fixed", "nsa"), _MOTION),
    _choice("EMBEDDING_UPDATE", ("fixed", "score"), _LOOKS),
    _choice(_CAMERA, ("none", "flow"), off="none"),
    _choice("OUTPUT_BOX", ("filter", "detection"), off="filter"),
    _choice("INTERPOLATE", ("none", "linear", "gaussian"), off="none"),
    SearchKey("CONF_THRESHOLD", Float(0.2, 0.7, step=0.01)),
    SearchKey("INITIATION_THRESHOLD", Float(0.0, 0.85, step=0.01)),
    SearchKey("BUFFER", Int(5, 150, log=True)),
    SearchKey("MOTION_GATE", Float(4.0, 40.0, step=0.5), (_MOTION,), "by name"),
    SearchKey("MOTION_LAMBDA", Float(0.8, 1.0, step=0.005), (_LOOKS, _MOTION)),
    SearchKey("OVERLAP_WEIGHT", Float(0.0, 1.0, step=0.05), (), "when on", off=0.0),
    SearchKey("APPEARANCE_THRESHOLD", Float(0.1, 1.5, step=0.01)),
    SearchKey("OVERLAP_THRESHOLD", Float(0.2, 0.95, step=0.01), (_OVERLAP,)),
    SearchKey("SECOND_THRESHOLD", Float(0.1, 0.4, step=0.01), (_OVERLAP, Need("SECOND_ASSOCIATION"))),
    SearchKey("SECOND_OVERLAP_THRESHOLD", Float(0.2, 0.95, step=0.01), (_OVERLAP, Need("SECOND_ASSOCIATION"))),
    SearchKey("OCR_THRESHOLD", Float(0.2, 0.95, step=0.01), (_OVERLAP, Need("OCR"))),
    SearchKey("OCR_APPEARANCE", Float(0.1, 2.0, step=0.05), (_LOOKS, _OVERLAP, Need("OCR"))),
    SearchKey("UNCONFIRMED_THRESHOLD", Float(0.1, 0.95, step=0.01), (_OVERLAP,)),
    SearchKey("DUPLICATE_DISTANCE", Float(0.0, 0.4, step=0.01), (), "by name"),
    SearchKey("EMBEDDING_MOMENTUM", Float(0.3, 0.98, step=0.01), (_LOOKS,)),
    SearchKey("GALLERY_BUFFER", Int(0, 900, step=30), (_LOOKS,), "when on", off=0),
    SearchKey("GALLERY_THRESHOLD", Float(0.05, 0.6, step=0.01), (_LOOKS, Need("GALLERY_BUFFER"))),
    SearchKey("MIN_AREA", Float(0.0, 2000.0, step=50.0), (), "by name", off=0.0),
    SearchKey("MAX_ASPECT", Float(0.8, 3.0, step=0.1), (), "by name", off=0.0),
    SearchKey("INTERPOLATE_GAP", Int(1, 60), (_GAPS,)),
    SearchKey("INTERPOLATE_TAU", Float(1.5, 50.0, step=0.5), (Need("INTERPOLATE", "gaussian"),)),
    SearchKey("MIN_TRACK_LENGTH", Int(0, 30), (), "when on", off=0),
)
_BY_NAME = {key.name: key for key in TABLE}


@dataclass(frozen=True)
class SearchSpace:
    """What a tuning searches: `keys` in the table's order, around `start`, the TRACKER section it sets out from."""

    keys: tuple[SearchKey, ...]
    start: Mapping[str, Any]

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """Return the trial's values by the keys' short names; a key without effect beside the others is left out."""
        values: dict[str, Any] = {}
        for key in self.keys:
            if _counts(key, {**self.start, **values}):
                values[key.name] = _rounded(_draw(trial, key), key.domain)
        return values

    def values_of_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `suggest` returned for a trial, from the parameters that its study kept."""
        found = [key for key in self.keys if key.full_name in params]
        return {key.name: _rounded(params[key.full_name], key.domain) for key in found}

    def first(self) -> dict[str, Any]:
        """Return what the start has, by full names: the first trial."""
        return {key.full_name: self.start[key.name] for key in self.keys if _counts(key, self.start)}

    @property
    def has_conditions(self) -> bool:
        """Whether some key's effect depends on another that is searched too."""
        searched = {key.name for key in self.keys}
        return any(need.key in searched for key in self.keys for need in key.needs)

    def to_dict(self) -> dict[str, str]:
        """Return each key's domain as text, which tells two spaces apart."""
        return {key.full_name: distribution_to_json(key.domain) for key in self.keys}


def choose_space(start: Mapping[str, Any], wanted: Sequence[str] = ()) -> SearchSpace:
    """Return the space of the keys `wanted`, which may be given without their section, or `all`.

    start: the TRACKER section's values. Without `wanted`, the thresholds that have an effect there and the strengths
    that are not off; `all` leaves the camera's motion out where it is not used at the start. A range is stretched where
    the start lies beyond it. Raises InputError: no such key, or one that can have no effect.
    """
    if not wanted:
        names = {key.name for key in TABLE if _is_asked(key, start)}
    elif ALL in wanted:
        names = {key.name for key in TABLE if key.name != _CAMERA or start[_CAMERA] != "none"}
    else:
        names = {_known(name) for name in wanted}
    strict = bool(wanted) and ALL not in wanted
    kept: list[SearchKey] = []
    for key in TABLE:
        if key.name not in names:
            continue
        unmet = [need for need in key.needs if not _may_hold(need, start, {found.name for found in kept})]
        if unmet and strict:
            raise InputError(f"--keys: {key.full_name} has no effect unless {unmet[0]}; set that, or search it too")
        if not unmet:
            kept.append(replace(key, domain=_around(_table_domain(key, start), start[key.name])))
    return SearchSpace(tuple(kept), dict(start))


def _known(name: str) -> str:
    short = name.removeprefix(SECTION)
    if short not in _BY_NAME:
        choices = ", ".join(_BY_NAME)
        raise InputError(
            f"--keys: unknown {name}; choose from {ALL}, {choices} (overrides KEY VALUE stand before --keys)"
        )
    return short


def _is_asked(key: SearchKey, start: Mapping[str, Any]) -> bool:
    return key.asked == "always" or (key.asked == "when on" and start[key.name] != key.off)


def _counts(key: SearchKey, values: Mapping[str, Any]) -> bool:
    return all(_holds(need, values[need.key]) for need in key.needs)


def _holds(need: Need, value: Any) -> bool:
    return bool(value not in _OFF if need.value is None else value == need.value)


def _may_hold(need: Need, start: Mapping[str, Any], searched: Iterable[str]) -> bool:
    return need.key in searched or _holds(need, start[need.key])


def _table_domain(key: SearchKey, start: Mapping[str, Any]) -> BaseDistribution:
    """Return the table's domain; of the camera's motion the one at hand, which a trial may use or not."""
    if key.name == _CAMERA and start[key.name] != "none":
        return Choice(("none", start[key.name]))
    return key.domain


def _around(domain: BaseDistribution, start: Any) -> BaseDistribution:
    """Return the domain with `start` in it: more choices, a wider range, and no grid where it lies off the grid."""
    if isinstance(domain, Choice):
        return domain if start in domain.choices else Choice((*domain.choices, start))
    if isinstance(domain, Int):
        low, high = min(domain.low, start), max(domain.high, start)
        if domain.log:
            return Int(max(low, 1), high, log=True) if start >= 1 else Int(low, high)
        return Int(low, high, step=domain.step if (start - low) % domain.step == 0 else 1)
    if not isinstance(domain, Float):
        raise ValueError(f"domain: {domain} is none of the table's")
    low, high = min(domain.low, start), max(domain.high, start)
    if domain.log:
        return Float(low, high, log=low > 0)
    on_grid = low == domain.low and domain.step is not None and _is_on_grid(start, low, domain.step)
    return Float(low, high, step=domain.step if on_grid else None)


def _is_on_grid(value: float, low: float, step: float) -> bool:
    """Whether a value is exactly what a draw from the grid gives: one with few digits."""
    return value == round(low + round((value - low) / step) * step, DIGITS)


def _draw(trial: BaseTrial, key: SearchKey) -> Any:
    name, domain = key.full_name, key.domain
    if isinstance(domain, Choice):
        return trial.suggest_categorical(name, domain.choices)
    if isinstance(domain, Int):
        return trial.suggest_int(name, domain.low, domain.high, step=domain.step, log=domain.log)
    if not isinstance(domain, Float):
        raise ValueError(f"domain: {domain} is none of the table's")
    return trial.suggest_float(name, domain.low, domain.high, step=domain.step, log=domain.log)


def _rounded(value: Any, domain: BaseDistribution) -> Any:
    return round(value, DIGITS) if isinstance(domain, Float) and domain.step is not None else value
