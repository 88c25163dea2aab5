from typing import Any

import pytest

from fairmot.config.keys import Key
from fairmot.utils.errors import InputError


@pytest.mark.parametrize(
    ("default", "item", "name", "value", "expected"),
    [
        (1.0, None, "float", 2, 2.0),
        (1.0, None, "float", "1e-4", 1e-4),
        ("", None, "str", 2024, "2024"),
        ((1, 2), None, "(int, int)", [3, 4], (3, 4)),
        ((), str, "(str, ...)", "a", ("a",)),
        ((20,), int, "(int, ...)", [], ()),
    ],
)
def test_coerce_returns_the_type_of_the_default(
    default: Any, item: type | None, name: str, value: Any, expected: Any
) -> None:
    key = Key(default, "", item=item)
    coerced = key.coerce(value)
    assert (key.type_name, coerced, type(coerced)) == (name, expected, type(expected))


@pytest.mark.parametrize(
    ("default", "value"),
    [
        (1, 1.0),
        (1, True),
        (True, 1),
        (1.0, True),
        (1.0, "1.0"),
        ("", None),
        ((1, 2), [1]),
        ((1, 2), [1, 2.0]),
        ((1,), 1),
    ],
)
def test_coerce_other_type_raises(default: Any, value: Any) -> None:
    with pytest.raises(TypeError):
        Key(default, "").coerce(value)


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        (Key("a", "", choices=("a", "b")), "c", "X: unknown 'c'; choose from a, b"),
        (Key(1, "", above=0), 0, "X = 0 must be above 0"),
        (Key(0, "", minimum=0), -1, "X = -1 must be at least 0"),
        (Key(0.5, "", minimum=0, maximum=1), 1.5, "X = 1.5 must be between 0 and 1"),
        (Key(0.5, "", minimum=0, below=1), 1.0, "X = 1.0 must be at least 0 and below 1"),
        (Key((32, 32), "", minimum=32), (64, 16), "X = (64, 16) must be at least 32"),
    ],
)
def test_check_value_outside_limits_raises(key: Key, value: Any, rule: str) -> None:
    key.check("X", key.default)
    with pytest.raises(InputError) as caught:
        key.check("X", value)
    assert str(caught.value) == rule
