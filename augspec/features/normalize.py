"""Level and normalisation of spectrograms, separately for each example."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from torch import Tensor, nn

from augspec._constants import constant, tensor_of
from augspec._door import enter
from augspec.features.protocol import show_settings
from augspec.functional.checks import (
    check_count,
    check_flag,
    check_positive,
    check_specgram,
    is_finite,
)
from augspec.functional.scale import amplitude_to_db_until, standardize, standardize_sliding
from augspec.functional.shapes import ends_of, silence_after
from augspec.functional.spectrum import valid_frames
from augspec.native import bins


class AmplitudeToDB(nn.Module):
    """Convert a spectrogram to decibel, ``10 * log10(max(specgram, 1e-10) / ref)`` for power.

    It equals torchaudio's transform of the same name, with ``ref`` and ``top_db`` per example.

    Args:
        stype: ``"power"`` (factor 10) or ``"magnitude"`` (factor 20).
        top_db: Range in dB below the peak of each example, below which levels are clipped;
            positive, or ``None``.
        ref: Value that becomes 0 dB, positive, or ``"max"`` for the largest of each example.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> import torch
        >>> from augspec.features import AmplitudeToDB
        >>> AmplitudeToDB()(torch.tensor([1.0, 0.01, 0.0]).reshape(1, 1, 3, 1)).flatten().round()
        tensor([   0.,  -20., -100.])
    """

    def __init__(
        self,
        stype: Literal["power", "magnitude"] = "power",
        top_db: float | None = None,
        ref: float | Literal["max"] = 1.0,
    ) -> None:
        super().__init__()
        if stype not in ("power", "magnitude"):
            raise ValueError(f"`stype` must be 'power' or 'magnitude', got {stype!r}")
        self.stype = stype
        self.ref, self.top_db = check_decibel(ref, top_db)

    def extra_repr(self) -> str:
        """Show the settings under the names that the constructor has."""
        return show_settings(self)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls(top_db=80.0)

    def forward(
        self, specgram: Tensor, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Convert ``specgram``; return ``(specgram, lengths)`` when ``lengths`` was passed.

        Args:
            specgram: Power or magnitude, not negative.
            lengths: Valid frames of each example; the frames after them become digital silence.

        Shape:
            ``(batch, channel, freq, frame)`` in and out, ``lengths`` ``(batch,)`` int64.

        Raises:
            TypeError: If ``specgram`` is not floating point or ``lengths`` not int64.
            ValueError: If a shape differs.
        """
        check_specgram(specgram, lengths)
        level, _ = enter(self._compute, specgram, lengths)
        return level if lengths is None else (level, lengths)

    def _compute(self, specgram: Tensor, lengths: Tensor | None) -> tuple[Tensor, None]:
        multiplier = 10.0 if self.stype == "power" else 20.0
        level = amplitude_to_db_until(specgram, lengths, multiplier, self.ref, self.top_db)
        return level, None


