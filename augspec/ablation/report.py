"""The result files of a study: tables, pictures, and one page with all of them."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import soundfile
from matplotlib.figure import Figure

from augspec import features as F
from augspec import plot
from augspec.ablation import figures
from augspec.ablation.analyse import WORTH_SEEING, Row, Run
from augspec.ablation.data import Notes
from augspec.ablation.files import csv_text, write_bytes, write_text
from augspec.ablation.optional import optional
from augspec.ablation.tags import MAP, MICRO
from augspec.ablation.words import NAMES, count, sentences, things

COLUMNS = ["arm", "seeds", "accuracy", "macro_recall"]
COLUMNS += ["difference", "difference_low", "difference_high", "seconds"]
# Studies of tags have more columns, after those of every study.
TAG_COLUMNS = [MAP, MICRO, "map_difference", "map_difference_low", "map_difference_high"]
CONDITION_COLUMNS = ["arm", "condition", "severity", "seeds", "accuracy", "macro_recall"]
CONDITION_COLUMNS += ["difference", "difference_low", "difference_high"]
HEADINGS = [
    "arm", "accuracy", "macro recall", "difference", "95 % interval", "p (Holm)",
    "", "ECE", "s", "s/epoch", "MB", "s writing", "MB on disk", "macro recall", "micro AP",
]  # fmt: skip
ON_SCREEN = [0, 1, 2, 3, 4, 8]  # columns that fit a terminal
PLAYERS = 6  # worst confusions with picture and player


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write one line per arm, as fractions of one."""
    columns = COLUMNS + _more_columns(rows)
    lines = [columns]
    for row in map(_flat, rows):
        numbers = [f"{row[name]:.6f}" for name in columns[2:]]
        lines.append([row["arm"], row["seeds"], *numbers])
    write_text(path, csv_text(lines))


def _more_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return TAG_COLUMNS if rows and rows[0]["metric"] == MAP else []


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row whose ``difference`` is of macro recall, for any score of the study."""
    if row["metric"] != MAP:
        return dict(row)
    names = ("difference", "difference_low", "difference_high")
    return {**row, **{f"map_{name}": row[name] for name in names}, **row["others"]["macro_recall"]}


class Robustness(NamedTuple):
    """The results of arms under conditions: see `augspec.ablation.robust`."""

    rows: list[dict[str, Any]]  # of conditions.csv
    means: list[dict[str, Any]]  # one an arm


def write_conditions(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write one line per arm, condition and severity, as fractions of one."""
    columns = CONDITION_COLUMNS + _more_columns(rows)
    lines = [columns]
    for row in map(_flat, rows):
        named = [row[name] for name in columns[:4]]
        lines.append([*named, *(f"{row[name]:.6f}" for name in columns[4:])])
    write_text(path, csv_text(lines))


def condition_table(robustness: Robustness) -> list[list[str]]:
    """Format the score by arm and condition; a star marks conditions of an arm's training."""
    names = list(dict.fromkeys(row["condition"] for row in robustness.rows))
    lines = [["arm", *names, "mean", "relative error"]]
    for mean in robustness.means:
        mine = [row for row in robustness.rows if row["arm"] == mean["arm"]]
        texts = []
        for name in names:
            own = [row[row["metric"]] for row in mine if row["condition"] == name]
            star = " *" if name in mean["trained_with"] else ""
            texts.append(f"{100 * sum(own) / len(own):.1f}{star}" if own else "")
        texts += [
            f"{100 * mean['all'][mean['all']['metric']]:.1f}",
            f"{mean['relative_error']:.2f}",
        ]
        lines.append([mean["arm"], *texts])
    return lines


def cells(row: Row) -> list[str]:
    """Format a row for people: percent and points."""
    spread = "" if row["spread"] is None else f" ± {100 * row['spread']:.1f}"
    low, high = 100 * row["difference_low"], 100 * row["difference_high"]
    base = row["verdict"] == "baseline"
    return [
        row["arm"],
        f"{100 * row['accuracy']:.1f} %",
        f"{100 * row[row['metric']]:.1f} %",
        "" if base else f"{100 * row['difference']:+.1f}{spread}",
        "" if base else f"[{low:+.1f}, {high:+.1f}]",
        "" if base else f"{row['p_holm']:.3f}",
        row["verdict"],
        "" if row["calibration_error"] is None else f"{100 * row['calibration_error']:.1f} %",
        f"{row['seconds']:.1f}",
        f"{row['seconds_per_epoch']:.1f}",
        f"{row['peak_memory_mb']:.0f}",
        f"{row['seconds_writing']:.1f}" if row["seconds_writing"] else "",
        f"{row['disk_mb']:.1f}" if row["disk_mb"] else "",
        f"{100 * row['macro_recall']:.1f} %" if row["metric"] == MAP else "",
        f"{100 * row[MICRO]:.1f} %" if MICRO in row else "",
    ]


