"""What a telephone line and a network that loses packets do to a waveform."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec._chunks import by_examples
from augspec.functional import coefficients
from augspec.functional.checks import check_parameter, check_parameters, check_waveform
from augspec.functional.distortion import a_law, mu_law
from augspec.functional.filter import sosfilt
from augspec.functional.resample import resample_rate
from augspec.functional.shapes import fit, like, silence_after
from augspec.random import uniform

__all__ = ["packet_loss", "telephone"]

Concealment = Literal["zero", "repeat"]

_LINE_RATE = 8000  # Hz, of every digital telephone line
_ORDER = 4  # of the filters of the band: 24 dB an octave
_MU_LAW_CODES = 256
_CONCEALED = 0.06  # seconds for which a lost packet is replaced, as G.711's Appendix I has it


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

    Butterworth filters of the fourth order cut the band. At 8 kHz the samples take the steps of
    mu-law or A-law (ITU-T G.711), relative to full scale: what is quiet keeps its distance to the
    noise down to about -40 dB. The result has the sample rate and the time of the input.

    Args:
        waveform: The batch, full scale being [-1, 1].
        low_freq: Lower end of the band in Hz, -3.01 dB there, ``(batch,)`` or ``(batch, channel)``;
            a line has 300.
        high_freq: Upper end in Hz, below 4000 and half of the sample rate, of the same shape; a
            line has 3400.
        law: 0 for mu-law (North America, Japan), 1 for A-law (elsewhere), another number for no
            codec; int64, of the same shape.
        sample_rate: In Hz; at 8,000 nothing is resampled.
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
    codes, law = torch.full_like(law, _MU_LAW_CODES), like(law, line)
    line = torch.where(law == 0, mu_law(line, codes), torch.where(law == 1, a_law(line), line))
    # The line ends with its example: of what rings on beyond, more would be heard in padding.
    ends = None if lengths is None else -(-lengths * _LINE_RATE // sample_rate)
    out = resample_rate(line, _LINE_RATE, sample_rate, lengths=ends)
    return silence_after(fit(out, waveform.shape[-1]), lengths)


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
    """Lose packets of each example, alone or several in a row, as voice over a network does.

    A chain of two states (Gilbert 1960): a packet that follows a lost one is lost with another
    probability than one that follows a received one, so that ``loss`` of all are lost and a burst
    has ``burst`` packets in the mean. Which they are is a pure function of ``key`` and of the
    packet's number.

    Args:
        waveform: The batch.
        loss: Share of the packets that are lost, in [0, 1], ``(batch,)`` or ``(batch, channel)``.
        burst: Mean number of packets in a row that are lost, of the same shape. Losses that do not
            depend on one another have ``1 / (1 - loss)``; less counts as that.
        key: int64 key, of the same shape: `augspec.random.Draw.key`.
        sample_rate: In Hz.
        packet_duration: Seconds of a packet.
        concealment: ``"zero"`` leaves silence; ``"repeat"`` plays the packet before the loss again
            and again, for 60 ms with falling level, as simple decoders do.
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
    size = round(packet_duration * sample_rate)
    if size < 1:
        raise ValueError(f"`packet_duration` must be at least a sample, got {packet_duration}")
    time = waveform.shape[-1]
    count = -(-time // size)
    packets = nnf.pad(silence_after(waveform, lengths), (0, count * size - time))
    packets = packets.unflatten(-1, (count, size))
    lost = lost_packets(loss, burst, key, count)
    lost = lost if lost.dim() == 3 else lost[:, None]  # (batch, 1 or channel, packet)
    filled = torch.zeros_like(packets)
    if concealment == "repeat":
        filled = _last_received(packets, lost, size / sample_rate)
    out = torch.where(lost[..., None], filled, packets).flatten(-2)[..., :time]
    return silence_after(out, lengths)


def lost_packets(loss: Tensor, burst: Tensor, key: Tensor, count: int) -> Tensor:
    """Say which of ``count`` packets are lost, bool: ``(..., count)``.

    One number a packet decides: below the chance of a loss after a received packet it is lost
    whatever came before, at or above the chance after a lost one it is received, and in between it
    is as the one before. So each packet is as the last one that was decided.
    """
    packet = torch.arange(count, device=key.device)
    unit = uniform(key[..., None], "packet_loss", "packet", counter=packet)
    share, length = loss[..., None], burst[..., None]
    stays = torch.maximum(1.0 - 1.0 / length.clamp(min=1.0), share)
    begins = share * (1.0 - stays) / (1.0 - share).clamp(min=2.0**-24)
    is_lost = unit < torch.where(packet == 0, share, begins)
    is_decided = is_lost | (unit >= stays) | (packet == 0)
    last = torch.where(is_decided, packet, 0).cummax(-1).values
    # A share of 1 loses all, whatever rounding does to the chances.
    return is_lost.gather(-1, last) | (share >= 1.0)


def _last_received(packets: Tensor, lost: Tensor, duration: float) -> Tensor:
    """Give, for each packet, the last one that was received, with a level that falls with time."""
    number = torch.arange(lost.shape[-1], device=lost.device)
    last = torch.where(lost, -1, number).cummax(-1).values
    index = last.clamp(min=0)[..., None].expand(packets.shape)
    place = torch.arange(packets.shape[-1], device=lost.device) / packets.shape[-1]
    age = (number - last - 1)[..., None] + place  # packets since the loss began
    gain = (1.0 - age * (duration / _CONCEALED)).clamp(min=0.0).to(packets.dtype)
    gain = torch.where((last < 0)[..., None], 0.0, gain)
    return packets.gather(-2, index) * gain
