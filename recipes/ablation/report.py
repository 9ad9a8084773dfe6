"""The files that a study leaves: tables for programs and for people, pictures, one page for all."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import soundfile

from ablation import figures
from ablation.analyse import WORTH_SEEING, Row, Run
from ablation.data import Notes
from ablation.execute import write
from augspec import features as F

COLUMNS = ["arm", "seeds", "accuracy", "macro_recall"]
COLUMNS += ["difference", "difference_low", "difference_high", "seconds"]
HEADINGS = [
    "arm", "accuracy", "macro recall", "difference", "95 % interval", "p (Holm)",
    "", "ECE", "s", "s/epoch", "MB",
]  # fmt: skip
ON_SCREEN = [0, 1, 2, 3, 4, 8]  # those that fit a terminal
PLAYERS = 6  # worst confusions that can be looked at and listened to


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write one line an arm, fractions of one."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        numbers = [f"{row[name]:.6f}" for name in COLUMNS[2:]]
        writer.writerow([row["arm"], row["seeds"], *numbers])
    write(path, text.getvalue())


def cells(row: Row) -> list[str]:
    """Format a row for people: percent and points."""
    spread = "" if row["spread"] is None else f" ± {100 * row['spread']:.1f}"
    low, high = 100 * row["difference_low"], 100 * row["difference_high"]
    base = row["verdict"] == "baseline"
    return [
        row["arm"],
        f"{100 * row['accuracy']:.1f} %",
        f"{100 * row['macro_recall']:.1f} %",
        "" if base else f"{100 * row['difference']:+.1f}{spread}",
        "" if base else f"[{low:+.1f}, {high:+.1f}]",
        "" if base else f"{row['p_holm']:.3f}",
        row["verdict"],
        f"{100 * row['calibration_error']:.1f} %",
        f"{row['seconds']:.1f}",
        f"{row['seconds_per_epoch']:.1f}",
        f"{row['peak_memory_mb']:.0f}",
    ]


def describe(rows: Sequence[Row]) -> str:
    """Say what the columns are, and what can be seen with so many seeds."""
    text = (
        "Difference: of macro recall from the baseline in points, paired by seed, ± its standard "
        "deviation over seeds; [95 % interval]: a bootstrap of the scored instruments within "
        "families and of seeds; p: a sign-flip test over instruments, corrected by Holm's method "
        "for the number of arms. ECE: expected calibration error. Seconds are of one run with its "
        "scoring (the first that needs a kernel compiles it), and of the median epoch; MB is the "
        "most memory that the process had taken by the end of a run."
    )
    if rows[0]["seeds"] == 1:
        text += " With one seed it says nothing about how training varies: take more (--seeds 3)."
    needed = {row["seeds_needed"] for row in rows if row["seeds_needed"]}
    if needed:
        text += (
            f" To see {100 * WORTH_SEEING:.0f} points between trainings in 8 of 10 studies, these "
            f"spreads ask for {min(needed)} to {max(needed)} seeds."
        )
    return text


def to_markdown(title: str, rows: Sequence[Row], command: str) -> str:
    """Make a table that can be pasted."""
    lines = [f"## {title}", "", f"`{command}`", ""]
    lines += ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    lines += [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in cells(row)) + " |" for row in rows
    ]
    return "\n".join([*lines, "", describe(rows), ""])


def worst_confusions(runs: Sequence[Run], notes: Notes) -> list[dict[str, Any]]:
    """Take notes of the most frequent confusions: what they are, what they were taken for."""
    wrong: Counter[tuple[int, int]] = Counter()
    first: dict[tuple[int, int], int] = {}
    for run in runs:
        for at, (truth, guess) in enumerate(zip(run["labels"], run["predictions"], strict=True)):
            if truth != guess:
                wrong[truth, guess] += 1
                first.setdefault((truth, guess), at)
    classes = runs[0]["classes"]
    feature = F.LogMelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=64)
    found = []
    for (truth, guess), count in wrong.most_common(PLAYERS):
        note = notes[first[truth, guess]]
        samples = note["waveform"].mean(0)
        title = f"{classes[truth]} taken for {classes[guess]}"
        picture = figures.log_mel(
            feature(samples[None, None])[0, 0].numpy(), title, len(samples) / 16_000
        )
        sound = io.BytesIO()
        soundfile.write(sound, samples.numpy(), 16_000, format="FLAC")
        found.append(
            {
                "title": title,
                "text": f"{note['instrument']}, pitch {note['pitch']}: {count} notes in "
                f"{len(runs)} runs",
                "picture": _embed(figures.to_png(picture, dpi=100)),
                "sound": _embed(sound.getvalue()),
            }
        )
    return found


def _embed(content: bytes) -> str:
    return base64.b64encode(content).decode()


def report(
    title: str,
    runs: Mapping[str, Sequence[Run]],
    rows: Sequence[Row],
    notes: Notes | None,
    out: Path,
) -> None:
    """Write summary.csv, summary.md, the figures and report.html into ``out``.

    Args:
        title: Of the study.
        runs: Each arm's runs.
        rows: What `ablation.analyse.summarise` made of them, perhaps of several cells; a baseline
            comes first.
        notes: The scored notes, for pictures and sound of the worst confusions; None leaves them
            out.
        out: The folder.
    """
    first = next(iter(runs.values()))[0]
    base = rows[0]["arm"]
    arms = [row for row in rows if row["verdict"] != "baseline"]
    best = max(arms or rows, key=lambda row: row["difference"])
    pictures = {
        "figure": figures.forest(rows, title),
        "curves": figures.learning_curves(runs),
        "confusions": figures.confusions(runs[base], runs[best["arm"]], best["arm"]),
    }
    embedded = {}
    for name, picture in pictures.items():
        content = figures.to_png(picture)
        (out / f"{name}.png").write_bytes(content)
        embedded[name] = _embed(content)
    write_csv(rows, out / "summary.csv")
    write(out / "summary.md", to_markdown(title, rows, first["command"]))
    page = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True
    ).get_template("report.html")
    html = page.render(
        title=title,
        headings=HEADINGS,
        rows=[cells(row) for row in rows],
        note=describe(rows),
        pictures=embedded,
        recalls=[(row["arm"], row["recall"]) for row in rows],
        confusions=[] if notes is None else worst_confusions(runs[base], notes),
        arms={arm: json.dumps(of_arm[0]["config"]["transforms"]) for arm, of_arm in runs.items()},
        settings={
            k: v for k, v in first["config"].items() if k not in ("arm", "transforms", "seed")
        },
        command=first["command"],
        versions=first["versions"],
    )
    write(out / "report.html", html)
