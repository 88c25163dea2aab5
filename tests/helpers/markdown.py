"""Parts of a Markdown page: fenced code blocks, tables, links, headings and inline code."""

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\s*$")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
NUMBER = re.compile(r"(?<![\w.,^/-])[+-]?\d[\d.,]*(?:e-?\d+)?(?![\w^])")
WORDS = "algorithm|section|column|flag|commit|above|below|first|dimension|seed"  # a number after them is no figure
NAME_WITH_NUMBER = re.compile(
    rf"\b[A-Z]\w*-?\d+(?:/\d+)*\b|\b(?:{WORDS}) \d[\d.]*|\b\d+x\d\S*|\beq\. .*|\b(?:19|20)\d\d\b"
)


class Block(NamedTuple):
    """A fenced code block: line of its fence (from 1), language, content."""

    line: int
    language: str
    code: str


def code_blocks(text: str) -> list[Block]:
    """Return the fenced code blocks of a page."""
    blocks, start, language, lines = [], 0, "", list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if fence and not start:
            start, language, lines = number, fence["language"], []
        elif fence:
            blocks.append(Block(start, language, "\n".join(lines) + "\n"))
            start = 0
        elif start:
            lines.append(line)
    return blocks


def prose(text: str) -> str:
    """Return a page without its fenced code blocks, with the lines of equal number."""
    inside, lines = False, []
    for line in text.splitlines():
        inside ^= FENCE.match(line) is not None
        lines.append("" if inside or FENCE.match(line) else line)
    return "\n".join(lines)


def table_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each table row."""
    for number, line in enumerate(prose(text).splitlines(), 1):
        if line.lstrip().startswith("|"):
            yield number, [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def figures(cell: str) -> list[str]:
    """Return the figures of a table cell; code, links and names such as `MOT17` or `ResNet-18` are none.

    >>> figures("+4.9 (+3.9 to +6.5)"), figures("ResNet-34 with `(1, 2)`"), figures("0.99")
    (['+4.9', '+3.9', '+6.5'], [], ['0.99'])
    """
    plain = NAME_WITH_NUMBER.sub("", LINK.sub("", re.sub(r"`[^`]*`", "", cell)))
    return NUMBER.findall(plain.replace("*", ""))


def inline_code(text: str) -> list[str]:
    """Return the inline code spans of the prose, joined over line breaks."""
    paragraphs = re.split(r"\n\s*\n", prose(text))
    return [" ".join(span.split()) for part in paragraphs for span in re.findall(r"`([^`]+)`", part)]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(code: str) -> list[list[str]]:
    """Return the words of each command of a shell block, without comments."""
    joined = code.replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in joined.splitlines()]
    return [words for words in lines if words]
