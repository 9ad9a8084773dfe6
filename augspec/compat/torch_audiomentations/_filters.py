"""Filters of linear phase: windowed sincs, whose level at the cutoff is half the amplitude.

They have no delay and a steep slope, unlike `augspec.transforms.LowPass` and similar filters.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec.compat.torch_audiomentations._base import ObjectDict
from augspec.compat.torch_audiomentations._transform import Transform, draw_frequency
from augspec.functional.reverb import convolve

__all__ = ["BandPassFilter", "BandStopFilter", "HighPassFilter", "LowPassFilter"]

_ZEROS = 8  # zero crossings of the sinc on each side, as torch-audiomentations' filters have


class LowPassFilter(Transform):
    """Remove frequencies above a cutoff, which is drawn uniformly in mel.

    A cutoff at or above half of the sample rate removes nothing.

    Args:
        min_cutoff_freq: Lowest cutoff in Hz.
        max_cutoff_freq: Highest cutoff in Hz.
    """

    min_cutoff_freq: float = 150.0
    max_cutoff_freq: float = 7500.0

    def _validate(self) -> None:
        self.check_range("min_cutoff_freq", "max_cutoff_freq", at_least=1e-6)

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Draw the cutoffs."""
        draw = self.draw(len(samples))
        ends = self.min_cutoff_freq, self.max_cutoff_freq
        self.transform_parameters["cutoff_freq"] = draw_frequency(draw, "cutoff_freq", *ends)

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Filter."""
        cutoff = self.transform_parameters["cutoff_freq"] / (sample_rate or 1)
        low = _filter(samples, _responses(cutoff, _half_sizes(cutoff)))
        return self._move(self._choose(samples, low), targets, sample_rate, target_rate)

    def _choose(self, samples: Tensor, low: Tensor) -> Tensor:
        """Return the part of the sound that stays."""
        return low


class HighPassFilter(LowPassFilter):
    """Remove frequencies below a cutoff, which is drawn uniformly in mel.

    Args:
        min_cutoff_freq: Lowest cutoff in Hz.
        max_cutoff_freq: Highest cutoff in Hz.
    """

    min_cutoff_freq: float = 20.0
    max_cutoff_freq: float = 2400.0

    def _choose(self, samples: Tensor, low: Tensor) -> Tensor:
        return samples - low


class BandPassFilter(Transform):
    """Keep a band around a centre that is drawn uniformly in mel.

    Args:
        min_center_frequency: Lowest centre in Hz.
        max_center_frequency: Highest centre in Hz.
        min_bandwidth_fraction: Smallest width of the band as a fraction of the centre, above 0.
        max_bandwidth_fraction: Largest width, below 2, where the band would begin at 0 Hz.
    """

    min_center_frequency: float = 200
    max_center_frequency: float = 4000
    min_bandwidth_fraction: float = 0.5
    max_bandwidth_fraction: float = 1.99

    def _validate(self) -> None:
        self.check_range("min_center_frequency", "max_center_frequency", at_least=1e-6)
        self.check_range("min_bandwidth_fraction", "max_bandwidth_fraction", at_least=1e-6)
        if self.max_bandwidth_fraction >= 2.0:
            raise ValueError(
                f"`max_bandwidth_fraction` must be below 2, got {self.max_bandwidth_fraction:g}"
            )

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Draw centres and widths."""
        draw = self.draw(len(samples))
        ends = self.min_center_frequency, self.max_center_frequency
        self.transform_parameters["center_freq"] = draw_frequency(draw, "center_freq", *ends)
        widths = self.min_bandwidth_fraction, self.max_bandwidth_fraction
        self.transform_parameters["bandwidth"] = draw.uniform("bandwidth", *widths)

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Filter by the difference of two low passes of one size."""
        center = self.transform_parameters["center_freq"] / (sample_rate or 1)
        half_width = 0.5 * self.transform_parameters["bandwidth"].double()
        low, high = center * (1.0 - half_width), center * (1.0 + half_width)
        sizes = _half_sizes(low)
        band = _filter(samples, _responses(high, sizes) - _responses(low, sizes))
        return self._move(self._choose(samples, band), targets, sample_rate, target_rate)

    def _choose(self, samples: Tensor, band: Tensor) -> Tensor:
        """Return the part of the sound that stays."""
        return band


class BandStopFilter(BandPassFilter):
    """Remove a band around a centre that is drawn uniformly in mel.

    Args:
        min_center_frequency: Lowest centre in Hz.
        max_center_frequency: Highest centre in Hz.
        min_bandwidth_fraction: Smallest width of the band as a fraction of the centre, above 0.
        max_bandwidth_fraction: Largest width, below 2.
    """

    def _choose(self, samples: Tensor, band: Tensor) -> Tensor:
        return samples - band


def _half_sizes(cutoff: Tensor) -> Tensor:
    """Return the taps on each side, ``(row,)`` int64; a cutoff is in cycles per sample."""
    return (_ZEROS / cutoff.clamp(max=0.5) / 2).long()


def _responses(cutoff: Tensor, half_size: Tensor) -> Tensor:
    """Make low passes, ``(row, tap)`` float64: sincs under Hann windows, of unit sum."""
    longest = int(half_size.max())
    place = torch.arange(-longest, longest + 1, dtype=torch.float64)
    cutoff, half_size = cutoff.double().clamp(max=0.5)[:, None], half_size[:, None]
    inside = place.abs() <= half_size
    window = torch.where(inside, 0.5 + 0.5 * torch.cos(torch.pi * place / half_size), 0.0)
    taps = window * torch.sinc(2.0 * cutoff * place)
    return taps / taps.sum(1, keepdim=True)


def _filter(samples: Tensor, responses: Tensor) -> Tensor:
    """Filter each row by its own response; the first and last samples are repeated at the ends."""
    reach = responses.shape[1] // 2
    padded = nnf.pad(samples, (reach, reach), mode="replicate")
    taps = responses.to(samples.dtype).to(samples.device, non_blocking=True)
    return convolve(padded, taps, delay=reach)[..., reach : reach + samples.shape[-1]]
