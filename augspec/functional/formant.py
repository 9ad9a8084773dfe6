"""Formant shift and vocal tract length perturbation: the envelope moves, the pitch stays."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec import native
from augspec._chunks import in_chunks
from augspec._compile import compiled
from augspec._constants import constant
from augspec._torch import unfold
from augspec.functional.checks import check_parameter, check_waveform, compute_dtype
from augspec.functional.frame_size import choose_n_fft
from augspec.functional.linked import sum_channels

__all__ = ["formant_shift", "vtlp"]

_OVERLAP = 4  # frames over each sample
_SHORTEST, _LONGEST = 512, 4  # limits of the period: n_fft divided by these, in samples
_UNVOICED = 16  # used if there is no period
_STEPS = 32  # subdivisions of a sample for a period
_RESOLVED = 256  # bins of 1 / (64 ms): above 4 kHz the harmonics of a voice merge
_PEAK = 0.85  # fraction of the highest autocorrelation peak that the first peak must reach
_AGAIN = 0.9  # fraction of a peak that is needed at twice its lag
_NO_PEAK = 2.0  # marks a lag without a peak
_VOICED = 0.1  # fraction of lag 0 that is needed at long lags
_FLOOR = 1e-6  # floor of the envelope, relative to the mean magnitude of the frame: -120 dB
_LIMIT = 30.0 * math.log(10.0) / 20.0  # of the gain, up or down: 30 dB


def formant_shift(
    waveform: Tensor,
    semitones: Tensor,
    *,
    lengths: Tensor | None = None,
    n_fft: int | None = None,
    sample_rate: int = 16_000,
) -> Tensor:
    """Move the spectral envelope of each example by its own interval; pitch and time stay.

    A partial at ``f`` gets the level of the envelope at ``f / 2 ** (semitones / 12)``: +4 is a
    voice with a shorter vocal tract at the same pitch.

    The envelope of a frame is linear in dB from harmonic to harmonic. The period is found from the
    frame's spectrum, between ``n_fft / 512`` and ``n_fft / 4`` samples: with 1024 at 16 kHz an f0
    from 63 Hz to 5 kHz. A formant that is narrower than the spacing of the harmonics cannot be
    seen, so the envelope is coarser for higher voices. For noise the envelope is smoothed over 16
    bins (250 Hz), for a chord over the period that is found. Harmonics in a band that is narrow for
    its frequency, such as 600 Hz around 3 kHz, count as a single one and hardly move. The gain is
    at most 30 dB, up or down. Above half the sample rate the envelope continues with its last
    value.

    With one interval per example, all channels share one envelope and get the same gains, so that
    levels and phases between them stay.

    Args:
        waveform: Float audio; half and bfloat16 are computed in float32.
        semitones: Interval of each example or of each channel in semitones; positive is up.
        lengths: Valid samples of each example, all by default; later samples have no effect.
        n_fft: Samples of a frame, a multiple of 32; about 64 ms at ``sample_rate`` by default.
        sample_rate: Sample rate in Hz. Only the default of ``n_fft`` depends on it.

    Shape:
        ``waveform``: (batch, channel, time); ``semitones``: (batch,) or (batch, channel);
        ``lengths``: (batch,); the output is (batch, channel, time).

    Raises:
        ValueError: If a shape does not fit or ``n_fft`` is not a multiple of 32.
        TypeError: If ``waveform`` or ``semitones`` is not of a floating-point type.

    References:
        M. Morise, "CheapTrick, a spectral envelope estimator for high-quality speech synthesis",
        Speech Communication, 2015: an envelope smoothed over one f0 of the frame.

    Example:
        >>> waveform = torch.randn(2, 1, 16_000)
        >>> formant_shift(waveform, torch.tensor([-2.0, 3.5])).shape
        torch.Size([2, 1, 16000])
    """
    _check(waveform, "semitones", semitones, lengths)
    n_fft = choose_n_fft(n_fft, sample_rate)
    bins = torch.arange(n_fft // 2 + 1, device=waveform.device)
    ratio = torch.exp2(semitones.to(compute_dtype(semitones)) / 12.0)
    return _move_envelope(waveform, bins / ratio.unsqueeze(-1), lengths, n_fft)


def vtlp(
    waveform: Tensor,
    alpha: Tensor,
    *,
    f_hi: float = 0.6,
    lengths: Tensor | None = None,
    n_fft: int | None = None,
    sample_rate: int = 16_000,
) -> Tensor:
    """Perturb the vocal tract length of each example: warp its spectral envelope, not its pitch.

    The piecewise-linear map of Jaitly and Hinton sends frequency ``f`` to ``alpha * f`` up to a
    break, and from there linearly to half the sample rate, which stays. The paper warps the
    spectrogram of a recogniser, which does not resolve harmonics. Here only the envelope (see
    `formant_shift`) moves, as with a longer or shorter vocal tract, and the harmonics of the
    waveform stay.

    Args:
        waveform: Float audio; half and bfloat16 are computed in float32.
        alpha: Warp factor of each example or of each channel, positive; above 1 the formants go up.
        f_hi: Where the map bends, as a fraction of half the sample rate, in (0, 1): at ``f_hi *
            min(alpha, 1)`` of the output, at that over ``alpha`` of the input. The default, 0.6, is
            the paper's 4800 Hz at 16 kHz; at another rate the frequency differs.
        lengths: Valid samples of each example, all by default; later samples have no effect.
        n_fft: Samples of a frame, a multiple of 32; about 64 ms at ``sample_rate`` by default.
        sample_rate: Sample rate in Hz. Only the default of ``n_fft`` depends on it.

    Shape:
        ``waveform``: (batch, channel, time); ``alpha``: (batch,) or (batch, channel); ``lengths``:
        (batch,); the output is (batch, channel, time).

    Raises:
        ValueError: If a shape does not fit, ``f_hi`` is not in (0, 1) or ``n_fft`` is not a
            multiple of 32.
        TypeError: If ``waveform`` or ``alpha`` is not of a floating-point type.

    References:
        N. Jaitly and G. E. Hinton, "Vocal tract length perturbation (VTLP) improves speech
        recognition", ICML Workshop on Deep Learning for Audio, Speech and Language, 2013.

    Example:
        >>> waveform = torch.randn(2, 1, 16_000)
        >>> vtlp(waveform, torch.tensor([0.9, 1.1])).shape
        torch.Size([2, 1, 16000])
    """
    _check(waveform, "alpha", alpha, lengths)
    n_fft = choose_n_fft(n_fft, sample_rate)
    if not 0.0 < f_hi < 1.0:
        raise ValueError(f"`f_hi` must be in (0, 1), a fraction of half the rate, got {f_hi}")
    top = n_fft // 2
    bins = torch.arange(top + 1, device=waveform.device)
    alpha = alpha.to(compute_dtype(alpha)).unsqueeze(-1)
    bend = f_hi * top * alpha.clamp(max=1.0)
    slope = (top - bend / alpha) / (top - bend)
    source = torch.where(bins <= bend, bins / alpha, top - slope * (top - bins))
    return _move_envelope(waveform, source, lengths, n_fft)


def _check(waveform: Tensor, name: str, values: Tensor, lengths: Tensor | None) -> None:
    check_waveform(waveform, lengths)
    check_parameter(name, values, waveform)


def _move_envelope(waveform: Tensor, source: Tensor, lengths: Tensor | None, n_fft: int) -> Tensor:
    """Give each bin the level of the envelope at bin ``source``, (batch, [channel,] bin)."""
    batch, channels, time = waveform.shape
    if batch == 0:
        return waveform
    sound = waveform.to(compute_dtype(waveform))
    heard = None
    if lengths is not None:
        heard = torch.arange(time, device=waveform.device) < lengths[:, None, None]
        sound = torch.where(heard, sound, 0.0)
    if source.ndim == 3:  # treat each channel as an example of one channel
        sound, source = sound.reshape(batch * channels, 1, time), source.flatten(0, 1)
    source = source.unsqueeze(1).to(sound.dtype)

    def move(some: slice) -> Tensor:
        return _move_chunk(sound[some], source[some], n_fft)

    if _is_native(sound, source, n_fft):
        moved = _move_natively(sound, source, n_fft)
    else:
        values = _OVERLAP * sound.shape[1] * time
        moved = in_chunks(move, len(sound), values, sound.device)
    moved = moved.reshape(waveform.shape)
    moved = moved if heard is None else torch.where(heard, moved, 0.0)
    return moved.to(waveform.dtype)


def _is_native(sound: Tensor, source: Tensor, n_fft: int) -> bool:
    return (
        sound.numel() > 0
        and native.applies(sound, source)
        and native.answers("augspec_has_fft", n_fft)
    )


def _move_natively(sound: Tensor, source: Tensor, n_fft: int) -> Tensor:
    """Do what `_move_chunk` does for all examples, in the native kernel."""
    cpu, bins = sound.device, n_fft // 2 + 1
    out = torch.empty_like(sound, memory_format=torch.contiguous_format)
    native.call(
        "augspec_move_envelope", sound, *sound.shape, source.expand(len(sound), 1, bins), n_fft,
        constant(torch.hann_window, n_fft, dtype=sound.dtype, device=cpu),
        constant(_resolution, bins, dtype=sound.dtype, device=cpu),
        constant(_lift, n_fft, dtype=sound.dtype, device=cpu), _LIMIT, native.threads(), out=out,
    )  # fmt: skip
    return out


def _move_chunk(sound: Tensor, source: Tensor, n_fft: int) -> Tensor:
    """Move the envelope of some examples; their channels share it and the gains."""
    hop, time = n_fft // _OVERLAP, sound.shape[-1]
    # Pad so that the first and the last sample are covered by as many frames as the others.
    padded = nnf.pad(sound, (n_fft - hop, n_fft - hop + -time % hop))
    window = constant(torch.hann_window, n_fft, dtype=sound.dtype, device=sound.device)
    spectrum = torch.fft.rfft(unfold(padded, -1, n_fft, hop) * window)
    magnitude = _magnitude(spectrum.real.contiguous(), spectrum.imag.contiguous())
    with torch.no_grad():
        period = _period(torch.fft.irfft(_weigh(magnitude), n=n_fft))
    cepstrum = torch.fft.irfft(_smooth(magnitude, period), n=n_fft)
    envelope = torch.fft.rfft(_lifter(cepstrum, period)).real.contiguous()
    gain = _gain(envelope, source)
    pieces = torch.fft.irfft(spectrum * gain.unsqueeze(1), n=n_fft)
    return _overlap_add(pieces, window / (0.375 * _OVERLAP))[..., :time]


@compiled
def _magnitude(real: Tensor, imag: Tensor) -> Tensor:
    """Return the magnitude of all channels together; where it is 0, so is its gradient."""
    power = sum_channels(real.square() + imag.square())
    silent = power == 0.0
    return torch.where(silent, 0.0, torch.where(silent, 1.0, power).sqrt())


def _weigh(magnitude: Tensor) -> Tensor:
    """Weight bins by how well a frame resolves harmonics there.

    The pitch of a voice changes within a frame, and high harmonics change most. Above 4 kHz only
    formants are visible, and their spacing would be mistaken for that of harmonics.
    """
    bins, dtype, device = magnitude.shape[-1], magnitude.dtype, magnitude.device
    return magnitude * constant(_resolution, bins, dtype=dtype, device=device)


def _resolution(bins: int, *, dtype: torch.dtype) -> Tensor:
    bin_ = torch.arange(bins, dtype=torch.float64)
    return (1.0 / (1.0 + (bin_ / _RESOLVED).square())).to(dtype)


def _period(autocorrelation: Tensor) -> Tensor:
    """Find the period of each frame in samples, ``(row, frame, 1)``.

    Formants also make peaks, at one over their spacing, which can be the highest. They fade with
    the lag, but a period repeats: so a peak counts only as far as there is one at twice its lag.
    The period is the first peak that is nearly as high as the highest. The highest may be a
    multiple, because a period need not be a whole number of samples.
    """
    n_fft, dtype = autocorrelation.shape[-1], autocorrelation.dtype
    lift = constant(_lift, n_fft, dtype=dtype, device=autocorrelation.device)
    # Use three kernels: in a single one the compiler would compute values of each lag again for its
    # half.
    rise, offset = _find_peaks(autocorrelation, lift)
    return _first_peak(rise, offset, _rise_again(rise), autocorrelation)


def _lift(n_fft: int, *, dtype: torch.dtype) -> Tensor:
    """Return factors on lags that compensate half of the window's attenuation in dB.

    Magnitudes under a Hann window fade with the lag as cos ** 2. Full compensation would raise
    noise above the first peak.
    """
    lag = torch.arange(n_fft // _LONGEST + 1, dtype=torch.float64)
    return (1.0 / torch.cos(math.pi / n_fft * lag)).to(dtype)


@compiled
def _find_peaks(autocorrelation: Tensor, lift: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rise at each lag from 1 over the lowest before it, and the places of peaks.

    Returns:
        The rise, and the place of the peak relative to the lag; `_NO_PEAK` without a peak.
    """
    values = autocorrelation[..., : lift.shape[-1]] * lift
    count = values.shape[-1] - 2
    left, here, right = (values[..., i : count + i].contiguous() for i in range(3))
    # A parabola through three lags gives the height and the place of a peak.
    slope, bend = right - left, (left - 2 * here + right).clamp(max=-1e-20)
    offset = (-0.5 * slope / bend).clamp(-0.5, 0.5)
    peak = (here >= left) & (here > right)
    rise = here - torch.cummin(here, dim=-1).values
    rise = torch.where(peak, rise + 0.25 * slope * offset, rise)
    return rise, torch.where(peak, offset, _NO_PEAK)


