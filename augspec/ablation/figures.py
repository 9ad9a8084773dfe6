"""The pictures of a report, as PNG."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from augspec.ablation.analyse import Row, Run
from augspec.ablation.plan import BASELINE
from augspec.ablation.words import NAMES

mpl.use("Agg")


def to_png(figure: Figure, dpi: int = 150) -> bytes:
    """Render a figure."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return file.getvalue()


def plain(text: str) -> str:
    """Escape dollar signs in a name, because matplotlib sets formulas between them."""
    return text.replace("$", r"\$")


def forest(rows: Sequence[Row], title: str) -> Figure:
    """Draw the difference of each arm from the baseline, with its interval."""
    figure = Figure(figsize=(7.0, 1.4 + 0.4 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        low, high = 100 * row["difference_low"], 100 * row["difference_high"]
        sure = row["verdict"] in ("helps", "hurts")
        axes.plot([low, high], [place, place], color="tab:blue", linewidth=2)
        axes.plot(
            100 * row["difference"], place, "o", color="tab:blue", mfc="tab:blue" if sure else "w"
        )
    axes.axvline(0.0, color="0.6", linewidth=1)
    axes.set_yticks(range(len(rows)), [plain(row["arm"]) for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel(
        f"{NAMES[rows[0]['metric']]}: difference from {BASELINE}, points (95 % interval)"
    )
    axes.set_title(plain(title), fontsize="medium")
    return figure


def heat_map(rows: Sequence[Mapping[str, Any]], trained: Mapping[str, Sequence[str]]) -> Figure:
    """Draw each arm's difference from the baseline under each condition, mean over severities.

    Args:
        rows: Of conditions.csv.
        trained: The conditions that each arm trained with; they are marked with a dot.
    """
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    names = list(dict.fromkeys(row["condition"] for row in rows))
    values = np.full((len(arms), len(names)), np.nan)
    for (i, arm), (j, name) in itertools.product(enumerate(arms), enumerate(names)):
        own = [r["difference"] for r in rows if (r["arm"], r["condition"]) == (arm, name)]
        values[i, j] = 100 * np.mean(own) if own else np.nan
    size = (max(7.0, 2.5 + 0.7 * len(names)), 1.8 + 0.4 * len(arms))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    most = max(5.0, float(np.nanmax(np.abs(values))))
    axes.imshow(values, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        dot = " •" if names[j] in trained[arms[i]] else ""
        text = "" if np.isnan(value) else f"{value:+.0f}{dot}"
        color = "w" if abs(value) > 0.6 * most else "k"
        axes.text(j, i, text, ha="center", va="center", fontsize=8, color=color)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(arms)), [plain(arm) for arm in arms])
    score = NAMES[rows[0]["metric"]]
    axes.set_title(
        f"{score}: difference from {BASELINE} in points; • the arm trained with it",
        fontsize="medium",
    )
    return figure


def learning_curves(runs: Mapping[str, Sequence[Run]]) -> Figure:
    """Draw the training loss of each arm: the mean over seeds, and their range."""
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for arm, of_arm in runs.items():
        losses = np.array([run["losses"] for run in of_arm])
        epoch = np.arange(1, losses.shape[1] + 1)
        (line,) = axes.plot(
            epoch, losses.mean(0), label=plain(arm), marker="." if len(epoch) < 30 else ""
        )
        axes.fill_between(
            epoch, losses.min(0), losses.max(0), color=line.get_color(), alpha=0.15, linewidth=0
        )
    # An axis around a single epoch would have ticks between whole numbers.
    axes.set_xlim(min(0.5, axes.get_xlim()[0]), max(1.5, axes.get_xlim()[1]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
    axes.legend(fontsize="small")
    return figure


def confusions(base: Sequence[Run], best: Sequence[Run], name: str) -> Figure:
    """Draw the confusions of the baseline and of another arm, in percent, and the change."""
    first, second = _shares(base), _shares(best)
    present = np.flatnonzero(np.isfinite(first).all(axis=1))
    classes = [plain(base[0]["classes"][i]) for i in present]
    name = plain(name)
    parts = [(first, BASELINE, "Blues", 0, 100), (second, name, "Blues", 0, 100)]
    parts.append((second - first, f"{name} less {BASELINE}", "RdBu", -50, 50))
    side = 1.5 + 0.33 * len(classes)
    figure = Figure(figsize=(3 * side, side + 0.4), layout="constrained")
    for axes, (values, title, colors, low, high) in zip(figure.subplots(1, 3), parts, strict=True):
        shown = values[np.ix_(present, present)]
        axes.imshow(shown, cmap=colors, vmin=low, vmax=high)
        for (i, j), value in np.ndenumerate(shown):
            if round(value):
                dark = abs(value) > 0.6 * high
                text = f"{value:.0f}" if low == 0 else f"{value:+.0f}"
                axes.text(
                    j, i, text, ha="center", va="center", fontsize=8, color="w" if dark else "k"
                )
        axes.set_xticks(range(len(classes)), classes, rotation=90)
        axes.set_yticks(range(len(classes)), classes)
        axes.set(title=title, xlabel="taken for")
    figure.axes[0].set_ylabel("is")
    return figure


def _shares(runs: Sequence[Run]) -> Any:
    total = np.sum([run["confusion"] for run in runs], axis=0).astype(float)
    counted = total.sum(axis=1, keepdims=True)
    return np.divide(100 * total, counted, out=np.full_like(total, np.nan), where=counted > 0)
