"""The report of ``make bench``: one JSON document, and from that alone Markdown and charts.

The charts are drawn twice, on a transparent ground: for pages with light and with dark paper.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import AGREEMENT, MAX_RUNS, Figure, duration, times
from benchmarks.peers import CONTESTANTS, FLOOR, OURS, Standing

Report = dict[str, Any]

CHARTED = (
    "decode 918 B",
    "encode 918 B",
    "encode and sign 3,200 B of audio",
    "918 B from the wire to a TranscriptEvent",
    "4 MB of 918 B messages, fed at once",
    "16 MB message, fed in 64 KiB pieces",
)
"""The jobs of the overview."""

THEMES = {
    "light": {"ink": "#1f2328", "faint": "#59636e", "ours": "#0969da", "other": "#8c959f", "floor": "#c8ced5"},
    "dark": {"ink": "#f0f6fc", "faint": "#9198a1", "ours": "#4493f8", "other": "#6e7681", "floor": "#3d444d"},
}


def document(
    machine: Mapping[str, str],
    versions: Mapping[str, str],
    standings: Iterable[Standing],
    peaks: Mapping[str, float],
    figures: Iterable[Figure],
    memory: Iterable[Sequence[str]],
) -> Report:
    """All that was measured, as JSON has it. Times are medians in nanoseconds."""
    return {
        "machine": dict(machine),
        "versions": dict(versions),
        "jobs": [
            {"job": standing.job, "nanoseconds": standing.nanoseconds, "apart": standing.apart}
            for standing in standings
        ],
        "peaks": dict(peaks),
        "targets": [
            {
                "work": figure.row.work,
                "against": figure.row.against,
                "ours": figure.ours,
                "theirs": figure.theirs,
                "ratio": figure.ratio,
                "target": figure.target,
                "reached": figure.reached,
                "apart": figure.apart,
            }
            for figure in figures
        ],
        "memory": [dict(zip(("what", "measured", "bound"), row, strict=True)) for row in memory],
    }


def write(report: Report, directory: Path) -> None:
    """Write the document, the pages and the charts into a directory, which is made if it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    (directory / "README.md").write_text(page(report))
    for theme in THEMES:
        draw(report, theme, CHARTED, directory / f"overview-{theme}.svg")
        draw(report, theme, [job["job"] for job in report["jobs"]], directory / f"all-{theme}.svg")


# Markdown


def page(report: Report) -> str:
    return f"""# What was measured

`make bench` wrote this page, its charts and [report.json](report.json), from which both are made.

{conditions(report)}

{agreement(report)}

## Against the other codecs

Median time for one message, in CPU time of the thread; parentheses say how many times slower than our native codec. The
`floor` is one ISA-L checksum and one copy of the payload; for signing, the two hashes and the HMAC of a signature; for
typed events, msgspec's parsing alone. AWS's codec in C is called and timed in C, so its times contain no Python.

{picture("all", "Time for one message, by codec and job")}

{peers_table(report)}

## Memory while a 16 MB message arrives in 64 KiB pieces

The largest growth of the resident set, as a multiple of the message.

{_table(("codec", "peak"), [(name, times(peak)) for name, peak in report["peaks"].items()], "|--:")}

## Against our targets

With `≥` the ratio says how much faster we are, with `≤` what we cost; a missed target says so.

{targets_table(report)}

{_table(("memory and import", "measured", "bound"), [tuple(row.values()) for row in report["memory"]], "|--:|--:")}
"""


def conditions(report: Report) -> str:
    """Where and against what, in two lines."""
    machine = ", ".join(f"{name} {value}" if name != "cpu" else value for name, value in report["machine"].items())
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items() if name != OURS)
    return f"> {machine}\\\n> against {versions}"


def agreement(report: Report) -> str:
    """Return how well the runs agree, in a few sentences."""
    found = [row["apart"] for row in (*report["jobs"], *report["targets"])]
    within = sum(value <= AGREEMENT for value in found)
    return (
        f"Everything was measured twice, each comparison in rounds, and up to {MAX_RUNS} times where runs differed by "
        f"more than {100 * AGREEMENT:.0f} %; the two that agree best count. Their ratios differ by "
        f"{100 * statistics.median(found):.1f} % in the median and by {100 * max(found):.0f} % at most; "
        f"{within} of {len(found)} are within {100 * AGREEMENT:.0f} %."
    )