class Normalize(nn.Module):
    """Subtract a mean and divide by a standard deviation.

    Without arguments each example is standardised by its own mean and standard deviation, over all
    its channels, bins and valid frames: ``(specgram - mean) / sqrt(variance + eps)``, the variance
    divided by the number of values. A constant example becomes zero. With ``mean`` and ``std``,
    such as the statistics of a data set, it computes ``(specgram - mean) / std``.

    With ``per_bin`` each bin of each channel has a mean and a deviation over time; with ``window``
    they are taken over the neighbouring frames. This is the cepstral mean and variance
    normalisation of speech recognition.

    Args:
        mean: Mean of the data, one number or one for each bin; ``None`` for that of each example.
        std: Standard deviation of the data, positive, in the same form; given if and only if
            ``mean`` is.
        eps: Added to each example's variance, positive; in decibel the default is far below any
            variance of sound. It has no effect with ``mean`` and ``std``.
        per_bin: Take the statistics of each bin over the valid frames.
        mean_only: Subtract the mean and leave the deviation as it is.
        window: Take the statistics of each bin over this many frames around each frame. At the ends
            of an example the window is shifted inwards, as Kaldi's ``apply-cmvn-sliding --center``
            does.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If only one of ``mean`` and ``std`` is given, their sizes differ, they are
            given together with ``per_bin``, ``mean_only`` or ``window``, or a value is out of its
            range.

    Example:
        >>> import torch
        >>> from augspec.features import LogMelSpectrogram, Normalize
        >>> specgram = LogMelSpectrogram(n_mels=40)(torch.randn(4, 1, 16_000))
        >>> bool(Normalize()(specgram).mean().abs() < 1e-4)
        True
    """

    def __init__(
        self,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        eps: float = 1e-5,
        per_bin: bool = False,
        mean_only: bool = False,
        window: int | None = None,
    ) -> None:
        super().__init__()
        self.per_bin = check_flag("per_bin", per_bin)
        self.mean_only = check_flag("mean_only", mean_only)
        self.window = None if window is None else check_count("window", window, 1)
        for name in ("per_bin", "mean_only", "window"):
            if mean is not None and getattr(self, name):
                raise ValueError(
                    f"`{name}` computes statistics of each example: it cannot be "
                    f"combined with `mean` and `std`"
                )
        if (mean is None) != (std is None):
            raise ValueError(f"`mean` and `std` must be given together, got {mean} and {std}")
        self.mean = _statistics("mean", mean)
        self.std = _statistics("std", std)
        self.eps = check_positive("eps", eps)
        if self.mean is not None and self.std is not None:
            if len(self.mean) > 1 < len(self.std) and len(self.mean) != len(self.std):
                raise ValueError(
                    "`std` must be as long as `mean`, "
                    f"got {len(self.std)} and {len(self.mean)} numbers"
                )
            if not all(value > 0.0 for value in self.std):
                raise ValueError(f"`std` must be positive, got {std}")

    def extra_repr(self) -> str:
        """Show the settings under the names that the constructor has."""
        return show_settings(self)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls()

    def forward(
        self, specgram: Tensor, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Normalise ``specgram``; return ``(specgram, lengths)`` when ``lengths`` was passed.

        Args:
            specgram: Features of any scale.
            lengths: Valid frames of each example; the frames after them are ignored and become 0,
                the mean.

        Shape:
            ``(batch, channel, freq, frame)`` in and out, ``lengths`` ``(batch,)`` int64.

        Raises:
            TypeError: If ``specgram`` is not floating point or ``lengths`` not int64.
            ValueError: If a shape differs, or the number of bins differs from the length of
                ``mean``.
        """
        check_specgram(specgram, lengths)
        normalized, _ = enter(self._compute, specgram, lengths)
        return normalized if lengths is None else (normalized, lengths)

    def _compute(self, values: Tensor, lengths: Tensor | None) -> tuple[Tensor, None]:
        made = self._normalize_natively(values, lengths)
        if made is None:
            made = silence_after(self._normalize(values, lengths), lengths)
        return made, None

    def _normalize_natively(self, values: Tensor, lengths: Tensor | None) -> Tensor | None:
        """Normalise in the native kernels; None if only torch can."""
        if self.window is not None or not bins.can_compute(values, lengths):
            return None
        if self.mean is not None and self.std is not None:
            mean, std = self._columns(values)
            return bins.affine(values, lengths, before=-mean, factor=1.0 / std, silent=True)
        shared = "" if self.per_bin else "channel freq"
        eps = None if self.mean_only else self.eps
        mean, deviation = bins.moments(values, lengths, shared=shared, eps=eps)
        factor = None if self.mean_only else deviation.reciprocal()
        return bins.affine(values, lengths, before=-mean, factor=factor, silent=True)

    def _columns(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the given mean and deviation, ``(freq, 1)`` or ``(1, 1)``."""
        size = max(len(self.mean or ()), len(self.std or ()))
        if size not in (1, values.shape[-2]):
            raise ValueError(
                f"`specgram` must have {size} bins, the length of `mean` and `std`, got "
                f"{values.shape[-2]}"
            )
        mean, std = (
            constant(tensor_of, tuple(each or ()), dtype=values.dtype, device=values.device)
            for each in (self.mean, self.std)
        )
        return mean[:, None], std[:, None]

    def _normalize(self, values: Tensor, lengths: Tensor | None) -> Tensor:
        if self.mean is not None and self.std is not None:
            mean, std = self._columns(values)
            return (values - mean) / std
        if self.window is not None:
            ends = ends_of(values, lengths)
            sliding: Tensor = standardize_sliding(
                values, self.window, ends, self.eps, mean_only=self.mean_only
            )
            return sliding
        valid = None if lengths is None else valid_frames(values, lengths)
        return standardize(values, valid, self.eps, per_bin=self.per_bin, mean_only=self.mean_only)


def _statistics(name: str, value: float | Sequence[float] | None) -> list[float] | None:
    if value is None:
        return None
    numbers: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
    if not numbers or not all(map(is_finite, numbers)):
        raise ValueError(f"`{name}` must be one finite number or one for each bin, got {value!r}")
    return [float(number) for number in numbers]


def check_decibel(
    ref: float | str, top_db: float | None
) -> tuple[float | Literal["max"], float | None]:
    """Raise ``ValueError`` unless ``ref`` and ``top_db`` are in their ranges, and return them."""
    top_db = check_top_db(top_db)
    if isinstance(ref, str) and ref == "max":
        return "max", top_db
    if not (is_finite(ref) and ref > 0.0):
        raise ValueError(f"`ref` must be positive or 'max', got {ref!r:.60}")
    return float(ref), top_db


def check_top_db(top_db: float | None) -> float | None:
    """Raise ``ValueError`` unless ``top_db`` is positive or None, and return it as a float."""
    if top_db is None:
        return None
    if not is_finite(top_db) or not top_db > 0.0:
        raise ValueError(f"`top_db` must be positive or None, got {top_db!r:.60}")
    return float(top_db)
