"""Compile the native kernels of augspec into the wheel, where a C++ compiler can.

Without one, or with ``AUGSPEC_NATIVE=0``, the wheel is one for every machine: augspec then compiles
the kernels at first use, or runs in torch alone.
"""

import importlib.util
import os
import platform
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeKernels(BuildHookInterface):
    """Builds a library for each instruction set, into a folder of the package."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say what the wheel then holds. An editable one finds the files in place."""
        if os.environ.get("AUGSPEC_NATIVE", "1") == "0":
            return
        kernels = _load(Path(self.root) / "augspec" / "native" / "_build.py")
        folder = Path(self.root) / "augspec" / "native" / "lib"
        # The name holds a hash of the sources: a library of an earlier installation stays.
        missing = {kernels.library_name(name): name for name in kernels.SETS}
        for old in folder.glob("*.so"):
            if missing.pop(old.name, None) is None:
                old.unlink()
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda name: kernels.build(name, folder), missing.values()))
        except kernels.BuildError as error:
            self.app.display_warning(f"augspec is installed without native kernels: {error}")
            return
        build_data["artifacts"].append("/augspec/native/lib/*.so")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform_tag()}"


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("augspec_native_build", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _platform_tag() -> str:
    if sys.platform == "darwin":  # of Python that runs on two architectures too
        return f"macosx_11_0_{platform.machine()}"
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
