"""Kaldi's filter banks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from augspec._chunks import in_chunks
from augspec._constants import constant
from augspec._torch import unfold
from augspec.features.frames import Framing
from augspec.features.mel import filters_as_bins
from augspec.features.spectrogram import MagnitudeFeature
from augspec.functional.checks import (
    LARGEST,
    LONGEST_FRAME,
    check_count,
    check_finite,
    check_flag,
    check_positive,
    check_sample_rate,
    compute_dtype,
)
from augspec.functional.kaldi import kaldi_filterbank, kaldi_filterbanks, reflected_places
from augspec.functional.noise import white_noise
from augspec.functional.shapes import ends_of, silence_after
from augspec.functional.spectrum import magnitude as stft_magnitude
from augspec.functional.spectrum import spectrum as stft
from augspec.functional.windows import window as window_of
from augspec.native.features import Bins, Level, Preparation, Stft
from augspec.random import fresh_keys

_MOST_MELS = 2**14
_SMALLEST = torch.finfo(torch.float32).eps  # Kaldi's lower limit before the logarithm


@dataclass(frozen=True)
class KaldiFraming(Framing):
    """Frames as Kaldi cuts them; too short audio has no frame. ``n_fft`` is the frame's length.

    Args:
        mirrored: Whether frames are centred on the middles of hops, and the audio is mirrored at
            its ends (``snip_edges=False``). Otherwise they lie within the audio.
    """

    mirrored: bool = False

    def cut(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Pad and cut, a view of the padded waveform."""
        time = waveform.shape[-1]
        reach = self.hop_length - self.hop_length // 2 if self.mirrored else self.n_fft
        if time < reach:
            return waveform.new_zeros(*waveform.shape[:2], 0, self.n_fft)
        if not self.mirrored:
            return super().cut(waveform, lengths)
        ends = ends_of(waveform, lengths)
        count = (time + self.hop_length // 2) // self.hop_length
        size = (count - 1) * self.hop_length + self.n_fft
        first = self.hop_length // 2 - self.n_fft // 2
        place = reflected_places(first, size, ends)
        padded = waveform.take_along_dim(place[:, None], -1)
        return unfold(padded, -1, self.n_fft, self.hop_length)

    def count(self, lengths: Tensor) -> Tensor:
        """Count the frames of examples of ``lengths`` samples."""
        if not self.mirrored:
            return super().count(lengths)
        return torch.div(lengths + self.hop_length // 2, self.hop_length, rounding_mode="floor")

    def count_of(self, size: int) -> int:
        """Count the frames of ``size`` samples; 0 or less if none fits."""
        if not self.mirrored:
            return super().count_of(size)
        return (size + self.hop_length // 2) // self.hop_length


def _whole_samples(name: str, samples: float, least: int, most: int) -> int:
    """Check the samples that an argument in milliseconds makes, and return them as Kaldi does."""
    if not least <= samples < most + 1:
        raise ValueError(f"`{name}` must be {least} to {most} samples, got {samples:g}")
    return int(samples)


class Fbank(MagnitudeFeature):
    """Compute Kaldi's filter banks: log mel energies as used by ESPnet, AST, BEATs and others.

    The result is that of ``torchaudio.compliance.kaldi.fbank`` and Kaldi itself: each frame has its
    mean removed, is pre-emphasised and windowed; triangular mel filters sum the power.

    Kaldi expects samples as 16-bit integers: ``scale=32768`` converts audio in [-1, 1] to their
    range. With ``scale=1`` every value above the floor is lower by 20.8.

    Args:
        sample_rate: Sample rate in Hz.
        n_mels: Number of filters, at least 1.
        frame_length: Length of a frame in milliseconds.
        frame_shift: Time from frame to frame in milliseconds.
        window: ``"povey"``, ``"hann"``, ``"hamming"``, ``"blackman"``, ``"rectangular"`` or another
            name that `Spectrogram` knows; here windows are symmetric.
        preemphasis: Fraction of the previous sample that is subtracted, in [0, 1].
        remove_dc_offset: Subtract the mean of each frame.
        dither: Level of added Gaussian noise, in the unit of the scaled samples; 0 adds none. In
            training it is drawn from torch's default generator; in ``eval()`` it is always the
            same.
        snip_edges: Take only frames that lie within the audio. If False, frame ``i`` is centred on
            the middle of hop ``i``, and the audio is mirrored at its ends.
        round_to_power_of_two: Zero-pad frames to the next power of two for the FFT.
        f_min: Lowest frequency in Hz.
        f_max: Highest frequency in Hz; 0 or less is an offset from half the sample rate, as in
            Kaldi.
        use_energy: Add the log energy of the frame as an extra bin, the first.
        raw_energy: Compute that energy before pre-emphasis and window.
        energy_floor: Lower limit of the energy, or 0 for none.
        htk_compat: Put the energy last.
        power: Exponent of the magnitude, in (0, 10]: 2 for power, 1 for magnitude.
        scale: Factor on the audio.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, n_mels, frame)``, one bin more with
        ``use_energy``. Kaldi has frames first: ``fbank.mT``. Audio shorter than a frame has none.

    Raises:
        ValueError: If an argument is out of its range.

    References:
        Povey et al., "The Kaldi Speech Recognition Toolkit", ASRU 2011.

    Example:
        >>> import torch
        >>> from augspec.features import Fbank
        >>> Fbank(16_000, n_mels=80)(torch.randn(2, 1, 16_000)).shape
        torch.Size([2, 1, 80, 98])
    """

    mel_scale: ClassVar[str] = "htk"
    _periodic: ClassVar[bool] = False  # whether the window is periodic

    def __init__(
        self,
        sample_rate: int = 16_000,
        n_mels: int = 23,
        frame_length: float = 25.0,
        frame_shift: float = 10.0,
        window: str = "povey",
        preemphasis: float = 0.97,
        remove_dc_offset: bool = True,
        dither: float = 0.0,
        snip_edges: bool = True,
        round_to_power_of_two: bool = True,
        f_min: float = 20.0,
        f_max: float = 0.0,
        use_energy: bool = False,
        raw_energy: bool = True,
        energy_floor: float = 1.0,
        htk_compat: bool = False,
        power: float = 2.0,
        scale: float = 1.0,
    ) -> None:
        sample_rate = check_sample_rate(sample_rate)
        frame_length = check_positive("frame_length", frame_length)
        frame_shift = check_positive("frame_shift", frame_shift)
        size = _whole_samples("frame_length", sample_rate * frame_length * 0.001, 2, LONGEST_FRAME)
        hop = _whole_samples("frame_shift", sample_rate * frame_shift * 0.001, 1, LARGEST)
        super().__init__(size, size, hop, power, False, "constant", window)
        self.sample_rate = sample_rate
        self.frame_length, self.frame_shift = frame_length, frame_shift
        self.n_mels = check_count("n_mels", n_mels, 1, _MOST_MELS)
        self.dither = check_finite("dither", dither)
        self.energy_floor = check_finite("energy_floor", energy_floor)
        for name, value in (("dither", self.dither), ("energy_floor", self.energy_floor)):
            if value < 0.0:
                raise ValueError(f"`{name}` must not be negative, got {value!r}")
        self.preemphasis = check_finite("preemphasis", preemphasis)
        if not 0.0 <= self.preemphasis <= 1.0:
            raise ValueError(f"`preemphasis` must be in [0, 1], got {preemphasis!r}")
        self.remove_dc_offset = check_flag("remove_dc_offset", remove_dc_offset)
        self.snip_edges = check_flag("snip_edges", snip_edges)
        self.round_to_power_of_two = check_flag("round_to_power_of_two", round_to_power_of_two)
        self.use_energy = check_flag("use_energy", use_energy)
        self.raw_energy = check_flag("raw_energy", raw_energy)
        self.htk_compat = check_flag("htk_compat", htk_compat)
        self.scale = check_positive("scale", scale)
        self.f_min, self.f_max = check_finite("f_min", f_min), check_finite("f_max", f_max)
        highest = self.f_max if self.f_max > 0.0 else sample_rate / 2 + self.f_max
        if not 0.0 <= self.f_min < highest <= sample_rate / 2:
            raise ValueError(
                "`f_min` and `f_max` must lie in this order in [0, sample_rate / 2], got "
                f"{self.f_min:g} and {highest:g} Hz"
            )
        self._size = 1 << (size - 1).bit_length() if self.round_to_power_of_two else size
        self._filter_arguments = (sample_rate, self._size, self.n_mels, self.f_min, highest)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls(8000, 16, 20.0)

    @property
    def fusable(self) -> bool:
        """Whether fused augmentation is exact: only without dither and without mirrored ends."""
        return self.snip_edges and self.dither == 0.0

    @property
    def framing(self) -> Framing:
        """How a waveform is cut into frames."""
        given = (self.n_fft, self.hop_length, self.center, self.pad_mode)
        return KaldiFraming(*given, mirrored=not self.snip_edges)

    def make_window(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return ones: `project` applies the window, after other steps on the frame."""
        return constant(window_of, "rectangular", self.n_fft, dtype=dtype, device=device)

    def _compute(
        self,
        waveform: Tensor,
        lengths: Tensor | None,
        mel_range: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        if self.dither:
            batch, channels, time = waveform.shape
            device, dtype = waveform.device, waveform.dtype
            keys = torch.zeros(batch, dtype=torch.int64, device=device)
            if self.training:
                keys = fresh_keys(batch, device)
            noise = white_noise(keys, channels, time, dtype=dtype)
            waveform = silence_after(waveform + (self.dither / self.scale) * noise, lengths)
        return super()._compute(waveform, lengths, mel_range)

    def filters_within(self, f_min: Tensor, f_max: Tensor, dtype: torch.dtype) -> Tensor:
        """Make mel filters for each example; see `MagnitudeFeature.filters_within`."""
        sample_rate, size, n_mels, lowest, highest = self._filter_arguments
        f_min = torch.where(f_min.isnan(), lowest, f_min)
        f_max = torch.where(f_max.isnan(), highest, f_max)
        return kaldi_filterbanks(sample_rate, size, n_mels, f_min, f_max, dtype=dtype)

    def project(
        self, frames: Tensor, *, windowed: bool = False, filters: Tensor | None = None
    ) -> Tensor:
        """Prepare the frames as Kaldi does, transform them and sum their magnitudes."""
        dtype, device = compute_dtype(frames), frames.device
        window = (self.window, self.n_fft, None, self._periodic)
        taper = constant(window_of, *window, dtype=dtype, device=device)
        if filters is None:
            own = constant(kaldi_filterbank, *self._filter_arguments, dtype=dtype, device=device)
        else:
            own = filters.unsqueeze(1)

        def project(some: slice) -> Tensor:
            part, energy = self._prepare(frames[..., some, :].to(dtype), taper)
            padded = torch.nn.functional.pad(part, (0, self._size - self.n_fft))
            mel = stft_magnitude(stft(padded, None), self.power) @ own
            if energy is None:
                return mel
            # Raise the energy to ``power`` like the other bins, so that a gain is the same factor
            # on all.
            silent = energy == 0.0  # at 0 the root has an infinite slope
            level = energy.where(~silent, 1.0).pow(self.power / 2.0).where(~silent, 0.0)
            return torch.cat([mel, level] if self.htk_compat else [level, mel], dim=-1)

        values = math.prod(frames.shape[:-2]) * self._size
        return in_chunks(project, frames.shape[-2], values, device, dim=-2)

    def _prepare(self, frames: Tensor, taper: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return frames ready for the FFT, and their energies if needed."""
        frames = frames * self.scale
        if self.remove_dc_offset:
            frames = frames - frames.mean(-1, keepdim=True)
        raw = frames
        if self.preemphasis:
            before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
            frames = torch.sub(frames, before, alpha=self.preemphasis)
        frames = frames * taper
        if not self.use_energy:
            return frames, None
        return frames, (raw if self.raw_energy else frames).square().sum(-1, keepdim=True)

    def _stft(self, framing: Framing, frames: int) -> Stft:
        steps = (self.scale, self.remove_dc_offset, self.preemphasis)
        return Stft(
            self._size, framing.hop_length, False, "constant" if self.snip_edges else "mirror",
            frames, self.window, self.n_fft, self.power,
            Preparation(self.n_fft, *steps, self._periodic),
        )  # fmt: skip

    def _bins(self) -> Bins | None:
        if self.use_energy:
            return None
        return filters_as_bins(self.n_mels, kaldi_filterbank, *self._filter_arguments)

    def _level(self) -> Level:
        return Level(math.log(10.0), _SMALLEST)

    def _project(self, spectrum: Tensor) -> Tensor:
        raise NotImplementedError("`project` does all of it")

    def _finish(self, specgram: Tensor) -> Tensor:
        level = specgram.clamp(min=_SMALLEST).log()
        if not self.use_energy:
            return level
        at = self.n_mels if self.htk_compat else 0
        magnitude = specgram[..., at : at + 1, :]
        least = _SMALLEST ** (self.power / 2.0)
        energy = magnitude.clamp(min=least).log() * (2.0 / self.power)
        if self.energy_floor:
            energy = energy.clamp(min=math.log(self.energy_floor))
        parts = [level[..., : self.n_mels, :], energy]
        return torch.cat(parts if self.htk_compat else [energy, level[..., 1:, :]], dim=-2)
