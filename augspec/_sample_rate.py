"""The sample rate of a front end: checks that all parts agree, and sets missing ones."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from augspec.transforms.base import RandomTransform
from augspec.transforms.compose import Chain
from augspec.transforms.resample import Resample

__all__ = ["settle_sample_rate"]


class _Section:
    """The parts between two changes of the sample rate, and their rates."""

    def __init__(self) -> None:
        self.modules: list[nn.Module] = []
        self.said: list[tuple[str, int]] = []

    def add(self, part: nn.Module) -> None:
        """Add a part and everything inside it: options, banks."""
        for module in part.modules():
            self.modules.append(module)
            rate = getattr(module, "sample_rate", None)
            if isinstance(rate, int):
                self.said.append((type(module).__name__, rate))

    def check(self) -> None:
        """Raise a clear error unless all rates are the same."""
        for name, rate in self.said[1:]:
            first, expected = self.said[0]
            if rate != expected:
                raise ValueError(
                    f"`sample_rate` must be the same throughout a front end, got {expected} in "
                    f"{first} and {rate} in {name}; only T.Resample changes it"
                )


def settle_sample_rate(waveform: Chain, features: nn.Module, specgram: Chain) -> None:
    """Check that the sample rates of a front end agree, and set those of transforms without one.

    Parts before an `augspec.transforms.Resample` have its original rate.

    Raises:
        ValueError: If two rates differ; the message names both.
    """
    sections = [_Section()]
    for part in _leaves(waveform):
        if isinstance(part, Resample):
            sections[-1].said.append(("Resample", part.orig_freq))
            sections.append(_Section())
            sections[-1].said.append(("Resample", part.new_freq))
        else:
            sections[-1].add(part)
    sections[-1].add(features)
    sections[-1].add(specgram)
    for section in sections:
        section.check()
    for section in sections:
        for module in section.modules:
            if section.said and isinstance(module, RandomTransform):
                module.adopt_sample_rate(section.said[0][1])


def _leaves(chain: Chain) -> Iterator[RandomTransform]:
    """Yield the transforms of a chain, also those of chains inside it."""
    for part in chain:
        if isinstance(part, Chain):
            yield from _leaves(part)
        else:
            yield part
