"""What tests ask of torch beside them: older releases compile, export and count less."""

import pytest
import torch

from augspec._torch import COMPILES_WHOLE, COUNTS_LAUNCHES, MODULES_ARE_CONSTANTS

RELEASE = tuple(map(int, torch.__version__.split(".")[:2]))

compiles_whole = pytest.mark.skipif(
    not COMPILES_WHOLE, reason="before torch 2.11 a graph may be in parts"
)
modules_are_constants = pytest.mark.skipif(
    not MODULES_ARE_CONSTANTS, reason="with torch 2.11 a graph ends where it reads a bank"
)
counts_launches = pytest.mark.skipif(
    not COUNTS_LAUNCHES, reason="before torch 2.11 fake CUDA tensors ask for a driver"
)
modern_torchaudio = pytest.mark.skipif(
    RELEASE < (2, 9), reason="torchaudio before 2.9 has what later ones have not"
)
lowers_for_a_gpu_that_is_not_there = pytest.mark.skipif(
    RELEASE < (2, 12), reason="the compiler of torch 2.11 asks the GPU for its properties"
)
leaves_a_group_of_processes = pytest.mark.skipif(
    RELEASE < (2, 7), reason="torch 2.6 may hang where a group of gloo ends"
)
exports_open_sizes = pytest.mark.skipif(
    RELEASE < (2, 8), reason="before torch 2.8 exports of an open size fail inside of torch"
)