def headings(rows: Sequence[Row]) -> list[str]:
    """Name the columns of `cells`."""
    score = NAMES[rows[0]["metric"]]
    return [*HEADINGS[:2], score, *HEADINGS[3:]]


def table(rows: Sequence[Row]) -> list[list[str]]:
    """Format the headings and all rows, without empty columns."""
    texts = [cells(row) for row in rows]
    kept = [place for place in range(len(HEADINGS)) if any(text[place] for text in texts)]
    return [[text[place] for place in kept] for text in (headings(rows), *texts)]


def recalls(rows: Sequence[Row]) -> list[list[str]]:
    """Format the recall of each class by arm; for tags the average precision.

    A star marks classes of one scored instrument.
    """
    of_classes = [row["average_precision" if row["metric"] == MAP else "recall"] for row in rows]
    names = list(dict.fromkeys(name for own in of_classes for name in own))
    alone = _alone(rows)
    texts = [
        [f"{100 * own[name]:.1f}" if name in own else "" for name in names] for own in of_classes
    ]
    headings = ["arm", *(f"{name} *" if name in alone else name for name in names)]
    return [headings, *([row["arm"], *own] for row, own in zip(rows, texts, strict=True))]


def each_class(rows: Sequence[Row]) -> str:
    """Return the title of `recalls`."""
    tags = rows[0]["metric"] == MAP
    return "Average precision of each tag" if tags else "Recall of each class"


def _alone(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row["alone"]))


def describe(rows: Sequence[Row]) -> str:
    """Describe the columns, and which differences so many seeds can detect."""
    score, words = NAMES[rows[0]["metric"]], things(rows[0]["data"])
    text = (
        f"Difference: of {score} from the baseline in points, paired by seed, ± its standard "
        f"deviation over seeds; [95 % interval]: a bootstrap of the scored {words.group}s "
        f"within {words.families} and of seeds; p: the larger p-value of a sign-flip test over "
        f"{words.group}s and of Student's t with the interval's standard error, corrected by "
        "Holm's method for the number of arms. ECE: expected calibration error. Seconds are of "
        "one run with its scoring (the first that needs a kernel compiles it), and of the median "
        "epoch; MB is the most memory that the process had taken by the end of a run."
    )
    if rows[0]["metric"] == MAP:
        text += (
            " mAP: the mean of the tags' average precisions; micro AP: of all tags together. "
            "A tag counts as found if its score is above 0.5. Accuracy: the share of sounds in "
            "which exactly the right tags are found; macro recall: the mean over tags of the share "
            "of a tag's sounds in which it is found."
        )
    if rows[0]["seeds"] == 1:
        text += (
            " With one seed the interval does not show how training varies: take more (--seeds 3)."
        )
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
        text += f" {alone}: one scored {words.group}, so its interval says nothing about others."
    for row in rows:
        text += "".join(f" Of {row['arm']} {reason}." for reason in row["missing"])
    return text


def to_markdown(
    title: str,
    rows: Sequence[Row],
    origin: Sequence[str],
    said: Sequence[str] = (),
    robustness: Robustness | None = None,
) -> str:
    """Make tables that can be pasted."""
    lines = [f"## {title}", "", *(f"`{text}`  " for text in origin), ""]
    lines += [line.replace("<", "&lt;").replace("|", "\\|") + "\n" for line in said]
    lines += [*_lines(table(rows)), "", describe(rows), ""]
    if robustness:
        score = NAMES[rows[0]["metric"]]
        lines += [f"Under conditions, {score} in percent, mean over severities:", ""]
        lines += [*_lines(condition_table(robustness)), ""]
    lines += [f"{each_class(rows)} in percent:", ""]
    return "\n".join([*lines, *_lines(recalls(rows)), ""])


def _lines(texts: Sequence[Sequence[str]]) -> list[str]:
    # Escape bars, which would begin a cell, and angle brackets, which could be a tag.
    escaped = [[cell.replace("|", "\\|").replace("<", "&lt;") for cell in row] for row in texts]
    lines = ["| " + " | ".join(row) + " |" for row in escaped]
    return [lines[0], "|---|" + "---:|" * (len(texts[0]) - 1), *lines[1:]]


def worst_confusions(runs: Sequence[Run], notes: Notes) -> list[dict[str, Any]]:
    """Select notes of the most frequent confusions, with true and predicted class."""
    wrong: Counter[tuple[int, int]] = Counter()
    first: dict[tuple[int, int], int] = {}
    for run in runs:
        for at, (truth, guess) in enumerate(zip(run["labels"], run["predictions"], strict=True)):
            if truth != guess:
                wrong[truth, guess] += 1
                first.setdefault((truth, guess), at)
    classes = runs[0]["classes"]
    feature = F.LogMelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=64)
    found, words = [], things(runs[0]["config"].get("data", ""))
    for (truth, guess), times in wrong.most_common(PLAYERS):
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
                "text": f"{_where(note)}: {words.count_examples(times)} in "
                f"{count(len(runs), 'run')}",
                "picture": _embed(figures.to_png(picture, dpi=100)),
                "sound": _embed(sound.getvalue()),
            }
        )
    return found


