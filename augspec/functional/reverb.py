"""Convolution with impulse responses, measured or synthetic, and the absorption of air."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from augspec import native
from augspec.functional import noise
from augspec.functional.checks import (
    as_whole,
    check_parameter,
    check_parameters,
    check_waveform,
    compute_dtype,
)
from augspec.functional.coefficients import wide
from augspec.functional.level import scaled
from augspec.functional.reference import norm
from augspec.functional.shapes import like, silence_after

__all__ = ["air_absorption", "convolve", "room_response"]

_AIR_TAPS = 512  # within 0.1 dB down to -40 dB for distances up to 500 m
# Norm of the rounding error of an FFT convolution, relative to the norms of both inputs and the
# machine epsilon; 0.2 to 4 were measured.
_ROUNDING = 16.0
# Shapes of a delay for a response of one, two or three dimensions.
_LEADING = (("",), ("batch",), ("batch", "batch channel"))
_DECAY_60_DB = 3.0 * math.log(10.0)  # decay of the amplitude, in nepers


def convolve(
    waveform: Tensor,
    response: Tensor,
    *,
    delay: Tensor | int = 0,
    lengths: Tensor | None = None,
) -> Tensor:
    """Convolve each example with its own impulse response, by FFT; the length stays.

    Args:
        waveform: Float audio.
        response: Impulse responses, zero-padded to one length.
        delay: Sample of the response that is time 0, int64, less than its size. The output begins
            there, which removes a delay of the direct sound.
        lengths: Valid samples of each example, all by default. Later samples have no effect, and
            the output is zero there: the reverberation does not continue into the padding.

    Shape:
        ``waveform``: (batch, channel, time) in and out; ``response``: (tap,), (batch, tap) or
        (batch, channel, tap); ``delay``: as ``response`` without its last dimension.

    Raises:
        ValueError: If a shape does not fit.
        TypeError: If ``waveform`` is not of a floating-point type.

    Example:
        >>> waveform, echo = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([1.0, 0.0, 0.5])
        >>> convolve(waveform, echo).round(decimals=4)
        tensor([[[1.0000, 2.0000, 3.5000]]])
    """
    check_waveform(waveform, lengths)
    batch, channel, time = waveform.shape
    check_parameter("response", response, waveform, "tap", "batch tap", "batch channel tap")
    if not isinstance(delay, Tensor) and (whole := as_whole(delay)) is not None:
        delay = whole
    if not isinstance(delay, int):
        check_parameter("delay", delay, waveform, *_LEADING[response.ndim - 1], kind="int64")
    if waveform.numel() == 0:
        return waveform
    dtype = compute_dtype(waveform)
    response = response.unsqueeze(1) if response.dim() == 2 else response
    source = silence_after(waveform, lengths).to(dtype)
    response = response.to(dtype)
    known = delay if isinstance(delay, Tensor) else None
    if response.numel() and native.applies(source, response, known):
        out = _convolve_natively(source, response, delay)
        return silence_after(out.to(waveform.dtype), lengths)
    size = fast_length(time + response.shape[-1] - 1)
    spectrum = torch.fft.rfft(source, n=size) * torch.fft.rfft(response, n=size)
    out = torch.fft.irfft(spectrum, n=size)
    if isinstance(delay, int):
        out = out[..., delay : delay + time]
    else:
        place = like(delay, out) + torch.arange(time, device=out.device)
        out = out.gather(-1, place.expand(batch, channel, time))
    return silence_after(out.to(waveform.dtype), lengths)


def _convolve_natively(waveform: Tensor, response: Tensor, delay: Tensor | int) -> Tensor:
    batch, channel, time = waveform.shape
    if not isinstance(delay, Tensor):
        delay = torch.full((), delay, dtype=torch.int64)
    delays = like(delay, waveform[..., 0]).expand(batch, channel)
    out = torch.empty_like(waveform, memory_format=torch.contiguous_format)
    native.call(
        "augspec_convolve", waveform, batch * channel, time, response,
        response.shape[:-1].numel(), response.shape[-1], delays, native.threads(), out=out,
    )  # fmt: skip
    return out


def match_power(
    waveform: Tensor,
    reference: Tensor,
    lengths: Tensor | None = None,
    *,
    response: Tensor | None = None,
    in_place: bool = False,
) -> Tensor:
    """Scale each example to the power of ``reference`` over its valid samples.

    Args:
        waveform: Float audio; silence stays silent.
        reference: Audio of the wanted power.
        lengths: Valid samples of each example, all by default.
        response: Impulse responses, if ``waveform`` is `convolve` of them and ``reference``. A
            result below the rounding error of the FFT then becomes silent: a sound that ends before
            its response begins has no power to scale.
        in_place: Whether the result may replace ``waveform``, which must be contiguous.

    Shape:
        ``waveform``, ``reference``: (batch, channel, time), also the output; ``response``:
        (batch, tap) or (batch, channel, tap).
    """
    check_waveform(waveform, lengths)
    check_parameter("reference", reference, waveform, "...")
    if response is not None:
        check_parameter("response", response, waveform, "batch tap", "batch channel tap")
    whole = waveform.new_zeros(1)  # one level for all channels
    wanted, present = norm(reference, whole, lengths), norm(waveform, whole, lengths)
    if response is not None:
        heard = norm(response.flatten(1).unsqueeze(1), whole)
        floor = _ROUNDING * torch.finfo(wanted.dtype).eps * wanted * heard
        present = torch.where(present > floor, present, 0.0)
    return scaled(waveform, noise.safe_ratio(wanted, present).to(waveform.dtype), in_place=in_place)


def room_response(
    key: Tensor, rt60: Tensor, drr_db: Tensor, size: int, *, sample_rate: int
) -> Tensor:
    """Make the impulse response of a room: a direct sound and exponentially decaying noise.

    It is a statistical model without early reflections or colour; its energy is 1.

    Args:
        key: int64 key of each example or of each channel.
        rt60: Time in which the reverberation decays by 60 dB, in seconds, positive.
        drr_db: Ratio of direct to reverberant energy in dB.
        size: Samples of the response. It should hold the longest ``rt60``.
        sample_rate: Sample rate in Hz.

    Shape:
        The parameters: (batch,) or (batch, channel); the output has one more dimension, ``size``.

    References:
        Moorer, "About this reverberation business", Computer Music Journal 3(2), 1979.
        Polack, "La transmission de l'energie sonore dans les salles", thesis, Le Mans, 1988.
    """
    check_parameter("key", key, key, "batch", "batch channel", kind="int64")
    check_parameter("rt60", rt60, key, "...")
    check_parameter("drr_db", drr_db, key, "...")
    channels = key.shape[1] if key.dim() == 2 else 1
    tail = noise.white_noise(key, channels, size).view(*key.shape, size)
    if native.applies(tail, rt60, drr_db) and rt60.dtype == drr_db.dtype == torch.float32:
        decay, ratio = -_DECAY_60_DB / sample_rate / rt60, torch.pow(10.0, drr_db / 10.0)
        native.call(
            "augspec_room", tail, key.numel(), size, decay, ratio, native.threads(), out=tail
        )
        return tail
    sample = torch.arange(size, device=key.device)
    tail = tail * torch.exp(sample * (-_DECAY_60_DB / sample_rate / rt60[..., None]))
    tail = torch.where(sample > 0, tail, 0.0)
    ratio = torch.pow(10.0, drr_db / 10.0)[..., None]
    power = tail.square().sum(-1, keepdim=True).clamp(min=1e-30)
    direct = torch.where(sample > 0, 0.0, (ratio / (1 + ratio)).sqrt())
    return direct + tail / (power * (1 + ratio)).sqrt()


def air_attenuation(
    freq: Tensor, temperature: Tensor, humidity: Tensor, pressure: float = 101.325
) -> Tensor:
    """Return the attenuation of a pure tone by air in dB per metre.

    Args:
        freq: Frequency in Hz.
        temperature: Temperature in degrees Celsius, -20 to 50.
        humidity: Relative humidity in percent, 10 to 100.
        pressure: Ambient pressure in kPa.

    Shape:
        The arguments broadcast.

    References:
        ISO 9613-1:1993, "Attenuation of sound during propagation outdoors", equations 3 to 5 and
        annex B.

    Example:
        >>> db = air_attenuation(torch.tensor(1000.0), torch.tensor(20.0), torch.tensor(70.0))
        >>> round(db.item() * 1000, 1)  # dB a kilometre
        5.0
    """
    kelvin = temperature + 273.15
    relative, pressure = kelvin / 293.15, pressure / 101.325
    saturation = torch.pow(10.0, -6.8346 * (273.16 / kelvin) ** 1.261 + 4.6151)
    water = humidity * saturation / pressure  # molar concentration in percent
    oxygen = pressure * (24 + 4.04e4 * water * (0.02 + water) / (0.391 + water))
    nitrogen = 9 + 280 * water * torch.exp(-4.170 * (relative ** (-1 / 3) - 1))
    nitrogen = pressure * relative**-0.5 * nitrogen
    square = freq * freq
    classical = 1.84e-11 / pressure * relative.sqrt()
    relaxation = 0.01275 * torch.exp(-2239.1 / kelvin) / (oxygen + square / oxygen)
    relaxation = relaxation + 0.1068 * torch.exp(-3352.0 / kelvin) / (nitrogen + square / nitrogen)
    return 8.686 * square * (classical + relative**-2.5 * relaxation)


def air_absorption(
    waveform: Tensor,
    distance: Tensor,
    temperature: Tensor,
    humidity: Tensor,
    *,
    sample_rate: int,
    lengths: Tensor | None = None,
) -> Tensor:
    """Filter each example as the air between source and listener does.

    A symmetric filter, without delay or phase shift, gives the attenuation of pure tones by ISO
    9613-1. It is exact within 0.1 dB down to -40 dB for distances up to 500 m. The loss by
    spreading is left out.

    Args:
        waveform: Float audio.
        distance: Distance in metres, not negative.
        temperature: Temperature in degrees Celsius, -20 to 50.
        humidity: Relative humidity in percent, 10 to 100.
        sample_rate: Sample rate in Hz.
        lengths: Valid samples of each example, all by default; the output is zero after them.

    Shape:
        ``waveform``: (batch, channel, time) in and out; the parameters: (batch,) or (batch,
        channel).

    Raises:
        ValueError: If a shape does not fit.

    References:
        ISO 9613-1:1993, "Attenuation of sound during propagation outdoors, part 1".
    """
    check_parameters(
        waveform, lengths, distance=distance, temperature=temperature, humidity=humidity
    )
    if waveform.numel() == 0:
        return waveform
    bins = torch.arange(_AIR_TAPS // 2 + 1, device=waveform.device)
    freq = wide(bins) * (sample_rate / _AIR_TAPS)
    loss = air_attenuation(freq, wide(temperature)[..., None], wide(humidity)[..., None])
    loss = loss * wide(distance)[..., None]
    # The signs move the middle of the response from its first sample to half of its length.
    gain = torch.pow(10.0, -loss / 20).to(compute_dtype(waveform)) * (1 - bins % 2 * 2)
    response = torch.fft.irfft(gain)
    return convolve(waveform, response, delay=_AIR_TAPS // 2, lengths=lengths)


def fast_length(size: int) -> int:
    """Return the smallest size >= ``size`` without prime factors above 5, for fast FFTs."""
    best = 1 << (size - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            power = max(0, (-(-size // three) - 1).bit_length())
            best = min(best, three << power)
            three *= 3
        five *= 5
    return best
