"""Distortions by a telephone line and by a network that loses packets."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec import native
from augspec._chunks import by_examples
from augspec.functional import coefficients
from augspec.functional.checks import check_parameter, check_parameters, check_waveform
from augspec.functional.distortion import a_law, mu_law
from augspec.functional.filter import sosfilt
from augspec.functional.resample import resample_rate
from augspec.functional.shapes import ends_of, fit, like, silence_after
from augspec.native import samples
from augspec.random import stream, uniform

__all__ = ["packet_loss", "telephone"]

Concealment = Literal["zero", "repeat"]

_LINE_RATE = 8000  # Hz, sample rate of every digital telephone line
_ORDER = 4  # order of the band's filters: 24 dB per octave
_MU_LAW_CODES = 256
_STREAM = ("packet_loss", "packet")  # of the draws that lose packets
_CONCEALED = 0.06  # seconds for which a lost packet is replaced, as in G.711's Appendix I


@by_examples(8)
def telephone(
    waveform: Tensor,
    low_freq: Tensor,
    high_freq: Tensor,
    law: Tensor,
    *,
    sample_rate: int,
    lengths: Tensor | None = None,
) -> Tensor:
    """Send each example over a telephone line: a narrow band, 8 kHz, 8 bits a sample.

    Butterworth filters of fourth order limit the band. At 8 kHz the samples are quantized by mu-law
    or A-law (ITU-T G.711), relative to full scale; the signal-to-noise ratio is constant down to
    about -40 dB. The result has the sample rate and the size of the input.

    Args:
        waveform: The batch, full scale being [-1, 1].
        low_freq: Lower end of the band in Hz, -3.01 dB there, ``(batch,)`` or ``(batch, channel)``;
            a telephone line has 300.
        high_freq: Upper end in Hz, below 4000 and half of the sample rate, of the same shape; a
            telephone line has 3400.
        law: 0 for mu-law (North America, Japan), 1 for A-law (elsewhere), another number for no
            codec; int64, of the same shape.
        sample_rate: Sample rate in Hz; at 8,000 nothing is resampled.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` in and out.

    References:
        ITU-T G.711, "Pulse code modulation (PCM) of voice frequencies", 1988; ITU-T G.712,
        "Transmission performance characteristics of pulse code modulation channels", 2001.
    """
    check_parameters(waveform, lengths, low_freq=low_freq, high_freq=high_freq)
    check_parameter("law", law, waveform, kind="int64")
    edges = [
        coefficients.butterworth(freq, sample_rate, _ORDER, low=low)
        for freq, low in ((high_freq, True), (low_freq, False))
    ]
    band = sosfilt(waveform, torch.cat(edges, dim=-2), lengths)
    line = resample_rate(band, sample_rate, _LINE_RATE, lengths=lengths)
    line = _coded(line, law)
    # Silence the end of the example here, so that the filters do not ring into the padding.
    ends = None if lengths is None else -(-lengths * _LINE_RATE // sample_rate)
    out = resample_rate(line, _LINE_RATE, sample_rate, lengths=ends)
    return silence_after(fit(out, waveform.shape[-1]), lengths)


def _coded(line: Tensor, law: Tensor) -> Tensor:
    """Send each example through the codec of its law."""
    if samples.can_compute(line, law):
        mu = torch.full_like(law, _MU_LAW_CODES - 1, dtype=line.dtype)
        return samples.apply("law", line, law.to(line.dtype), 0.5 * mu / torch.log1p(mu))
    codes, law = torch.full_like(law, _MU_LAW_CODES), like(law, line)
    return torch.where(law == 0, mu_law(line, codes), torch.where(law == 1, a_law(line), line))


@by_examples(7)
def packet_loss(
    waveform: Tensor,
    loss: Tensor,
    burst: Tensor,
    key: Tensor,
    *,
    sample_rate: int,
    packet_duration: float = 0.02,
    concealment: Concealment = "zero",
    lengths: Tensor | None = None,
) -> Tensor:
    """Drop packets of each example, singly or in bursts, as voice over a network does.

    Losses follow a chain of two states (Gilbert 1960): the probability of a loss is different after
    a lost packet and after a received one, so that a fraction ``loss`` of all packets is lost and a
    burst has ``burst`` packets on average. The losses are a pure function of ``key`` and the
    packet's number.

    Args:
        waveform: The batch.
        loss: Fraction of packets that are lost, in [0, 1], ``(batch,)`` or ``(batch, channel)``.
        burst: Mean number of packets in a row that are lost, of the same shape. Independent losses
            have ``1 / (1 - loss)``; a lower value gives independent losses.
        key: int64 key, of the same shape: `augspec.random.Draw.key`.
        sample_rate: Sample rate in Hz.
        packet_duration: Seconds of a packet.
        concealment: ``"zero"`` leaves silence; ``"repeat"`` repeats the packet before the loss for
            60 ms with falling level, as simple decoders do.
        lengths: Valid samples per example, ``(batch,)``; None means all.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a packet has no sample, or ``concealment`` is not known.

    References:
        E. N. Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39, 1960;
        ITU-T G.711, Appendix I, "A high quality low-complexity algorithm for packet loss
        concealment with G.711", 1999.
    """
    check_waveform(waveform, lengths)
    for name, values in (("loss", loss), ("burst", burst)):
        check_parameter(name, values, waveform)
    check_parameter("key", key, waveform, kind="int64")
    if concealment not in ("zero", "repeat"):
        raise ValueError(f"`concealment` must be 'zero' or 'repeat', got {concealment!r}")
    size = packet_size(packet_duration, sample_rate)
    time = waveform.shape[-1]
    fall = size / sample_rate / _CONCEALED  # of a repeated packet's level, in a packet
    is_plain = samples.can_compute(waveform, loss, burst, key, lengths)
    if is_plain and loss.dtype == burst.dtype == torch.float32:
        (stays, begins), ends = _chances(loss, burst), ends_of(waveform, lengths)
        out = torch.empty_like(waveform, memory_format=torch.contiguous_format)
        native.call(
            "augspec_packet_loss", waveform, waveform.shape[:2].numel(), time, size, key.numel(),
            key, stream(*_STREAM), loss, begins, stays, len(ends), ends,
            fall if concealment == "repeat" else -1.0, native.threads(), out=out,
        )  # fmt: skip
        return out
    count = -(-time // size)
    packets = nnf.pad(silence_after(waveform, lengths), (0, count * size - time))
    packets = packets.unflatten(-1, (count, size))
    lost = lost_packets(loss, burst, key, count)
    lost = lost if lost.dim() == 3 else lost[:, None]  # (batch, 1 or channel, packet)
    filled = torch.zeros_like(packets)
    if concealment == "repeat":
        filled = _last_received(packets, lost, fall)
    out = torch.where(lost[..., None], filled, packets).flatten(-2)[..., :time]
    return silence_after(out, lengths)


def packet_size(duration: float, sample_rate: int) -> int:
    """Return the samples of a packet of a duration in seconds.

    Raises:
        ValueError: If there is none.
    """
    size = round(duration * sample_rate)
    if size < 1:
        raise ValueError(
            f"`packet_duration` must be at least a sample at {sample_rate} Hz, got {duration} s"
        )
    return size


def lost_packets(loss: Tensor, burst: Tensor, key: Tensor, count: int) -> Tensor:
    """Return which of ``count`` packets are lost, bool: ``(..., count)``.

    One random number per packet decides. Below the probability of a loss after a received packet,
    the packet is lost in any case. At or above the probability after a lost packet, it is received
    in any case. In between it has the state of the packet before. So each packet has the state of
    the last decided one.
    """
    packet = torch.arange(count, device=key.device)
    unit = uniform(key[..., None], *_STREAM, counter=packet)
    share = loss[..., None]
    stays, begins = _chances(share, burst[..., None])
    is_lost = unit < torch.where(packet == 0, share, begins)
    is_decided = is_lost | (unit >= stays) | (packet == 0)
    last = torch.where(is_decided, packet, 0).cummax(-1).values
    # A fraction of 1 loses all packets, despite rounding of the probabilities.
    return is_lost.gather(-1, last) | (share >= 1.0)


def _chances(loss: Tensor, burst: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probability of a loss after a lost packet, and after a received one."""
    stays = torch.maximum(1.0 - 1.0 / burst.clamp(min=1.0), loss)
    return stays, loss * (1.0 - stays) / (1.0 - loss).clamp(min=2.0**-24)


def _last_received(packets: Tensor, lost: Tensor, fall: float) -> Tensor:
    """Return for each packet the last received one, and a level that falls with time."""
    number = torch.arange(lost.shape[-1], device=lost.device)
    last = torch.where(lost, -1, number).cummax(-1).values
    index = last.clamp(min=0)[..., None].expand(packets.shape)
    place = torch.arange(packets.shape[-1], device=lost.device) / packets.shape[-1]
    age = (number - last - 1)[..., None] + place  # number of packets since the loss began
    gain = (1.0 - age * fall).clamp(min=0.0).to(packets.dtype)
    gain = torch.where((last < 0)[..., None], 0.0, gain)
    return packets.gather(-2, index) * gain
