"""Every transform beside the batched peers that have it, and what it costs beside our log-mel.

Run ``python tests/benchmarks/bench_catalogue.py`` on a machine at rest; name classes to run only
those. Each row is one comparison with interleaved rounds in one process. Our transforms draw for
every example; so does torch-audiomentations, while torchaudio mostly has one setting for the batch
and draws nothing: two columns. audiomentations, in a loop, is for information. On a busy machine
``--clock cpu --threads 1`` counts the time of the process alone.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
import where
from common import (
    BESIDE,
    CLOCKS,
    WHERE,
    Timing,
    compare_twice,
    environment,
    parse_rows,
    quotient,
)
from peer_rows import FIXED, RATE, ROWS, Row
from torch import Tensor, nn

from augspec import features as F
from augspec import transforms as T


def classes() -> Iterator[tuple[str, Any]]:
    """Give every public class that can be made, in the order of the docs."""
    for module in (T, F):
        for name in module.__all__:
            cls = getattr(module, name)
            if inspect.isclass(cls) and issubclass(cls, nn.Module) and not inspect.isabstract(cls):
                yield name, cls


def inputs(batch: int, seconds: float) -> dict[str, Tensor]:
    """Make what the contestants are given."""
    generator = torch.Generator().manual_seed(0)
    size = round(seconds * RATE)
    mono = 0.1 * torch.randn(batch, 1, size, generator=generator)
    stereo = 0.1 * torch.randn(batch // 2, 2, size, generator=generator)
    return {"mono": mono, "stereo": stereo, "specgram": log_mel()(mono)}


def log_mel() -> nn.Module:
    """Make the feature that is the unit of cost."""
    return F.LogMelSpectrogram(sample_rate=RATE, n_fft=1024, hop_length=256, n_mels=64)


def make_ours(cls: Any, row: Row | None) -> nn.Module:
    """Make our transform with a row's arguments; those it does not have are left out."""
    if row is None or (not row.ours and hasattr(cls, "example")):
        return cls.example()
    known = inspect.signature(cls).parameters
    return cls(**{name: value for name, value in row.ours.items() if name in known})


def suited(transform: nn.Module, data: dict[str, Tensor], shape: str) -> Tensor:
    """Give the input that a transform takes: a spectrogram where waveforms are refused."""
    channels = getattr(transform, "in_channels", 1)
    waveform = data[shape].expand(-1, channels, -1) if channels > 1 else data[shape]
    try:
        with torch.no_grad():
            transform(waveform[:1, :, :4000])
    except (TypeError, ValueError, RuntimeError):
        return data["specgram"]
    return waveform


def call(function: Callable[[Tensor], Any], data: Tensor) -> Callable[[], Any]:
    """Bind the input, without gradients."""

    def run() -> Any:
        with torch.no_grad():
            return function(data)

    return run


def looped(transform: Any, data: Tensor) -> Callable[[], Any]:
    """Bind a transform of audiomentations to every example in turn."""
    examples = [example[0] for example in data.numpy()]
    return lambda: [transform(example, RATE) for example in examples]


def contest(
    name: str, ours: Callable[[], Any], row: Row, data: dict[str, Tensor], **settings: Any
) -> list[str]:
    """Time one row and give its cells."""
    contestants = {"ours": ours}
    for peer, make in row.peers.items():
        contestants[peer] = call(make(), data[row.shape])
    if row.loop is not None:
        contestants["loop"] = looped(row.loop(), data[row.shape])
    timings = compare_twice(contestants, **settings)
    loop = timings.pop("loop", None)
    mine = timings.pop("ours")
    others = ", ".join(f"{peer} {ms(timing)}" for peer, timing in timings.items())
    note = f" ({row.note})" if row.note else ""
    fixed = {peer: timing for peer, timing in timings.items() if peer.endswith(FIXED)}
    drawn = {peer: timing for peer, timing in timings.items() if peer not in fixed}
    at_rest = [against(mine, some, "median") for some in (drawn, fixed)]
    # In one cell: who has no batched peer is held against the loop.
    loops = {} if timings or loop is None else {"loop": loop}
    beside = [against(mine, some, "beside") for some in (drawn, fixed, loops) if some]
    cells = [name, ms(mine), others + note or "-", *at_rest, "-" if loop is None else ms(loop)]
    return [*cells, ", ".join(beside) or "-"]


def against(ours: Timing, peers: dict[str, Timing], which: str) -> str:
    """Give the ratio to the fastest of the peers, of one field of the timings."""
    if not peers:
        return "-"
    return quotient(getattr(ours, which), min(getattr(one, which) for one in peers.values()))


def ms(timing: Timing) -> str:
    """Write a median in ms."""
    return f"{1e3 * timing.median:.1f}"


def main() -> None:
    """Print both tables."""
    arguments = parse_rows(__doc__)
    data = inputs(arguments.batch, arguments.seconds)
    settings = {"rounds": arguments.rounds, "clock": CLOCKS[arguments.clock]}
    settings["busy_seconds"] = 1.0  # there are many rows
    picked = {n: c for n, c in classes() if not arguments.names or n in arguments.names}

    packages = ("torchaudio", "torch-audiomentations", "audiomentations", "nnAudio")
    print(environment(*packages), f", clock {arguments.clock}\n", sep="")
    ours = {
        name: call(make_ours(cls, ROWS[name]), data[ROWS[name].shape])
        for name, cls in picked.items()
        if name in ROWS
    }
    titles = ["", "ours, ms", "batched peers, ms", "ours / peer", "/ one for all", "a loop, ms"]
    print(f"| {' | '.join([*titles, BESIDE, WHERE])} |\n|---|---:|---|---:|---:|---:|---:|---|")
    places = where.look(ours)
    for name, function in ours.items():
        cells = contest(name, function, ROWS[name], data, **settings)
        print(f"| {' | '.join([*cells, places[name]])} |", flush=True)

    made = {name: cls.example() for name, cls in picked.items() if hasattr(cls, "example")}
    functions = {name: call(one, suited(one, data, "mono")) for name, one in made.items()}
    print(f"\n| | ms | log-mel = 1 | {BESIDE} | {WHERE} |\n|---|---:|---:|---:|---|")
    places = where.look(functions)
    unit = call(log_mel(), data["mono"])
    for name, function in functions.items():
        timings = compare_twice({"unit": unit, "own": function}, **settings)
        own, one = timings["own"], timings["unit"]
        ratios = f"{own.median / one.median:.2f} | {own.beside / one.beside:.2f}"
        print(f"| {name} | {ms(own)} | {ratios} | {places[name]} |", flush=True)


if __name__ == "__main__":
    main()
