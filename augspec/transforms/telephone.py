"""Distortions by telephone lines and by networks that lose packets."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, get_args

from torch import Tensor

from augspec.functional.telephone import Concealment, packet_loss, packet_size, telephone
from augspec.random import Draw
from augspec.transforms.declare import Drawn, Key, LogUniform, Number, Uniform, Words, setting
from augspec.transforms.vocoder import RateTransform

__all__ = ["PacketLoss", "Telephone"]

Law = Literal["mu", "a", "any"]
_LINE_NYQUIST = 4000.0


class LawDraw(Drawn):
    """The law of each line: 0 is mu-law, 1 is A-law."""

    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Draw the law, or take the one that is set, int64."""
        weights = {"mu": [1.0, 0.0], "a": [0.0, 1.0], "any": [1.0, 1.0]}[transform.laws]
        return draw.choice(self.name, weights)


class Telephone(RateTransform, kernel=telephone):
    """Send each example over a telephone line: a narrow band, 8 kHz, 8 bits a sample.

    Butterworth filters of fourth order limit the band, samples at 8 kHz are quantized by mu-law or
    A-law, and the result is resampled to the rate of the input. The gradient is zero. For mobile
    telephones use GSM 6.10 in `Codec`, which runs on the CPU; there is no AMR, because libsndfile
    lacks it.

    Args:
        low_freq: Range of the lower end of the band in Hz, uniform in octaves; a number is a
            constant. A telephone line has 300.
        high_freq: Range of the upper end in Hz, below 4000 and half of the sample rate. A telephone
            line has 3400.
        laws: ``"mu"`` as in North America and Japan, ``"a"`` as elsewhere, or ``"any"`` to draw one
            of both.
        sample_rate: Sample rate in Hz; None is the front end's, or 16,000.
        p: Probability that an example is changed.
        per_channel: Draw band and law for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or out of its bounds, or ``laws`` is not known.

    References:
        ITU-T G.711, "Pulse code modulation (PCM) of voice frequencies", 1988; ITU-T G.712,
        "Transmission performance characteristics of pulse code modulation channels", 2001.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.Telephone()(0.1 * torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    differentiable = False
    # The cost of a filter with four sections, of two resamplings, and of both laws.
    max_launches: ClassVar[int] = 270

    low_freq: LogUniform = LogUniform(
        default=(200.0, 400.0), at_least=1.0, at_most=3999.0, unit="Hz"
    )
    high_freq: LogUniform = LogUniform(
        default=(3000.0, 3600.0), at_least=2.0, at_most=3999.0, unit="Hz"
    )
    law = LawDraw()
    laws: Law = setting(default="any", check=Words(*get_args(Law)), kw_only=True)

    def _validate(self) -> None:
        nyquist = min(_LINE_NYQUIST, self._effective_rate() / 2)
        for name in ("low_freq", "high_freq"):
            if getattr(self, name)[1] >= nyquist:
                raise ValueError(
                    f"`{name}` must lie below 4000 Hz and below half of the sample rate, here "
                    f"{self._effective_rate() / 2:g} Hz, got {getattr(self, name)}"
                )

    def _settings(self, time: int) -> dict[str, Any]:
        return {"sample_rate": self._effective_rate()}


class PacketLoss(RateTransform, kernel=packet_loss):
    """Drop packets of each example, singly or in bursts, as voice over a network does.

    All labels stay, also those of frames.

    Args:
        loss: Range of the fraction of packets that are lost, in [0, 1], uniform; a number is a
            constant.
        burst: Range of the mean number of packets in a row that are lost, 1 to 1000, uniform in
            octaves. A value below that of independent losses gives independent losses.
        packet_duration: Seconds of a packet; 0.02 is usual.
        concealment: ``"zero"`` leaves silence; ``"repeat"`` repeats the packet before the loss for
            60 ms with falling level, as simple decoders do.
        sample_rate: Sample rate in Hz; None is the front end's, or 16,000.
        p: Probability that an example is changed.
        per_channel: Draw losses for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or out of its bounds, ``packet_duration`` leaves
            [0.001, 10] or has no sample, or ``concealment`` is not known.

    References:
        E. N. Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39, 1960.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.PacketLoss(1.0)(torch.ones(1, 1, 16000)).abs().max()
        tensor(0.)
    """

    loss: Uniform = Uniform(default=(0.01, 0.2), at_least=0.0, at_most=1.0, neutral=0.0)
    burst: LogUniform = LogUniform(default=(1.0, 5.0), at_least=1.0, at_most=1000.0)
    key = Key()
    packet_duration: float = setting(default=0.02, check=Number(0.001, 10.0), kw_only=True)
    concealment: Concealment = setting(
        default="zero", check=Words(*get_args(Concealment)), kw_only=True
    )

    @classmethod
    def example(cls) -> Self:
        """Return an instance that also loses packets of short examples."""
        return cls((0.2, 0.6))

    def _validate(self) -> None:
        packet_size(self.packet_duration, self._effective_rate())

    def _settings(self, time: int) -> dict[str, Any]:
        return {**super()._settings(time), "sample_rate": self._effective_rate()}
