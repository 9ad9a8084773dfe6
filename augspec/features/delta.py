"""Slopes of a feature over time, as a stage after it."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from torch import Tensor, nn

from augspec._door import enter
from augspec.features.protocol import show_settings
from augspec.functional.checks import as_whole, check_count, check_specgram
from augspec.functional.delta import deltas


class Delta(nn.Module):
    """Take the time derivative of a feature, by a polynomial fit over some frames.

    The result is that of ``librosa.feature.delta``; with ``mode="nearest"`` also that of
    torchaudio's ``ComputeDeltas``. Put it after a feature: ``nn.Sequential(F.MFCC(),
    F.Delta(order=(0, 1, 2)))`` returns the coefficients and their first and second derivatives as
    channels. In half precision it is computed in float32.

    Args:
        width: Frames of the fit, odd, at least 3.
        order: Order of the derivative and of the polynomial, in [1, width); with several orders the
            results are stacked as channels, where order 0 is the feature itself.
        mode: Treatment of the ends: ``"interp"`` uses the slope of the first and last fit,
            ``"nearest"`` repeats the first and last frame. An example shorter than ``width`` frames
            is treated as with ``"nearest"``.

    Shape:
        ``(batch, channel, freq, frame)`` to the same, or to ``(batch, channel * len(order), freq,
        frame)``.

    Raises:
        ValueError: If an argument is out of its range.

    References:
        Savitzky and Golay, "Smoothing and differentiation of data by simplified least squares
        procedures", Analytical Chemistry 36 (8), 1964.

    Example:
        >>> import torch
        >>> from augspec.features import MFCC, Delta
        >>> mfcc = MFCC(n_mfcc=13, melkwargs={"n_mels": 40})
        >>> stages = torch.nn.Sequential(mfcc, Delta(order=(0, 1, 2)))
        >>> stages(torch.randn(4, 1, 16_000)).shape
        torch.Size([4, 3, 13, 81])
    """

    def __init__(
        self,
        width: int = 9,
        order: int | Sequence[int] = 1,
        mode: Literal["interp", "nearest"] = "interp",
    ) -> None:
        super().__init__()
        width = check_count("width", width)
        if width < 3 or width % 2 == 0:
            raise ValueError(f"`width` must be odd and at least 3, got {width}")
        one = as_whole(order)
        if one is None and not isinstance(order, list | tuple):
            raise ValueError(f"`order` must be a whole number or a sequence of them, got {order!r}")
        given: Any = order if one is None else (one,)
        orders = tuple(check_count("order", each) for each in given)
        lowest = 0 if one is None else 1
        if not orders or not all(lowest <= each < width for each in orders):
            raise ValueError(f"`order` must lie in [{lowest}, width = {width}), got {order}")
        if mode not in ("interp", "nearest"):
            raise ValueError(f"`mode` must be 'interp' or 'nearest', got {mode!r}")
        self.width = width
        self.order = orders if one is None else one
        self.mode = mode
        self._orders = orders

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings, for checks and docs."""
        return cls(order=(0, 1, 2))

    def forward(
        self, specgram: Tensor, lengths: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Differentiate ``specgram``; return ``(slopes, lengths)`` when ``lengths`` was passed.

        Args:
            specgram: Features of any scale.
            lengths: Valid frames of each example; those after them have no influence and have slope
                0.

        Shape:
            ``(batch, channel, freq, frame)``, ``lengths`` ``(batch,)`` int64.

        Raises:
            TypeError: If ``specgram`` is not floating point or ``lengths`` not int64.
            ValueError: If a shape differs.
        """
        check_specgram(specgram, lengths)
        out, _ = enter(self._compute, specgram, lengths)
        return out if lengths is None else (out, lengths)

    def _compute(self, specgram: Tensor, lengths: Tensor | None) -> tuple[Tensor, None]:
        return deltas(specgram, self.width, self._orders, self.mode, lengths), None

    def out_channels(self, channels: int) -> int:
        """Return the number of output channels: the input's for each order."""
        return channels * len(self._orders)

    def extra_repr(self) -> str:
        """Show the settings under the names that the constructor has."""
        return show_settings(self)
