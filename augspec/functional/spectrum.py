"""The short-time Fourier transform in three steps: frames, spectrum, magnitude.

The steps are separate, so that a caller can pass its own frames from any positions.
"""

from typing import Any

import torch
from torch import Tensor

from augspec._compile import hides_complex
from augspec._torch import is_exporting, unfold

PAD_MODES = ("reflect", "constant", "replicate")


def hann_window(
    win_length: int,
    n_fft: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Make a periodic Hann window of ``win_length`` samples in the middle of ``n_fft`` zeros.

    Args:
        win_length: Samples under the window, in [1, n_fft].
        n_fft: Samples of a frame.
        dtype: The result's dtype; the window is computed in float64 and rounded once.
        device: The result's device.

    Shape:
        ``(n_fft,)``.
    """
    window = torch.hann_window(win_length, dtype=torch.float64, device=device)
    left = (n_fft - win_length) // 2
    return torch.nn.functional.pad(window, (left, n_fft - win_length - left)).to(dtype)


def frame_lengths(lengths: Tensor, n_fft: int, hop_length: int, center: bool = True) -> Tensor:
    """Count the frames of each example: ``1 + lengths // hop_length`` with ``center``, even n_fft.

    Args:
        lengths: Samples of each example.
        n_fft: Samples of a frame.
        hop_length: Samples from frame to frame.
        center: Whether ``n_fft // 2`` samples are padded on both sides.

    Shape:
        ``(batch,)`` in and out, int64.
    """
    padding = 2 * (n_fft // 2) if center else 0
    count = 1 + torch.div(lengths + (padding - n_fft), hop_length, rounding_mode="floor")
    return count.clamp(min=0)


def frame(
    waveform: Tensor,
    n_fft: int,
    hop_length: int,
    *,
    center: bool = True,
    pad_mode: str = "reflect",
    lengths: Tensor | None = None,
) -> Tensor:
    """Cut the waveform into overlapping frames, as a strided view without copies.

    With ``lengths`` each example is padded at its own end, so that later samples have no influence
    on the frames that `frame_lengths` counts. An example of at most ``n_fft // 2`` samples is too
    short for a reflection and is padded with zeros.

    Args:
        waveform: Audio.
        n_fft: Samples of a frame.
        hop_length: Samples from frame to frame.
        center: Pad ``n_fft // 2`` samples on both sides, so that frame ``i`` is centred on sample
            ``i * hop_length``.
        pad_mode: ``"reflect"``, ``"constant"`` (zeros) or ``"replicate"``.
        lengths: Valid samples of each example.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, frame, n_fft)``.

    Raises:
        ValueError: If no frame fits, which only happens without ``center``.
    """
    if center:
        waveform = _pad(waveform, n_fft // 2, pad_mode, lengths)
    if waveform.shape[-1] < n_fft:
        raise ValueError(
            f"`waveform` must have at least n_fft = {n_fft} samples without `center`, "
            f"got {waveform.shape[-1]}"
        )
    return unfold(waveform, -1, n_fft, hop_length)


def _pad(waveform: Tensor, width: int, mode: str, lengths: Tensor | None) -> Tensor:
    """Pad ``width`` samples at the start and at each example's own end."""
    time = waveform.shape[-1]
    if mode == "constant" or width == 0 or (mode == "reflect" and time <= width):
        if lengths is not None:
            waveform = _zero_behind(waveform, lengths)
        return torch.nn.functional.pad(waveform, (width, width))
    if lengths is not None:
        return _pad_ragged(waveform, width, mode, lengths)
    # Concatenate: torch's reflection takes five times as long on a CPU.
    if mode == "reflect":
        left, right = waveform[..., 1 : width + 1], waveform[..., time - width - 1 : time - 1]
        return torch.cat([left.flip(-1), waveform, right.flip(-1)], dim=-1)
    left, right = waveform[..., :1], waveform[..., -1:]
    shape = (*waveform.shape[:-1], width)
    return torch.cat([left.expand(shape), waveform, right.expand(shape)], dim=-1)


def _pad_ragged(waveform: Tensor, width: int, mode: str, lengths: Tensor) -> Tensor:
    waveform = _zero_behind(waveform, lengths)
    batch, channel, _ = waveform.shape
    ends = lengths[:, None, None]
    steps = torch.arange(width, device=waveform.device)
    if mode == "reflect":
        left, source = waveform[..., 1 : width + 1].flip(-1), ends - 2 - steps
    else:
        left, source = waveform[..., :1].expand(batch, channel, width), ends - 1 + 0 * steps
    right = waveform.gather(-1, source.clamp(min=0).expand(batch, channel, width))
    if mode == "reflect":
        long_enough = ends > width
        left, right = left.where(long_enough, 0.0), right.where(long_enough, 0.0)
    padded = torch.cat([left, waveform, torch.zeros_like(right)], dim=-1)
    target = width + ends + steps
    return padded.scatter(-1, target.expand(batch, channel, width), right)


