"""Print as JSON how many regions of OpenMP each class opens, beside ``openmp_regions.cpp``."""

import ctypes
import json
import sys
from collections.abc import Callable

import torch
from public import classes
from test_one_region import signal_for

from augspec import features as F
from augspec import transforms as T

SHAPES = ((64, 64_000), (256, 16_000))  # many samples; many parameters


def main() -> None:
    """Count the regions of a call of each class; ``torch`` is an operation of torch itself."""
    torch.set_num_threads(2)
    regions = ctypes.c_long.in_dll(ctypes.CDLL(None), "openmp_regions")

    def opened(function: Callable[..., object], *given: torch.Tensor) -> int:
        function(*given)  # constants are computed once
        before = regions.value
        function(*given)
        return regions.value - before

    numbers = torch.rand(1000, dtype=torch.float64)
    counts = {"torch": [opened(torch.sqrt, numbers)]}
    for kind in classes(T) + classes(F):
        module = kind.example()
        signals = [signal_for(module, *shape) for shape in SHAPES]
        counts[kind.__name__] = [opened(module, signal) for signal in signals]
    json.dump(counts, sys.stdout)


if __name__ == "__main__":
    with torch.no_grad():
        main()
