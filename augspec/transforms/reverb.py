"""Rooms: measured impulse responses from a bank, and synthetic ones."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor

from augspec.bank import Bank, check_bank, example_bank
from augspec.functional import reverb
from augspec.functional.checks import check_flag, check_range
from augspec.functional.shapes import blend, like
from augspec.params import Values
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import Key, Uniform, check_rate, setting
from augspec.transforms.noise import Sound

__all__ = ["ImpulseResponse", "RoomReverb"]

_EARLY_FADE = 0.005  # seconds


def _check_early(name: str, value: float | None) -> float | None:
    return None if value is None else check_range(name, value, at_least=0.0, at_most=60.0)[0]


class ImpulseResponse(WaveformTransform):
    """Convolve each example with a random impulse response of a bank, such as a room's.

    The convolution uses the FFT. The length stays: the reverberation is cut at the end of an
    example. All channels get the same response, unless the bank keeps the channels of its sounds
    (``mono=False``). Then each channel gets its own, as microphones in one room do, and the delays
    between them stay.

    Args:
        bank: The impulse responses, at the sample rate of the audio. The longest one determines the
            cost.
        mix: Fraction of the convolved sound, in [0, 1], drawn uniformly; the rest is the input.
        align: Remove the delay of a response: its largest sample becomes time 0, so that onsets
            stay where they are. With False the sound is delayed, and ``frames`` labels move with it
            where ``mix`` is above one half.
        keep_level: Scale the convolved sound to the power of the input; otherwise the gain is that
            of the response. A sound that ends before its response begins is silent in both cases.
        early: Seconds of a response that are kept after its direct sound; then it fades out over 5
            ms. None keeps all. With early reflections only, up to 0.05 s, speech stays clear.
        p: Probability that an example is convolved.
        per_channel: Draw a response for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        TypeError: If ``bank`` is not an `augspec.Bank`.
        ValueError: If the range is reversed or out of its bounds, ``early`` leaves [0, 60], or
            ``p`` is not in [0, 1].

    References:
        Ko et al., "A study on data augmentation of reverberant speech for robust speech
        recognition", ICASSP 2017.

    Example:
        >>> import torch
        >>> import augspec
        >>> from augspec import transforms as T
        >>> decay = torch.exp(-torch.arange(2000) / 300)
        >>> bank = augspec.Bank([decay * torch.randn(2000)], sample_rate=16000)
        >>> T.ImpulseResponse(bank)(torch.randn(4, 1, 800)).shape
        torch.Size([4, 1, 800])
    """

    bank: Bank = setting(check=lambda _, bank: check_bank(bank))
    mix: Uniform = Uniform(default=1.0, at_least=0.0, at_most=1.0, neutral=0.0, kw_only=True)
    align: bool = setting(default=True, check=check_flag, kw_only=True)
    keep_level: bool = setting(default=True, check=check_flag, kw_only=True)
    early: float | None = setting(default=None, check=_check_early, kw_only=True)
    sound = Sound()

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings; two plucked notes stand for the responses."""
        return cls(example_bank())

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        response = self._response(params, signal.shape[1])
        delay = self._delay(params, signal.shape[1]) if self.align else 0
        wet = reverb.convolve(signal, response, delay=delay, lengths=lengths)
        if self.keep_level:
            wet = reverb.match_power(wet, signal, lengths, response=response, in_place=True)
        return blend(signal, wet, params["mix"])

    def _source(
        self, position: Tensor, time: int, params: Values, lengths: Tensor
    ) -> Tensor | None:
        """Move labels by a response's delay if it is kept and ``mix`` is above one half."""
        if self.align:
            return None
        if self.per_channel:
            raise ValueError(
                "`targets` has `frames` of examples, but the delays of `per_channel` responses "
                "differ: pass `align=True`"
            )
        delay = self._delay(params, self.bank.channels)
        return position - torch.where(params["mix"] > 0.5, delay, 0)[:, None]

    def _response(self, params: Values, channels: int) -> Tensor:
        rows = self.bank.rows_of(params["sound"], channels, per_channel=self.per_channel)
        if self.early is None:
            return self.bank.whole(rows)
        rate = self.bank.sample_rate
        first = math.floor(self.early * rate)
        count = math.ceil(_EARLY_FADE * rate) + 2
        after = torch.arange(first, first + count, device=rows.device)  # the direct sound
        faded = ((after - self.early * rate) / (_EARLY_FADE * rate)).clamp(0.0, 1.0)
        fade = 0.5 + 0.5 * torch.cos(math.pi * faded)
        start = like(self._delay(params, channels), rows).expand_as(rows) + first
        return self.bank.whole(rows, start=start, fade=fade)

    def _delay(self, params: Values, channels: int) -> Tensor:
        """Return the sample of the direct sound: the largest over all channels of a response."""
        if not self.per_channel:
            return self.bank.peak_of(params["sound"])
        rows = self.bank.rows_of(params["sound"], channels, per_channel=True)
        return self.bank.peak_of(rows, per_channel=True)


class RoomReverb(WaveformTransform):
    """Put each example into a random synthetic room; no files are needed.

    The room's impulse response is a direct sound, which stays where it is, and normal noise that
    decays exponentially: diffuse and without colour or early reflections. Use `ImpulseResponse` for
    real rooms.

    Args:
        rt60: Range of the time in which the reverberation decays by 60 dB, in seconds, 0.01 to 20,
            drawn uniformly; a number is a constant. The longest one determines the cost.
        drr_db: Range of the ratio of direct to reverberant energy in dB, within +-60, drawn
            uniformly.
        sample_rate: Sample rate in Hz.
        mix: Fraction of the reverberated sound, in [0, 1], drawn uniformly; the rest is the input.
        keep_level: Scale the reverberated sound to the power of the input; otherwise the energy of
            the impulse response is 1.
        p: Probability that an example is reverberated.
        per_channel: Draw a room for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or out of its bounds, ``sample_rate`` is not positive, or
            ``p`` is not in [0, 1].

    References:
        Moorer, "About this reverberation business", Computer Music Journal 3(2), 1979.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.RoomReverb((0.2, 0.6), sample_rate=16000)(torch.randn(4, 1, 8000)).shape
        torch.Size([4, 1, 8000])
    """

    rt60: Uniform = Uniform(default=(0.2, 1.0), at_least=0.01, at_most=20.0, unit="s")
    drr_db: Uniform = Uniform(default=(-5.0, 15.0), at_least=-60.0, at_most=60.0, unit="dB")
    sample_rate: int = setting(check=check_rate, kw_only=True)
    mix: Uniform = Uniform(default=1.0, at_least=0.0, at_most=1.0, neutral=0.0, kw_only=True)
    keep_level: bool = setting(default=True, check=check_flag, kw_only=True)
    noise = Key()

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls((0.1, 0.5), sample_rate=16_000)

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        response = reverb.room_response(
            params["noise"],
            params["rt60"],
            params["drr_db"],
            math.ceil(self.rt60[1] * self.sample_rate),
            sample_rate=self.sample_rate,
        )
        wet = reverb.convolve(signal, response, lengths=lengths)
        if self.keep_level:
            wet = reverb.match_power(wet, signal, lengths, in_place=True)
        return blend(signal, wet, params["mix"])
