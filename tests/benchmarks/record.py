"""Run a benchmark, keep what it printed in one JSON file, and write the tables of the docs from it.

``python tests/benchmarks/record.py frontend`` runs the command of that name on a machine at rest
and writes ``docs/results/benchmarks.json`` and every table of `PAGES` between two marks such as
``<!-- bench frontend 0 -->`` and ``<!-- end bench -->``. One figure within a sentence stands
between ``<!-- figure frontend 0 "row" "column" -->`` and ``<!-- end figure -->``; with a second row
behind a slash it is the quotient of both. A command that takes hours can run first: ``--from LOG``
reads what it printed, in one or more parts. Without a name only the tables are written.
"""

import argparse
import datetime
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "results" / "benchmarks.json"
PAGES = (
    *(
        ROOT / "docs" / page
        for page in ("benchmarks.md", "fusion.md", "howto/speed.md", "howto/explorer.md")
    ),
    ROOT / "README.md",
)
_MIDI = "bench_stretch.py midi --quick"
# librosa 1.0 runs beside, in the Python 3.12 that LIBROSA_PYTHON names.
_NINE = " ".join(
    f'"{kind} {task}"'
    for kind in ("solo", "chords", "drums")
    for task in ("stretch", "pitch", "both")
)
_LIBROSA = f'--cells {_NINE} --peers librosa "librosa 1.0.0"'
COMMANDS = {
    "stretch": "bench_stretch.py speed --slow",
    "resample": "bench_resample.py",
    "frontend": "bench_frontend.py",
    "catalogue": "bench_catalogue.py --rounds 5",
    "compat": "bench_compat.py --rounds 7 --clock cpu --threads 1",
    "new": (
        "bench_catalogue.py ALaw MuLaw Telephone PacketLoss TempoCurve WowFlutter MelRange "
        "FreqMixStyle LinearFade AmbisonicsRotation Fbank PCEN ToMultiple Gain Speed "
        "BackgroundNoise Spectrogram --rounds 7 --clock cpu --threads 1"
    ),
    "cpu": "bench_cpu.py",
    "threads": "bench_threads.py",
    "cpu-busy": "bench_cpu.py --busy 2 --cold 0 --rounds 51",
    "epoch": "bench_epoch.py --workers 2 --busy 2",
    "epoch-rest": "bench_epoch.py",
    "epoch-rest-256": "bench_epoch.py --hop 256",
    "explore": "bench_explore.py",
    "ideal": "bench_stretch.py ideal --quick",
    "tones": "bench_stretch.py tones --quick",
    "clicks": "bench_stretch.py clicks --quick",
    "midi": f"{_MIDI} --rate 16000",
    "midi-stereo": f"{_MIDI} --rate 16000 --stereo",
    "midi-44": f"{_MIDI} --rate 44100",
    "midi-44-stereo": f"{_MIDI} --rate 44100 --stereo",
    "midi-librosa": f"{_MIDI} --rate 16000 {_LIBROSA}",
    "speech": 'bench_stretch.py midi --quick --cells "speech stretch" "speech pitch"',
}
Table = dict[str, Any]  # "header": the titles of the columns; "rows": their cells
_FIGURE = re.compile(
    r'(<!-- figure (\S+) (\d+) "([^"]+)"(?: / "([^"]+)")? "([^"]+)" -->).*?(<!-- end figure -->)'
)
_MARKED = re.compile(r"(<!-- bench (\S+) (\d+) -->\n).*?(<!-- end bench -->)", re.DOTALL)


def parse(printed: str) -> tuple[list[str], list[Table]]:
    """Split what a benchmark printed into other lines, such as versions and load, and tables.

    A table with the header of an earlier one, from a second log with other peers, goes on with it.
    """
    said: list[str] = []
    tables: list[Table] = []
    current: Table = {}
    inside = False
    for line in printed.splitlines():
        if not line.startswith("|"):
            inside = False
            if line.strip():
                said.append(line.strip())
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not inside:
            inside = True
            current = next((table for table in tables if table["header"] == cells), None)
            if current is None:
                current = {"header": cells, "rows": []}
                tables.append(current)
        elif not all(set(cell) <= set("-:") for cell in cells) and cells not in current["rows"]:
            current["rows"].append(cells)
    return said, tables


