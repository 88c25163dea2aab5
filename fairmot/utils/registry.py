"""Typed registry of named values to which other code may add, such as backbones."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from fairmot.utils.errors import InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """Mapping of names to values. A duplicate name raises ValueError, an unknown one InputError with the choices.

    >>> colours: Registry[str] = Registry("COLOUR")
    >>> _ = colours.register("red")("#f00")
    >>> colours["red"]
    '#f00'
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that stores its argument under `name`."""
        if name in self._entries:
            raise ValueError(f"{self._key}: {name!r} is registered twice")

        def store(value: T) -> T:
            self._entries[name] = value
            return value

        return store

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise InputError(f"{self._key}: unknown {name!r}; choose from {', '.join(self)}")
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __contains__(self, name: object) -> bool:
        return name in self._entries
