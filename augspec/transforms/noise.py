"""Noise at a random signal-to-noise ratio."""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from augspec.bank import Bank, check_bank, example_bank
from augspec.functional import noise
from augspec.functional.checks import check_flag, check_range
from augspec.functional.reference import REFERENCES
from augspec.functional.shapes import ends_of, like, span_start
from augspec.params import Values, select
from augspec.random import Draw, as_integers
from augspec.transforms.declare import (
    Drawn,
    Integers,
    Key,
    Number,
    Place,
    Uniform,
    Words,
    check_rate,
    setting,
)
from augspec.transforms.noise_chain import TransformsNoise
from augspec.transforms.vocoder import RateTransform

__all__ = ["BackgroundNoise", "ColoredNoise", "ShortNoises", "WhiteNoise"]


class Sound(Drawn):
    """The index of a sound in the setting ``bank``."""

    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Draw it, int64."""
        return draw.integers(self.name, 0, len(transform.bank))


class NoiseTransform(RateTransform, ABC):
    """A transform that adds noise at a signal-to-noise ratio.

    Args:
        reference: How the levels of signal and noise are measured, such as ``"all"`` or
            ``"active"``.
        sample_rate: Sample rate in Hz, for a reference that depends on it; None is the front
            end's, or 16,000.
    """

    reference: str = setting(default="all", check=Words(*REFERENCES), kw_only=True)

    def _validate(self) -> None:
        bank = getattr(self, "bank", None)
        if bank is not None and self.sample_rate not in (None, bank.sample_rate):
            raise ValueError(
                f"`sample_rate` must be that of `bank`, {bank.sample_rate}, got {self.sample_rate}"
            )

    def _needs_rate(self) -> bool:
        return self.reference not in ("all", "full_scale")

    def _effective_rate(self) -> int:
        bank = getattr(self, "bank", None)
        return super()._effective_rate() if bank is None else int(bank.sample_rate)

    def _measure(self) -> dict[str, Any]:
        """Return the kernels' arguments for measuring levels."""
        return {"reference": self.reference, "sample_rate": self._effective_rate()}


class WhiteNoise(NoiseTransform):
    """Add white Gaussian noise at a random signal-to-noise ratio, different in each channel.

    The ratio is that of the mean powers over an example's valid samples. Silence stays silent.

    Args:
        snr_db: Range of the signal-to-noise ratio in dB, -100 to 200, drawn uniformly; a number is
            a constant.
        reference: ``"all"`` measures the ratio over all valid samples; ``"active"`` over the active
            ones: the blocks of 20 ms at most 30 dB below the mean power, of signal and of noise;
            ``"a_weighted"`` by the A curve; ``"lufs"`` by ITU-R BS.1770. ``"full_scale"`` adds
            noise ``snr_db`` below full scale, a root mean square of 1, also to silence.
        sample_rate: Sample rate in Hz, for ``"active"``, ``"a_weighted"`` and ``"lufs"``; None is
            the front end's, or 16,000.
        p: Probability that noise is added to an example.
        per_channel: Draw a ratio for each channel; the channel's own levels are used.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If the range is reversed or out of its bounds, ``reference`` is not known, or
            ``p`` is not in [0, 1].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> waveform = torch.ones(1, 1, 16000)
        >>> noise = T.WhiteNoise(20.0)(waveform) - waveform
        >>> round(noise.square().mean().item(), 4)
        0.01
    """

    snr_db: Uniform = Uniform(default=(5.0, 40.0), at_least=-100.0, at_most=200.0, unit="dB")
    noise = Key()

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        _, channels, time = signal.shape
        added = noise.white_noise(params["noise"], channels, time, dtype=signal.dtype)
        return noise.add_noise(signal, added, params["snr_db"], lengths, **self._measure())