def picture(name: str, description: str, directory: str = "") -> str:
    """Return a chart that follows the reader's choice of light or dark."""
    return (
        f'<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="{directory}{name}-dark.svg">\n'
        f'  <img alt="{description}" src="{directory}{name}-light.svg">\n</picture>'
    )


def peers_table(report: Report, jobs: Sequence[str] | None = None) -> str:
    """Return a row for each job, a column for each codec: its time, and the factor by which ours is faster."""
    columns = [name for name in (FLOOR, *CONTESTANTS) if any(name in job["nanoseconds"] for job in report["jobs"])]
    rows = []
    for job in report["jobs"]:
        if jobs is None or job["job"] in jobs:
            found = job["nanoseconds"]
            cells = [_cell(found.get(name), found[OURS], name) for name in columns]
            rows.append((job["job"], *cells))
    return _table(("job", *columns), rows, "|--:" * len(columns))


def _cell(nanoseconds: float | None, ours: float, name: str) -> str:
    if nanoseconds is None:
        return "–"
    if name == OURS:
        return f"**{duration(nanoseconds)}**"
    return f"{duration(nanoseconds)} ({times(nanoseconds / ours)})"


def targets_table(report: Report) -> str:
    rows = [
        (
            row["work"],
            row["against"],
            duration(row["ours"]),
            duration(row["theirs"]),
            times(row["ratio"]) + ("" if row["reached"] else " (missed)"),
            row["target"],
            f"{100 * row['apart']:.0f} %",
        )
        for row in report["targets"]
    ]
    return _table(("work", "against", "ours", "theirs", "ratio", "target", "runs differ by"), rows, "|---" + "|--:" * 5)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], alignment: str) -> str:
    lines = [f"| {' | '.join(head)} |", f"|---{alignment}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


# Charts


def draw(report: Report, theme: str, jobs: Sequence[str], path: Path) -> None:
    """Draw a panel for each job: the time of each codec over ours, from 1 on a logarithmic axis."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    colours = THEMES[theme]
    standings = [job["nanoseconds"] for name in jobs for job in report["jobs"] if job["job"] == name]
    columns = 2
    lines = -(-len(standings) // columns)
    most = max(map(len, standings))
    # Text stays text; ids and dates do not change from one drawing to the next.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "eventstream", "font.family": "sans-serif"}):
        canvas = Canvas(figsize=(10, (0.3 * most + 0.35) * lines), layout="constrained")
        canvas.get_layout_engine().set(h_pad=0.1, w_pad=0.1)
        grid = canvas.subplots(lines, columns, squeeze=False).flatten()
        for axes, name, found in zip(grid, jobs, standings, strict=False):
            ranked = sorted(found, key=lambda contestant: found[contestant], reverse=True)
            ratios = [found[contestant] / found[OURS] for contestant in ranked]
            shades = [colours.get({OURS: "ours", FLOOR: "floor"}.get(contestant, "other")) for contestant in ranked]
            positions = range(len(ranked))
            axes.axvline(1, color=colours["floor"], linewidth=1, zorder=0)
            axes.hlines(positions, 1, ratios, colors=shades, linewidth=4)
            axes.scatter(ratios, positions, s=42, c=shades, zorder=3)
            axes.set_yticks(positions, ranked)
            axes.set_xscale("log")
            axes.set_xlim(min(ratios) / 1.6, max(ratios) ** 1.45 * 2)  # room for the last text
            axes.set_ylim(len(ranked) - most - 0.6, len(ranked) - 0.4)
            for position, (contestant, ratio) in enumerate(zip(ranked, ratios, strict=True)):
                text = duration(found[contestant]) + ("" if contestant == OURS else f" · {times(ratio)}")
                axes.annotate(
                    text,
                    (max(ratio, 1), position),
                    (7, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=8,
                    color=colours["ink"],
                )
            axes.set_title(name, loc="left", fontsize=10, color=colours["ink"])
            axes.tick_params(axis="y", length=0, labelsize=8, labelcolor=colours["faint"])
            axes.xaxis.set_visible(False)
            axes.spines[:].set_visible(False)
        for axes in grid[len(standings) :]:
            axes.remove()
        canvas.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
