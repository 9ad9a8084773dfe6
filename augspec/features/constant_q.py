"""The constant-Q transform."""

import math
from typing import Self

import torch
from torch import Tensor, nn

from augspec import functional
from augspec.functional.checks import (
    check_count,
    check_positive,
    check_sample_rate,
)
from augspec.functional.constant_q import quality
from augspec.functional.shapes import silence_after, split_batch

_HANN_BANDWIDTH = 1.50018310546875  # in bins, as librosa has it
# Samples of overlapping frames that are worked on at a time, as in the spectrogram.
_CPU_BLOCK = 2**21
_DEVICE_BLOCK = 2**27
# More would be a slip, and fill the memory.
_MOST_BINS = 2**12
_MOST_TAPS = 2**25


class CQT(nn.Module):
    """Compute the magnitude of the constant-Q transform: bins equally far apart in pitch.

    Each octave is filtered at half the rate of the one above, with the filters and the scale of
    ``librosa.cqt``: the result is ``abs(librosa.cqt(..., sparsity=0))`` within 1e-4 of its peak,
    and within 1e-6 but for filters that reach over the ends of loud audio. librosa's default
    ``sparsity=0.01`` leaves out small values of its filters, for about 6e-3 of the peak. Where no
    bin lies in the upper two octaves, librosa first decimates by four or more, and its resampler
    misses the very start of audio that starts loud, for up to 1e-2.

    The rate is halved only while ``hop_length`` is even: with a power of two, or 160, the transform
    is fast; with an odd one the filters of low octaves are long.

    Args:
        sample_rate: Sample rate in Hz.
        hop_length: Samples from frame to frame, at least 1. Frame ``i`` is centred on sample ``i *
            hop_length``, and zeros lie around the audio.
        f_min: Middle of the lowest bin in Hz, positive; the default is C1.
        n_bins: Number of bins; the highest has to lie below half the sample rate.
        bins_per_octave: Bins in an octave.
        filter_scale: Factor on the length of the filters, positive: below 1 the time is sharper and
            the pitch less so.
        power: Exponent of the magnitude, positive: 1 for magnitude, 2 for power.

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
    ) -> None:
        super().__init__()
        check_sample_rate(sample_rate)
        check_count("hop_length", hop_length, 1)
        for name, value in (("n_bins", n_bins), ("bins_per_octave", bins_per_octave)):
            check_count(name, value, 1, _MOST_BINS)
        for name, number in (("f_min", f_min), ("filter_scale", filter_scale), ("power", power)):
            check_positive(name, number)
        self.sample_rate = sample_rate
        self.hop_length = hop_length
        self.f_min = float(f_min)
        self.n_bins = n_bins
        self.bins_per_octave = bins_per_octave
        self.filter_scale = float(filter_scale)
        self.power = float(power)
        self._octaves = self._plan()
        # No buffers: not every device has float64.
        self._exact = self._filters()
        for octave, taps in enumerate(self._exact):
            self.register_buffer(f"filters_{octave}", taps.float(), persistent=False)
        self._n_fft = [len(taps) for taps in self._exact]

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use."""
        return cls(hop_length=64, f_min=440.0, n_bins=36)

    @property
    def frequencies(self) -> Tensor:
        """Middle of each bin in Hz, ``(n_bins,)`` float64."""
        steps = torch.arange(self.n_bins, dtype=torch.float64) / self.bins_per_octave
        return self.f_min * torch.exp2(steps)

    def forward(
        self, waveform: Tensor, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Compute the transform of each example.

        Args:
            waveform: Audio; float64 is computed in float64, half precision in float32 and
                returned in its own dtype.
            lengths: Valid samples of each example. What lies behind them has no influence, and
                the frames behind ``1 + lengths // hop_length`` are zero.

        Shape:
            ``(batch, channel, time)`` to ``(batch, channel, n_bins, frame)``; ``lengths``
            ``(batch,)``, int64.

        Returns:
            The feature, or ``(feature, frame_lengths)`` when ``lengths`` was passed.

        Raises:
            TypeError: If ``waveform`` is not floating point or ``lengths`` not int64.
            ValueError: If a shape differs.
        """
        functional.check_waveform(waveform, lengths)
        signal = silence_after(waveform.to(functional.compute_dtype(waveform)), lengths)
        # Autocast would run the filters in half precision, where a power overflows.
        with torch.autocast(waveform.device.type, enabled=False):
            size = self._examples_at_a_time(signal)
            chunks = split_batch(signal, size)
            ends = [None] * len(chunks) if lengths is None else split_batch(lengths, size)
            parts = [self._transform(*pair) for pair in zip(chunks, ends, strict=True)]
            specgram = torch.cat(parts)
        if lengths is None:
            return specgram.to(waveform.dtype)
        counts = self.frame_lengths(lengths)
        specgram = specgram.where(functional.valid_frames(specgram, counts), 0.0)
        return specgram.to(waveform.dtype), counts

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Count the frames of examples of ``lengths`` samples, ``(batch,)`` in and out."""
        return 1 + torch.div(lengths, self.hop_length, rounding_mode="floor")

    def extra_repr(self) -> str:
        """Show the settings under the names that the constructor has."""
        names = ("sample_rate", "hop_length", "f_min", "n_bins", "bins_per_octave", "filter_scale")
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in (*names, "power"))

    def _plan(self) -> list[tuple[int, int, int]]:
        """Say for each octave, the highest first, its bins and how often the rate is halved."""
        periods = quality(self.bins_per_octave, self.filter_scale)
        highest = float(self.frequencies[-1]) * (1.0 + 0.5 * _HANN_BANDWIDTH / periods)
        nyquist = self.sample_rate / 2
        if highest > nyquist:
            raise ValueError(
                f"`n_bins` must leave the highest filter below sample_rate / 2 = {nyquist:g} Hz, "
                f"but that of {self.n_bins} reaches to {highest:.0f} Hz"
            )
        longest = periods * self.sample_rate / self.f_min
        if longest * min(self.n_bins, self.bins_per_octave) > _MOST_TAPS:
            raise ValueError(
                "`f_min`, `bins_per_octave` and `filter_scale` must make filters that fit into "
                f"memory, got {self.bins_per_octave} an octave of {longest:.0f} samples"
            )
        count = math.ceil(self.n_bins / self.bins_per_octave)
        twos = (self.hop_length & -self.hop_length).bit_length() - 1
        # As librosa does: the filters depend a little on the rate that they are sampled at.
        early = min(math.ceil(math.log2(nyquist / highest)) - 2, twos - count + 1)
        octaves = []
        for octave in range(count):
            last = self.n_bins - octave * self.bins_per_octave
            halvings = min(max(0, early) + octave, twos)
            octaves.append((max(0, last - self.bins_per_octave), last, halvings))
        return octaves

    def _filters(self) -> list[Tensor]:
        frequencies = self.frequencies
        periods = quality(self.bins_per_octave, self.filter_scale)
        filters = []
        for first, last, halvings in self._octaves:
            own = frequencies[first:last]
            rate = self.sample_rate / 2**halvings
            taps = functional.constant_q_filters(
                own, rate, self.bins_per_octave, self.filter_scale, dtype=torch.float64
            )
            # Noise of one level then has that level in every bin, as in librosa.
            scale = (periods * self.sample_rate / own).sqrt().repeat_interleave(2)
            filters.append(taps * scale)
        return filters

    def _tables(self, dtype: torch.dtype) -> list[Tensor]:
        # The buffers serve float32 alone: after `module.double()` they have float32's errors.
        tables = [self.get_buffer(f"filters_{octave}") for octave in range(len(self._octaves))]
        if tables[0].dtype == dtype == torch.float32:
            return tables
        return [taps.to(tables[0].device, dtype) for taps in self._exact]

    def _transform(self, signal: Tensor, lengths: Tensor | None) -> Tensor:
        count = 1 + signal.shape[-1] // self.hop_length
        parts: list[Tensor] = []
        done = 0
        for taps, (_, _, halvings) in zip(self._tables(signal.dtype), self._octaves, strict=True):
            if halvings > done:
                factor = 1 << halvings - done
                # What the filter lets sound before and after the audio is cut off, as in librosa.
                lengths = None if lengths is None else (lengths + (factor - 1)) // factor
                signal, done = silence_after(functional.decimate(signal, factor), lengths), halvings
            frames = functional.frame(
                signal, len(taps), self.hop_length >> done, pad_mode="constant"
            )[..., :count, :]
            blocks = torch.split(frames, self._frames_at_a_time(frames), dim=-2)
            spectrum = torch.cat([block @ taps for block in blocks], dim=-2)
            parts.insert(0, functional.magnitude(spectrum.unflatten(-1, (-1, 2)), self.power))
        return torch.cat(parts, dim=-1).transpose(-1, -2).contiguous()

    def _examples_at_a_time(self, signal: Tensor) -> int:
        batch, channel, time = signal.shape
        if torch.compiler.is_compiling():
            return max(1, batch)
        samples = channel * max(2 * time, (1 + time // self.hop_length) * max(self._n_fft))
        return max(1, _block(signal) // samples)

    def _frames_at_a_time(self, frames: Tensor) -> int:
        if torch.compiler.is_compiling():
            return max(1, frames.shape[-2])
        samples = frames.shape[:-2].numel() * frames.shape[-1]
        return max(1, _block(frames) // max(1, samples))


def _block(tensor: Tensor) -> int:
    return _CPU_BLOCK if tensor.device.type == "cpu" else _DEVICE_BLOCK
