"""The constant-Q transform."""

import math
from typing import Self

import torch
from torch import Tensor, nn

from augspec._chunks import in_chunks
from augspec._constants import constant
from augspec._door import enter
from augspec.features.protocol import show_settings
from augspec.functional.checks import (
    check_count,
    check_positive,
    check_sample_rate,
    check_waveform,
)
from augspec.functional.constant_q import constant_q_filters, decimate, filter_size, quality
from augspec.functional.shapes import silence_after
from augspec.functional.spectrum import frame as cut_frames
from augspec.functional.spectrum import magnitude as stft_magnitude
from augspec.functional.spectrum import valid_frames
from augspec.functional.windows import check_window
from augspec.native import constant_q as kernel

# Bandwidth of a window in bins, as in librosa.
_BANDWIDTHS = {
    "hann": 1.50018310546875,
    "hamming": 1.3629455320350348,
    "blackman": 1.7269681554262326,
    "povey": 1.4235105296794621,
    "rectangular": 1.0,
    "bartlett": 1.3334961334912805,
    "cosine": 1.2337005350199792,
    "nuttall": 1.9763500280946082,
}
# A larger value would be a mistake and fill the memory.
_MOST_BINS = 2**12
_MOST_TAPS = 2**25
_CPU = torch.device("cpu")