class ColoredNoise(NoiseTransform):
    """Add noise of a random spectral slope at a random signal-to-noise ratio.

    Each channel gets different noise of the same slope. The ratio is that of the mean powers over
    an example's valid samples; silence stays silent. The slope holds from 1/1024 of the sample rate
    to Nyquist.

    Args:
        snr_db: Range of the signal-to-noise ratio in dB, -100 to 200, drawn uniformly; a number is
            a constant.
        slope_db: Range of the slope in dB per octave, within +-12, drawn uniformly: -6.02 is brown,
            -3.01 pink, 0 white, 3.01 blue, 6.02 violet.
        reference: ``"all"`` measures the ratio over all valid samples; ``"active"`` over the active
            ones: the blocks of 20 ms at most 30 dB below the mean power, of signal and of noise;
            ``"a_weighted"`` by the A curve; ``"lufs"`` by ITU-R BS.1770. ``"full_scale"`` adds
            noise ``snr_db`` below full scale, a root mean square of 1, also to silence.
        sample_rate: Sample rate in Hz, for ``"active"``, ``"a_weighted"`` and ``"lufs"``; None is
            the front end's, or 16,000.
        p: Probability that noise is added to an example.
        per_channel: Draw ratio and slope for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a range is reversed or out of its bounds, ``reference`` is not known, or
            ``p`` is not in [0, 1].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.ColoredNoise((5.0, 30.0), (-6.0, 3.0))(torch.randn(4, 1, 800)).shape
        torch.Size([4, 1, 800])
    """

    # The cost of the noise, of a filter with eight states, and of the ratio of two powers.
    max_launches: ClassVar[int] = 220

    snr_db: Uniform = Uniform(default=(5.0, 40.0), at_least=-100.0, at_most=200.0, unit="dB")
    slope_db: Uniform = Uniform(
        default=(-6.0, 6.0), at_least=-12.0, at_most=12.0, unit="dB an octave"
    )
    noise = Key()

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        _, channels, time = signal.shape
        added = noise.colored_noise(
            params["noise"], params["slope_db"], channels, time, dtype=signal.dtype
        )
        return noise.add_noise(signal, added, params["snr_db"], lengths, **self._measure())