def as_printed(table: Table) -> str:
    """Lay a table out as it was printed, numbers to the right."""
    header, rows = table["header"], table["rows"]
    right = [all(_is_figure(row[i]) for row in rows) for i in range(len(header))]
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *rows)]
    lines.insert(1, f"|{'|'.join('---:' if figures else '---' for figures in right)}|")
    return "\n".join(lines)


def _is_figure(cell: str) -> bool:
    return not cell or cell == "-" or cell[0].isdigit() or cell[0] in "+-"


def by_peer(table: Table) -> str:
    """Lay phrases out with a column for each peer: median and worst."""
    names = list(dict.fromkeys(row[1] for row in table["rows"] if row[1] != "the ideal"))
    cells = list(dict.fromkeys(row[0] for row in table["rows"]))
    score = {(row[0], row[1]): f"{row[2]} / {row[3]}" for row in table["rows"]}
    rows = [[cell, *(score.get((cell, name), "-") for name in names)] for cell in cells]
    titles = [f"**{name}**" if name == "augspec" else name for name in names]
    header = ["median / worst dB", *titles]
    return as_printed({"header": header, "rows": rows})


def layout(name: str, index: int) -> Callable[[Table], str]:
    """Say how a table of the docs is laid out."""
    phrases = name == "speech" or name.startswith("midi")
    return by_peer if phrases and index == 0 else as_printed


def write_pages(kept: dict[str, Any]) -> None:
    """Write the tables of the docs between their marks."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        page.write_text(with_tables(text, kept), encoding="utf-8")


def with_tables(text: str, kept: dict[str, Any]) -> str:
    """Give a page with the tables and figures of the record between its marks."""
    text = _MARKED.sub(lambda mark: _fill(mark, kept), text)
    return _FIGURE.sub(lambda mark: f"{mark[1]}{_figure(mark, kept)}{mark[7]}", text)


def _fill(mark: re.Match[str], kept: dict[str, Any]) -> str:
    name, index = mark[2], int(mark[3])
    text = section(name, index, kept[name]) if name in kept else "Not recorded yet."
    return f"{mark[1]}{text}\n{mark[4]}"


def _figure(mark: re.Match[str], kept: dict[str, Any]) -> str:
    name, index, row, over, column = mark[2], int(mark[3]), mark[4], mark[5], mark[6]
    if name not in kept:
        return "?"
    value = cell(kept[name]["tables"][index], row, column)
    if over:
        value /= cell(kept[name]["tables"][index], over, column)
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def cell(table: Table, row: str, column: str) -> float:
    """Give the number in a cell by the titles of its row and its column."""
    place = table["header"].index(column)
    (found,) = (cells for cells in table["rows"] if cells[0] == row)
    return float(found[place])


def section(name: str, index: int, run: dict[str, Any]) -> str:
    """Give a table with the command that printed it, and when and where that was."""
    where = f"`python tests/benchmarks/{run['command']}` at {run['commit']}, {run['date']}:"
    return f"{where} {run['said'][0]}.\n\n{layout(name, index)(run['tables'][index])}"


def _commit() -> str:
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()


def _run(command: str) -> str:
    script, *arguments = shlex.split(command)
    path = Path(__file__).with_name(script)
    with subprocess.Popen(
        [sys.executable, str(path), *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        lines = []
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}; nothing was recorded")
    return "".join(lines)


def main() -> None:
    """Record the commands that were named, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *COMMANDS], metavar="NAME")
    parser.add_argument("--from", dest="logs", nargs="+", type=Path, help="what it printed before")
    parser.add_argument("--commit", help="at which it ran; the present one")
    options = parser.parse_args()
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for name in options.names:
        command = COMMANDS[name]
        logs = [log.read_text(encoding="utf-8") for log in options.logs or ()]
        said, tables = parse("\n".join(logs) or _run(command))
        kept[name] = {
            "command": command,
            "commit": options.commit or _commit(),
            "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            "said": said,
            "tables": tables,
        }
        FILE.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    write_pages(kept)


if __name__ == "__main__":
    main()
