"""Noise from keys, and adding it at a given signal-to-noise ratio."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from augspec import native
from augspec._compile import compiled, launches_cost
from augspec._constants import where_else
from augspec.functional import coefficients
from augspec.functional.checks import check_parameter, check_waveform
from augspec.functional.filter import sosfilt
from augspec.functional.level import amplitude
from augspec.functional.reference import energy, noise_energy, norm
from augspec.functional.shapes import ends_of, like, silence_after
from augspec.native import samples
from augspec.native.samples import Part
from augspec.random import bits, stream

__all__ = ["add_noise", "colored_noise", "short_noises", "white_noise"]

_WARM_UP = 4096  # samples of noise that settle the filter before the first output sample
_CHANNEL_BIT = 40  # bit of the channel in the counter, above those of samples


def white_noise(
    key: Tensor, channels: int, time: int, *, start: int = 0, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Make Gaussian noise of unit power, a pure function of key, channel and sample.

    A sample does not depend on the number of samples: longer noise begins with the same samples.

    Args:
        key: int64 key of each example or of each channel: `augspec.random.Draw.key`.
        channels: Number of channels; each has its own noise.
        time: Number of samples.
        start: Number of the first sample, even; it may be negative.
        dtype: dtype of the result; values have the precision of float32.

    Shape:
        ``key``: (batch,) or (batch, channel); the output is (batch, channel, time).

    Example:
        >>> import augspec
        >>> noise = white_noise(augspec.example_keys(0, 0, range(2)), 1, 16000)
        >>> noise.shape, round(noise.var().item(), 1)
        (torch.Size([2, 1, 16000]), 1.0)
    """
    check_parameter("key", key, key, "batch", "batch channel", kind="int64")
    batch = key.shape[0]
    if batch == 0:
        return torch.zeros(batch, channels, time, dtype=dtype, device=key.device)
    key = key if key.dim() == 2 else key[:, None].expand(-1, channels)
    channel = torch.arange(channels, device=key.device) << _CHANNEL_BIT
    first = (channel + start // 2).expand_as(key)
    if time and native.applies(key):
        made = torch.empty(batch, channels, time, dtype=torch.float32, device=key.device)
        native.call(
            "augspec_normal", key, first, key.numel(), time, stream("noise", "pair"),
            native.threads(), out=made,
        )  # fmt: skip
        return made.to(dtype)
    pair = torch.arange(-(-time // 2), device=key.device)
    noise = _normal_pairs(key.flatten(), first.flatten(), pair)
    return noise.view(batch, channels, -1)[..., :time].to(dtype)


@compiled
def _normal_pairs(key: Tensor, first: Tensor, pair: Tensor) -> Tensor:
    """Draw (row, 2 * pair) normal values: each hash gives two, by Box and Muller."""
    random_bits = bits(key[:, None], "noise", "pair", first[:, None] + pair)
    unit = ((random_bits >> 40) & 0xFFFFFF).float() * 2.0**-24
    radius = torch.sqrt(-2.0 * torch.log(1.0 - unit))
    angle = (random_bits & 0xFFFFFF).float() * (2.0 * math.pi * 2.0**-24)
    if launches_cost(angle):
        return torch.view_as_real(torch.polar(radius, angle)).flatten(1)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], -1).flatten(1)


def colored_noise(
    key: Tensor, slope_db: Tensor, channels: int, time: int, *, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Make noise whose spectrum has a constant slope: `white_noise` through a tilting filter.

    The slope is exact within 0.1 dB per octave from 1/1024 of the sample rate to Nyquist; below,
    the spectrum is flat. The power is not normalised.

    Args:
        key: int64 key of each example or of each channel.
        slope_db: Slope in dB per octave, within +-12: -3.01 is pink, -6.02 brown, 6.02 violet.
        channels: Number of channels.
        time: Number of samples.
        dtype: dtype of the result.

    Shape:
        ``key``, ``slope_db``: (batch,) or (batch, channel); the output is (batch, channel, time).
    """
    noise = white_noise(key, channels, _WARM_UP + time, start=-_WARM_UP, dtype=dtype)
    check_parameter("slope_db", slope_db, noise)
    return sosfilt(noise, coefficients.tilt(slope_db))[..., _WARM_UP:]


def add_noise(
    waveform: Tensor,
    noise: Tensor,
    snr_db: Tensor,
    lengths: Tensor | None = None,
    *,
    reference: str = "all",
    sample_rate: int = 16_000,
) -> Tensor:
    """Add noise so that its mean power lies ``snr_db`` below that of the example.

    Both powers are measured over the valid samples, of all channels together if there is one ratio
    per example. With ``reference="active"`` only active blocks count: those of 20 ms whose power is
    at most 30 dB below the mean of all. ``"a_weighted"`` measures both with the A curve (IEC
    61672-1), ``"lufs"`` by ITU-R BS.1770. Silence stays silent, and silent noise adds nothing. With
    ``"full_scale"`` the noise lies ``snr_db`` below a root mean square of 1 for every example, so
    that silence gets noise too.

    Args:
        waveform: Float audio.
        noise: The noise, at any level.
        snr_db: Signal-to-noise ratio in dB.
        lengths: Valid samples of each example, all by default; no noise is added after them.
        reference: ``"all"``, ``"active"``, ``"a_weighted"``, ``"lufs"`` or ``"full_scale"``.
        sample_rate: Sample rate in Hz, for ``"active"``, ``"a_weighted"`` and ``"lufs"``.

    Shape:
        ``waveform``, ``noise``: (batch, channel, time), also the output; ``snr_db``: (batch,) or
        (batch, channel).

    Raises:
        ValueError: If a shape does not fit, or ``reference`` is not known.

    Example:
        >>> out = add_noise(torch.ones(1, 1, 4), torch.full((1, 1, 4), 7.0), torch.tensor([20.0]))
        >>> out[0, 0, 0].item()
        1.100000023841858
    """
    check_waveform(waveform, lengths)
    check_parameter("noise", noise, waveform, "...")
    check_parameter("snr_db", snr_db, waveform)
    noise = silence_after(noise, lengths)
    signal, added = (
        measure(sound, snr_db, lengths, reference=reference, sample_rate=sample_rate)
        for measure, sound in ((energy, silence_after(waveform, lengths)), (noise_energy, noise))
    )
    scale = safe_ratio(signal, added)
    scale = scale * amplitude(-snr_db.to(scale.dtype))
    if samples.can_compute(waveform, noise, scale):
        return samples.mix(waveform.shape, Part(waveform), Part(noise, scale))
    return torch.addcmul(waveform, like(scale, noise).to(noise.dtype), noise)


def short_noises(
    waveform: Tensor,
    noise: Tensor,
    start: Tensor,
    width: Tensor,
    snr_db: Tensor,
    *,
    fade: int = 0,
    lengths: Tensor | None = None,
    reference: str = "all",
    sample_rate: int = 16_000,
) -> Tensor:
    """Add bursts of noise, each at its own place and level.

    The level of a burst is the ratio of its mean power, weighted with the square of its fades, to
    the mean power of the example, or with ``reference="active"`` of its active blocks, as in
    `add_noise`. Silence stays silent.

    Args:
        waveform: Float audio.
        noise: The bursts, all of the largest width, at any level.
        start: First sample of each burst, int64.
        width: Samples of each burst, int64; 0 leaves it out.
        snr_db: Signal-to-noise ratio of each burst in dB.
        fade: Samples over which a burst fades in and out, by a raised cosine.
        lengths: Valid samples of each example, all by default; no noise is added after them.
        reference: How the level of the example is measured, as in `add_noise`. That of a burst is
            always its mean power.
        sample_rate: Sample rate in Hz, for ``"active"``, ``"a_weighted"`` and ``"lufs"``.

    Shape:
        ``waveform``: (batch, channel, time) in and out; ``noise``: (batch, burst, channel,
        width); ``start``, ``width``, ``snr_db``: (batch, burst).

    Raises:
        ValueError: If a shape does not fit, or ``reference`` is not known.
    """
    check_waveform(waveform, lengths)
    time = waveform.shape[-1]
    check_parameter("noise", noise, waveform, "batch burst channel width")
    each_burst = f"batch {noise.shape[1]}"
    for name, places in (("start", start), ("width", width)):
        check_parameter(name, places, waveform, each_burst, kind="int64")
    check_parameter("snr_db", snr_db, waveform, each_burst)
    ends = ends_of(waveform, lengths)
    room = ends[:, None] - start
    bursts, gains = _fade_bursts(noise, width, room, fade)
    sound = silence_after(waveform, lengths)
    level = energy(sound, ends, lengths, reference=reference, sample_rate=sample_rate)
    level = level / ends.clamp(min=1).to(level.dtype).sqrt()
    scale = safe_ratio(gains * level[:, None], norm(bursts.flatten(0, 1), ends).view_as(gains))
    scale = scale * amplitude(-snr_db.to(scale.dtype))
    if samples.can_compute(waveform, bursts, start, scale):
        each = zip(bursts.unbind(1), scale.unbind(1), start.unbind(1), strict=True)
        added = [Part(burst, factor, place=place) for burst, factor, place in each]
        return samples.mix(waveform.shape, Part(waveform), *added)
    bursts = (scale[..., None, None] * bursts).to(waveform.dtype)
    sample = torch.arange(noise.shape[-1], device=waveform.device)
    place = (start[..., None] + sample).clamp(max=time - 1)[:, :, None].expand(bursts.shape)
    out = waveform.clone()
    for i in range(start.shape[1]):  # a loop, so that sums have a fixed order
        out.scatter_add_(-1, place[:, i], bursts[:, i])
    return out


def _fade_bursts(noise: Tensor, width: Tensor, room: Tensor, fade: int) -> tuple[Tensor, Tensor]:
    """Fade bursts of noise in and out.

    Args:
        noise: ``(batch, burst, channel, time)``.
        width: Samples of each burst, ``(batch, burst)`` int64; silence follows.
        room: Samples of each burst that are heard, ``(batch, burst)`` int64.
        fade: Samples of each fade.

    Returns:
        The bursts, and the root of the energy of the gains of each.
    """
    if samples.can_compute(noise, width, room):
        out = torch.empty_like(noise, memory_format=torch.contiguous_format)
        energies = noise.new_empty(width.shape)
        native.call(
            "augspec_fade_bursts", noise, width.numel(), *noise.shape[2:], width, room, fade,
            native.threads(), out=(out, energies),
        )  # fmt: skip
        return out, energies.sqrt()
    sample = torch.arange(noise.shape[-1], device=noise.device)
    since = sample.to(noise.dtype)
    edge = torch.minimum(since + 1, width[..., None] - since)  # to the nearer end
    window = (1 - torch.cos(math.pi * (edge / (fade + 1)).clamp(0, 1))) / 2
    window = torch.where(sample < room[..., None], window, 0.0)
    return window[:, :, None] * noise, torch.linalg.vector_norm(window, dim=-1)


def safe_ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Divide non-negative numbers; 0, with gradient 0, where the divisor is 0."""
    known = denominator > 0
    return where_else(known, numerator / where_else(known, denominator, 1.0), 0.0)
