"""Mel spectrograms, linear and in decibel."""

import math
import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal, Self

import torch
from torch import Tensor

from augspec._constants import constant
from augspec.features.normalize import check_decibel
from augspec.features.spectrogram import MagnitudeFeature
from augspec.functional.checks import check_count, check_finite, check_sample_rate
from augspec.functional.scale import amplitude_to_db, mel_corners, mel_filterbank, mel_filterbanks
from augspec.functional.spectrum import magnitude as stft_magnitude
from augspec.native.features import Bins, Level, decibel

# The lower half of the filters covers less than a quarter of the spectrum. Narrower bands save more
# products but no time, because each band is one more operation.
_BAND = 32
_MOST_MELS = 2**14  # a larger value would be a mistake and fill the memory


class MelFeature(MagnitudeFeature):
    """Base of the features that start from a mel spectrogram.

    On a CPU the filters are split into bands, each multiplied with only the bins that it covers.
    For a power spectrum, the real and imaginary parts are squared in one pass and multiplied by a
    filter bank with each row twice, so that one matrix product does both the sum of squares and the
    mel filters.

    Args:
        sample_rate: Sample rate in Hz.
        n_fft: Samples of a frame.
        win_length: Samples under the window.
        hop_length: Samples from frame to frame.
        f_min: Lowest frequency in Hz.
        f_max: Highest frequency in Hz.
        n_mels: Number of filters.
        power: Exponent of the magnitude, in (0, 10].
        center: Pad on both sides.
        pad_mode: How to pad.
        norm: ``None`` or ``"slaney"``.
        mel_scale: ``"htk"`` or ``"slaney"``.
        window: Name of the window.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, n_mels, frame)``.

    Raises:
        ValueError: If an argument is out of its range.

    Warns:
        UserWarning: If filters lie between two bins and are therefore zero: their rows are
        constant.
    """

    def __init__(
        self,
        sample_rate: int = 16_000,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        f_min: float = 0.0,
        f_max: float | None = None,
        n_mels: int = 128,
        power: float = 2.0,
        center: bool = True,
        pad_mode: str = "reflect",
        norm: Literal["slaney"] | None = None,
        mel_scale: Literal["htk", "slaney"] = "htk",
        window: str = "hann",
    ) -> None:
        super().__init__(
            n_fft=n_fft,
            win_length=win_length,
            hop_length=hop_length,
            power=power,
            center=center,
            pad_mode=pad_mode,
            window=window,
        )
        sample_rate = check_sample_rate(sample_rate)
        n_mels = check_count("n_mels", n_mels, 1, _MOST_MELS)
        if norm not in (None, "slaney"):
            raise ValueError(f"`norm` must be None or 'slaney', got {norm!r}")
        if mel_scale not in ("htk", "slaney"):
            raise ValueError(f"`mel_scale` must be 'htk' or 'slaney', got {mel_scale!r}")
        f_min, f_max = (
            check_finite("f_min", f_min),
            None if f_max is None else check_finite("f_max", f_max),
        )
        if f_max is not None and not f_max <= sample_rate / 2:
            raise ValueError(f"`f_max` must be at most sample_rate / 2, got {f_max}")
        corners = mel_corners(sample_rate, n_mels, f_min, f_max, mel_scale, device="cpu")
        if not (corners.diff() > 0.0).all():  # equal ones would give NaN
            raise ValueError(
                f"`f_max` must be farther above f_min = {f_min} for {n_mels} filters, got {f_max}"
            )
        self.sample_rate = sample_rate
        self.f_min = f_min
        self.f_max = f_max
        self.n_mels = n_mels
        self.norm: str | None = norm
        self.mel_scale = mel_scale
        self._filter_arguments = (sample_rate, self.n_fft, n_mels, f_min, f_max, norm, mel_scale)
        spans = _spans(self._filter_rows())
        each_twice = 2 if power == 2.0 else 1
        self._bands = _cover(spans, _BAND, each_twice)
        self._whole = _cover(spans, n_mels, each_twice)
        empty = [row for row, (low, high) in enumerate(spans) if low == high]
        self._warn_of_empty_filters(empty, corners)

    def _warn_of_empty_filters(self, empty: list[int], corners: Tensor) -> None:
        """Warn which rows are constant, as librosa and torchaudio do, and what to set."""
        if not empty:
            return
        rows = ", ".join(map(str, empty[:8])) + (", ..." if len(empty) > 8 else "")
        # A filter wider than the distance of two bins has a bin inside.
        narrowest = float((corners[2:] - corners[:-2]).min())
        enough = math.floor(self.sample_rate / narrowest) + 1
        own = type(self).__init__ is MelFeature.__init__
        warnings.warn(
            f"{len(empty)} of {self.n_mels} mel filters lie between two bins of the spectrum and "
            f"are empty, so that their rows are constant: {rows}. Set `n_fft` to {enough} or "
            f"more (it is {self.n_fft}), a lower `n_mels` or a higher `f_min`",
            stacklevel=3 if own else 4,  # the line that makes the feature
        )

    def _project(self, spectrum: Tensor) -> Tensor:
        if self.power == 2.0:
            bins = spectrum.square().flatten(-2)
        else:
            bins = stft_magnitude(spectrum, self.power)
        filters = self._filters(bins.dtype, bins.device)
        # On other devices than a CPU one large product is faster than several small ones.
        bands = self._bands if bins.device.type == "cpu" else self._whole
        rows = bins.flatten(0, -2)
        parts = [rows[:, low:high] @ filters[low:high, i:j] for low, high, i, j in bands]
        mel = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        return mel.reshape(*spectrum.shape[:-2], self.n_mels)

    def filters_within(self, f_min: Tensor, f_max: Tensor, dtype: torch.dtype) -> Tensor:
        """Make mel filters for each example; see `MagnitudeFeature.filters_within`."""
        sample_rate, n_fft, n_mels, lowest, f_max_of_all, norm, mel_scale = self._filter_arguments
        highest = sample_rate / 2 if f_max_of_all is None else f_max_of_all
        f_min = torch.where(f_min.isnan(), lowest, f_min)
        f_max = torch.where(f_max.isnan(), highest, f_max)
        return mel_filterbanks(
            sample_rate, n_fft, n_mels, f_min, f_max, norm, mel_scale, dtype=dtype
        )

    def _filter_rows(self) -> Tensor:
        cpu = torch.device("cpu")
        given = (mel_filterbank, *self._filter_arguments)
        return constant(_filter_rows, *given, dtype=torch.int64, device=cpu)

    def _bins(self) -> Bins:
        return filters_as_bins(self.n_mels, mel_filterbank, *self._filter_arguments)

    def _filters(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        make = _paired_filterbank if self.power == 2.0 else mel_filterbank
        return constant(make, *self._filter_arguments, dtype=dtype, device=device)

    @abstractmethod
    def _finish(self, specgram: Tensor) -> Tensor:
        """Turn the mel spectrogram ``(batch, channel, n_mels, frame)`` into the feature."""


def _paired_filterbank(*arguments: Any, dtype: torch.dtype) -> Tensor:
    """Return `mel_filterbank` with each row twice, for real and imaginary parts side by side."""
    return mel_filterbank(*arguments, dtype=dtype).repeat_interleave(2, dim=0)


def filters_as_bins(count: int, make: Callable[..., Tensor], *arguments: Any) -> Bins:
    """Describe ``count`` filters for the native kernel: the columns of ``make(*arguments)``."""
    cpu = torch.device("cpu")
    rows = constant(_filter_rows, make, *arguments, dtype=torch.int64, device=cpu)
    weights = constant(_weights, make, *arguments, dtype=torch.float32, device=cpu)
    return Bins(count, rows[0], rows[1], weights)


def _filter_rows(make: Callable[..., Tensor], *arguments: Any, dtype: torch.dtype) -> Tensor:
    """List the first bin of each filter, and the total number of weights before it."""
    firsts, places = [], [0]
    for column in make(*arguments, dtype=torch.float32).T:
        bins = column.nonzero().flatten().tolist() or [0, -1]
        firsts.append(bins[0])
        places.append(places[-1] + bins[-1] + 1 - bins[0])
    return torch.tensor([[*firsts, 0], places], dtype=dtype)


def _spans(rows: Tensor) -> list[tuple[int, int]]:
    """Return the first bin of each filter, and the bin after its last."""
    firsts, places = rows.tolist()
    return [
        (first, first + end - start)
        for first, start, end in zip(firsts, places, places[1:], strict=False)
    ]


def _weights(make: Callable[..., Tensor], *arguments: Any, dtype: torch.dtype) -> Tensor:
    """Return the weights of all filters, one filter after another, from its first to its last."""
    filters = make(*arguments, dtype=dtype)
    spans = _spans(_filter_rows(make, *arguments, dtype=torch.int64))
    return torch.cat([filters[low:high, i] for i, (low, high) in enumerate(spans)])


def _cover(
    spans: list[tuple[int, int]], width: int, repeats: int
) -> list[tuple[int, int, int, int]]:
    """List, for each ``width`` filters, the rows that are not zero: (low, high, first, last).

    Each bin is ``repeats`` rows.
    """
    bands = []
    for first in range(0, len(spans), width):
        some = [span for span in spans[first : first + width] if span[0] < span[1]]
        low = min((low for low, _ in some), default=0) * repeats
        high = max((high for _, high in some), default=0) * repeats
        bands.append((low, high, first, min(first + width, len(spans))))
    return bands


class MelSpectrogram(MelFeature):
    """Compute a spectrogram and sum its bins with triangular filters, equally spaced in mel.

    It equals torchaudio's transform of the same name; the window is Hann by default.

    Args:
        sample_rate: Sample rate in Hz.
        n_fft: Samples of a frame, at least 1.
        win_length: Samples under the window, in [1, n_fft]; ``None`` is ``n_fft``.
        hop_length: Samples from frame to frame, at least 1; ``None`` is ``win_length // 2``.
        f_min: Lowest frequency in Hz, not negative.
        f_max: Highest frequency in Hz, in (f_min, sample_rate / 2]; ``None`` is half the sample
            rate.
        n_mels: Number of filters, at least 1. A filter that is narrower than the distance of two
            bins can lie between them. Its row is then constant, and a warning says what to set: a
            larger ``n_fft``, a lower ``n_mels`` or a higher ``f_min``.
        power: Exponent of the magnitude, in (0, 10]: 1 for magnitude, 2 for power.
        center: Pad ``n_fft // 2`` samples on both sides, so that frame ``i`` is centred on sample
            ``i * hop_length``.
        pad_mode: ``"reflect"``, ``"constant"`` (zeros) or ``"replicate"``. Audio of at most
            ``n_fft // 2`` samples, too short for a reflection, is padded with zeros.
        norm: ``None`` for filters with a peak of one, ``"slaney"`` for filters of area one.
        mel_scale: ``"htk"`` or ``"slaney"``; librosa's default is the latter, with
            ``norm="slaney"``.
        window: ``"hann"`` or another name that `Spectrogram` knows.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, n_mels, frame)``.

    Raises:
        ValueError: If an argument is out of its range.

    References:
        Young et al., *The HTK Book*, 2006. Slaney, *Auditory Toolbox*, 1998.

    Example:
        >>> import torch
        >>> from augspec.features import MelSpectrogram
        >>> mel = MelSpectrogram(sample_rate=16_000, n_fft=1024, hop_length=256, n_mels=64)
        >>> mel(torch.randn(8, 1, 64_000)).shape
        torch.Size([8, 1, 64, 251])
    """

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls(n_fft=256, hop_length=64, n_mels=16)

    def _finish(self, specgram: Tensor) -> Tensor:
        return specgram

    def _level(self) -> Level:
        return Level()


class LogMelSpectrogram(MelFeature):
    """Compute a mel spectrogram in decibel, ``10 * log10(max(mel, 1e-10) / ref)``.

    It is `MelSpectrogram` followed by `AmplitudeToDB` in one module. With ``power`` 2, digital
    silence is -100 dB (minus the level of ``ref``).

    Args:
        sample_rate: Sample rate in Hz.
        n_fft: Samples of a frame, at least 1.
        win_length: Samples under the window, in [1, n_fft]; ``None`` is ``n_fft``.
        hop_length: Samples from frame to frame, at least 1; ``None`` is ``win_length // 2``.
        f_min: Lowest frequency in Hz, not negative.
        f_max: Highest frequency in Hz, in (f_min, sample_rate / 2]; ``None`` is half the sample
            rate.
        n_mels: Number of filters, at least 1.
        power: Exponent of the magnitude, in (0, 10]; the factor of the logarithm is ``20 / power``.
        center: Pad ``n_fft // 2`` samples on both sides.
        pad_mode: ``"reflect"``, ``"constant"`` (zeros) or ``"replicate"``.
        norm: ``None`` for filters with a peak of one, ``"slaney"`` for filters of area one.
        mel_scale: ``"htk"`` or ``"slaney"``.
        ref: Value that becomes 0 dB, positive, or ``"max"`` for the largest of each example.
        top_db: Range in dB below the peak of each example, below which levels are clipped;
            positive, or ``None``.
        window: ``"hann"`` or another name that `Spectrogram` knows.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, n_mels, frame)``.

    Raises:
        ValueError: If an argument is out of its range.

    References:
        Young et al., *The HTK Book*, 2006. Slaney, *Auditory Toolbox*, 1998.

    Example:
        >>> import torch
        >>> from augspec.features import LogMelSpectrogram
        >>> log_mel = LogMelSpectrogram(sample_rate=16_000, n_fft=1024, hop_length=256, n_mels=64)
        >>> specgram, frame_lengths = log_mel(
        ...     torch.randn(2, 1, 64_000), lengths=torch.tensor([64_000, 32_000])
        ... )
        >>> frame_lengths
        tensor([251, 126])
    """

    def __init__(
        self,
        sample_rate: int = 16_000,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        f_min: float = 0.0,
        f_max: float | None = None,
        n_mels: int = 128,
        power: float = 2.0,
        center: bool = True,
        pad_mode: str = "reflect",
        norm: Literal["slaney"] | None = None,
        mel_scale: Literal["htk", "slaney"] = "htk",
        ref: float | Literal["max"] = 1.0,
        top_db: float | None = None,
        window: str = "hann",
    ) -> None:
        super().__init__(
            sample_rate=sample_rate,
            n_fft=n_fft,
            win_length=win_length,
            hop_length=hop_length,
            f_min=f_min,
            f_max=f_max,
            n_mels=n_mels,
            power=power,
            center=center,
            pad_mode=pad_mode,
            norm=norm,
            mel_scale=mel_scale,
            window=window,
        )
        self.ref, self.top_db = check_decibel(ref, top_db)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls(n_fft=256, hop_length=64, n_mels=16)

    def _finish(self, specgram: Tensor) -> Tensor:
        return amplitude_to_db(specgram, 20.0 / self.power, self.ref, self.top_db)

    def _level(self) -> Level | None:
        if self.ref == "max" or self.top_db is not None:
            return None
        return decibel(20.0 / self.power, float(self.ref))
