"""Transforms of the channels of an example."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from augspec.functional import channels
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import Drawn, Integers, Uniform, setting

__all__ = ["ChannelDrop", "ChannelShuffle", "StereoWidth", "ToMono"]


class Order(Drawn):
    """A number for each channel; sorting the numbers gives the order."""

    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Draw uniformly, float32, ``(batch, channel)``."""
        return draw.per_channel().uniform(self.name)


class ChannelShuffle(WaveformTransform, kernel=channels.channel_shuffle):
    """Put the channels of each example into a random order, never the one they had.

    Two channels are swapped. With more, every order is equally likely, except that rotations by one
    place are more likely: they replace the unchanged order. A single channel stays.

    Args:
        p: Probability that an example's channels are shuffled.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If ``p`` is not in [0, 1].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.ChannelShuffle()(torch.tensor([[[1.0], [2.0]]])).flatten()
        tensor([2., 1.])
    """

    order = Order()
    per_channel: bool = setting(default=False, init=False)


class ChannelDrop(WaveformTransform, kernel=channels.channel_drop):
    """Silence random channels of each example, but never all of them: a mono example stays.

    Args:
        count: Range of the number of channels, whole numbers; a number is a constant.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If ``count`` is not a range of whole numbers in [0, 1000].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.ChannelDrop()(torch.ones(1, 2, 1)).sum()
        tensor(1.)
    """

    order = Order()
    count: Integers = Integers(default=1, at_least=0, at_most=1000)
    per_channel: bool = setting(default=False, init=False)


class ToMono(WaveformTransform, kernel=channels.to_mono):
    """Average the channels of each example, in ``eval()`` too; a mono example stays bit for bit.

    Shape:
        ``(batch, channel, time)`` to ``(batch, 1, time)``.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.ToMono()(torch.tensor([[[1.0, 2.0], [3.0, 0.0]]]))
        tensor([[[2., 1.]]])
    """

    in_eval = True
    sets_shape = True

    p: float = setting(default=1.0, init=False)
    per_channel: bool = setting(default=False, init=False)

    def out_channels(self, channels: int) -> int:
        """Return the number of output channels: one."""
        return 1


class StereoWidth(WaveformTransform, kernel=channels.stereo_width):
    """Make the stereo image of each example wider or narrower; the sum of its channels stays.

    A mono example stays as it is.

    Args:
        width: Range of the factor on the difference of the channels, uniform: 0 is mono, 1 leaves
            the image as it is, more is wider. A number is a constant.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` in and out, with one or two channels.

    Raises:
        ValueError: If the range is reversed or leaves [0, 10]; on a call, if there are more than
            two channels.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.StereoWidth(0.5)(torch.tensor([[[1.0], [0.0]]])).flatten()
        tensor([0.7500, 0.2500])
    """

    width: Uniform = Uniform(default=(0.0, 2.0), at_least=0.0, at_most=10.0, neutral=1.0)
    per_channel: bool = setting(default=False, init=False)
