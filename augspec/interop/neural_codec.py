"""Neural codecs that the user provides, such as EnCodec, DAC or Mimi."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor

from augspec._compile import needs_gradient
from augspec.functional.checks import check_sample_rate
from augspec.functional.resample import resample_rate
from augspec.functional.shapes import fit, silence_after
from augspec.params import Values
from augspec.transforms.base import WaveformTransform

__all__ = ["NeuralCodec"]

Codec = Callable[[Tensor], Tensor]


class NeuralCodec(WaveformTransform):
    """Send each example through a neural codec, such as EnCodec.

    The codec encodes and decodes ``(row, 1, time)`` at its own sample rate, with one row per
    channel. It runs in its present mode, on its device, without gradients. Gradients of the
    transform are those of the identity (a straight-through estimator), because codes have none. The
    whole batch is coded, also examples that are not picked. Each example is coded with its padding,
    so a codec with look-ahead may be affected by the padding.

    Args:
        codec: Function or module that maps ``(row, 1, time)`` float32 audio to audio of that shape
            and about the same duration; the result is padded with silence or cut. A module is not
            registered: its weights are not in ``parameters()`` and the ``state_dict``. Call
            ``eval()`` and move it to the device of the audio yourself; ``.to(device)`` of the
            transform also moves it.
        codec_rate: Sample rate of the codec in Hz; 24,000 for EnCodec's usual model.
        sample_rate: Sample rate of the audio in Hz.
        p: Probability that an example is coded.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        TypeError: If ``codec`` cannot be called, or does not return a tensor.
        ValueError: If a rate is not positive, ``p`` is not in [0, 1], or, when called, the codec
            returns another shape.

    References:
        Defossez et al., "High fidelity neural audio compression", TMLR 2023,
        https://arxiv.org/abs/2210.13438.

    Example:
        >>> import torch
        >>> from augspec.interop import NeuralCodec
        >>> coarse = NeuralCodec(lambda audio: (audio * 8).round() / 8, 8_000, 16_000)
        >>> coarse(torch.randn(2, 1, 1600)).shape
        torch.Size([2, 1, 1600])
    """

    compilable = False

    def __init__(self, codec: Codec, codec_rate: int, sample_rate: int, *, p: float = 1.0) -> None:
        super().__init__(p=p)
        if not callable(codec):
            raise TypeError(f"`codec` must be a function or module, got {type(codec).__name__}")
        # In a tuple, so that its weights are not part of the transform.
        self._codec = (codec,)
        self.codec_rate = check_sample_rate(codec_rate, "codec_rate")
        self.sample_rate = check_sample_rate(sample_rate)

    @property
    def codec(self) -> Codec:
        """The codec that was given."""
        return self._codec[0]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        if isinstance(self.codec, torch.nn.Module):
            self.codec._apply(fn, recurse)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        with torch.no_grad():
            sound = silence_after(signal, lengths).float()
            rows = resample_rate(sound.flatten(0, 1)[:, None], self.sample_rate, self.codec_rate)
            coded = self._checked(self.codec(rows), rows)
            out = resample_rate(coded, self.codec_rate, self.sample_rate)
            out = fit(out, signal.shape[-1]).reshape(signal.shape).to(signal.dtype)
            out = silence_after(out, lengths)
        return signal + (out - signal).detach() if needs_gradient(signal) else out

    def _checked(self, coded: Any, rows: Tensor) -> Tensor:
        if not isinstance(coded, Tensor):
            raise TypeError(
                f"`codec` must return a tensor, got {type(coded).__name__}: wrap it, such as "
                "`lambda audio: model(audio).audio_values`"
            )
        if coded.shape[:2] != rows.shape[:2] or coded.ndim != 3:
            raise ValueError(
                f"`codec` must return (row, 1, time), here ({len(rows)}, 1, about "
                f"{rows.shape[-1]}), "
                f"got {tuple(coded.shape)}"
            )
        return fit(coded, rows.shape[-1]).float()