class BackgroundNoise(TransformsNoise, NoiseTransform):
    """Add a random part of a random sound of a bank at a random signal-to-noise ratio.

    All channels get the same noise, unless the bank keeps the channels of its sounds
    (``mono=False``). A sound that is longer than the example is cut at a random place. A shorter
    one is looped from a random place, with a crossfade of 5 ms from its end to its beginning. With
    ``loop=False`` a shorter one plays once, at a random place. If a cut holds less than half as
    much sound as the fullest cut of that noise, a fuller one is taken: otherwise a faint part would
    be amplified to the level of the whole. (Blocks of 20 ms at most 30 dB below the mean power
    count as sound.) Silence stays silent, and a silent part of a noise adds nothing.

    Args:
        bank: The sounds, at the sample rate of the audio.
        snr_db: Range of the signal-to-noise ratio in dB, -100 to 200, drawn uniformly; a number is
            a constant.
        loop: Whether a sound that is shorter than the example is looped. With False it plays once
            and the rest is silence, which counts in the noise's mean power unless
            ``reference="active"``.
        noise_transform: A transform, or a chain, that is applied to the noise before it is added,
            with draws for each example. It must keep the shape.
        reference: ``"all"`` measures the ratio over all valid samples; ``"active"`` over the active
            ones: the blocks of 20 ms at most 30 dB below the mean power, of signal and of noise;
            ``"a_weighted"`` by the A curve; ``"lufs"`` by ITU-R BS.1770. ``"full_scale"`` adds
            noise ``snr_db`` below full scale, a root mean square of 1, also to silence.
        sample_rate: Sample rate in Hz, which must be that of the bank; None takes it from the bank.
        p: Probability that noise is added to an example.
        per_channel: Draw sound, place and ratio for each channel.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        TypeError: If ``bank`` is not an `augspec.Bank`, or ``noise_transform`` is not a transform.
        ValueError: If the range is reversed or out of its bounds, ``reference`` is not known,
            ``noise_transform`` takes spectrograms, mixes examples, has another sample rate or, in
            use, changes the shape, or ``p`` is not in [0, 1].

    Example:
        >>> import torch
        >>> import augspec
        >>> from augspec import transforms as T
        >>> bank = augspec.Bank([torch.randn(4000), torch.randn(300)], sample_rate=16000)
        >>> T.BackgroundNoise(bank, (5.0, 20.0))(torch.randn(4, 1, 800)).shape
        torch.Size([4, 1, 800])
        >>> far = T.BackgroundNoise(bank, noise_transform=T.LowPass(2000.0, sample_rate=16_000))
        >>> far(torch.randn(4, 1, 800)).shape
        torch.Size([4, 1, 800])
    """

    bank: Bank = setting(check=lambda _, bank: check_bank(bank))
    snr_db: Uniform = Uniform(default=(3.0, 30.0), at_least=-100.0, at_most=200.0, unit="dB")
    loop: bool = setting(default=True, check=check_flag, kw_only=True)
    sound = Sound()
    offset = Place()

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings; two notes stand for the noise."""
        return cls(example_bank())

    def _noise_channels(self, channels: int) -> int:
        return channels if self.per_channel or self.bank.channels > 1 else 1

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        added = self._cut(signal, params, lengths).to(signal.dtype)
        added = added if added.dim() == 3 else added[:, None]
        added = self._transform_noise(added, params, lengths).expand_as(signal)
        return noise.add_noise(signal, added, params["snr_db"], lengths, **self._measure())

    def _cut(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        """Cut the parts out of the sounds: (batch, size), or (batch, channel, size)."""
        sound, offset, size = params["sound"], params["offset"], signal.shape[-1]
        used = like(ends_of(signal, lengths), sound).expand_as(sound)
        at_least = size if lengths is None else 0
        rows = self.bank.rows_of(sound, signal.shape[1], per_channel=self.per_channel)
        # All channels of a sound are cut at the same place, where the first channel has sound.
        first = self.bank.first_row_of(sound)
        start = self.bank.find_place(first, offset, used, at_least=at_least)
        length = self.bank.length_of(first)
        begin = span_start(offset, (used - length).clamp(min=0))  # for a sound that plays once
        if not self.loop:
            # Read so that the sound's start lies at `begin`; samples outside the sound are
            # silenced.
            start = torch.where(length < used, -begin % length, start)
        start, used = (like(one, rows).expand_as(rows) for one in (start, used))
        taken = self.bank.take(rows, start, size, smooth=self.loop, used=used)
        if self.loop:
            return taken
        since = torch.arange(size, device=taken.device) - like(begin, taken)
        return torch.where((since >= 0) & (since < like(length, taken)), taken, 0.0)


class ShortNoises(TransformsNoise, NoiseTransform):
    """Add several bursts of noise at random places, of random width and level.

    Each burst lies within the example if it fits, may overlap others, and fades in and out. Its
    level is the ratio of its mean power to that of the whole example; silence stays silent. A burst
    is cut from a sound of a bank as `BackgroundNoise` cuts it.

    Args:
        snr_db: Range of each burst's signal-to-noise ratio in dB, -100 to 200, drawn uniformly; a
            number is a constant.
        count: Range of the number of bursts, 1 to 64, each number equally likely. The cost is that
            of the largest number.
        duration: Range of the duration in seconds, above 0, drawn uniformly.
        bank: Sounds from which bursts are cut, at any place; None makes white noise.
        fade: Seconds over which a burst fades in and out.
        sample_rate: Sample rate in Hz.
        noise_transform: A transform, or a chain, that is applied to the noise before it is added;
            the bursts of an example share its draws. It must keep the shape.
        reference: How the level of the example is measured, as for `BackgroundNoise`: ``"all"``,
            ``"active"``, ``"a_weighted"``, ``"lufs"`` or ``"full_scale"``. That of a burst is
            always its mean power.
        p: Probability that an example gets bursts.

    Shape:
        ``(batch, channel, time)`` in and out. Parameters of the bursts are ``(batch, burst)``.

    Raises:
        TypeError: If ``bank`` is not an `augspec.Bank`, or ``noise_transform`` is not a transform.
        ValueError: If a range is reversed or out of its bounds, ``fade`` is out of its bounds,
            ``reference`` is not known, ``noise_transform`` takes spectrograms, mixes examples, has
            another sample rate or, in use, changes the shape, ``sample_rate`` is not positive, or
            ``p`` is not in [0, 1].

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.ShortNoises((0.0, 20.0), (1, 3), sample_rate=16000)(torch.randn(4, 1, 8000)).shape
        torch.Size([4, 1, 8000])
    """

    # With a bank, each burst searches for a place with sound.
    max_launches: ClassVar[int] = 210

    snr_db: Uniform = Uniform(default=(0.0, 24.0), at_least=-100.0, at_most=200.0, unit="dB")
    count: Integers = Integers(default=(1, 5), at_least=1, at_most=64)
    duration: Uniform = Uniform(default=(0.02, 0.3), at_most=3600.0, unit="s")
    bank: Bank | None = setting(
        default=None,
        check=lambda _, bank: None if bank is None else check_bank(bank),
        kw_only=True,
    )
    fade: float = setting(default=0.005, check=Number(0.0, 3600.0), kw_only=True)
    sample_rate: int = setting(check=check_rate, kw_only=True)
    per_channel: bool = setting(default=False, init=False)

    @classmethod
    def example(cls) -> Self:
        """Return an instance with typical settings."""
        return cls(sample_rate=16_000)

    def _validate(self) -> None:
        super()._validate()
        check_range("duration", self.duration, at_least=1.0 / self.sample_rate, at_most=3600.0)

    def _draw(self, draw: Draw) -> Values:
        bursts = range(self.count[1])
        names = ["snr_db", "duration", "start"]
        names += ["noise"] if self.bank is None else ["sound", "offset"]
        draw = draw.together(["count", *(f"{name}_{i}" for name in names for i in bursts)])

        # All bursts are scaled at once: scaling each one separately launches several GPU
        # operations.
        def each(name: str, low: float = 0.0, high: float = 1.0) -> Tensor:
            drawn = torch.stack([draw.uniform(f"{name}_{i}") for i in bursts], 1)
            return low + (high - low) * drawn

        def bits(name: str) -> Tensor:
            return torch.stack([draw.key(f"{name}_{i}") for i in bursts], 1)

        params = {
            "count": draw.integers("count", self.count[0], self.count[1] + 1),
            "snr_db": each("snr_db", *self.snr_db),
            "duration": each("duration", *self.duration),
            "start": each("start"),
        }
        if self.bank is None:
            return {**params, "noise": bits("noise")}
        sound = as_integers(bits("sound"), 0, len(self.bank))
        return {**params, "sound": sound, "offset": each("offset")}

    def _noise_channels(self, channels: int) -> int:
        return 1 if self.bank is not None and self.bank.channels == 1 else channels

    def _bursts(self, params: Values, width: Tensor, channels: int, size: int) -> Tensor:
        """Return the noise of every burst: (batch, burst, channel, size)."""
        if self.bank is None:
            key = params["noise"]
            return noise.white_noise(key.flatten(), channels, size).view(*key.shape, channels, size)
        sound, rows = params["sound"], self.bank.rows_of(params["sound"], channels)
        first = self.bank.first_row_of(sound)
        start = self.bank.find_place(first, params["offset"], width, anywhere=True)
        start, used = (like(one, rows).expand_as(rows) for one in (start, width))
        bursts = self.bank.take(rows, start, size, smooth=True, used=used)
        return bursts[:, :, None] if bursts.dim() == 3 else bursts  # the same for all channels

    def _transform_bursts(self, bursts: Tensor, params: Values, width: Tensor) -> Tensor:
        """Apply the noise's transform to each burst as if it were an example."""
        if self.noise_transform is None:
            return bursts
        batch, count = width.shape
        example = torch.arange(batch * count, device=width.device) // count
        own: Any = params["noise_transform"]
        own = {"noise_transform": select(own, example)}
        out = self._transform_noise(bursts.flatten(0, 1), own, width.flatten())
        return out.reshape(batch, count, *out.shape[1:])

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        longest = round(self.duration[1] * self.sample_rate)
        width = (params["duration"] * self.sample_rate).round().long().clamp(1, longest)
        silent = torch.arange(width.shape[1], device=width.device) >= params["count"][:, None]
        room = (ends_of(signal, lengths)[:, None] - width).clamp(min=0)
        heard = min(longest, signal.shape[-1])  # no more of a burst can be heard
        # What a transform makes of a burst may depend on all of it.
        size = heard if self.noise_transform is None else longest
        added = self._bursts(params, width, signal.shape[1], size).to(signal.dtype)
        added = self._transform_bursts(added, params, width)[..., :heard]
        added = added.expand(-1, -1, signal.shape[1], -1)
        return noise.short_noises(
            signal,
            added,
            span_start(params["start"], room),
            torch.where(silent, 0, width),
            params["snr_db"],
            fade=round(self.fade * self.sample_rate),
            lengths=lengths,
            **self._measure(),
        )
