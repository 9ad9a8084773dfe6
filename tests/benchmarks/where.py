"""Say where the processor time of a call goes, from samples that Linux's ``perf`` takes.

`look` calls functions one after the other while ``perf record`` watches this process, and gives for
each a text such as ``FFT 41 %, resampling 30 %, memory 12 %``. A sample is counted by the library
and the symbol it fell into (`kind_of`). In augspec's native kernels nearly everything is inlined,
so that the source line decides: `kind_of_files`. Lines come from a second build of the same sources
with ``-g``, which is never loaded: its instructions are the same, at the same addresses.
"""

import atexit
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import torch

from augspec import native
from augspec.native import _build

Key = TypeVar("Key", bound=Hashable)

UNKNOWN = "-"
SHOWN = 3  # kinds that a text names at most,
LEAST = 0.05  # each of this share at least
_RATE = 1999  # samples a second of each thread
_NEEDED = ("perf", "addr2line", "objcopy")

#: What the files of `augspec/native` are about.
TOPICS = {
    "fft.h": "FFT",
    "long_fft.h": "FFT",
    "frames.h": "frames and window",
    "specgram.h": "power and filters",
    "features.cpp": "power and filters",
    "decibel.h": "decibel",
    "levels.cpp": "levels",
    "powers.h": "levels",
    "bins.cpp": "bins and frames",
    "resample.h": "resampling",
    "rates.cpp": "resampling",
    "onsets.h": "attacks",
    "onset.cpp": "attacks",
    "vocoder.cpp": "vocoder",
    "phase_lock.h": "vocoder",
    "timemap.h": "vocoder",
    "draws.cpp": "draws",
    "envelopes.cpp": "envelopes",
    "pieces.cpp": "pieces moved",
    "ranks.cpp": "ranks",
    "filter.cpp": "filters",
    "curve.cpp": "vocoder",
    "dynamics.cpp": "dynamics",
    "formant.cpp": "envelopes",
    "positions.cpp": "positions",
    "convolve.cpp": "convolution",
    "constant_q.cpp": "filters",
    "samples.cpp": "samples",
    "packets.cpp": "packets",
    "rooms.cpp": "rooms",
}
#: Files that serve the others: a line in one of them belongs to the line that it was inlined into.
HELPERS = (
    "simd.h", "lanes.h", "rows.h", "trig.h", "hash.h", "pool.h", "pool.cpp", "pages.cpp", "export.h"
)  # fmt: skip

MEMORY, WAITING, LAUNCHES = "memory", "waiting", "launches"
PRODUCTS, LOOPS, GENERATED = "products", "element-wise", "generated code"
# By symbol, the first that fits. Names of C++ are mangled, so that a word may begin anywhere.
_BY_SYMBOL = (
    ("FFT", r"mkl_dft|pocketfft|fftw|ducc"),
    (PRODUCTS, r"mkl_blas|gemm|gemv|dnnl|mkldnn|convol|addmm|baddbmm"),
    ("gather", r"index|gather|scatter|embedding|masked_select|searchsorted"),
    (MEMORY, r"mem(cpy|move|set|cmp)|copy|fill|cat_|padding|flip|munmap|madvise|mremap"),
    ("sorting", r"sort|topk|kthvalue|quantile"),
    ("random numbers", r"random|normal_kernel|uniform_kernel|bernoulli|mt19937|exponential"),
    (LOOPS, r"callback_fn|omp_fn|_kernel|Vectorized|Sleef|mkl_vml|AVX|7DEFAULT|lfilter|reduce"),
)
# What the kernel does for a process that computes is to give it memory, but for these.
_KERNEL_WAITS = r"futex|sched|switch|wake|poll|sleep|softirq|irqentry|tick|timer|yield"
_IN_LIBC = (
    (MEMORY, r"mem(cpy|move|set|cmp|chr)|munmap|mmap|madvise|brk"),
    (WAITING, r"futex|pthread|sem_|cond_|lll_|yield|nanosleep|poll"),
)
# Of oneDNN, which makes its code while it runs.
_GENERATED = (
    (MEMORY, r"reorder|copy"),
    (LOOPS, r"bnorm|eltwise|pool|softmax|binary"),
    (PRODUCTS, r"jit_|gemm|conv|driver"),
)
# By the name of a library's file, before its package is asked.
_BY_FILE = (
    ("FFT", r"pocketfft|ducc"),
    (PRODUCTS, r"openblas|libblas|liblapack|libmkl"),
    (WAITING, r"^lib(gomp|iomp|omp)"),
    (LOOPS, r"^libm(vec)?[.-]"),
    (
        LAUNCHES,
        r"^(lib)?python|^libffi|^_ctypes|^ld-linux|^libstdc|^libgcc|^libpthread|vdso",
    ),
)
_OURS = re.compile(r"/kernels-\w+-\w+-[0-9a-f]{16}\.so$")
_SAMPLE = re.compile(r"\s*([\d.]+):\s+([0-9a-f]+)\s+(.*) \((.*)\)$")


