"""Count what every class and some front ends give a GPU to do; no GPU is needed.

Run ``python tests/benchmarks/count_gpu.py``; it prints the table of ``docs/gpu.md``. With
``--json FILE`` the counts are kept, with ``--before FILE`` those of another commit stand beside
them. Launches and bytes are those of 64 examples of 4 s at 16 kHz, the memory is that of 256
examples of 10 s at 44.1 kHz, as a multiple of the audio.
"""

import argparse
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.testing import device_work

BANDWIDTH = 3.35e12  # bytes a second, of an H100 SXM
LAUNCH = 5e-6  # seconds, what eager PyTorch takes for one
MELS, HOP = 64, 256

Counts = dict[str, dict[str, float]]


def log_mel() -> nn.Module:
    """Make the feature of the front ends."""
    return F.LogMelSpectrogram(sample_rate=16_000, n_fft=1024, hop_length=HOP, n_mels=MELS)


def four() -> T.Chain:
    """Make the chain of the benchmarks."""
    return T.Chain(
        [T.TimeStretch((0.8, 1.25)), T.PitchShift((-4.0, 4.0)), T.RandomCrop(64_000), T.Gain()]
    )


def frontends() -> dict[str, nn.Module]:
    """Make the front ends that are counted."""
    masks = T.Chain([T.TimeMask(40), T.FrequencyMask(12)])
    return {
        "plain log-mel": augspec.Frontend(features=log_mel()),
        "stretch, pitch, crop and gain, fused": augspec.Frontend(four(), log_mel()),
        "the same with two masks": augspec.Frontend(four(), log_mel(), masks),
        "the same four, not fused": augspec.Frontend(four(), log_mel(), fuse="never"),
    }


def classes() -> Iterator[tuple[str, nn.Module]]:
    """Make every public class that can run on a GPU, in the order of the docs."""
    for module in (T, F):
        for name in module.__all__:
            kind = getattr(module, name)
            if not inspect.isclass(kind) or inspect.isabstract(kind):
                continue
            made = kind.example()
            if getattr(made, "compilable", True):
                yield name, made


def subjects() -> dict[str, nn.Module]:
    """Make everything that is counted, by name."""
    return {**frontends(), **dict(classes())}


def takes_specgram(module: nn.Module) -> bool:
    """Whether a module takes spectrograms."""
    try:
        module(torch.zeros(1, 1, 4, 8))
    except ValueError:
        return False
    return True


def batch(module: nn.Module, examples: int, time: int) -> Tensor:
    """Make a batch that takes no memory: a waveform, or the spectrogram of one."""
    frames = 1 + time // HOP
    channels = getattr(module, "in_channels", 1)
    shape = (examples, 1, MELS, frames) if takes_specgram(module) else (examples, channels, time)
    return torch.empty(shape, device="meta")


def count(module: nn.Module, examples: int, time: int) -> Any:
    """Count one call; draws are made from keys, as in a loader."""
    draws = isinstance(module, T.RandomTransform | augspec.Frontend) and module.acts()
    keys = {"keys": torch.empty(examples, dtype=torch.int64, device="meta")} if draws else {}
    return device_work(module, batch(module, examples, time), **keys)


def lower(module: nn.Module, examples: int, time: int) -> Any:
    """Compile one call as one graph for an H100, which takes a while; Triton must be installed."""
    from augspec.testing import _fake, _inductor

    mode = _fake.fake_tensors()
    given = batch(module, examples, time)
    with mode:
        given = torch.empty(given.shape, device="cuda")
        keys = torch.empty(examples, dtype=torch.int64, device="cuda")
    if isinstance(module, T.RandomTransform | augspec.Frontend) and module.acts():
        return _inductor.lower(lambda x, keys: module(x, keys=keys), [given, keys], mode)
    return _inductor.lower(module, [given], mode)


def lower_all(log: Callable[[str], None]) -> Counts:
    """Compile every subject."""
    counts: Counts = {}
    for name, module in subjects().items():
        work = lower(module, 64, 64_000)
        counts[name] = {"launches": work.launches, "bytes": work.bytes}
        log(f"{name}: {counts[name]}")
    return counts


def count_all(log: Callable[[str], None]) -> Counts:
    """Count every subject at both sizes."""
    counts: Counts = {}
    for name, module in subjects().items():
        work, large = count(module, 64, 64_000), count(module, 256, 441_000)
        audio = 4 * batch(module, 256, 441_000).numel()
        counts[name] = {
            "launches": work.launches,
            "bytes": work.bytes,
            "host_copies": work.host_copies,
            "memory": round(large.peak_bytes / audio, 1),
        }
        log(f"{name}: {counts[name]}")
    return counts


def table(after: Counts, before: Counts, whole: Counts) -> str:
    """Write the counts as a table; a row whose numbers did not change has them once.

    Args:
        after: Counts of this commit.
        before: Those of another one.
        whole: Those of one graph, as far as they are known.
    """
    lines = [
        "| | launches | MB | copies | memory | bytes, us | launches, us | one graph | its MB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, new in after.items():
        old = before.get(name, new)
        cells = [
            _cell(old["launches"], new["launches"], "{:.0f}"),
            _cell(old["bytes"] / 1e6, new["bytes"] / 1e6, "{:,.0f}"),
            _cell(old["host_copies"], new["host_copies"], "{:.0f}"),
            _cell(old["memory"], new["memory"], "{:.1f}"),
            f"{new['bytes'] / BANDWIDTH * 1e6:,.0f}",
            f"{new['launches'] * LAUNCH * 1e6:,.0f}",
            f"{whole[name]['launches']} | {whole[name]['bytes'] / 1e6:,.0f}"
            if name in whole
            else " |",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(old: float, new: float, form: str) -> str:
    was, is_now = form.format(old), form.format(new)
    return is_now if was == is_now else f"{was} → {is_now}"


def main() -> None:
    """Count, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="where to keep the counts")
    parser.add_argument("--before", type=Path, help="counts of another commit")
    parser.add_argument(
        "--whole", action="store_true", help="compile each as one graph too: half an hour"
    )
    options = parser.parse_args()

    def log(line: str) -> None:
        print(line, flush=True)

    counts = count_all(log)
    whole = lower_all(log) if options.whole else {}
    if options.json:
        options.json.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    before = json.loads(options.before.read_text(encoding="utf-8")) if options.before else {}
    print(table(counts, before, whole))


if __name__ == "__main__":
    main()
