"""What the runs of an ablation say: differences from the baseline, a figure and a report.

Used by ablation.py, which makes the runs.
"""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

Run = dict[str, Any]  # one run: what OUT/runs/*.json holds
Row = dict[str, Any]  # one arm: a line of summary.csv

RESAMPLES = 10_000  # of the bootstrap: the ends of a 95 % interval are then good to 0.1 points


# --- Analysis -------------------------------------------------------------------------------------


def summarise(runs: dict[str, list[Run]]) -> list[Row]:
    """Make a row an arm; ``runs`` holds each arm's runs, the seeds in the same order."""
    rng = np.random.default_rng(0)
    first = runs["none"][0]
    names, codes = np.unique(first["instruments"], return_inverse=True)
    family = np.zeros(len(names), dtype=int)
    family[codes] = first["labels"]
    weights = resample_instruments(family, rng)
    picks = rng.integers(len(runs["none"]), size=(RESAMPLES, len(runs["none"])))
    scores = {arm: macro_recalls(of_arm, codes, family, weights) for arm, of_arm in runs.items()}
    rows = []
    for arm, of_arm in runs.items():
        paired = np.array(
            [
                run["macro_recall"] - base["macro_recall"]
                for run, base in zip(of_arm, runs["none"], strict=True)
            ]
        )
        low, high = interval(scores[arm] - scores["none"], picks)
        rows.append(
            {
                "arm": arm,
                "seeds": len(of_arm),
                "accuracy": np.mean([run["accuracy"] for run in of_arm]),
                "macro_recall": np.mean([run["macro_recall"] for run in of_arm]),
                "difference": paired.mean(),
                "difference_low": low,
                "difference_high": high,
                "seconds": np.mean([run["seconds"] for run in of_arm]),
                "spread": paired.std(ddof=1) if len(paired) > 1 else None,
            }
        )
    return rows


def resample_instruments(family: NDArray[np.int_], rng: np.random.Generator) -> NDArray[np.int_]:
    """Draw how often each instrument counts: as many of each family as there are, with repeats.

    Notes of one instrument are alike, so what a new sample would change is the instruments.
    """
    weights = np.zeros((RESAMPLES, len(family)), dtype=int)
    for label in np.unique(family):
        members = np.flatnonzero(family == label)
        share = np.full(len(members), 1 / len(members))
        weights[:, members] = rng.multinomial(len(members), share, size=RESAMPLES)
    return weights