@dataclass(frozen=True)
class Sample:
    """What a thread did at a moment."""

    time: float  # of the monotonic clock, in seconds
    address: int
    symbol: str
    library: str


def parse(script: str) -> list[Sample]:
    """Read what ``perf script -F time,ip,sym,dso`` printed."""
    found = map(_SAMPLE.match, script.splitlines())
    return [Sample(float(one[1]), int(one[2], 16), one[3], one[4]) for one in found if one]


def kind_of(symbol: str, library: str) -> str:
    """Say what a sample outside of augspec's kernels is counted as.

    Args:
        symbol: Name of the function, mangled.
        library: Path of its library, or what ``perf`` calls the kernel or memory without a file.
    """
    name = Path(library).name
    if library.startswith(("[kernel", "[guest.kernel")):
        return WAITING if re.search(_KERNEL_WAITS, symbol) else MEMORY
    if name.startswith(("libc.", "libc-")):
        return _first(_IN_LIBC, symbol) or LAUNCHES
    kind = _first(_BY_FILE, name)
    if kind == PRODUCTS and re.search(r"exec_blas|thread_server", symbol):
        return WAITING  # OpenBLAS's threads spin
    if kind:
        return kind
    if "/torch/lib/" in library:
        return _first(_BY_SYMBOL, symbol) or LAUNCHES
    if "torchinductor" in library or name.startswith(("perf-", "[")) or "anon" in name:
        return _first(_GENERATED, symbol) or GENERATED
    if "/lib-dynload/" in library:
        return LAUNCHES
    if package := re.search(r"/(?:site|dist)-packages/(\w+)", library):
        return package[1]
    return re.sub(r"^lib|[.-].*", "", name) or "other"


def _first(rules: Iterable[tuple[str, str]], text: str) -> str | None:
    return next((kind for kind, pattern in rules if re.search(pattern, text)), None)


def kind_of_files(files: Sequence[str]) -> str:
    """Say what a line of augspec's kernels is counted as.

    Args:
        files: Names of source files, without folders: that of the line, then those of the lines
            that it was inlined into, from the innermost outwards.
    """
    return next((TOPICS[name] for name in files if name in TOPICS), "native kernels")


def describe(kinds: Counter[str]) -> str:
    """Lay out the largest shares of the work: threads that wait do none, even if they spin."""
    work = Counter({kind: count for kind, count in kinds.items() if kind != WAITING})
    shares = [(kind, count / work.total()) for kind, count in work.most_common(SHOWN)]
    told = [f"{kind} {100 * share:.0f} %" for kind, share in shares if share >= LEAST]
    return ", ".join(told) or UNKNOWN


def name_generated_code() -> None:
    """Let oneDNN tell ``perf`` the names of functions that it makes; to be called at the start."""
    os.environ.setdefault("ONEDNN_JIT_PROFILE", "2")
    names = Path(f"/tmp/perf-{os.getpid()}.map")  # noqa: S108  # where both expect it
    atexit.register(names.unlink, missing_ok=True)


def look(
    functions: Mapping[Key, Callable[[], Any]], seconds: float = 0.5, warmup: int = 2
) -> dict[Key, str]:
    """Say where the time of each function goes; `UNKNOWN` and a message if that cannot be seen.

    Args:
        functions: Callables without arguments.
        seconds: How long each is called again and again; once at least.
        warmup: Calls of each before, which may compile and fill caches.
    """
    try:
        return _look(functions, seconds, warmup)
    except (OSError, subprocess.SubprocessError, _build.BuildError, _UnseenError) as error:
        print(f"where the time goes is not known: {error}", file=sys.stderr)
        return dict.fromkeys(functions, UNKNOWN)


class _UnseenError(RuntimeError):
    """Nobody could look."""


