"""Facts for a bug report: versions, devices, threads and the compiler."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil

import torch

from augspec import native

__all__ = ["show_versions"]

# fmt: off
# fmt: off
_PACKAGES = (
    "augspec", "numpy", "soundfile", "pyyaml", "timm", "torchvision", "torchaudio", "torchcodec",
    "triton", "lightning", "fastai", "transformers", "datasets", "audiomentations",
    "torch-audiomentations", "nicegui", "matplotlib",
)
# fmt: on


class _Text(str):
    """Text that an interpreter shows with its line breaks."""

    __slots__ = ()
    __repr__ = str.__str__


def show_versions() -> str:
    """Return the installed versions and the hardware, for a bug report.

    Returns:
        Text of a few lines, with versions, devices, threads, the compiler of the kernels, and the
        instruction set of the native kernels. An interpreter or a notebook shows it; in a program,
        print it.

    Example:
        >>> augspec.show_versions().splitlines()[0].startswith("python")
        True
    """
    said = {"python": f"{platform.python_version()} ({platform.platform()})"}
    said["torch"] = torch.__version__
    said |= {name: _version(name) for name in _PACKAGES}
    said["devices"] = ", ".join(_devices())
    said["threads"] = f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    compilers = [os.environ.get("CXX", ""), "g++", "clang++", "cl"]
    found = next(filter(None, map(shutil.which, filter(None, compilers))), "none")
    said["compiler"] = f"{found}, AUGSPEC_COMPILE={_environ('AUGSPEC_COMPILE')}"
    said["native"] = f"{native.instruction_set()}, AUGSPEC_NATIVE={_environ('AUGSPEC_NATIVE')}"
    width = max(map(len, said))
    return _Text("\n".join(f"{name:{width}}  {value}" for name, value in said.items()))


def _environ(name: str) -> str:
    return os.environ.get(name, "not set")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _devices() -> list[str]:
    found = ["cpu"]
    found += [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found
