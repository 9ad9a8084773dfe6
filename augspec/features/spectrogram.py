"""The base of every magnitude feature, and the plain spectrogram."""

import math
from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor, nn

from augspec import native
from augspec._chunks import in_chunks
from augspec._constants import constant
from augspec._door import enter
from augspec.features.frames import FrameSource, Framing, PlainFrames
from augspec.features.protocol import show_settings
from augspec.functional.checks import (
    LONGEST_FRAME,
    check_count,
    check_flag,
    check_positive,
    check_waveform,
    compute_dtype,
)
from augspec.functional.shapes import like
from augspec.functional.spectrum import PAD_MODES, valid_frames
from augspec.functional.spectrum import magnitude as stft_magnitude
from augspec.functional.spectrum import spectrum as stft
from augspec.functional.windows import check_window
from augspec.functional.windows import window as window_of
from augspec.native.alone import as_set
from augspec.native.features import Bins, Level, Stft
from augspec.native.features import specgram as native_specgram

_MOST_POWER = 10.0  # with a higher power, magnitudes of audio leave the range of float32


class MagnitudeFeature(nn.Module, ABC):
    """Base of the features made from the magnitudes of windowed frames.

    A feature gets frames from a source (`from_source`): `forward` uses the waveform's, a front end
    those of an augmented waveform. Then `project` works frame by frame, and `finish` on whole
    examples. A few examples are computed at a time, so that memory stays bounded.

    A subclass defines how a spectrum becomes bins (``_project``, frame by frame) and the steps
    after that (``_finish``, for whole examples).

    Args:
        n_fft: Samples of a frame, at least 1.
        win_length: Samples under the window, in [1, n_fft]; ``None`` is ``n_fft``.
        hop_length: Samples from frame to frame, at least 1; ``None`` is ``win_length // 2``.
        power: Exponent of the magnitude, in (0, 10]: 1 for magnitude, 2 for power.
        center: Pad ``n_fft // 2`` samples on both sides, so that frame ``i`` is centred on sample
            ``i * hop_length``.
        pad_mode: ``"reflect"``, ``"constant"`` (zeros) or ``"replicate"``.
        window: Name of the window, periodic: see ``augspec/functional/windows.py``.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, freq, frame)``.

    Raises:
        ValueError: If an argument is out of its range.
    """

    @property
    def fusable(self) -> bool:
        """Whether a front end may compute augmentation inside the feature."""
        return True

    def __init__(
        self,
        n_fft: int,
        win_length: int | None,
        hop_length: int | None,
        power: float,
        center: bool,
        pad_mode: str,
        window: str = "hann",
    ) -> None:
        super().__init__()
        self.window = check_window("window", window)
        self.n_fft = check_count("n_fft", n_fft, 1, LONGEST_FRAME)
        self.win_length = check_count("win_length", n_fft if win_length is None else win_length)
        if not 1 <= self.win_length <= n_fft:
            raise ValueError(f"`win_length` must be in [1, n_fft = {n_fft}], got {win_length}")
        hop_length = self.win_length // 2 if hop_length is None else hop_length
        self.hop_length = check_count("hop_length", hop_length, 1)
        self.power = check_positive("power", power)
        if self.power > _MOST_POWER:
            raise ValueError(f"`power` must be at most {_MOST_POWER:g}, got {power!r}")
        self.center = check_flag("center", center)
        self.pad_mode = pad_mode
        if pad_mode not in PAD_MODES:
            raise ValueError(f"`pad_mode` must be one of {PAD_MODES}, got {pad_mode!r}")

    def forward(
        self, waveform: Tensor, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Compute the feature of each example.

        Args:
            waveform: Audio; float64 is computed in float64, half precision in float32 and
                returned in its own dtype.
            lengths: Valid samples of each example. The samples after them have no influence, and
                the frames after `frame_lengths` are those of digital silence.

        Shape:
            ``(batch, channel, time)`` to ``(batch, channel, freq, frame)``; ``lengths``
            ``(batch,)``, int64.

        Returns:
            The feature, or ``(feature, frame_lengths)`` when ``lengths`` was passed.

        Raises:
            TypeError: If ``waveform`` is not floating point or ``lengths`` not int64.
            ValueError: If a shape differs, or no frame fits (without ``center``).
        """
        check_waveform(waveform, lengths)
        specgram, counts = enter(self._compute, waveform, lengths)
        return specgram if counts is None else (specgram, counts)

    def within(
        self, waveform: Tensor, lengths: Tensor | None, mel_range: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Compute the feature with a separate range of mel filters for each example.

        Args:
            waveform: Audio, float32 or float64.
            lengths: Valid samples of each example; None means all.
            mel_range: Lowest and highest frequency in Hz, see ``filters_within``.

        Shape:
            ``(batch, channel, time)`` to ``(batch, channel, freq, frame)``.
        """
        return self._compute(waveform, lengths, mel_range)[0]

    def _compute(
        self,
        waveform: Tensor,
        lengths: Tensor | None,
        mel_range: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        source = PlainFrames(waveform, self.framing, lengths)
        source.mel_range = mel_range
        return self.from_source(source), source.frame_lengths

    def from_source(self, source: FrameSource) -> Tensor:
        """Compute the feature of a source's frames, a few examples at a time.

        Args:
            source: Where the frames come from, see ``augspec/features/frames.py``.

        Shape:
            Returns ``(batch, channel, freq, frame)``.
        """
        made = self._from_kernel(source)
        if made is not None:
            return made

        def project(some: slice) -> Tensor:
            frames = source.frames(some)
            if source.mel_range is None:
                return self.project(frames, windowed=source.windowed)
            f_min, f_max = (freq[some] for freq in source.mel_range)
            filters = self.filters_within(f_min, f_max, compute_dtype(frames))
            return self.project(frames, windowed=source.windowed, filters=filters)

        batch, device = source.waveform.shape[0], source.waveform.device
        with as_set():
            return self.finish(
                in_chunks(project, batch, source.values, device),
                source.waveform.dtype,
                frame_lengths=source.frame_lengths,
                gain=source.gain,
            )

    def _from_kernel(self, source: FrameSource) -> Tensor | None:
        """Compute the feature in the native kernel if it supports all steps of the feature."""
        if not native.applies(source.waveform):
            return None
        framing, sound = source.framing, source.sound()
        bins = self._bins() if self._is_native("_project", "_bins") else None
        if bins is None or sound is None or source.mel_range is not None:
            return None
        if not native.describes(type(framing), "cut", "count_of"):
            return None
        stft = self._stft(framing, framing.count_of(source.size))
        level = self._level() if self._is_native("_finish", "_level") else None
        made = native_specgram(sound, stft, bins, Level() if level is None else level)
        if made is None or level is not None:
            return made
        return self._finish(made).to(source.waveform.dtype).contiguous()

    def _is_native(self, step: str, description: str) -> bool:
        """Whether a step is described for the kernel and no subclass overrides the rest."""
        cls = type(self)
        kept = all(native.describes(cls, name, "_stft") for name in ("project", "make_window"))
        kept = kept and cls.finish is MagnitudeFeature.finish
        return kept and native.describes(cls, step, description)

    def _stft(self, framing: Framing, frames: int) -> Stft:
        """Describe `project` and `make_window` for the native kernel."""
        return Stft(
            framing.n_fft, framing.hop_length, framing.center, framing.pad_mode, frames,
            self.window, self.win_length, self.power,
        )  # fmt: skip

    def _bins(self) -> Bins | None:
        """Describe `_project` for the native kernel; None if the kernel lacks it."""
        return None

    def _level(self) -> Level | None:
        """Describe `_finish` for the native kernel; None if the kernel lacks it."""
        return None

    @property
    def framing(self) -> Framing:
        """How a waveform is cut into frames."""
        return Framing(self.n_fft, self.hop_length, self.center, self.pad_mode)

    def frame(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Pad the waveform and cut it into frames, a strided view, not windowed.

        Shape:
            ``(batch, channel, time)`` to ``(batch, channel, frame, n_fft)``.
        """
        return self.framing.cut(waveform, lengths)

    def extra_repr(self) -> str:
        """Show the settings under the names that the constructor has."""
        return show_settings(self)

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Count the frames of examples of ``lengths`` samples, ``(batch,)`` in and out."""
        return self.framing.count(lengths)

    def from_frames(
        self,
        frames: Tensor,
        *,
        frame_lengths: Tensor | None = None,
        gain: Tensor | None = None,
    ) -> Tensor:
        """Compute the feature from frames: `project` and `finish`.

        Args:
            frames: Frames at any positions, not windowed; a strided view is accepted.
            frame_lengths: Valid frames of each example; those after them become digital silence.
            gain: Linear gain of the waveform, a factor on the amplitude, applied to the magnitudes.

        Shape:
            ``frames`` ``(batch, channel, frame, n_fft)``, ``frame_lengths`` ``(batch,)``, ``gain``
            ``(batch,)`` or ``(batch, channel)``; returns ``(batch, channel, freq, frame)``.
        """

        def compute(frames: Tensor) -> tuple[Tensor, None]:
            magnitudes = self.project(frames)
            made = self.finish(magnitudes, frames.dtype, frame_lengths=frame_lengths, gain=gain)
            return made, None

        return enter(compute, frames)[0]

    def filters_within(self, f_min: Tensor, f_max: Tensor, dtype: torch.dtype) -> Tensor:
        """Make filters for each example; only features with mel filters support it.

        Args:
            f_min: Lowest frequency of each in Hz, ``(batch,)``; NaN is the feature's own.
            f_max: Highest frequency of each in Hz, ``(batch,)``; NaN is the feature's own.
            dtype: The result's dtype.

        Shape:
            ``(batch, bin, n_mels)``.

        Raises:
            TypeError: If the feature has no mel filters.
        """
        raise TypeError(
            f"{type(self).__name__} has no mel filters whose range could be drawn: use "
            f"a mel feature such as F.LogMelSpectrogram"
        )

    def project(
        self, frames: Tensor, *, windowed: bool = False, filters: Tensor | None = None
    ) -> Tensor:
        """Window the frames, transform them and sum their magnitudes into the feature's bins.

        Every frame is independent, so results for parts of a batch, or for parts of the frames, may
        be concatenated.

        Args:
            frames: Frames at any positions; a strided view is accepted.
            windowed: Whether the frames are windowed already, by `make_window`.
            filters: The result of ``filters_within`` for these examples; None uses the feature's
                own.

        Shape:
            ``(batch, channel, frame, n_fft)`` to ``(batch, channel, frame, bin)``, in float64 for
            float64 and float32 otherwise.
        """
        dtype = compute_dtype(frames)
        window = None if windowed else self.make_window(dtype, frames.device)

        def project(some: slice) -> Tensor:
            spectrum = stft(frames[..., some, :], window)
            return self._project(spectrum) if filters is None else self._filter(spectrum, filters)

        values = math.prod(frames.shape[:-2]) * self.n_fft
        return in_chunks(project, frames.shape[-2], values, frames.device, dim=-2)

    def finish(
        self,
        magnitudes: Tensor,
        dtype: torch.dtype,
        *,
        frame_lengths: Tensor | None = None,
        gain: Tensor | None = None,
    ) -> Tensor:
        """Turn the result of `project` for whole examples into the feature.

        Args:
            magnitudes: Magnitudes, raised to ``power``, in the feature's bins.
            dtype: The result's dtype.
            frame_lengths: Valid frames of each example; those after them become digital silence.
            gain: Linear gain of the waveform, a factor on the amplitude.

        Shape:
            ``(batch, channel, frame, bin)`` to ``(batch, channel, freq, frame)``;
            ``frame_lengths`` ``(batch,)``, ``gain`` ``(batch,)`` or ``(batch, channel)``.
        """
        specgram = magnitudes.transpose(-1, -2)
        if gain is not None:
            factor = gain.to(specgram.dtype).abs().pow(self.power)
            specgram = specgram * like(factor, specgram)
        if frame_lengths is not None:
            valid = valid_frames(specgram, frame_lengths)
            specgram = specgram.where(valid, 0.0)
        return self._finish(specgram).to(dtype).contiguous()

    @abstractmethod
    def _project(self, spectrum: Tensor) -> Tensor:
        """Turn the spectrum ``(..., frame, n_fft // 2 + 1, 2)`` into ``(..., frame, freq)``."""

    def _filter(self, spectrum: Tensor, filters: Tensor) -> Tensor:
        """Do as `_project` with separate filters for each example."""
        return stft_magnitude(spectrum, self.power) @ filters.unsqueeze(1)

    @abstractmethod
    def _finish(self, specgram: Tensor) -> Tensor:
        """Turn the magnitudes ``(batch, channel, freq, frame)`` into the feature."""

    def make_window(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return the window of a frame, ``(n_fft,)``; it must not be edited."""
        arguments = (self.window, self.win_length, self.n_fft)
        return constant(window_of, *arguments, dtype=dtype, device=device)


class Spectrogram(MagnitudeFeature):
    """Compute the magnitude of the short-time Fourier transform, raised to ``power``.

    torchaudio's transform of the same name, with a Hann window unless another is named.

    Args:
        n_fft: Samples of a frame, at least 1; gives ``n_fft // 2 + 1`` bins.
        win_length: Samples under the window, in [1, n_fft]; ``None`` is ``n_fft``.
        hop_length: Samples from frame to frame, at least 1; ``None`` is ``win_length // 2``.
        power: Exponent of the magnitude, in (0, 10]: 1 for magnitude, 2 for power.
        center: Pad ``n_fft // 2`` samples on both sides, so that frame ``i`` is centred on sample
            ``i * hop_length``.
        pad_mode: ``"reflect"``, ``"constant"`` (zeros) or ``"replicate"``. Audio of at most
            ``n_fft // 2`` samples, too short for a reflection, is padded with zeros.
        window: ``"hann"``, ``"hamming"``, ``"blackman"``, ``"povey"``, ``"rectangular"``,
            ``"bartlett"``, ``"cosine"`` or ``"nuttall"``, periodic.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, n_fft // 2 + 1, frame)`` with
        ``frame = 1 + time // hop_length`` (``center``, even ``n_fft``).

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> import torch
        >>> from augspec.features import Spectrogram
        >>> Spectrogram(n_fft=1024, hop_length=256)(torch.randn(8, 1, 16_000)).shape
        torch.Size([8, 1, 513, 63])
    """

    def __init__(
        self,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        power: float = 2.0,
        center: bool = True,
        pad_mode: str = "reflect",
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

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls(n_fft=256, hop_length=64)

    def _project(self, spectrum: Tensor) -> Tensor:
        return stft_magnitude(spectrum, self.power)

    def _finish(self, specgram: Tensor) -> Tensor:
        return specgram

    def _bins(self) -> Bins:
        return Bins(self.n_fft // 2 + 1)

    def _level(self) -> Level:
        return Level()
