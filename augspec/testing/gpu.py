"""Check and time augspec on your GPU: ``python -m augspec.testing.gpu``.

It compares every class with the CPU, times the front end and classes next to the installed peers,
measures the memory over epochs, and captures a front end as a CUDA graph. It writes ``report.json``
and ``report.md``. Without a GPU it prints a message and exits with code 2.

``--device cpu --quick`` tests the script itself: it runs the same code paths as on a GPU, on a CPU
and with small batches.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import inspect
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec._compile import few_launches

__all__ = ["main"]

SAMPLE_RATE = 16_000
CLOSE = 2e-3  # of the peak: accumulated rounding differences of two devices
Report = dict[str, Any]
_log = logging.getLogger("augspec")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 if a class differs, or 2 if there is no GPU."""
    parser = argparse.ArgumentParser(prog="python -m augspec.testing.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="where to run, cuda by default")
    parser.add_argument("--quick", action="store_true", help="small batches, few repetitions")
    parser.add_argument("--out", type=Path, default=Path("gpu-report"), help="folder to write to")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.stderr.write(
            "There is no GPU: torch.cuda.is_available() is False. Nothing was measured. "
            "To try the script itself: --device cpu --quick\n"
        )
        return 2
    report = measure(device, quick=options.quick)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (options.out / "report.md").write_text(as_markdown(report), encoding="utf-8")
    sys.stdout.write(f"{as_markdown(report)}\nwritten to {options.out}\n")
    return 0 if all(row["close"] for row in report["parity"]) else 1


def measure(device: torch.device, *, quick: bool) -> Report:
    """Run every part; see the module."""
    batch, seconds, times = (4, 1, 2) if quick else (64, 4, 30)
    waveform = _sound(batch, seconds * SAMPLE_RATE)
    on_cpu = device.type == "cpu"
    name = "CPU" if on_cpu else torch.cuda.get_device_name(device)
    return {
        "device": name,
        "torch": torch.__version__,
        "augspec": importlib.metadata.version("augspec"),
        "batch": batch,
        "seconds": seconds,
        "parity": parity(device, time_=8000 if quick else 32_000),
        "times": timings(waveform.to(device), times),
        "missing": [peer for peer, _, made in peers(device) if made is None],
        "memory": memory_over_epochs(device, waveform),
        "cuda_graph": None if on_cpu else cuda_graph(waveform.to(device)),
    }


def front_end() -> augspec.Frontend:
    """Make the front end of the benchmarks: four transforms that are fused into a log-mel."""
    four = [T.TimeStretch((0.8, 1.25)), T.PitchShift((-4.0, 4.0)), T.RandomCrop(12_000), T.Gain()]
    return augspec.Frontend(T.Chain(four), log_mel())


def log_mel() -> nn.Module:
    """Make the feature of the benchmarks."""
    return F.LogMelSpectrogram(SAMPLE_RATE, n_fft=1024, hop_length=256, n_mels=64)


def parity(device: torch.device, *, time_: int) -> list[Report]:
    """Compare every class, and the front end, with the CPU."""
    rows = []
    for name, module in {"Frontend": front_end(), **dict(_classes())}.items():
        signal = _sound(4, max(time_, 16_000) if name == "Frontend" else time_)
        if _takes_specgrams(module):
            signal = _sound(4, 64 * 60).reshape(4, 1, 64, 60).square()
        elif (channels := getattr(module, "in_channels", 1)) > 1:  # a sound field has four
            signal = _sound(4 * channels, time_).reshape(4, channels, time_)
        worst = _difference(module, signal, device)
        if worst > CLOSE and device.type != "mps":
            # With noise, rounding decides some phases of a vocoder, so compare in float64.
            worst = _difference(module, signal.double(), device)
        rows.append({"class": name, "difference": worst, "close": worst <= CLOSE})
        _log.info("parity of %s: %.1e", name, worst)
    return rows


def _classes() -> Iterator[tuple[str, nn.Module]]:
    for module in (T, F):
        for name in module.__all__:
            kind: Any = getattr(module, name)
            if inspect.isclass(kind) and not inspect.isabstract(kind):
                made: Any = kind.example()  # type: ignore[attr-defined]
                if getattr(made, "compilable", True):
                    yield name, made


def _difference(module: nn.Module, signal: Tensor, device: torch.device) -> float:
    """Return the largest difference between a CPU and a device, as a fraction of the peak."""
    expected = _run(module, signal, torch.device("cpu"))
    with few_launches() if device.type == "cpu" else contextlib.nullcontext():
        found = _run(module, signal, device).cpu()
    scale = max(1e-3, float(expected.abs().max()))
    return float((found - expected).abs().max()) / scale


def _takes_specgrams(module: nn.Module) -> bool:
    try:
        module(torch.zeros(1, 1, 4, 8))
    except ValueError:
        return False
    return True


def _run(module: nn.Module, signal: Tensor, device: torch.device) -> Tensor:
    module = module.to(device)
    keys = augspec.example_keys(0, 0, range(len(signal))).to(device)
    draws = isinstance(module, T.RandomTransform | augspec.Frontend) and module.acts()
    with torch.no_grad():
        out: Tensor = module(signal.to(device), **({"keys": keys} if draws else {}))
    return out


def timings(waveform: Tensor, times: int) -> list[Report]:
    """Time the front end, classes and peers, in milliseconds per batch."""
    subjects: dict[str, tuple[str, Callable[[Tensor], Any] | None]] = {
        "augspec log-mel": ("log-mel", log_mel()),
        "augspec fused front end": ("augmented log-mel", front_end()),
        "augspec PitchShift": ("pitch shift", T.PitchShift((-4.0, 4.0))),
    }
    subjects |= {name: (kind, made) for name, kind, made in peers(waveform.device)}
    rows = []
    for name, (kind, run) in subjects.items():
        if run is None:
            continue
        run = run.to(waveform.device) if isinstance(run, nn.Module) else run
        rows.append({"name": name, "what": kind, **_time(partial(run, waveform), times)})
        _log.info("%s: %.2f ms", name, rows[-1]["milliseconds"])
    return rows


def _time(run: Callable[[], Any], times: int) -> Report:
    wait: Callable[[], Any] = torch.cuda.synchronize if torch.cuda.is_available() else int
    taken = []
    with torch.no_grad():
        for _ in range(3):  # compiles, and fills caches
            run()
        for _ in range(times):
            wait()
            start = time.perf_counter()
            run()
            wait()
            taken.append(1e3 * (time.perf_counter() - start))
    return {"milliseconds": statistics.median(taken), "fastest": min(taken)}


def peers(device: torch.device) -> list[tuple[str, str, Callable[[Tensor], Any] | None]]:
    """Make the installed peers; None stands for a missing one."""
    sizes = {"n_fft": 1024, "hop_length": 256, "n_mels": 64}

    def flashmel() -> Callable[[Tensor], Any]:
        module: Any = importlib.import_module("flashmel")
        made = module.LogMelSpectrogram(sample_rate=SAMPLE_RATE, **sizes).to(device)
        return lambda waveform: made(waveform[:, 0])

    def nn_audio() -> Callable[[Tensor], Any]:
        module: Any = importlib.import_module("nnAudio.features")
        made = module.MelSpectrogram(sr=SAMPLE_RATE, verbose=False, **sizes).to(device)
        return lambda waveform: made(waveform[:, 0])

    def torchaudio() -> Callable[[Tensor], Any]:
        module: Any = importlib.import_module("torchaudio")
        made: Callable[[Tensor], Any] = module.transforms.MelSpectrogram(SAMPLE_RATE, **sizes)
        return made.to(device)  # type: ignore[attr-defined,no-any-return]

    def torch_audiomentations() -> Callable[[Tensor], Any]:
        module: Any = importlib.import_module("torch_audiomentations")
        made = module.PitchShift(sample_rate=SAMPLE_RATE, p=1.0, output_type="tensor")
        return lambda waveform: made(waveform, sample_rate=SAMPLE_RATE)

    makers = {
        "flashmel": ("log-mel", flashmel),
        "nnAudio": ("log-mel", nn_audio),
        "torchaudio": ("log-mel", torchaudio),
        "torch_audiomentations": ("pitch shift", torch_audiomentations),
    }
    made: list[tuple[str, str, Callable[[Tensor], Any] | None]] = []
    for name, (kind, make) in makers.items():
        try:
            made.append((name, kind, make()))
        except (ImportError, OSError, RuntimeError, AttributeError) as error:
            _log.info("%s is not there: %s", name, error)
            made.append((name, kind, None))
    return made


def memory_over_epochs(device: torch.device, waveform: Tensor, epochs: int = 4) -> list[int | None]:
    """Return the bytes that torch has reserved on a GPU after each epoch; None on a CPU."""
    items = [{"waveform": sound, "label": 0, "index": n} for n, sound in enumerate(waveform)]
    loader: Any = torch.utils.data.DataLoader(
        cast(Any, items), max(1, len(items) // 2), collate_fn=augspec.collate
    )
    batches = augspec.DeviceLoader(loader, front_end(), device=device)
    reserved: list[int | None] = []
    for _ in range(epochs):
        for _ in batches:
            pass
        on_gpu = device.type == "cuda"
        reserved.append(torch.cuda.memory_reserved(device) if on_gpu else None)
    return reserved


def cuda_graph(waveform: Tensor) -> Report:
    """Capture the front end, replay it with other keys, and compare with a plain call."""
    module = front_end().to(waveform.device)
    keys = augspec.example_keys(0, 0, range(len(waveform))).to(waveform.device)
    others = augspec.example_keys(1, 0, range(len(waveform))).to(waveform.device)
    with torch.no_grad():
        expected = module(waveform, keys=others).clone()
        side: Any = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            module(waveform, keys=keys)
        torch.cuda.current_stream().wait_stream(side)
        graph: Any = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = module(waveform, keys=keys)
        keys.copy_(others)
        graph.replay()
    same = bool(torch.allclose(out, expected, rtol=1e-5, atol=1e-4))
    return {"same": same, **_time(graph.replay, 30)}


def as_markdown(report: Report) -> str:
    """Write the report as a page."""
    far = [row for row in report["parity"] if not row["close"]]
    worst = max(row["difference"] for row in report["parity"])
    lines = [
        f"# augspec {report['augspec']} on {report['device']}, torch {report['torch']}",
        "",
        f"{len(report['parity'])} classes were compared with the CPU; the largest difference is "
        f"{worst:.1e} of the peak. Not close enough: "
        + (", ".join(f"{row['class']} ({row['difference']:.1e})" for row in far) or "none")
        + ".",
        "",
        f"Times of {report['batch']} examples of {report['seconds']} s at 16 kHz:",
        "",
        "| | what | ms, median | ms, fastest |",
        "|---|---|---:|---:|",
    ]
    lines += [
        f"| {row['name']} | {row['what']} | {row['milliseconds']:.2f} | {row['fastest']:.2f} |"
        for row in report["times"]
    ]
    lines += ["", f"Not installed: {', '.join(report['missing']) or 'none'}.", ""]
    lines += [f"Reserved memory after each epoch, bytes: {report['memory']}.", ""]
    lines += [f"CUDA graph: {report['cuda_graph'] or 'not on a CPU'}.", ""]
    return "\n".join(lines)


def _sound(batch: int, time_: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(batch, 1, time_, generator=generator)


if __name__ == "__main__":
    raise SystemExit(main())
