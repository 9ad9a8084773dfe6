"""``python -m augspec.conditions FOLDER --out DIR``: corrupted copies of a folder of sounds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from augspec.conditions import CONDITIONS, parse_names
from augspec.conditions.folder import write_copies


def main(arguments: list[str] | None = None) -> int:
    """Write the copies that a command line asks for."""
    texts = [f"{name}: {one.text.format(*one.strengths)}" for name, one in CONDITIONS.items()]
    parser = argparse.ArgumentParser(
        "python -m augspec.conditions",
        description="Write corrupted copies of a folder of sounds, to test a model with.",
        epilog="Conditions (severity 1): " + "; ".join(texts),
    )
    parser.add_argument("folder", type=Path, help="sounds, searched to any depth")
    parser.add_argument("--out", type=Path, required=True, help="folder of the copies")
    parser.add_argument(
        "--conditions",
        default="all",
        help="names with commas between, such as noise,room-3: with a number that severity, "
        "without one all five; all-3 is every condition at severity 3",
    )
    options = parser.parse_args(arguments)
    written = 0
    try:
        for path, done, total in write_copies(
            options.folder, options.out, parse_names(options.conditions)
        ):
            written = done
            sys.stderr.write(f"\r{done}/{total} {path.parent.name[:40]:40}")
    except (ValueError, OSError) as error:
        sys.stderr.write(f"python -m augspec.conditions: {error}\n")
        return 2
    sys.stderr.write("\n")
    sys.stdout.write(f"{written} files in {options.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
