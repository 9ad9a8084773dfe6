"""Compile the native kernels: at installation, or at first use into a cache folder.

It needs neither torch nor other modules of augspec, because ``hatch_build.py`` loads this file by
its path. The name of a library holds a hash of its sources, so that an outdated one is never used.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["SETS", "BuildError", "build", "compiler", "default_set", "library_name", "sources"]

FOLDER = Path(__file__).parent
# Rounding and NaN follow the source: no -ffast-math. Products may be fused into sums, and errno and
# exception flags are not used.
_FLAGS: tuple[str, ...] = (
    "-std=c++17", "-O3", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden",
    "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-Wno-psabi",
)  # fmt: skip
if sys.platform == "darwin":
    _FLAGS += ("-mmacosx-version-min=11.0",)
_X86 = {
    "avx512": ("-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma", "-mavx2"),
    "avx2": ("-mavx2", "-mfma"),
    "sse2": (),
}
#: Instruction sets of this kind of machine, the best first, and the flags that name them.
SETS: dict[str, tuple[str, ...]] = (
    _X86
    if platform.machine().lower() in ("x86_64", "amd64")
    else {"neon" if platform.machine().lower() in ("arm64", "aarch64") else "plain": ()}
)
_LONGEST = 300  # seconds that compiling may take


class BuildError(RuntimeError):
    """The library could not be built."""


def default_set() -> str:
    """Return the set that every machine of this architecture has."""
    return list(SETS)[-1]


def sources() -> list[Path]:
    """List the source files of the library."""
    return sorted(path for path in FOLDER.iterdir() if path.suffix in (".cpp", ".h"))


def library_name(name: str) -> str:
    """Name the library for an instruction set."""
    key = hashlib.sha256(" ".join((*_FLAGS, *SETS[name])).encode())
    for path in sources():
        key.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"kernels-{sys.platform}-{name}-{key.hexdigest()[:16]}.so"


def compiler() -> str | None:
    """Find a C++ compiler with the vector extensions of GCC and clang."""
    if sys.platform == "win32":  # the kernels use POSIX threads and forks
        return None
    named = os.environ.get("CXX", "")
    return next(
        filter(None, map(shutil.which, filter(None, (named, "c++", "g++", "clang++")))), None
    )


def build(name: str, folder: Path) -> Path:
    """Compile the library for an instruction set into a folder.

    The file is put in place atomically, also if several processes build it.

    Args:
        name: One of `SETS`.
        folder: Destination; created if it is missing.

    Raises:
        BuildError: If there is no compiler, or if it fails.
    """
    command = compiler()
    if command is None:
        raise BuildError("there is no C++ compiler")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as temporary:
            made, target = Path(temporary) / "kernels.so", folder / library_name(name)
            units = [str(path) for path in sources() if path.suffix == ".cpp"]
            subprocess.run(
                [command, *_FLAGS, *SETS[name], *units, "-o", str(made)],
                check=True,
                capture_output=True,
                encoding="utf-8",
                errors="replace",  # a compiler may speak another one
                timeout=_LONGEST,
            )
            made.replace(target)
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.split())[:500]
        raise BuildError(f"{command} cannot compile the kernels: {said}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"the kernels cannot be compiled: {error}") from error
    return target