def _where(note: Mapping[str, Any]) -> str:
    pitch = f", pitch {note['pitch']}" if "pitch" in note else ""
    return f"{note['instrument']}{pitch}"


def _embed(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _each_once(found: Iterable[Any]) -> list[Any]:
    """List the different values of runs, in order: a study may resume with another version."""
    return list(dict.fromkeys(found))


def settings(run: Run) -> dict[str, Any]:
    """Return the settings of a run's config other than its arm and seed."""
    named = ("arm", "transforms", "seed")
    return {name: value for name, value in run["config"].items() if name not in named}


def parameters(run: Run, first: Run) -> Any:
    """Return an arm's transforms, and other settings that differ from the first arm's."""
    base, transforms = settings(first), run["config"]["transforms"]
    own = {name: value for name, value in settings(run).items() if value != base[name]}
    return {"transforms": transforms, **own} if own else transforms


def _best(rows: Sequence[Row]) -> tuple[str, str]:
    """Return the baseline and the arm with the largest difference from it."""
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
    robustness: Robustness | None = None,
    missing: Sequence[str] = (),
    saved: str | None = None,
) -> None:
    """Write summary.csv, summary.md, the figures and report.html into ``out``.

    Pictures and players are optional: a failure is reported in words.

    Args:
        title: Title of the study.
        runs: Each arm's runs.
        rows: Rows of `augspec.ablation.analyse.summarise`, perhaps of several cells; a baseline
            comes first.
        notes: The scored notes, for pictures and sound of the worst confusions; None leaves them
            out.
        out: The folder.
        robustness: Results of the arms under conditions; None leaves them out.
        missing: Failures of optional figures, in words.
        saved: Number of runs that were not needed, in words, for a study that stops as soon as
            decided.
    """
    every = [run for of_arm in runs.values() for run in of_arm]
    first, lost = every[0], list(missing)
    origin = _each_once(run["command"] for run in every)
    origin += [f"commit {name}" for name in _each_once(run.get("commit") for run in every) if name]
    means = robustness.means if robustness else ()
    said = optional(lost, "the answer in words", sentences, rows, runs, means) or []
    said = [*said, saved] if saved else said
    pictures = _pictures(title, runs, rows, robustness, out, lost)
    heard = (
        None
        if notes is None or "confusion" not in first
        else optional(lost, "the worst confusions", worst_confusions, runs[rows[0]["arm"]], notes)
    )
    write_csv(rows, out / "summary.csv")
    if robustness:
        write_conditions(robustness.rows, out / "conditions.csv")
    write_text(out / "summary.md", to_markdown(title, rows, origin, said, robustness))
    page = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True
    ).get_template("report.html")
    html = page.render(
        title=title,
        sentences=said,
        table=table(rows),
        note=describe(rows),
        pictures=pictures,
        conditions=condition_table(robustness) if robustness else [],
        each_class=each_class(rows),
        score=NAMES[rows[0]["metric"]],
        recalls=recalls(rows),
        confusions=heard or [],
        missing=lost,
        arms={arm: json.dumps(parameters(of_arm[0], first)) for arm, of_arm in runs.items()},
        settings=settings(first),
        origin=origin,
        versions=_each_once(
            ", ".join(f"{name} {version}" for name, version in run["versions"].items())
            for run in every
        ),
    )
    write_text(out / "report.html", html)


def _pictures(
    title: str,
    runs: Mapping[str, Sequence[Run]],
    rows: Sequence[Row],
    robustness: Robustness | None,
    out: Path,
    lost: list[str],
) -> dict[str, str]:
    """Draw the pictures that can be drawn, write them as PNG, and return them for the page."""
    base, best = _best(rows)
    wanted: dict[str, tuple[Any, ...]] = {
        "figure": (figures.forest, rows, title),
        "curves": (figures.learning_curves, runs),
    }
    if "confusion" in runs[base][0]:  # a sound with several tags has no single confusion
        wanted["confusions"] = (figures.confusions, runs[base], runs[best], best)
    if robustness:
        trained = {mean["arm"]: mean["trained_with"] for mean in robustness.means}
        wanted["conditions"] = (figures.heat_map, robustness.rows, trained)
    embedded = {}
    for name, (draw, *arguments) in wanted.items():
        content = optional(lost, f"{name}.png", lambda d, a: figures.to_png(d(*a)), draw, arguments)
        if content is not None:
            write_bytes(out / f"{name}.png", content)
            embedded[name] = _embed(content)
    return embedded
