import pytest

from fairmot.utils.errors import InputError
from fairmot.utils.registry import Registry


def test_registered_names_are_sorted_and_found() -> None:
    registry: Registry[int] = Registry("MODEL.BACKBONE")
    registry.register("b")(2)
    registry.register("a")(1)
    assert list(registry) == ["a", "b"]
    assert "a" in registry
    assert "c" not in registry
    assert registry["b"] == 2


def test_duplicate_name_raises() -> None:
    registry: Registry[int] = Registry("MODEL.BACKBONE")
    registry.register("a")(1)
    with pytest.raises(ValueError, match="'a' is registered twice"):
        registry.register("a")


def test_unknown_name_lists_the_choices() -> None:
    registry: Registry[int] = Registry("MODEL.BACKBONE")
    registry.register("dla_34")(1)
    with pytest.raises(InputError, match=r"MODEL\.BACKBONE: unknown 'dla34'; choose from dla_34"):
        registry["dla34"]
