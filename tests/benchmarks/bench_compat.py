"""`augspec.compat.torch_audiomentations` beside torch-audiomentations: one import changed.

Run ``python tests/benchmarks/bench_compat.py`` on a machine at rest; name classes to run only
those. Both get the same arguments and the same batch. torch-audiomentations' background noise and
impulse responses do not run beside torchaudio 2.9 and later, and its pitch shift, which takes
seconds, is a row of ``bench_catalogue.py``: they are left out. On a busy machine ``--clock cpu
--threads 1`` counts the time of the process alone.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch_audiomentations
import where
from common import BESIDE, CLOCKS, WHERE, compare_twice, environment, parse_rows, quotient

from augspec.compat import torch_audiomentations as ours

RATE = 16_000
#: Classes with the arguments of both; the rest are the defaults.
ROWS: dict[str, dict[str, Any]] = {
    "Gain": {},
    "PeakNormalization": {},
    "PolarityInversion": {},
    "Shift": {},
    "TimeInversion": {},
    "SpliceOut": {},
    "ShuffleChannels": {},
    "LowPassFilter": {},
    "HighPassFilter": {},
    "BandPassFilter": {"max_bandwidth_fraction": 1.0},
    "BandStopFilter": {"max_bandwidth_fraction": 1.0},
    "AddColoredNoise": {},
}
_USUAL = ("Gain", "PolarityInversion", "AddColoredNoise", "LowPassFilter")


def make(package: Any, name: str, arguments: dict[str, Any]) -> Any:
    """Make a transform of a package that changes every example; ``Compose`` is four of them."""
    if name == "Compose":
        parts = [getattr(package, part)(p=0.5, output_type="dict") for part in _USUAL]
        return package.Compose(parts, output_type="dict")
    return getattr(package, name)(p=1.0, output_type="dict", **arguments)


def bind(augment: Any, samples: torch.Tensor) -> Callable[[], Any]:
    """Bind the input, without gradients."""

    def run() -> Any:
        with torch.no_grad():
            return augment(samples, sample_rate=RATE)

    return run


def main() -> None:
    """Print the table."""
    arguments = parse_rows(__doc__)
    size = round(arguments.seconds * RATE)
    mono = 0.1 * torch.randn(arguments.batch, 1, size)
    stereo = 0.1 * torch.randn(arguments.batch // 2, 2, size)

    print(
        environment("torch-audiomentations", "torchaudio"), f", clock {arguments.clock}\n", sep=""
    )
    packages = {"ours": ours, "theirs": torch_audiomentations}
    rows = {
        name: {
            who: bind(make(package, name, given), stereo if name == "ShuffleChannels" else mono)
            for who, package in packages.items()
        }
        for name, given in {**ROWS, "Compose": {}}.items()
        if not arguments.names or name in arguments.names
    }
    places = where.look({name: row["ours"] for name, row in rows.items()})
    print(f"| | ours, ms | torch-audiomentations, ms | ratio | {BESIDE} | {WHERE} |")
    print("|---|---:|---:|---:|---:|---|")
    for name, row in rows.items():
        timings = compare_twice(row, arguments.rounds, clock=CLOCKS[arguments.clock])
        mine, theirs = (timings[who] for who in packages)
        cells = [name, f"{1e3 * mine.median:.1f}", f"{1e3 * theirs.median:.1f}"]
        cells += [quotient(mine.median, theirs.median), quotient(mine.beside, theirs.beside)]
        print(f"| {' | '.join([*cells, places[name]])} |", flush=True)


if __name__ == "__main__":
    main()
