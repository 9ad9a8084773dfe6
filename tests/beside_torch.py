"""What tests of native kernels share: batches, and the same computed in torch."""

import pytest
import torch

from augspec import native

needs_kernels = pytest.mark.skipif(
    native.instruction_set() == "no", reason="there is no C++ compiler here"
)


def batch_of(shape, seed=0):
    """Give a batch with channels that differ, lengths from 0 to all, and the generator."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(0, shape[-1] + 1, shape[:1], generator=generator)
    return torch.randn(shape, generator=generator), lengths, generator


def both(function):
    """Compute with the kernels and in torch."""
    ours = function()
    with native.in_torch():
        return ours, function()
