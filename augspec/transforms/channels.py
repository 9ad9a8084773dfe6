"""Transforms of the channels of an example."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from augspec.functional import channels
from augspec.functional.checks import check_integer_range, check_range
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform

__all__ = ["ChannelDrop", "ChannelShuffle", "StereoWidth", "ToMono"]


class ChannelShuffle(WaveformTransform):
    """Put the channels of each example into a random order, never the one they had.

    Two channels are swapped. Of more, every order is equally likely but for those that turn the
    channels round by one place, which stand in for no change too. One channel stays.

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

    def __init__(self, *, p: float = 1.0) -> None:
        super().__init__(p=p)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"order": draw.per_channel().uniform("order")}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return channels.channel_shuffle(waveform, params["order"])


class ChannelDrop(WaveformTransform):
    """Silence random channels of each example, but never all: one channel alone stays.

    Args:
        count: Range of the number of channels, whole numbers; a number is a constant.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If ``count`` is no range of whole numbers in [0, 1000].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.ChannelDrop()(torch.ones(1, 2, 1)).sum()
        tensor(1.)
    """

    def __init__(self, count: int | Sequence[int] = 1, *, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.count = check_integer_range("count", count, at_least=0, at_most=1000)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        low, high = self.count
        return {
            "order": draw.per_channel().uniform("order"),
            "count": draw.integers("count", low, high + 1),
        }

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return channels.channel_drop(waveform, params["order"], params["count"])


class ToMono(WaveformTransform):
    """Average the channels of each example, in ``eval()`` too; one channel stays bit for bit.

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

    def __init__(self) -> None:
        super().__init__()

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return channels.to_mono(waveform)

    def out_channels(self, channels: int) -> int:
        """Say how many channels come out: one."""
        return 1


class StereoWidth(WaveformTransform):
    """Make the stereo image of each example wider or narrower; the sum of its channels stays.

    One channel alone stays as it is.

    Args:
        width: Range of the factor on the difference of the channels, uniform: 0 is mono, 1 leaves
            the image, above is wider. A number is a constant.
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

    neutral = {"width": 1.0}

    def __init__(self, width: float | Sequence[float] = (0.0, 2.0), *, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.width = check_range("width", width, at_least=0.0, at_most=10.0)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"width": draw.uniform("width", *self.width)}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return channels.stereo_width(waveform, params["width"])
