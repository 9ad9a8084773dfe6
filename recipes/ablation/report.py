"""The files that a study leaves: tables for programs and for people, pictures, one page for all."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import soundfile
from matplotlib.figure import Figure

from ablation import figures
from ablation.analyse import WORTH_SEEING, Row, Run
from ablation.data import Notes
from ablation.execute import write
from augspec import features as F
from augspec import plot

COLUMNS = ["arm", "seeds", "accuracy", "macro_recall"]
COLUMNS += ["difference", "difference_low", "difference_high", "seconds"]
HEADINGS = [
    "arm", "accuracy", "macro recall", "difference", "95 % interval", "p (Holm)",
    "", "ECE", "s", "s/epoch", "MB", "s writing", "MB on disk",
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
        f"{row['seconds_writing']:.1f}" if row["seconds_writing"] else "",
        f"{row['disk_mb']:.1f}" if row["disk_mb"] else "",
    ]


def table(rows: Sequence[Row]) -> list[list[str]]:
    """Format the headings and all rows, without columns in which nothing is said."""
    texts = [cells(row) for row in rows]
    kept = [place for place in range(len(HEADINGS)) if any(text[place] for text in texts)]
    return [[text[place] for place in kept] for text in (HEADINGS, *texts)]


def recalls(rows: Sequence[Row]) -> list[list[str]]:
    """Format the recall of each class by arm; a star marks classes of one scored instrument."""
    names = list(dict.fromkeys(name for row in rows for name in row["recall"]))
    alone = _alone(rows)
    texts = [
        [f"{100 * row['recall'][name]:.1f}" if name in row["recall"] else "" for name in names]
        for row in rows
    ]
    headings = ["arm", *(f"{name} *" if name in alone else name for name in names)]
    return [headings, *([row["arm"], *own] for row, own in zip(rows, texts, strict=True))]


def _alone(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row["alone"]))


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
    if any(row["seconds_writing"] for row in rows):
        text += " The seconds of pictures hold those of writing them, which are also given alone."
    alone = ", ".join(f"{name} *" for name in _alone(rows))
    if alone:
        text += f" {alone}: one scored instrument, so its interval says nothing about others."
    return text


def to_markdown(title: str, rows: Sequence[Row], origin: Sequence[str]) -> str:
    """Make tables that can be pasted."""
    lines = [f"## {title}", "", *(f"`{text}`  " for text in origin), "", *_lines(table(rows))]
    lines += ["", describe(rows), "", "Recall of each class in percent:", ""]
    return "\n".join([*lines, *_lines(recalls(rows)), ""])


def _lines(texts: Sequence[Sequence[str]]) -> list[str]:
    # Between bars a bar would be another cell, and an angle bracket could be a tag.
    escaped = [[cell.replace("|", "\\|").replace("<", "&lt;") for cell in row] for row in texts]
    lines = ["| " + " | ".join(row) + " |" for row in escaped]
    return [lines[0], "|---|" + "---:|" * (len(texts[0]) - 1), *lines[1:]]


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
        picture = Figure(figsize=(4.0, 2.6), layout="constrained")
        plot.specgram(
            feature(samples[None, None])[0],
            feature,
            ax=picture.subplots(),
            title=figures.plain(title),
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


def _each_once(found: Iterable[Any]) -> list[Any]:
    """List what differs between runs, in their order: a study may go on with another version."""
    return list(dict.fromkeys(found))


def settings(run: Run) -> dict[str, Any]:
    """Give what of a run's config is not its arm's or its seed."""
    named = ("arm", "transforms", "seed")
    return {name: value for name, value in run["config"].items() if name not in named}


def parameters(run: Run, first: Run) -> Any:
    """Give an arm's transforms, and whatever else of its config is not as the first arm's."""
    base, transforms = settings(first), run["config"]["transforms"]
    own = {name: value for name, value in settings(run).items() if value != base[name]}
    return {"transforms": transforms, **own} if own else transforms


def _best(rows: Sequence[Row]) -> tuple[str, str]:
    """Name the arm with the largest difference, behind the baseline that it is compared with."""
    base, pairs = "", []
    for row in rows:
        base = row["arm"] if row["verdict"] == "baseline" else base
        pairs.append((row["verdict"] != "baseline", row["difference"], base, row["arm"]))
    return max(pairs)[2:]


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
    every = [run for of_arm in runs.values() for run in of_arm]
    first = every[0]
    origin = _each_once(run["command"] for run in every)
    origin += [f"commit {name}" for name in _each_once(run.get("commit") for run in every) if name]
    base, best = _best(rows)
    pictures = {
        "figure": figures.forest(rows, title),
        "curves": figures.learning_curves(runs),
        "confusions": figures.confusions(runs[base], runs[best], best),
    }
    embedded = {}
    for name, picture in pictures.items():
        content = figures.to_png(picture)
        (out / f"{name}.png").write_bytes(content)
        embedded[name] = _embed(content)
    write_csv(rows, out / "summary.csv")
    write(out / "summary.md", to_markdown(title, rows, origin))
    page = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True
    ).get_template("report.html")
    html = page.render(
        title=title,
        table=table(rows),
        note=describe(rows),
        pictures=embedded,
        recalls=recalls(rows),
        confusions=[] if notes is None else worst_confusions(runs[rows[0]["arm"]], notes),
        arms={arm: json.dumps(parameters(of_arm[0], first)) for arm, of_arm in runs.items()},
        settings=settings(first),
        origin=origin,
        versions=_each_once(
            ", ".join(f"{name} {version}" for name, version in run["versions"].items())
            for run in every
        ),
    )
    write(out / "report.html", html)
