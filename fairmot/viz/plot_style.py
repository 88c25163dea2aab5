"""Colours and matplotlib settings of all plots."""

BAR, INK, GRID, ACCENT = "#3b6ea8", "#22252a", "#d9dce1", "#c8502d"
STYLE = {
    "font.size": 9.5,
    "axes.edgecolor": "#8a9099",
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
