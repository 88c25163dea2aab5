"""Text table of an evaluation report."""

from collections.abc import Mapping

from fairmot.structures.report import EvalReport

PERCENTAGES = ("HOTA", "DetA", "AssA", "MOTA", "IDF1")
COUNTS = ("IDSW", "Frag", "CLR_FP", "CLR_FN", "MT", "PT", "ML")


def format_table(report: EvalReport) -> str:
    """Return aligned columns, one row per sequence and COMBINED last: percentages, then counts; `-` for no value."""
    titles = ["sequence", *PERCENTAGES, *(name.removeprefix("CLR_") for name in COUNTS)]
    rows = [
        titles,
        *(_row(name, scores) for name, scores in [*report.sequences.items(), ("COMBINED", report.combined)]),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
    return "\n".join("  ".join(_align(row, widths)) for row in rows)


def _row(name: str, scores: Mapping[str, float]) -> list[str]:
    percentages = [f"{100 * scores[key]:.1f}" if key in scores else "-" for key in PERCENTAGES]
    return [name, *percentages, *(str(int(scores[key])) if key in scores else "-" for key in COUNTS)]


def _align(row: list[str], widths: list[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
