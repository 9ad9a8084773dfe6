"""``python -m augspec.explore [FILE or FOLDER]``."""

from __future__ import annotations

import argparse
import contextlib
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from augspec.config import load
from augspec.explore.chain import opening
from augspec.explore.reading import sample_rate_of, setup_of
from augspec.explore.server import Session, listen, make_app, serve
from augspec.explore.sounds import open_sounds

__all__ = ["main"]


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    made = argparse.ArgumentParser(
        "python -m augspec.explore", description="Hear and see transforms on a local web page."
    )
    made.add_argument(
        "path",
        nargs="?",
        type=Path,
        metavar="FILE or FOLDER",
        help="sounds to pick from; the embedded notes if left out",
    )
    made.add_argument("--config", type=Path, help="YAML or JSON of a front end to begin with")
    made.add_argument(
        "--sample-rate",
        type=int,
        metavar="HZ",
        help="resample to this rate; else that of the config or of the first sound",
    )
    made.add_argument("--port", type=int, default=8365, help="port of the page; 0 takes a free one")
    made.add_argument("--no-browser", action="store_true", help="only print the address")
    return made


def open_session(path: Path | None, config: Path | None, sample_rate: int | None) -> Session:
    """Open the sounds and the state that the command line names.

    Raises:
        ValueError: If one of them is missing or not valid.
        OSError: If a file cannot be read.
    """
    if config is None:
        sounds = open_sounds(path, sample_rate)
        return Session(sounds, opening(sounds))
    front = load(config)
    made_for = sample_rate_of(front)
    if made_for and sample_rate not in (None, made_for):
        raise ValueError(f"--sample-rate must be that of the config, {made_for}, got {sample_rate}")
    sounds = open_sounds(path, made_for or sample_rate)
    setup = setup_of(front, sounds.first)
    if faults := setup.faults(sounds):
        raise ValueError(f"{config}: {next(iter(faults.values()))}")
    return Session(sounds, setup)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    given = parser().parse_args(arguments)
    try:
        session = open_session(given.path, given.config, given.sample_rate)
        app = make_app(session)
        opened = listen(given.port)
    except (ImportError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    address = f"http://127.0.0.1:{opened.getsockname()[1]}/"
    sys.stdout.write(f"The explorer is at {address} until Ctrl+C.\n")
    sys.stdout.flush()
    if not given.no_browser:
        webbrowser.open(address)
    with contextlib.suppress(KeyboardInterrupt):
        serve(app, opened)
    return 0


if __name__ == "__main__":
    sys.exit(main())