def _zero_behind(waveform: Tensor, lengths: Tensor) -> Tensor:
    position = torch.arange(waveform.shape[-1], device=waveform.device)
    return waveform.where(position < lengths[:, None, None], 0.0)


def spectrum(frames: Tensor, window: Tensor | None) -> Tensor:
    """Window the frames and take their Fourier transform, real and imaginary parts side by side.

    Args:
        frames: Frames, not windowed; half precision is promoted to the window's dtype.
        window: Window of a frame's size; None if the frames are windowed already.

    Shape:
        ``(..., frame, n_fft)`` to real ``(..., frame, n_fft // 2 + 1, 2)``.
    """
    windowed = frames if window is None else frames * window
    # An exported graph must run without augspec.
    if is_exporting():
        return torch.view_as_real(torch.fft.rfft(windowed))
    if hides_complex():
        parts: Tensor = _rfft(windowed)
        return parts
    return _transform(windowed)


def _transform(signal: Tensor) -> Tensor:
    if signal.numel() == 0:  # MKL refuses an empty batch
        half = signal[..., : signal.shape[-1] // 2 + 1]
        return torch.stack([half, half], dim=-1)
    return torch.view_as_real(torch.fft.rfft(signal))


def magnitude(spectrum: Tensor, power: float = 2.0) -> Tensor:
    """Raise the magnitude of a spectrum to ``power``.

    Args:
        spectrum: Real and imaginary parts, side by side.
        power: Exponent, positive: 1 for magnitude, 2 for power.

    Shape:
        ``(..., 2)`` to ``(...)``.
    """
    real, imag = spectrum.unbind(-1)
    squared = torch.addcmul(real.square(), imag, imag)
    if power == 2.0:
        return squared
    # The root has an infinite slope at zero; the gradient is set to zero there.
    zero = squared == 0.0
    return squared.where(~zero, 1.0).pow(power / 2.0).where(~zero, 0.0)


@torch.library.custom_op("augspec::rfft", mutates_args=())
def _rfft(signal: Tensor) -> Tensor:
    """``torch.fft.rfft`` with a real result."""
    return _transform(signal)


@torch.library.custom_op("augspec::rfft_backward", mutates_args=())
def _rfft_backward(grad: Tensor, size: int) -> Tensor:
    """Transpose of `_rfft`, which maps ``size`` samples to ``size // 2 + 1`` pairs."""
    if grad.numel() == 0:
        return grad.new_empty((*grad.shape[:-2], size))
    # `irfft` counts each bin twice except the first and, with an even size, the last.
    weights = grad.new_full((grad.shape[-2],), size / 2)
    weights[0] = size
    if size % 2 == 0:
        weights[-1] = size
    spectrum: Tensor = torch.view_as_complex(grad.contiguous()) * weights
    signal: Tensor = torch.fft.irfft(spectrum, n=size)
    return signal


@_rfft.register_fake
def _(signal: Tensor) -> Tensor:
    return signal.new_empty((*signal.shape[:-1], signal.shape[-1] // 2 + 1, 2))


@_rfft_backward.register_fake
def _(grad: Tensor, size: int) -> Tensor:
    return grad.new_empty((*grad.shape[:-2], size))


def _setup_rfft(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:  # noqa: ARG001
    ctx.size = inputs[0].shape[-1]


def _differentiate_rfft(ctx: Any, grad: Tensor) -> Tensor:
    result: Tensor = _rfft_backward(grad, ctx.size)
    return result


_rfft.register_autograd(_differentiate_rfft, setup_context=_setup_rfft)


def valid_frames(specgram: Tensor, lengths: Tensor) -> Tensor:
    """Return which frames of each example are valid.

    Args:
        specgram: Features; only the number of frames and the device matter.
        lengths: Valid frames of each example.

    Shape:
        ``(batch, ..., frame)`` and ``(batch,)`` to bool ``(batch, 1, ..., frame)``, to broadcast.
    """
    index = torch.arange(specgram.shape[-1], device=specgram.device)
    return index < lengths.reshape(-1, *[1] * (specgram.dim() - 1))
