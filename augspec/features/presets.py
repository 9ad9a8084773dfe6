"""The features of published models, by the model's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from augspec._constants import constant
from augspec.features.fbank import Fbank
from augspec.features.frames import Framing
from augspec.features.mel import LogMelSpectrogram
from augspec.features.normalize import Normalize
from augspec.features.spectrogram import MagnitudeFeature
from augspec.functional.kaldi import kaldi_filterbank, kaldi_filterbanks
from augspec.functional.scale import log_of_sum
from augspec.functional.spectrum import magnitude as stft_magnitude
from augspec.functional.windows import window as window_of

__all__ = ["preset"]


def preset(name: str) -> nn.Sequential:
    """Make the feature on which a published model was trained, with its normalisation.

    ========== ====== ======================================================================
    name       rate   feature
    ========== ====== ======================================================================
    "AST"      16,000 `Fbank`, 128 bins, frames of 25 ms every 10 ms
    "BEATs"    16,000 `Fbank`, 128 bins, of samples of 16 bits
    "PaSST"    32,000 natural log of Kaldi's mel filters, 128 bins, of pre-emphasised audio
    "Whisper"  16,000 `LogMelSpectrogram`, 80 bins, at most 80 dB below the peak, without its
                      last frame
    "VGGish"   16,000 natural log of mel magnitudes, 64 bins
    "PANNs"    32,000 `LogMelSpectrogram`, 64 bins; the model normalises by itself
    ========== ====== ======================================================================

    You choose the duration: AST and BEATs take up to about 10 s, Whisper 30 s padded with zeros,
    VGGish patches of 96 frames. Whisper takes ``(bins, frames)``, as here; AST and BEATs take
    ``(frames, bins)``: ``specgram.mT`` exchanges the axes.

    Args:
        name: Name of the model.

    Returns:
        A feature, to call or to pass to `augspec.Frontend`.

    Shape:
        The feature takes ``(batch, channel, time)`` to ``(batch, channel, n_mels, frame)``.

    Raises:
        ValueError: If the name is not known.

    References:
        Gong et al., "AST: Audio Spectrogram Transformer", Interspeech 2021. Chen et al., "BEATs:
        Audio Pre-Training with Acoustic Tokenizers", ICML 2023. Koutini et al., "Efficient Training
        of Audio Transformers with Patchout", Interspeech 2022. Radford et al., "Robust Speech
        Recognition via Large-Scale Weak Supervision", ICML 2023. Hershey et al., "CNN Architectures
        for Large-Scale Audio Classification", ICASSP 2017. Kong et al., "PANNs: Large-Scale
        Pretrained Audio Neural Networks for Audio Pattern Recognition", TASLP 2020.

    Example:
        >>> import torch
        >>> from augspec import features as F
        >>> F.preset("AST")(torch.randn(2, 1, 16_000)).shape
        torch.Size([2, 1, 128, 98])
    """
    if name not in _PRESETS:
        raise ValueError(f"`name` must be one of {', '.join(_PRESETS)}, got {name!r}")
    return nn.Sequential(*_PRESETS[name]())


@dataclass(frozen=True)
class _WithoutLast(Framing):
    """Centred frames without the last."""

    def cut(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        return super().cut(waveform, lengths)[..., :-1, :]

    def count(self, lengths: Tensor) -> Tensor:
        return (super().count(lengths) - 1).clamp(min=0)

    def count_of(self, size: int) -> int:
        return super().count_of(size) - 1

    def middles(self, size: int, device: torch.device) -> Tensor:
        return super().middles(size, device)[:-1]


class WhisperMel(LogMelSpectrogram):
    """A log-mel spectrogram without the last frame."""

    @property
    def framing(self) -> Framing:
        return _WithoutLast(self.n_fft, self.hop_length, self.center, self.pad_mode)


class VGGishMel(Fbank):
    """Mel magnitudes, and a logarithm with an offset that limits its value in silence."""

    _periodic: ClassVar[bool] = True
    _offset: ClassVar[float] = 0.01

    def _finish(self, specgram: Tensor) -> Tensor:
        return log_of_sum(specgram, self._offset)


class PaSSTMel(MagnitudeFeature):
    """Kaldi's filters on centred frames of pre-emphasised audio."""

    mel_scale: ClassVar[str] = "htk"
    _preemphasis: ClassVar[float] = 0.97
    _offset: ClassVar[float] = 1e-5

    def __init__(self) -> None:
        super().__init__(1024, 800, 320, 2.0, True, "reflect")
        self.sample_rate = 32_000
        self.n_mels, self.f_min, self.f_max = 128, 0.0, 15_000.0

    @property
    def fusable(self) -> bool:
        """False: pre-emphasis does not commute with a change of pitch."""
        return False

    def make_window(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return a symmetric Hann window."""
        window = ("hann", self.win_length, self.n_fft, False)
        return constant(window_of, *window, dtype=dtype, device=device)

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Count the frames: pre-emphasis shortens the audio by one sample."""
        return super().frame_lengths((lengths - 1).clamp(min=0))

    def _compute(
        self,
        waveform: Tensor,
        lengths: Tensor | None,
        mel_range: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        raised = waveform[..., 1:] - self._preemphasis * waveform[..., :-1]
        lengths = None if lengths is None else (lengths - 1).clamp(min=0)
        return super()._compute(raised, lengths, mel_range)

    def filters_within(self, f_min: Tensor, f_max: Tensor, dtype: torch.dtype) -> Tensor:
        """Make mel filters for each example; see `MagnitudeFeature.filters_within`."""
        lowest = torch.where(f_min.isnan(), self.f_min, f_min)
        highest = torch.where(f_max.isnan(), self.f_max, f_max)
        sizes = (self.sample_rate, self.n_fft, self.n_mels)
        return kaldi_filterbanks(*sizes, lowest, highest, dtype=dtype)

    def _project(self, spectrum: Tensor) -> Tensor:
        power = stft_magnitude(spectrum)
        arguments = (self.sample_rate, self.n_fft, self.n_mels, self.f_min, self.f_max)
        return power @ constant(
            kaldi_filterbank, *arguments, dtype=power.dtype, device=power.device
        )

    def _finish(self, specgram: Tensor) -> Tensor:
        return log_of_sum(specgram, self._offset)


#: Classes that configs can name in addition to the public features.
CLASSES = (PaSSTMel, VGGishMel, WhisperMel)


def _ast() -> list[nn.Module]:
    return [Fbank(16_000, 128, window="hann", htk_compat=True), Normalize(-4.2677393, 9.1379948)]


def _beats() -> list[nn.Module]:
    return [Fbank(16_000, 128, scale=2.0**15), Normalize(15.41663, 2 * 6.55582)]


def _passt() -> list[nn.Module]:
    return [PaSSTMel(), Normalize(-4.5, 5.0)]


def _whisper() -> list[nn.Module]:
    mel = WhisperMel(
        16_000, 400, hop_length=160, n_mels=80, norm="slaney", mel_scale="slaney", top_db=80.0
    )
    return [mel, Normalize(-40.0, 40.0)]


def _vggish() -> list[nn.Module]:
    mel = VGGishMel(
        16_000,
        64,
        window="hann",
        preemphasis=0.0,
        remove_dc_offset=False,
        f_min=125.0,
        f_max=7500.0,
        power=1.0,
    )
    return [mel]


def _panns() -> list[nn.Module]:
    mel = LogMelSpectrogram(
        32_000,
        1024,
        hop_length=320,
        f_min=50.0,
        f_max=14_000.0,
        n_mels=64,
        norm="slaney",
        mel_scale="slaney",
    )
    return [mel]


_PRESETS: dict[str, Callable[[], list[nn.Module]]] = {
    "AST": _ast,
    "BEATs": _beats,
    "PaSST": _passt,
    "Whisper": _whisper,
    "VGGish": _vggish,
    "PANNs": _panns,
}
