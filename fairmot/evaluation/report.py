"""Text table of an evaluation report."""

from collections.abc import Mapping

from fairmot.structures.report import EvalReport

PERCENTAGES = ("HOTA", "DetA", "AssA", "MOTA", "IDF1")
COUNTS = ("IDSW", "Frag", "CLR_FP", "CLR_FN", "MT", "PT", "ML")


def format_table(report: EvalReport) -> str:
    """Return aligned columns, one row per sequence and COMBINED last: percentages, then counts; `-` for no value."""
    titles = ["sequence", *PERCENTAGES, *(name.removeprefix("CLR_") for name in COUNTS)]
    scores_by_name = {**report.sequences, "COMBINED": report.combined}
    rows = [titles, *(_row(name, scores) for name, scores in scores_by_name.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
    aligned = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows)
    return "\n".join(map("  ".join, aligned))


def _row(name: str, scores: Mapping[str, float]) -> list[str]:
    percentages = [f"{100 * scores[key]:.1f}" if key in scores else "-" for key in PERCENTAGES]
    return [name, *percentages, *(str(int(scores[key])) if key in scores else "-" for key in COUNTS)]