def macro_recalls(
    runs: list[Run], codes: NDArray[np.int_], family: NDArray[np.int_], weights: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Score each resample of the instruments and each run: (resample, run)."""
    members = np.eye(family.max() + 1)[family][:, np.unique(family)]  # (instrument, family)
    notes = (weights * np.bincount(codes)) @ members
    scores = []
    for run in runs:
        hits = np.equal(run["labels"], run["predictions"])
        scores.append((weights * np.bincount(codes, hits)) @ members / notes)
    mean: NDArray[np.float64] = np.stack(scores, axis=1).mean(axis=2)
    return mean


def interval(differences: NDArray[np.float64], picks: NDArray[np.int_]) -> tuple[float, float]:
    """Give the 95 % percentile interval over instruments and seeds.

    A resample of n seeds varies too little by n - 1 in n; their deviations are widened by the root
    of the inverse. One seed says nothing about seeds: the interval is then of instruments only.
    """
    seeds = differences.shape[1]
    mean = differences.mean(axis=1, keepdims=True)
    widened = (differences - mean) * np.sqrt(seeds / max(seeds - 1, 1))
    drawn = mean[:, 0] + np.take_along_axis(widened, picks, axis=1).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


# --- Outputs --------------------------------------------------------------------------------------
COLUMNS = ["arm", "seeds", "accuracy", "macro_recall"]
COLUMNS += ["difference", "difference_low", "difference_high", "seconds"]


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, whenever the process is stopped."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def write_csv(rows: list[Row], path: Path) -> None:
    """Write one line an arm, fractions of one."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            numbers = [f"{row[name]:.6f}" for name in COLUMNS[2:]]
            writer.writerow([row["arm"], row["seeds"], *numbers])


def draw_figure(rows: list[Row], title: str, path: Path) -> None:
    """Draw a forest plot: the difference of each arm with its interval."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, 1.4 + 0.45 * len(rows)), layout="constrained")
    for place, row in enumerate(rows):
        low, high = 100 * row["difference_low"], 100 * row["difference_high"]
        axes.plot([low, high], [place, place], color="tab:blue", linewidth=2)
        axes.plot(100 * row["difference"], place, "o", color="tab:blue")
    axes.axvline(0.0, color="0.6", linewidth=1)
    axes.set_yticks(range(len(rows)), [row["arm"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("macro recall: difference from none, points (95 % interval)")
    axes.set_title(title, fontsize="medium")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def describe(rows: list[Row]) -> str:
    """Say what the intervals are."""
    text = (
        "Seconds are of one run; the first that needs a kernel compiles it. Difference: of macro "
        "recall from none in points, paired by seed, ± its standard deviation over seeds; "
        "[95 % interval], a bootstrap of validation instruments within families and of seeds."
    )
    if rows[0]["seeds"] == 1:
        text += " With one seed it says nothing about how training varies: take more (--seeds 3)."
    return text


def cells(row: Row) -> list[str]:
    """Format a row for people: percent and points."""
    spread = "" if row["spread"] is None else f" ± {100 * row['spread']:.1f}"
    low, high = 100 * row["difference_low"], 100 * row["difference_high"]
    base = row["arm"] == "none"
    return [
        row["arm"],
        f"{100 * row['accuracy']:.1f} %",
        f"{100 * row['macro_recall']:.1f} %",
        "" if base else f"{100 * row['difference']:+.1f}{spread}",
        "" if base else f"[{low:+.1f}, {high:+.1f}]",
        f"{row['seconds']:.1f}",
    ]


HEADINGS = ["arm", "accuracy", "macro recall", "difference", "95 % interval", "seconds"]

REPORT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; display: block; overflow-x: auto }
td, th { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #ccc }
td:first-child, th:first-child { text-align: left }
img { max-width: 100% } pre { overflow-x: auto; background: #f4f4f4; padding: .75rem }
</style>
<h1>{{ title }}</h1>
<table><tr>{% for name in headings %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table>
<p>{{ note }}</p>
<img alt="Differences from none with their intervals" src="data:image/png;base64,{{ figure }}">
<h2>Arms</h2>
<pre>{% for arm, chain in arms.items() %}{{ arm }}: {{ chain }}
{% endfor %}</pre>
<h2>Command</h2>
<pre>{{ command }}</pre>
<h2>Versions</h2>
<pre>{{ versions }}</pre>
</html>
"""


def report(runs: dict[str, list[Run]], title: str, command: str, out: Path) -> None:
    """Write the summary, the figure and the report; print the table and the figure's path."""
    rows = summarise(runs)
    write_csv(rows, out / "summary.csv")
    draw_figure(rows, title, out / "figure.png")
    page = jinja2.Environment(autoescape=True).from_string(REPORT)
    html = page.render(
        title=title,
        headings=HEADINGS,
        rows=[cells(row) for row in rows],
        note=describe(rows),
        figure=base64.b64encode((out / "figure.png").read_bytes()).decode(),
        arms={arm: of_arm[0]["config"]["transforms"] for arm, of_arm in runs.items()},
        command=command,
        versions=json.dumps(runs["none"][0]["versions"]),
    )
    write(out / "report.html", html)
    table = Table(title=title)
    for place, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*cells(row))
    console = Console()
    console.print(describe(rows), highlight=False)
    console.print(table)
    # Not through the console, which would break a long path into lines.
    print(f"Report: {out / 'report.html'}")
    print(f"Figure: {out / 'figure.png'}")
