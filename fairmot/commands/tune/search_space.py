"""Search space of the tracker keys: Optuna distributions from the table of keys, around the starting point."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.trial import BaseTrial

from fairmot.config.keys import Key, Search
from fairmot.config.tracker_keys import TRACKER
from fairmot.utils.errors import InputError

SECTION, ALL, CAMERA_MOTION = "TRACKER.", "all", "CAMERA_MOTION"  # camera motion must be in all caches
DIGITS = 6  # decimals of a value with a step: 0.2 + 3 * 0.01 is 0.23
_OFF = (False, 0, "none")


@dataclass(frozen=True)
class SearchKey:
    """A searched key of the TRACKER section; a float without a step starts off the table's grid."""

    name: str
    domain: BaseDistribution
    needs: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """The key's name in configurations and studies."""
        return SECTION + self.name


@dataclass(frozen=True)
class SearchSpace:
    """Searched keys, each after those that it needs, around `start`, a TRACKER section."""

    keys: tuple[SearchKey, ...]
    start: Mapping[str, Any]

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """Return the trial's values by name; a key without effect among the others is left out."""
        values: dict[str, Any] = {}
        for key in self.keys:
            if all(_is_met(need, {**self.start, **values}) for need in key.needs):
                values[key.name] = _suggest(trial, key)
        return values

    def first(self) -> dict[str, Any]:
        """Return the starting values by full name, as the first trial."""
        keys = [key for key in self.keys if all(_is_met(need, self.start) for need in key.needs)]
        return {key.full_name: self.start[key.name] for key in keys}

    @property
    def has_conditions(self) -> bool:
        """Whether a key's effect depends on another searched key."""
        searched = {key.name for key in self.keys}
        return any(_key_of(need) in searched for key in self.keys for need in key.needs)

    def to_dict(self) -> dict[str, str]:
        """Return each key's domain as JSON text."""
        return {key.full_name: distribution_to_json(key.domain) for key in self.keys}


def choose_space(start: Mapping[str, Any], names: Sequence[str] = ()) -> SearchSpace:
    """Return the space of the keys `names`, with or without their section, or `all`.

    start: the TRACKER section's values. Without names, the thresholds that have an effect there and the keys that are
    switched on; `all` excludes camera motion if it is off. Ranges are extended to contain the start.

    Raises InputError for an unknown key, or a named one that can have no effect.
    """
    table = search_table()
    strict = bool(names) and ALL not in names
    if not names:
        chosen = {name for name, (_, search) in table.items() if _is_default(search, start[name])}
    elif strict:
        chosen = {_known(name, table) for name in names}
    else:
        chosen = {name for name in table if name != CAMERA_MOTION or start[name] != "none"}
    kept: list[SearchKey] = []
    for name, (key, search) in table.items():
        if name not in chosen:
            continue
        searched = {other.name for other in kept}
        unmet = [need for need in search.needs if _key_of(need) not in searched and not _is_met(need, start)]
        if unmet and strict:
            condition = f"{_key_of(unmet[0])} is {unmet[0].partition('=')[2] or 'on'}"
            raise InputError(
                f"--keys: {SECTION}{name} has no effect unless {SECTION}{condition}; set that, or search it too"
            )
        if not unmet:
            kept.append(SearchKey(name, _domain(key, search, start[name]), search.needs))
    return SearchSpace(tuple(kept), dict(start))


def search_table() -> dict[str, tuple[Key, Search]]:
    """Return the searchable keys: switches, choices, then numbers, so that each follows those that it needs."""
    found = [(name, (key, key.search)) for name, key in TRACKER.items() if key.search is not None]
    order = {bool: 0, str: 1}
    return dict(sorted(found, key=lambda item: order.get(type(item[1][0].default), 2)))


def _is_default(search: Search, value: Any) -> bool:
    return search.when == "always" or (search.when == "when on" and value != search.off)


def _known(name: str, table: Collection[str]) -> str:
    short = name.removeprefix(SECTION)
    if short not in table:
        choices = ", ".join([ALL, *table])
        raise InputError(f"--keys: unknown {name}; choose from {choices} (overrides KEY VALUE go before --keys)")
    return short


def _key_of(need: str) -> str:
    return need.partition("=")[0]


def _is_met(need: str, values: Mapping[str, Any]) -> bool:
    name, _, expected = need.partition("=")
    return bool(values[name] == expected if expected else values[name] not in _OFF)


def _domain(key: Key, search: Search, start: Any) -> BaseDistribution:
    """Return the table's domain, extended to contain `start`."""
    default = key.default
    if isinstance(default, bool | str):
        choices = (False, True) if isinstance(default, bool) else search.choices or key.choices
        if key is TRACKER[CAMERA_MOTION] and start != "none":  # that of the caches, or none
            choices = ("none", start)
        return CategoricalDistribution((*choices, *({start} - set(choices))))
    low, high = min(search.low, start), max(search.high, start)
    if isinstance(default, int):
        low, high, step = int(low), int(high), int(search.step or 1)
        if search.log and start >= 1:
            return IntDistribution(max(low, 1), high, log=True)
        return IntDistribution(low, high, step=step if (start - low) % step == 0 else 1)
    on_grid = search.step and low == search.low and _is_on_grid(start, low, search.step)
    return FloatDistribution(low, high, step=search.step if on_grid else None)


def _is_on_grid(value: float, low: float, step: float) -> bool:
    return value == round(low + round((value - low) / step) * step, DIGITS)


def _suggest(trial: BaseTrial, key: SearchKey) -> Any:
    name, domain = key.full_name, key.domain
    if isinstance(domain, CategoricalDistribution):
        return trial.suggest_categorical(name, domain.choices)
    if isinstance(domain, IntDistribution):
        return trial.suggest_int(name, domain.low, domain.high, step=domain.step, log=domain.log)
    assert isinstance(domain, FloatDistribution)
    value = trial.suggest_float(name, domain.low, domain.high, step=domain.step)
    return value if domain.step is None else round(value, DIGITS)
