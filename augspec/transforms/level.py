"""Transforms of level and sign."""

from __future__ import annotations

from torch import Tensor

from augspec.functional import level
from augspec.params import Values
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import Uniform, setting
from augspec.transforms.warp import FusableTransform, Warp

__all__ = ["Gain", "GainTransition", "PolarityInversion"]


class Gain(FusableTransform, kernel=level.gain):
    """Multiply each example by its own random gain.

    Nothing is clipped: a waveform may leave [-1, 1].

    Args:
        gain_db: Range of the gain in dB, uniform in dB; a number is a constant.
        p: Probability that an example is changed.
        per_channel: Draw a gain for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If the range is reversed, not finite or beyond +-200 dB, or ``p`` is not in [0,
            1].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> louder = T.Gain(6.0)(torch.ones(1, 1, 4))
        >>> round(louder[0, 0, 0].item(), 4)
        1.9953
    """

    keeps_samples = True

    gain_db: Uniform = Uniform(
        default=(-12.0, 6.0), at_least=-200.0, at_most=200.0, neutral=0.0, unit="dB"
    )

    neutral_is_exact = True

    def warp(self, warp: Warp, params: Values) -> Warp:
        """Multiply the magnitudes."""
        return warp.amplify(level.amplitude(params["gain_db"]))


class GainTransition(WaveformTransform):
    """Fade each example from one random gain to another, linearly in dB.

    The fade begins at a random time between one fade's duration before the example and the
    example's end, so that a part of it may lie outside. Nothing is clipped.

    Args:
        gain_db: Range of both gains in dB, uniform in dB.
        duration: Range of the fade's duration as a fraction of the example, 0.001 to 100, uniform.
        p: Probability that an example is changed.
        per_channel: Draw gains and fade for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or not finite, ``gain_db`` is beyond +-200 dB or
            ``duration`` leaves [0.001, 100].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.GainTransition((-24.0, 6.0))(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    gain_db: Uniform = Uniform(default=(-24.0, 6.0), at_least=-200.0, at_most=200.0, unit="dB")
    duration: Uniform = Uniform(default=(0.1, 1.0), at_least=0.001, at_most=100.0)

    neutral = {"start_gain_db": 0.0, "end_gain_db": 0.0}
    neutral_is_exact = True

    def _draw(self, draw: Draw) -> Values:
        return {
            "start_gain_db": draw.uniform("start_gain_db", *self.gain_db),
            "end_gain_db": draw.uniform("end_gain_db", *self.gain_db),
            "duration": draw.uniform("duration", *self.duration),
            "place": draw.uniform("place"),
        }

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        duration = params["duration"]
        return level.gain_transition(
            signal,
            params["start_gain_db"],
            params["end_gain_db"],
            params["place"] * (1.0 + duration) - duration,
            duration,
            lengths,
        )


class PolarityInversion(FusableTransform):
    """Change the sign of the waveform of each picked example.

    A network on raw waveforms sees the change; a magnitude spectrogram stays the same.

    Args:
        p: Probability that an example is inverted.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If ``p`` is not in [0, 1].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.PolarityInversion()(torch.ones(1, 1, 2))
        tensor([[[-1., -1.]]])
    """

    keeps_samples = True

    neutral_is_exact = True

    per_channel: bool = setting(default=False, init=False)

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        return level.polarity_inversion(signal, params["applied"])

    def warp(self, warp: Warp, params: Values) -> Warp:
        """Return the warp unchanged: a magnitude has no sign."""
        return warp
