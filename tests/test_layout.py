"""Rules of layout, naming and language that a program can check."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from helpers.locations import ROOT

PACKAGE = sorted((ROOT / "fairmot").rglob("*.py"))
MODULES = [path for path in PACKAGE if path.name != "__init__.py"]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
WORDS = ("told", "nobody", "whoever", "somebody", "looks", "sight", "whole", "pictures?")
ALLOWED = re.compile(r"not a whole number|whole \| first_half|\"whole\"|WHOLE")  # integers; a value of SPLIT
QUESTIONS = ("What", "Which", "Where", "When", "Who", "Whose", "How", "Why", "From", "To", "If", "As")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def names_of_tests(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name


def test_folders_hold_at_most_22_modules() -> None:
    counts = Counter(path.parent for path in MODULES)
    assert {relative(folder): count for folder, count in counts.items() if count > 22} == {}


def test_class_names_are_unique_in_the_package() -> None:
    names = Counter(
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_modules_have_a_mirrored_test_or_are_listed() -> None:
    """`fairmot/a/b.py` is tested by `tests/a/test_b.py`, or is listed in tests/tested_elsewhere.txt with a reason."""
    lines = (ROOT / "tests" / "tested_elsewhere.txt").read_text(encoding="utf-8").splitlines()[1:]
    listed = dict(line.split(": ", 1) for line in lines)
    missing = [path for path in MODULES if not mirrored_test(path).is_file()]
    assert {relative(path) for path in missing} == set(listed)
    assert [name for name, rest in listed.items() if not (ROOT / rest.split(": ")[0]).is_file()] == []


def mirrored_test(path: Path) -> Path:
    return ROOT / "tests" / path.relative_to(ROOT / "fairmot").with_name(f"test_{path.name}")


def test_test_names_are_at_most_70_characters() -> None:
    assert [f"{relative(path)}: {name}" for path in TESTS for name in names_of_tests(path) if len(name) > 70] == []


def test_tests_import_no_other_test() -> None:
    imports = re.compile(r"^\s*(?:from|import)\s+(?:tests\.|test_)\w+", re.MULTILINE)
    assert [relative(path) for path in TESTS if imports.search(path.read_text(encoding="utf-8"))] == []


def test_module_docstrings_begin_with_a_noun_phrase() -> None:
    first = {relative(path): (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split() for path in MODULES}
    assert {name: words[:3] for name, words in first.items() if not words or words[0].rstrip(",:") in QUESTIONS} == {}


def test_package_has_no_words_outside_the_vocabulary() -> None:
    pattern = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)
    lines = [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in PACKAGE
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(ALLOWED.sub("", line))
    ]
    assert lines == []
