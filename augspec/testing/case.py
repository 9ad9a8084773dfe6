"""The input of every check: a transform or a feature, and a small batch for it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from augspec._torch import COUNTS_LAUNCHES
from augspec.config import is_known
from augspec.random import example_keys
from augspec.transforms.base import RandomTransform

__all__ = ["CHECKS", "Case", "Check", "check", "close", "equal", "make_case", "require"]

Function: TypeAlias = Callable[["Case"], None]


@dataclass(frozen=True)
class Case:
    """A transform or a feature with a batch, its lengths and its keys."""

    module: nn.Module
    batch: Tensor
    lengths: Tensor
    keys: Tensor

    @property
    def transform(self) -> RandomTransform:
        """The module, which is known to be a random transform."""
        if not isinstance(self.module, RandomTransform):
            raise TypeError(f"{type(self.module).__name__} is not a RandomTransform")
        return self.module

    @property
    def picks(self) -> bool:
        """Whether the module has a probability per example."""
        return hasattr(self.module, "p") and not getattr(self.module, "sets_shape", False)

    def on(self, **changes: Any) -> Case:
        """Return the case with another batch, other keys or another module."""
        return replace(self, **changes)

    def take(self, index: Any) -> Case:
        """Return the case of some of the examples."""
        return replace(
            self, batch=self.batch[index], lengths=self.lengths[index], keys=self.keys[index]
        )

    def with_p(self, p: float) -> Case:
        """Return the case with another probability."""
        module: Any = copy.deepcopy(self.module)
        module.p = p
        return replace(self, module=module)

    def run(self) -> Tensor:
        """Call the module without lengths."""
        out = self.module(self.batch, **self._keys())
        require(isinstance(out, Tensor), f"without `lengths` it gives {type(out).__name__}")
        result: Tensor = out
        return result

    def run_ragged(self) -> tuple[Tensor, Tensor]:
        """Call the module with lengths."""
        out = self.module(self.batch, self.lengths, **self._keys())
        require(
            isinstance(out, tuple) and len(out) == 2,
            f"with `lengths` it must give (tensor, lengths), got {type(out).__name__}",
        )
        result: tuple[Tensor, Tensor] = out
        return result

    def _keys(self) -> dict[str, Tensor]:
        return {"keys": self.keys} if isinstance(self.module, RandomTransform) else {}

    def padding(self) -> Tensor:
        """Return where the batch is padding, in a shape that broadcasts with it."""
        places = torch.arange(self.batch.shape[-1], device=self.batch.device)
        padding = places >= self.lengths[:, None]
        return padding.reshape(len(padding), *[1] * (self.batch.ndim - 2), len(places))


@dataclass(frozen=True)
class Check:
    """A check by name, with the classes to which it applies."""

    name: str
    function: Function
    only: str
    unless: str

    def applies(self, module: nn.Module) -> bool:
        """Whether ``module`` has to pass the check."""
        if self.unless and getattr(module, self.unless, False):
            return False
        if self.only == "counted":
            return COUNTS_LAUNCHES and bool(getattr(module, "compilable", True))
        if self.only == "compilable" or self.only == "differentiable":
            return bool(getattr(module, self.only, True))
        if self.only == "picks":
            return hasattr(module, "p") and not getattr(module, "sets_shape", False)
        if self.only == "known":
            return is_known(type(module))
        return not self.only or isinstance(module, RandomTransform)


#: The checks in their order.
CHECKS: dict[str, Check] = {}


def check(*, only: str = "", unless: str = "") -> Callable[[Function], Function]:
    """List a function as a check.

    Args:
        only: ``"transform"`` for random transforms only, ``"picks"`` for those with a probability,
            ``"known"`` for classes that configs can name, ``"counted"`` for classes that compile,
            if torch can count the work of a GPU, or the name of a class attribute that enables the
            check.
        unless: Name of a class attribute that exempts a class.
    """

    def add(function: Function) -> Function:
        name = function.__name__
        CHECKS[name] = Check(name, function, only, unless)
        return function

    return add


def require(condition: bool | Tensor, message: str) -> None:
    """Raise ``AssertionError`` with ``message`` unless ``condition`` holds."""
    if not condition:
        raise AssertionError(message)


def equal(actual: Tensor, expected: Tensor, message: str) -> None:
    """Require two tensors to be equal bit for bit; NaN equals NaN."""
    try:
        torch.testing.assert_close(actual, expected, rtol=0.0, atol=0.0, equal_nan=True)
    except AssertionError as error:
        raise AssertionError(f"{message}: {error}") from None


def close(actual: Tensor, expected: Tensor, message: str, tolerance: float = 1e-5) -> None:
    """Require two tensors to differ only by rounding, relative to the largest value."""
    finite = expected.detach()[expected.detach().isfinite()]
    largest = max(1.0, float(finite.abs().max())) if len(finite) else 1.0
    try:
        torch.testing.assert_close(
            actual, expected, rtol=tolerance, atol=tolerance * largest, equal_nan=True
        )
    except AssertionError as error:
        raise AssertionError(f"{message}: {error}") from None


def make_case(
    module: nn.Module, batch: Tensor | None = None, device: torch.device | str | None = None
) -> Case:
    """Put a module and a batch together.

    Args:
        module: A transform or a feature.
        batch: At least four examples; by default noise, as a waveform or a spectrogram, depending
            on the module.
        device: Device to run on.
    """
    if batch is None:
        batch = _make_batch(takes_specgram(module), _channels(module))
    if len(batch) < 4:
        raise ValueError(f"`batch` must have at least four examples, got {len(batch)}")
    if device is not None:
        batch, module = batch.to(device), copy.deepcopy(module).to(device)
    time = batch.shape[-1]
    lengths = torch.tensor([time, 1, time * 3 // 10, time * 7 // 10], device=batch.device)
    lengths = lengths.repeat(-(-len(batch) // 4))[: len(batch)]
    keys = example_keys(1, 2, torch.arange(len(batch), device=batch.device))
    return Case(module, batch, lengths, keys)


def takes_specgram(module: nn.Module) -> bool:
    """Return whether a module takes spectrograms and rejects waveforms."""
    waveform = torch.zeros(1, _channels(module), 4096)
    try:
        if isinstance(module, RandomTransform):
            module.check(waveform, None)
        else:
            module(waveform)
    except ValueError:
        return True
    return False


def _channels(module: nn.Module) -> int:
    """Return the number of channels for a module: two, unless its class sets another."""
    return int(getattr(module, "in_channels", 2))


def _make_batch(specgram: bool, channels: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if specgram:  # positive, as power is
        return torch.rand(4, channels, 24, 40, generator=generator) + 0.01
    # Quiet in one half and beyond full scale in the other, so that limiters have an effect.
    level = torch.tensor([0.1, 0.5]).repeat_interleave(1200)
    return level * torch.randn(4, channels, 2400, generator=generator)