@compiled
def _rise_again(rise: Tensor) -> Tensor:
    """Return the limit of a peak at each lag from 1, given the value at twice the lag.

    Lags above half of the longest have no limit, because formants have faded there.
    """
    around = torch.maximum(torch.maximum(rise[..., 2:], rise[..., 1:-1]), rise[..., :-2])
    return around[..., ::2].contiguous() / _AGAIN


@compiled
def _first_peak(rise: Tensor, offset: Tensor, again: Tensor, autocorrelation: Tensor) -> Tensor:
    n_fft, last = autocorrelation.shape[-1], rise.shape[-1] - 1
    shortest, middle = max(n_fft // _SHORTEST, 2) - 1, again.shape[-1]  # place 0 is lag 1
    spans = slice(shortest, middle), slice(middle, last + 1)
    early = torch.minimum(rise[..., spans[0]], again[..., shortest:])
    heights = [
        torch.where(offset[..., span] < _NO_PEAK, height, 0.0)
        for span, height in zip(spans, (early, rise[..., spans[1]]), strict=True)
    ]
    highest = torch.maximum(*(height.amax(-1, keepdim=True) for height in heights))
    places = torch.arange(last + 1, device=rise.device)
    first = torch.minimum(
        *(
            torch.where(height >= _PEAK * highest, places[span], last).amin(-1, keepdim=True)
            for span, height in zip(spans, heights, strict=True)
        )
    )
    beside = offset.gather(-1, first)
    period = first + 1 + torch.where(beside < _NO_PEAK, beside, 0.0)
    # Rounding makes the period a constant for the gradient; otherwise gradients explode near
    # silence.
    period = torch.round(period * _STEPS) / _STEPS
    # A band of noise has no correlation at long lags, but a period repeats there.
    late = autocorrelation[..., (last + 1) // 2 : last + 1].amax(-1, keepdim=True)
    voiced = late > _VOICED * autocorrelation[..., :1]
    return torch.where(voiced, period, n_fft / _UNVOICED)


@compiled
def _smooth(magnitude: Tensor, period: Tensor) -> Tensor:
    """Return the log of the mean magnitude over one spacing of the harmonics around each bin.

    Every such range holds one harmonic, so the result has steps as wide as the spacing, at the
    levels of the harmonics. At the ends, where a range would hold none, the last value is repeated.
    """
    bins = magnitude.shape[-1]
    spacing = 2 * (bins - 1) / period
    bin_ = torch.arange(bins, device=magnitude.device).to(magnitude.dtype)
    center = torch.minimum(torch.maximum(bin_, spacing), bins - 1 - spacing / 2)
    total = nnf.pad(magnitude.cumsum(-1), (1, 0))
    # Bin i reaches from i - 1/2 to i + 1/2.
    area = _read(total, center + (spacing + 1) / 2) - _read(total, center - (spacing - 1) / 2)
    floor = _FLOOR * magnitude.mean(-1, keepdim=True) + 1e-20
    return torch.log((area / spacing).clamp(min=0.0) + floor)


@compiled
def _lifter(cepstrum: Tensor, period: Tensor) -> Tensor:
    """Average over one spacing of the harmonics again, which turns the steps into lines."""
    n_fft = cepstrum.shape[-1]
    lag = torch.arange(n_fft, device=cepstrum.device)
    lag = torch.minimum(lag, n_fft - lag)
    weight = torch.sinc(lag / period)
    return cepstrum * torch.where(lag < period, weight, 0.0)


@compiled
def _gain(envelope: Tensor, source: Tensor) -> Tensor:
    """Return the gain that gives each bin the level of the envelope at bin ``source``."""
    moved = _read(envelope, source.expand(envelope.shape))
    return torch.exp((moved - envelope).clamp(-_LIMIT, _LIMIT))


def _read(values: Tensor, position: Tensor) -> Tensor:
    """Interpolate the last axis at fractional positions, clamped to its ends."""
    last = values.shape[-1] - 1
    position = position.clamp(0, last)
    index = position.detach().to(torch.int64).clamp(0, last - 1)
    low, high = values.gather(-1, index), values.gather(-1, index + 1)
    return low + (position - index) * (high - low)


@compiled
def _overlap_add(pieces: Tensor, window: Tensor) -> Tensor:
    """Overlap and add windowed frames, and drop the ends that fewer frames cover."""
    hop = pieces.shape[-1] // _OVERLAP
    parts = (pieces * window).unflatten(-1, (_OVERLAP, hop))
    count = parts.shape[2] - _OVERLAP + 1
    total = torch.zeros_like(parts[:, :, :count, 0])
    for i in range(_OVERLAP):
        first = _OVERLAP - 1 - i
        total = total + parts[:, :, first : first + count, i]
    return total.flatten(2)
