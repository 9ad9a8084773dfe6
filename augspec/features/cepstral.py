"""Cepstral coefficients."""

import math
from collections.abc import Mapping
from inspect import signature
from typing import Any, Literal, Self

import torch
from torch import Tensor

from augspec._constants import constant
from augspec.features.mel import MelFeature
from augspec.features.normalize import check_top_db
from augspec.functional.checks import check_count, check_flag
from augspec.functional.scale import amplitude_to_db, dct_matrix
from augspec.native import bins

# torchaudio's offset of the natural logarithm, part of the definition of `log_mels`.
_LOG_OFFSET = 1e-6


class MFCC(MelFeature):
    """Compute mel-frequency cepstral coefficients: the cosine transform of a log-mel spectrogram.

    It equals torchaudio's transform of the same name, with one difference: levels in decibel are
    clipped 80 dB below the peak of each example, as in librosa.

    Args:
        sample_rate: Sample rate in Hz.
        n_mfcc: Number of coefficients, in [1, n_mels].
        norm: ``"ortho"`` for an orthonormal cosine transform, or ``None``.
        log_mels: Natural logarithm, ``log(mel + 1e-6)``, instead of decibel.
        melkwargs: Arguments of `MelSpectrogram`, except ``sample_rate``.
        top_db: Range in dB below the peak of each example, positive, or ``None``.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, n_mfcc, frame)``.

    Raises:
        ValueError: If an argument is out of its range.

    References:
        Davis and Mermelstein, "Comparison of parametric representations for monosyllabic
        word recognition in continuously spoken sentences", IEEE Transactions on Acoustics,
        Speech, and Signal Processing 28(4), 1980.

    Example:
        >>> import torch
        >>> from augspec.features import MFCC
        >>> mfcc = MFCC(n_mfcc=13, melkwargs={"n_fft": 512, "hop_length": 160, "n_mels": 40})
        >>> mfcc(torch.randn(8, 1, 16_000)).shape
        torch.Size([8, 1, 13, 101])
    """

    def __init__(
        self,
        sample_rate: int = 16_000,
        n_mfcc: int = 40,
        norm: Literal["ortho"] | None = "ortho",
        log_mels: bool = False,
        melkwargs: Mapping[str, Any] | None = None,
        top_db: float | None = 80.0,
    ) -> None:
        if not isinstance(melkwargs, Mapping | None):
            raise TypeError(f"`melkwargs` must be a mapping, got {type(melkwargs).__name__}")
        taken = [name for name in signature(MelFeature).parameters if name != "sample_rate"]
        for name in melkwargs or {}:
            if name not in taken:
                raise TypeError(
                    "`melkwargs` must have names of arguments as keys, got "
                    f"{name!r}; it takes {', '.join(taken)}"
                )
        super().__init__(sample_rate, **(melkwargs or {}))
        n_mfcc = check_count("n_mfcc", n_mfcc)
        if not 1 <= n_mfcc <= self.n_mels:
            raise ValueError(f"`n_mfcc` must be in [1, n_mels = {self.n_mels}], got {n_mfcc}")
        if norm not in (None, "ortho"):
            raise ValueError(f"`norm` must be None or 'ortho', got {norm!r}")
        self.n_mfcc = n_mfcc
        self.norm = norm  # of the cosine transform; that of the filters is in `melkwargs`
        self.log_mels = check_flag("log_mels", log_mels)
        self.melkwargs = {name: getattr(self, name) for name in melkwargs or {}}
        self.top_db = check_top_db(top_db)
        self._dct_arguments = (n_mfcc, self.n_mels, norm)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls(n_mfcc=13, melkwargs={"n_fft": 256, "hop_length": 64, "n_mels": 16})

    def _finish(self, specgram: Tensor) -> Tensor:
        dct = constant(
            dct_matrix, *self._dct_arguments, dtype=specgram.dtype, device=specgram.device
        )
        if bins.can_compute(specgram):
            if self.log_mels:
                natural = math.log(10.0)
                return bins.level(specgram, natural, bias=_LOG_OFFSET, matrix=dct)
            return bins.level(specgram, 10.0, amin=1e-10, top_db=self.top_db, matrix=dct)
        if self.log_mels:
            level = torch.log(specgram + _LOG_OFFSET)
        else:
            level = amplitude_to_db(specgram, 10.0, 1.0, self.top_db)
        return dct @ level
