"""The frame of every magnitude feature, and the plain spectrogram."""

from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor, nn

from augspec import functional
from augspec.functional.checks import (
    LONGEST_FRAME,
    check_count,
    check_flag,
    check_positive,
)
from augspec.functional.shapes import like, split_batch
from augspec.functional.spectrum import PAD_MODES

# Samples of overlapping frames that are worked on at a time. On a CPU the frames, their spectrum
# and its square then stay in the cache; smaller blocks win a little on an idle machine and lose
# much on a busy one, where every operation waits for its slowest thread. Elsewhere it only bounds
# the memory.
_CPU_BLOCK = 2**21
_DEVICE_BLOCK = 2**27

_MOST_POWER = 10.0  # beyond, magnitudes of audio leave the range of numbers


class MagnitudeFeature(nn.Module, ABC):
    """Base of the features made from the magnitudes of windowed frames.

    `forward` pads, frames, and then does what `from_frames` does with frames taken anywhere:
    `project`, frame by frame, and `finish`, for whole examples. Examples are worked on a few at a
    time, so that memory stays bounded.

    A subclass says how a spectrum becomes bins (``_project``, frame by frame) and what follows
    (``_finish``, for whole examples).

    Args:
        n_fft: Samples of a frame, at least 1.
        win_length: Samples under the Hann window, in [1, n_fft]; ``None`` is ``n_fft``.
        hop_length: Samples from frame to frame, at least 1; ``None`` is ``win_length // 2``.
        power: Exponent of the magnitude, in (0, 10]: 1 for magnitude, 2 for power.
        center: Pad ``n_fft // 2`` samples on both sides, so that frame ``i`` is centred on sample
            ``i * hop_length``.
        pad_mode: ``"reflect"``, ``"constant"`` (zeros) or ``"replicate"``.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, freq, frame)``.

    Raises:
        ValueError: If an argument is out of its range.
    """

    window: Tensor

    def __init__(
        self,
        n_fft: int,
        win_length: int | None,
        hop_length: int | None,
        power: float,
        center: bool,
        pad_mode: str,
    ) -> None:
        super().__init__()
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
        window = functional.hann_window(self.win_length, n_fft)
        self.register_buffer("window", window, persistent=False)

    def forward(
        self, waveform: Tensor, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Compute the feature of each example.

        Args:
            waveform: Audio; float64 is computed in float64, half precision in float32 and
                returned in its own dtype.
            lengths: Valid samples of each example. What lies behind them has no influence, and
                the frames behind `frame_lengths` are those of digital silence.

        Shape:
            ``(batch, channel, time)`` to ``(batch, channel, freq, frame)``; ``lengths``
            ``(batch,)``, int64.

        Returns:
            The feature, or ``(feature, frame_lengths)`` when ``lengths`` was passed.

        Raises:
            TypeError: If ``waveform`` is not floating point or ``lengths`` not int64.
            ValueError: If a shape differs, or not one frame fits (without ``center``).
        """
        functional.check_waveform(waveform, lengths)
        size = self._examples_at_a_time(waveform)
        chunks = split_batch(waveform, size)
        if lengths is None:
            parts = [self.project(self.frame(chunk)) for chunk in chunks]
            return self.finish(_join(parts, dim=0), waveform.dtype)
        ends = split_batch(lengths, size)
        parts = [
            self.project(self.frame(chunk, end)) for chunk, end in zip(chunks, ends, strict=True)
        ]
        counts = self.frame_lengths(lengths)
        specgram = _join(parts, dim=0)
        return self.finish(specgram, waveform.dtype, frame_lengths=counts), counts

    def frame(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Pad the waveform and cut it into frames, a strided view, not windowed.

        Shape:
            ``(batch, channel, time)`` to ``(batch, channel, frame, n_fft)``.
        """
        return functional.frame(
            waveform,
            self.n_fft,
            self.hop_length,
            center=self.center,
            pad_mode=self.pad_mode,
            lengths=lengths,
        )

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Count the frames of examples of ``lengths`` samples, ``(batch,)`` in and out."""
        return functional.frame_lengths(lengths, self.n_fft, self.hop_length, self.center)

    def from_frames(
        self,
        frames: Tensor,
        *,
        frame_lengths: Tensor | None = None,
        gain: Tensor | None = None,
    ) -> Tensor:
        """Compute the feature from frames: `project` and `finish`.

        Args:
            frames: Frames at any positions, not windowed; a strided view is welcome.
            frame_lengths: Valid frames of each example; those behind become digital silence.
            gain: Linear gain of the waveform, a factor on the amplitude, applied to the magnitudes.

        Shape:
            ``frames`` ``(batch, channel, frame, n_fft)``, ``frame_lengths`` ``(batch,)``, ``gain``
            ``(batch,)`` or ``(batch, channel)``; returns ``(batch, channel, freq, frame)``.
        """
        return self.finish(
            self.project(frames), frames.dtype, frame_lengths=frame_lengths, gain=gain
        )

    def project(self, frames: Tensor, *, windowed: bool = False) -> Tensor:
        """Window the frames, transform them and sum their magnitudes into the feature's bins.

        Every frame stands for itself, so that the results for parts of a batch, or for parts of
        the frames, may be concatenated.

        Args:
            frames: Frames at any positions; a strided view is welcome.
            windowed: Whether the frames are windowed already, by `make_window`.

        Shape:
            ``(batch, channel, frame, n_fft)`` to ``(batch, channel, frame, bin)``, in float64 for
            float64 and float32 otherwise.
        """
        # Autocast would run the filters in half precision, where a power overflows.
        with torch.autocast(frames.device.type, enabled=False):
            window = None if windowed else self.make_window(functional.compute_dtype(frames))
            blocks = torch.split(frames, self._frames_at_a_time(frames), dim=-2)
            parts = [self._project(functional.spectrum(block, window)) for block in blocks]
            return _join(parts, dim=-2)

    def finish(
        self,
        magnitudes: Tensor,
        dtype: torch.dtype,
        *,
        frame_lengths: Tensor | None = None,
        gain: Tensor | None = None,
    ) -> Tensor:
        """Turn what `project` gave for whole examples into the feature.

        Args:
            magnitudes: Magnitudes, raised to ``power``, in the feature's bins.
            dtype: The result's dtype.
            frame_lengths: Valid frames of each example; those behind become digital silence.
            gain: Linear gain of the waveform, a factor on the amplitude.

        Shape:
            ``(batch, channel, frame, bin)`` to ``(batch, channel, freq, frame)``;
            ``frame_lengths`` ``(batch,)``, ``gain`` ``(batch,)`` or ``(batch, channel)``.
        """
        with torch.autocast(magnitudes.device.type, enabled=False):
            specgram = magnitudes.transpose(-1, -2)
            if gain is not None:
                factor = gain.to(specgram.dtype).abs().pow(self.power)
                specgram = specgram * like(factor, specgram)
            if frame_lengths is not None:
                valid = functional.valid_frames(specgram, frame_lengths)
                specgram = specgram.where(valid, 0.0)
            return self._finish(specgram).to(dtype).contiguous()

    @abstractmethod
    def _project(self, spectrum: Tensor) -> Tensor:
        """Turn the spectrum ``(..., frame, n_fft // 2 + 1, 2)`` into ``(..., frame, freq)``."""

    @abstractmethod
    def _finish(self, specgram: Tensor) -> Tensor:
        """Turn the magnitudes ``(batch, channel, freq, frame)`` into the feature."""

    def make_window(self, dtype: torch.dtype) -> Tensor:
        """Return the window of a frame, ``(n_fft,)``."""
        # The buffer serves float32 alone: after `module.double()` it still has float32's errors.
        if self.window.dtype == dtype == torch.float32:
            return self.window
        return functional.hann_window(
            self.win_length, self.n_fft, dtype=dtype, device=self.window.device
        )

    def _examples_at_a_time(self, waveform: Tensor) -> int:
        batch, channel, time = waveform.shape
        if torch.compiler.is_compiling():
            return max(1, batch)
        samples = channel * self.n_fft * (1 + time // self.hop_length)
        return max(1, _block(waveform) // samples)

    def _frames_at_a_time(self, frames: Tensor) -> int:
        if torch.compiler.is_compiling():
            return max(1, frames.shape[-2])
        rows = frames.shape[:-2].numel()
        return max(1, _block(frames) // max(1, rows * self.n_fft))


def _block(tensor: Tensor) -> int:
    return _CPU_BLOCK if tensor.device.type == "cpu" else _DEVICE_BLOCK


def _join(parts: list[Tensor], dim: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)


class Spectrogram(MagnitudeFeature):
    """Compute the magnitude of the short-time Fourier transform, raised to ``power``.

    torchaudio's transform of the same name, with a Hann window.

    Args:
        n_fft: Samples of a frame, at least 1; gives ``n_fft // 2 + 1`` bins.
        win_length: Samples under the Hann window, in [1, n_fft]; ``None`` is ``n_fft``.
        hop_length: Samples from frame to frame, at least 1; ``None`` is ``win_length // 2``.
        power: Exponent of the magnitude, in (0, 10]: 1 for magnitude, 2 for power.
        center: Pad ``n_fft // 2`` samples on both sides, so that frame ``i`` is centred on sample
            ``i * hop_length``.
        pad_mode: ``"reflect"``, ``"constant"`` (zeros) or ``"replicate"``. Audio of at most
            ``n_fft // 2`` samples, too short for a reflection, is padded with zeros.

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
    ) -> None:
        super().__init__(n_fft, win_length, hop_length, power, center, pad_mode)

    @classmethod
    def example(cls) -> Self:
        """Give an instance with typical settings: the one that checks and docs use."""
        return cls(n_fft=256, hop_length=64)

    def _project(self, spectrum: Tensor) -> Tensor:
        return functional.magnitude(spectrum, self.power)

    def _finish(self, specgram: Tensor) -> Tensor:
        return specgram
