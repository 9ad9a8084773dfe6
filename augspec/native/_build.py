"""Compile the native kernels: at installation, or at first use into a cache folder.

Needs no torch and nothing else of augspec: ``hatch_build.py`` loads this file by its path. The name
of a library holds a hash of what it was made from, so that one that is out of date is never used.
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
# Rounding and NaN stay as the source says: nothing of -ffast-math, but products may be fused into
# sums, and nobody reads errno or the flags of exceptions.
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
    """Why there is no library."""


def default_set() -> str:
    """Name the set that every machine of this kind has."""
    return list(SETS)[-1]


def sources() -> list[Path]:
    """List the files that the library is made from."""
    return sorted(path for path in FOLDER.iterdir() if path.suffix in (".cpp", ".h"))


def library_name(name: str) -> str:
    """Name the library for an instruction set."""
    key = hashlib.sha256(" ".join((*_FLAGS, *SETS[name])).encode())
    for path in sources():
        key.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"kernels-{sys.platform}-{name}-{key.hexdigest()[:16]}.so"


def compiler() -> str | None:
    """Find a C++ compiler that knows the vector extensions of GCC and clang."""
    if sys.platform == "win32":  # threads and forks are those of POSIX here
        return None
    named = os.environ.get("CXX", "")
    return next(
        filter(None, map(shutil.which, filter(None, (named, "c++", "g++", "clang++")))), None
    )


def build(name: str, folder: Path) -> Path:
    """Compile the library for an instruction set into a folder.

    It appears there at once and whole, whoever else is at it.

    Args:
        name: One of `SETS`.
        folder: Where to put it; made if it is not there.

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
                text=True,
                timeout=_LONGEST,
            )
            made.replace(target)
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.split())[:500]
        raise BuildError(f"{command} cannot compile the kernels: {said}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"the kernels cannot be compiled: {error}") from error
    return target
