"""The devices that are there, and how kernels are tried on them."""

import copy
import functools
import inspect

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from augspec import features, functional

#: Devices beside the CPU: CUDA, MPS, or whatever torch finds.
OTHERS = [torch.accelerator.current_accelerator().type] if torch.accelerator.is_available() else []
#: Those that know float64, in which parity is tested.
DOUBLE = [device for device in OTHERS if device != "mps"]


def on_others(*names):
    """Parametrise a test over the other devices and over names: one skip if there is no device."""
    skip = pytest.mark.skip(reason="needs a CUDA GPU or another accelerator")
    if not names:
        return pytest.mark.parametrize("device", OTHERS or [pytest.param("", marks=skip)])
    cases = [(device, name) for device in OTHERS for name in names]
    cases = cases or [pytest.param("", "", marks=skip)]
    return pytest.mark.parametrize(("device", "name"), cases)


def moved(function, device):
    """Let a function that is given tensors on the CPU run on a device and answer on the CPU."""

    @functools.wraps(function)
    def run(*arguments, **options):
        tensors = [leaf for leaf in tree_leaves((arguments, options)) if isinstance(leaf, Tensor)]
        if any(tensor.device.type == device for tensor in tensors):  # called by one that is moved
            return function(*arguments, **options)
        there, words = tree_map_only(Tensor, lambda x: x.to(device), (arguments, options))
        return tree_map_only(Tensor, Tensor.cpu, function(*there, **words))

    return run


def _moved_call(call, device):
    """The same for a module, whose buffers are moved too."""

    @functools.wraps(call)
    def run(self, waveform, *arguments, **options):
        if waveform.device.type == device:
            return call(self, waveform, *arguments, **options)
        there = copy.deepcopy(self).to(device)
        return moved(functools.partial(call, there), device)(waveform, *arguments, **options)

    return run


def move_kernels(device, module, monkeypatch):
    """Run what a test module calls of `augspec` on a device; oracles stay on the CPU."""
    kernels = {getattr(functional, name): name for name in functional.__all__}
    for kernel, name in kernels.items():
        monkeypatch.setattr(functional, name, moved(kernel, device))
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value in kernels:
            monkeypatch.setattr(module, name, moved(value, device))
    for name in features.__all__:
        kind = getattr(features, name)
        monkeypatch.setattr(kind, "__call__", _moved_call(kind.__call__, device))