def _look(
    functions: Mapping[Key, Callable[[], Any]], seconds: float, warmup: int
) -> dict[Key, str]:
    for name in _NEEDED:
        if shutil.which(name) is None:
            raise _UnseenError(f"{name} is missing (Debian's packages linux-perf and binutils)")
    if torch.cuda.is_available():
        raise _UnseenError("perf sees the processor only, not a GPU")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "perf.data"
        with _recording(data):
            spans = [_watch(function, seconds, warmup) for function in functions.values()]
        # Without processes that this one started meanwhile, such as those that compile.
        picked = ["-i", str(data), "--pid", str(os.getpid())]
        fields = ["-F", "time,ip,sym,dso", "--no-inline", "--no-demangle", "--ns"]
        samples = parse(_output("perf", "script", *picked, *fields))
    kinds = _kinds(samples)
    found = {}
    for key, (begin, end) in zip(functions, spans, strict=True):
        pairs = zip(kinds, samples, strict=True)
        found[key] = describe(Counter(kind for kind, one in pairs if begin <= one.time <= end))
    return found


def _output(*command: str, given: str | None = None) -> str:
    run = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return run.stdout


def _watch(function: Callable[[], Any], seconds: float, warmup: int) -> tuple[float, float]:
    """Call a function for a while, and give the times between which its samples lie."""
    for _ in range(warmup):
        function()
    begin = time.monotonic()
    function()
    while time.monotonic() - begin < seconds:
        function()
    return begin, time.monotonic()


@contextlib.contextmanager
def _recording(data: Path) -> Iterator[None]:
    """Let ``perf`` watch the threads of this process within."""
    # It says when it has begun only if it is told to wait a little, here for a millisecond.
    settings = ["-B", "-e", "cpu-clock", "-F", str(_RATE), "-k", "CLOCK_MONOTONIC", "-D", "1"]
    command = ["perf", "record", *settings, "-p", str(os.getpid()), "-o", str(data)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        said = []
        for line in process.stderr or ():
            said.append(line.strip())
            if "Events enabled" in line:
                break
        else:
            raise _UnseenError(" ".join(said)[:200])
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


def _kinds(samples: Sequence[Sample]) -> list[str]:
    ours = {sample.address for sample in samples if _OURS.search(sample.library)}
    kernels = _kinds_of_kernels(ours) if ours else {}
    return [
        kernels[sample.address]
        if sample.address in kernels
        else kind_of(sample.symbol, sample.library)
        for sample in samples
    ]


def _kinds_of_kernels(addresses: Iterable[int]) -> dict[int, str]:
    """Say what addresses in augspec's loaded library are counted as."""
    found = dict.fromkeys(addresses, kind_of_files(()))
    regions = sorted(_regions(Path("/proc/self/maps").read_text()))
    library = next(path for _, _, path in regions)
    twin = _twin()
    if _instructions(library) != _instructions(str(twin)):
        return found
    starts = [start for start, _, _ in regions]
    # In these libraries an instruction's place in the file is its address in the tables of lines.
    places = {}
    for address in found:
        start, offset, _ = regions[bisect_right(starts, address) - 1]
        places[address] = address - start + offset
    given = "".join(f"{place:#x}\n" for place in places.values())
    printed = _output("addr2line", "-a", "-i", "-e", str(twin), given=given)
    return {**found, **dict(zip(places, map(kind_of_files, frames(printed)), strict=True))}


def _regions(maps: str) -> Iterator[tuple[int, int, str]]:
    """Give start, place in the file and path of what is loaded of augspec's kernels."""
    for line in maps.splitlines():
        span, _, offset, _, _, *path = line.split(maxsplit=5)
        if path and _OURS.search(path[0]):
            yield int(span.split("-")[0], 16), int(offset, 16), path[0]


def frames(printed: str) -> list[list[str]]:
    """Read the files of each address out of what ``addr2line -a -i`` printed."""
    found: list[list[str]] = []
    for line in printed.splitlines():
        if line.startswith("0x"):
            found.append([])
        else:
            found[-1].append(Path(line.rpartition(":")[0]).name)
    return found


def _twin() -> Path:
    """Build the kernels with tables of lines, once for their sources."""
    folder = Path(tempfile.gettempdir()) / "augspec-benchmarks"
    with mock.patch.object(_build, "_FLAGS", (*_build._FLAGS, "-g")):
        path = folder / _build.library_name(native.instruction_set())
        return path if path.exists() else _build.build(native.instruction_set(), folder)


def _instructions(library: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "text"
        _output("objcopy", "-O", "binary", "--only-section=.text", library, str(part))
        return part.read_bytes()
