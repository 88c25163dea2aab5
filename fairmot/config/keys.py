"""Entries of the configuration tables: default, allowed values, unit, description and search range of a key."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from fairmot.utils.errors import InputError


@dataclass(frozen=True)
class Search:
    """How `fairmot tune` varies a key of the TRACKER section.

    low, high: range of a number. step: distance of its values from `low` on; None = any value. log: on a logarithmic
    scale. choices: of text, where they are not all the key's.
    needs: keys without which this one has no effect, as "KEY" (switched on) or "KEY=value".
    when: searched always, unless its value is `off` ("when on"), or only where it is named ("by name").
    off: with "when on", the value that switches the key off.
    """

    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False
    choices: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    when: Literal["always", "when on", "by name"] = "always"
    off: Any = None


def switch(*needs: str, choices: tuple[str, ...] = ()) -> Search:
    """Return the search of a key whose values are a few choices: only where it is named."""
    return Search(choices=choices, needs=needs, when="by name")


@dataclass(frozen=True)
class Key:
    """One configuration key; its type is that of the default.

    choices: all allowed values. minimum, maximum: inclusive limits; above, below: exclusive ones; of each value of a
    tuple. item: type of the values of a tuple of any length; None = as many values as the default has, of its types.
    values: allowed values in words, where the limits do not say it.
    """

    default: Any
    description: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    unit: str = ""
    item: type | None = None
    values: str = ""
    search: Search | None = None

    @property
    def type_name(self) -> str:
        """The type, e.g. `int`, `(int, int)` for a pair, `(int, ...)` for any number of values."""
        if not isinstance(self.default, tuple):
            return type(self.default).__name__
        items = [self.item.__name__, "..."] if self.item else [type(item).__name__ for item in self.default]
        return f"({', '.join(items)})"

    @property
    def limits(self) -> str:
        """The allowed range in words, empty where any value is allowed.

        >>> Key(0.5, "", minimum=0, maximum=1).limits, Key(0.9, "", minimum=0, below=1).limits
        ('between 0 and 1', 'at least 0 and below 1')
        """
        if self.minimum is not None and self.maximum is not None:
            return f"between {self.minimum} and {self.maximum}"
        limits = {"above": self.above, "at least": self.minimum, "below": self.below, "at most": self.maximum}
        return " and ".join(f"{word} {limit}" for word, limit in limits.items() if limit is not None)

    def coerce(self, value: Any) -> Any:
        """Return `value` in the key's type; TypeError where it does not fit. An int fits a float, a list a tuple."""
        if not isinstance(self.default, tuple):
            return _coerce(value, type(self.default))
        if isinstance(value, str) and self.item is str:
            return (value,)
        types = [type(item) for item in self.default]
        if not isinstance(value, list | tuple) or not (self.item or len(value) == len(types)):
            raise TypeError(value)
        return tuple(map(_coerce, value, [self.item] * len(value) if self.item else types))

    def check(self, name: str, value: Any) -> None:
        """Raise InputError, which calls the key `name`, where `value` is not allowed; its type is taken as right."""
        if self.choices and value not in self.choices:
            raise InputError(f"{name}: unknown {value!r}; choose from {', '.join(self.choices)}")
        if not all(self._is_within(number) for number in (value if isinstance(value, tuple) else (value,))):
            raise InputError(f"{name} = {value!r} must be {self.limits}")

    def _is_within(self, number: Any) -> bool:
        return (
            (self.minimum is None or number >= self.minimum)
            and (self.maximum is None or number <= self.maximum)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )


def fraction(default: float, description: str, search: Search | None = None) -> Key:
    """Return a key with values from 0 to 1."""
    return Key(default, description, minimum=0, maximum=1, search=search)


def choice(choices: tuple[str, ...], description: str, search: Search | None = None) -> Key:
    """Return a key with the values `choices`, of which the first is the default."""
    return Key(choices[0], description, choices, search=search)


_EXPONENT = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+")  # YAML 1.1 reads 1e-4, without a point, as text


def _coerce(value: Any, kind: type) -> Any:
    is_number = type(value) in (int, float) or (isinstance(value, str) and _EXPONENT.fullmatch(value))
    if (kind is float and is_number) or (kind is str and isinstance(value, str | int | float)):
        return kind(value)
    if type(value) is not kind:
        raise TypeError(value)
    return value