class CQT(nn.Module):
    """Compute the magnitude of the constant-Q transform, whose bins are equally spaced in pitch.

    Each octave is filtered at half the rate of the one above, with the filters and the scale of
    ``librosa.cqt``. Errors below are relative to the value of a tone in the middle of a bin that is
    as loud as the audio. Each bin agrees with ``abs(librosa.cqt(..., sparsity=0))`` within 1e-4,
    and within 5e-6 unless the audio is loud at its start or end. If no bin lies in the upper two
    octaves, librosa first decimates by four or more; its resampler differs by up to 2e-3 near the
    start and end of audio that is cut off there. For a tone above all bins only such differences
    remain, so that the two results may differ by as much as their peak. librosa's default
    ``sparsity=0.01`` drops small values of its filters, which changes results by about 6e-3 of the
    peak.

    The rate is halved only while ``hop_length`` is even: with a power of two, or 160, the transform
    is fast; with an odd ``hop_length`` the filters of low octaves are long and slow.

    Args:
        sample_rate: Sample rate in Hz.
        hop_length: Samples from frame to frame, at least 1. Frame ``i`` is centred on sample ``i *
            hop_length``, and zeros lie around the audio.
        f_min: Middle of the lowest bin in Hz, positive; the default is C1.
        n_bins: Number of bins; the whole filter of the highest must lie below half the sample rate.
        bins_per_octave: Bins in an octave.
        filter_scale: Factor on the length of the filters, positive: below 1 the resolution in time
            is higher and in pitch lower.
        power: Exponent of the magnitude, positive: 1 for magnitude, 2 for power.
        window: ``"hann"`` or another name that `Spectrogram` knows.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, n_bins, 1 + time // hop_length)``.

    Raises:
        ValueError: If an argument is out of its range.

    References:
        Schörkhuber and Klapuri, "Constant-Q transform toolbox for music processing", SMC 2010.

    Example:
        >>> import torch
        >>> from augspec.features import CQT
        >>> CQT(sample_rate=16_000, hop_length=256)(torch.randn(2, 1, 16_000)).shape
        torch.Size([2, 1, 84, 63])
    """

    def __init__(
        self,
        sample_rate: int = 16_000,
        hop_length: int = 512,
        f_min: float = 32.70319566257483,
        n_bins: int = 84,
        bins_per_octave: int = 12,
        filter_scale: float = 1.0,
        power: float = 1.0,
        window: str = "hann",
    ) -> None:
        super().__init__()
        self.window = check_window("window", window)
        for name, number in (("f_min", f_min), ("filter_scale", filter_scale), ("power", power)):
            check_positive(name, number)
        self.sample_rate = check_sample_rate(sample_rate)
        self.hop_length = check_count("hop_length", hop_length, 1)
        self.f_min = float(f_min)
        self.n_bins = check_count("n_bins", n_bins, 1, _MOST_BINS)
        self.bins_per_octave = check_count("bins_per_octave", bins_per_octave, 1, _MOST_BINS)
        self.filter_scale = float(filter_scale)
        self.power = float(power)
        self._octaves = self._plan()
        self._kernel = [
            kernel.Octave(last - first, halvings, self._filter_size(first, last, halvings))
            for first, last, halvings in self._octaves
        ]
        self._longest = max(octave.n_fft for octave in self._kernel)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls(hop_length=64, f_min=440.0, n_bins=36)

    @property
    def frequencies(self) -> Tensor:
        """Middle of each bin in Hz, ``(n_bins,)`` float64."""
        return _frequencies(self.f_min, self.bins_per_octave, 0, self.n_bins)

    def forward(
        self, waveform: Tensor, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Compute the transform of each example.

        Args:
            waveform: Audio; float64 is computed in float64, half precision in float32 and
                returned in its own dtype.
            lengths: Valid samples of each example. The samples after them have no influence, and
                the frames after ``1 + lengths // hop_length`` are zero.

        Shape:
            ``(batch, channel, time)`` to ``(batch, channel, n_bins, frame)``; ``lengths``
            ``(batch,)``, int64.

        Returns:
            The feature, or ``(feature, frame_lengths)`` when ``lengths`` was passed.

        Raises:
            TypeError: If ``waveform`` is not floating point or ``lengths`` not int64.
            ValueError: If a shape differs.
        """
        check_waveform(waveform, lengths)
        specgram, counts = enter(self._compute, waveform, lengths)
        return specgram if counts is None else (specgram, counts)

    def _compute(self, waveform: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        counts = None if lengths is None else self.frame_lengths(lengths)
        if kernel.can_compute(waveform, lengths):
            weights = constant(
                _kernel_weights, *self._scale, *self._octaves, dtype=torch.float32, device=_CPU
            )
            settings = (self._kernel, weights, self.hop_length, self.power)
            return kernel.constant_q(waveform, lengths, *settings), counts
        signal = silence_after(waveform, lengths)
        batch, channel, time = signal.shape
        values = channel * max(2 * time, (1 + time // self.hop_length) * self._longest)

        def transform(some: slice) -> Tensor:
            return self._transform(signal[some], None if lengths is None else lengths[some])

        specgram = in_chunks(transform, batch, values, signal.device)
        if counts is None:
            return specgram, None
        return specgram.where(valid_frames(specgram, counts), 0.0), counts

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Count the frames of examples of ``lengths`` samples, ``(batch,)`` in and out."""
        return 1 + torch.div(lengths, self.hop_length, rounding_mode="floor")

    def extra_repr(self) -> str:
        """Show the settings under the names that the constructor has."""
        return show_settings(self)

    def _plan(self) -> list[tuple[int, int, int]]:
        """Return for each octave, the highest first, its bins and how often the rate is halved."""
        periods = quality(self.bins_per_octave, self.filter_scale)
        highest = float(self.frequencies[-1]) * (1.0 + 0.5 * _BANDWIDTHS[self.window] / periods)
        nyquist = self.sample_rate / 2
        if highest > nyquist:
            raise ValueError(
                f"`n_bins` must keep the highest filter below sample_rate / 2 = {nyquist:g} Hz, "
                f"but that of {self.n_bins} reaches to {highest:.0f} Hz"
            )
        longest = periods * self.sample_rate / self.f_min
        if longest * min(self.n_bins, self.bins_per_octave) > _MOST_TAPS:
            raise ValueError(
                "`f_min`, `bins_per_octave` and `filter_scale` must make filters that fit into "
                f"memory, got {self.bins_per_octave} per octave, of up to {longest:.0f} samples"
            )
        count = math.ceil(self.n_bins / self.bins_per_octave)
        twos = (self.hop_length & -self.hop_length).bit_length() - 1
        # Same rate as in librosa: the filters depend a little on the rate at which they are
        # sampled.
        early = min(math.ceil(math.log2(nyquist / highest)) - 2, twos - count + 1)
        octaves = []
        for octave in range(count):
            last = self.n_bins - octave * self.bins_per_octave
            halvings = min(max(0, early) + octave, twos)
            octaves.append((max(0, last - self.bins_per_octave), last, halvings))
        return octaves

    def _filter_size(self, first: int, last: int, halvings: int) -> int:
        frequencies = _frequencies(self.f_min, self.bins_per_octave, first, last)
        rate = self.sample_rate / 2**halvings
        return filter_size(frequencies, rate, self.bins_per_octave, self.filter_scale)

    @property
    def _scale(self) -> tuple[float, int, float, int, str]:
        return (
            self.f_min,
            self.bins_per_octave,
            self.filter_scale,
            self.sample_rate,
            self.window,
        )

    def _filters(self, dtype: torch.dtype, device: torch.device) -> list[Tensor]:
        return [
            constant(_octave_filters, *self._scale, *octave, dtype=dtype, device=device)
            for octave in self._octaves
        ]

    def _transform(self, signal: Tensor, lengths: Tensor | None) -> Tensor:
        count = 1 + signal.shape[-1] // self.hop_length
        parts: list[Tensor] = []
        done = 0
        filters = self._filters(signal.dtype, signal.device)
        for taps, (_, _, halvings) in zip(filters, self._octaves, strict=True):
            if halvings > done:
                factor = 1 << halvings - done
                # The ringing of the filter before and after the audio is cut off, as in librosa.
                lengths = None if lengths is None else (lengths + (factor - 1)) // factor
                signal, done = silence_after(decimate(signal, factor), lengths), halvings
            frames = cut_frames(signal, len(taps), self.hop_length >> done, pad_mode="constant")
            spectrum = _filter(frames[..., :count, :], taps)
            parts.insert(0, stft_magnitude(spectrum.unflatten(-1, (-1, 2)), self.power))
        return torch.cat(parts, dim=-1).transpose(-1, -2).contiguous()


def _frequencies(f_min: float, bins_per_octave: int, first: int, last: int) -> Tensor:
    """Return the middles of bins in Hz, ``(last - first,)`` float64."""
    return f_min * torch.exp2(torch.arange(first, last, dtype=torch.float64) / bins_per_octave)


def _octave_filters(
    f_min: float,
    bins_per_octave: int,
    filter_scale: float,
    sample_rate: int,
    window: str,
    first: int,
    last: int,
    halvings: int,
    *,
    dtype: torch.dtype,
) -> Tensor:
    """Make the filters of the bins of an octave at its halved sample rate."""
    frequencies = _frequencies(f_min, bins_per_octave, first, last)
    rate = sample_rate / 2**halvings
    settings = (bins_per_octave, filter_scale, window)
    taps = constant_q_filters(frequencies, rate, *settings, dtype=torch.float64)
    # With this scale white noise has the same level in every bin, as in librosa.
    periods = quality(bins_per_octave, filter_scale)
    scale = (periods * sample_rate / frequencies).sqrt().repeat_interleave(2)
    return (taps * scale).to(dtype)


def _kernel_weights(
    f_min: float,
    bins_per_octave: int,
    filter_scale: float,
    sample_rate: int,
    window: str,
    *octaves: tuple[int, int, int],
    dtype: torch.dtype,
) -> Tensor:
    """Make the filters of all octaves for the native kernel."""
    scale = (f_min, bins_per_octave, filter_scale, sample_rate, window)
    taps = [_octave_filters(*scale, *octave, dtype=torch.float64) for octave in octaves]
    return kernel.fold(taps).to(dtype)


def _filter(frames: Tensor, taps: Tensor) -> Tensor:
    """Multiply frames by filters, ``(..., frame, n_fft)`` to ``(..., frame, filter)``."""
    values = math.prod(frames.shape[:-2]) * frames.shape[-1]
    return in_chunks(
        lambda some: frames[..., some, :] @ taps, frames.shape[-2], values, frames.device, dim=-2
    )
