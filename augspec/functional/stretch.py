"""Time stretch and pitch shift: every example at its own rate, in one batched phase vocoder."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from augspec.functional.checks import (
    check_parameter,
    check_waveform,
    compute_dtype,
    output_size,
)
from augspec.functional.formant import formant_shift
from augspec.functional.frame_size import choose_n_fft
from augspec.functional.linked import split_units
from augspec.functional.onset import find_onsets, resample_onsets
from augspec.functional.pace import SteadyPace
from augspec.functional.resample import resample, resampled_lengths, resampled_size
from augspec.functional.vocoder import stretch_examples
from augspec.native.vocoder import Pitch, stretch_units

__all__ = ["pitch_and_tempo", "pitch_shift", "speed", "time_stretch"]


def speed(
    waveform: Tensor,
    factor: Tensor,
    *,
    size: int | None = None,
    lengths: Tensor | None = None,
    max_factor: float = 2.0,
) -> Tensor:
    """Play each example faster by its own factor: pitch and tempo change together.

    It is `augspec.functional.resample` under its musical name.

    Args:
        waveform: Float audio.
        factor: Speed of each example or of each channel, in (0, ``max_factor``]: 2 is twice as
            fast, half as long and an octave higher.
        size: Output time in samples, the input's by default.
        lengths: Valid samples of each example, all by default.
        max_factor: Largest expected factor. It changes the cost but not the result.

    Shape:
        (batch, channel, time) to (batch, channel, size); ``factor`` is (batch,) or (batch,
        channel).

    Raises:
        ValueError: If a shape does not fit, or ``size`` or ``max_factor`` is not positive.
        TypeError: If ``waveform`` or ``factor`` is not of a floating-point type.

    Example:
        >>> speed(torch.randn(2, 1, 16_000), torch.tensor([0.8, 1.25])).shape
        torch.Size([2, 1, 16000])
    """
    check_waveform(waveform, lengths)
    check_parameter("factor", factor, waveform)
    if not 0 < max_factor < math.inf:
        raise ValueError(f"`max_factor` must be positive, got {max_factor}")
    return resample(waveform, factor, size=size, lengths=lengths, max_ratio=max_factor)


def time_stretch(
    waveform: Tensor,
    rate: Tensor,
    *,
    size: int | None = None,
    lengths: Tensor | None = None,
    n_fft: int | None = None,
    sample_rate: int = 16_000,
) -> Tensor:
    """Change the tempo of each example by its own rate; the pitch stays.

    Output position ``n`` corresponds to input position ``n * rate``. The phase vocoder locks phases
    to the peaks of the spectrum; attacks are detected and copied unchanged to their new positions.
    A rate of exactly 1 returns the input, bit for bit.

    With one rate per example, peaks, phases and attacks are found for all channels together:
    levels, delays and phases between the channels stay. With a rate per channel each channel is
    processed separately.

    Args:
        waveform: Float audio; half and bfloat16 are computed in float32.
        rate: Speed of each example or of each channel: 2 is twice as fast and half as long. A rate
            that is not positive gives NaN.
        size: Output time in samples, the input's by default. Longer results are cut, shorter ones
            padded with zeros.
        lengths: Valid samples of each example, all by default; later samples have no effect. The
            output's are `augspec.functional.resampled_lengths` with ``rate``.
        n_fft: Samples of a frame, a multiple of 32; about 64 ms at ``sample_rate`` by default.
        sample_rate: Sample rate in Hz. Only the default of ``n_fft`` depends on it.

    Shape:
        ``waveform``: (batch, channel, time); ``rate``: (batch,) or (batch, channel); ``lengths``:
        (batch,); the output is (batch, channel, size).

    Raises:
        ValueError: If a shape does not fit, ``size`` is not positive or ``n_fft`` is not a multiple
            of 32.
        TypeError: If ``waveform`` or ``rate`` is not of a floating-point type.

    References:
        J. Laroche and M. Dolson, "Improved phase vocoder time-scale modification of audio",
        IEEE Transactions on Speech and Audio Processing, 1999.
        A. Röbel, "A new approach to transient processing in the phase vocoder", DAFx 2003.

    Example:
        >>> waveform = torch.randn(2, 1, 16_000)
        >>> time_stretch(waveform, torch.tensor([0.8, 1.25])).shape
        torch.Size([2, 1, 16000])
    """
    size = _check(waveform, "rate", rate, size, lengths)
    n_fft = choose_n_fft(n_fft, sample_rate)
    return _stretch(waveform, rate, lengths, size, n_fft)


def pitch_shift(
    waveform: Tensor,
    semitones: Tensor,
    *,
    lengths: Tensor | None = None,
    n_fft: int | None = None,
    sample_rate: int = 16_000,
    min_semitones: float = -12.0,
    max_semitones: float = 12.0,
    preserve_formants: bool = False,
) -> Tensor:
    """Shift the pitch of each example by its own interval; the duration stays.

    It resamples by ``2 ** (semitones / 12)`` and stretches back. Formants move with the pitch
    unless ``preserve_formants`` is set: then `formant_shift` first moves them the other way, while
    the whole envelope is available. After a shift down there is no sound above ``2 ** (semitones /
    12)`` of half the sample rate. An interval of exactly 0 returns the input, bit for bit.

    With one interval per example, the levels and phases between channels stay, as in
    `time_stretch`. A delay between them keeps its number of periods, so its time is divided by ``2
    ** (semitones / 12)``.

    Args:
        waveform: Float audio; half and bfloat16 are computed in float32.
        semitones: Interval of each example or of each channel in semitones; positive is up.
        lengths: Valid samples of each example, all by default; the output's are the same.
        n_fft: Samples of a frame, a multiple of 32; about 64 ms at ``sample_rate`` by default.
        sample_rate: Sample rate in Hz. Only the default of ``n_fft`` depends on it.
        min_semitones: Lowest expected interval. It determines the memory: an example that goes
            lower loses its end.
        max_semitones: Highest expected interval. It changes the cost but not the result.
        preserve_formants: Keep the spectral envelope, as a singer does; this costs as much as a
            `formant_shift`.

    Shape:
        ``waveform``: (batch, channel, time); ``semitones``: (batch,) or (batch, channel);
        ``lengths``: (batch,); the output is (batch, channel, time).

    Raises:
        ValueError: If a shape does not fit or ``n_fft`` is not a multiple of 32.
        TypeError: If ``waveform`` or ``semitones`` is not of a floating-point type.

    References:
        J. Laroche and M. Dolson, "Improved phase vocoder time-scale modification of audio",
        IEEE Transactions on Speech and Audio Processing, 1999.
        A. Röbel, "A new approach to transient processing in the phase vocoder", DAFx 2003.

    Example:
        >>> waveform = torch.randn(2, 1, 16_000)
        >>> pitch_shift(waveform, torch.tensor([-2.0, 3.5])).shape
        torch.Size([2, 1, 16000])
    """
    source = waveform
    if preserve_formants:
        source = waveform.to(compute_dtype(waveform))
        source = formant_shift(
            source, -semitones, lengths=lengths, n_fft=n_fft, sample_rate=sample_rate
        )
    shifted = pitch_and_tempo(
        source,
        semitones,
        torch.ones_like(semitones),
        lengths=lengths,
        n_fft=n_fft,
        sample_rate=sample_rate,
        min_semitones=min_semitones,
        max_semitones=max_semitones,
    )
    return shifted.to(waveform.dtype)


def pitch_and_tempo(
    waveform: Tensor,
    semitones: Tensor,
    rate: Tensor,
    *,
    size: int | None = None,
    lengths: Tensor | None = None,
    n_fft: int | None = None,
    sample_rate: int = 16_000,
    min_semitones: float = -12.0,
    max_semitones: float = 12.0,
) -> Tensor:
    """Change the pitch and the tempo of each example in one pass, at the cost of a pitch shift.

    Args:
        waveform: Float audio; half and bfloat16 are computed in float32.
        semitones: Interval of each example or of each channel in semitones; positive is up.
        rate: Speed of each example or of each channel: 2 is twice as fast and half as long.
        size: Output time in samples, the input's by default.
        lengths: Valid samples of each example, all by default. The output's are
            `augspec.functional.resampled_lengths` with ``rate``.
        n_fft: Samples of a frame, a multiple of 32; about 64 ms at ``sample_rate`` by default.
        sample_rate: Sample rate in Hz. Only the default of ``n_fft`` depends on it.
        min_semitones: Lowest expected interval, as in `pitch_shift`.
        max_semitones: Highest expected interval, as in `pitch_shift`.

    Shape:
        ``waveform``: (batch, channel, time); ``semitones`` and ``rate``: (batch,) or (batch,
        channel); ``lengths``: (batch,); the output is (batch, channel, size).

    Raises:
        ValueError: If a shape does not fit, ``size`` is not positive or ``n_fft`` is not a multiple
            of 32.
        TypeError: If ``waveform``, ``semitones`` or ``rate`` is not of a floating-point type.

    References:
        J. Laroche and M. Dolson, "Improved phase vocoder time-scale modification of audio",
        IEEE Transactions on Speech and Audio Processing, 1999.
        A. Röbel, "A new approach to transient processing in the phase vocoder", DAFx 2003.
    """
    size = _check(waveform, "semitones", semitones, size, lengths)
    n_fft = choose_n_fft(n_fft, sample_rate)
    check_parameter("rate", rate, waveform)
    if max_semitones < min_semitones:
        raise ValueError(f"`max_semitones` must be at least `min_semitones`, got {max_semitones}")
    ratio = torch.exp2(semitones.to(compute_dtype(semitones)) / 12.0)
    longest = resampled_size(waveform.shape[-1], 2.0 ** (min_semitones / 12.0))
    pitch = Pitch(ratio, longest, 2.0 ** (max_semitones / 12.0))
    return _stretch(waveform, rate, lengths, size, n_fft, pitch)


def _check(
    waveform: Tensor,
    name: str,
    values: Tensor,
    size: int | None,
    lengths: Tensor | None,
) -> int:
    """Check the arguments that all functions share; return the output time."""
    check_waveform(waveform, lengths)
    check_parameter(name, values, waveform)
    return output_size(size, waveform)


def _stretch(
    waveform: Tensor,
    rate: Tensor,
    lengths: Tensor | None,
    size: int,
    n_fft: int,
    pitch: Pitch | None = None,
) -> Tensor:
    """Stretch in float32 or float64, in the native kernel if it supports the input."""
    batch, channels, time = waveform.shape
    if batch * channels == 0:
        return waveform.new_zeros(batch, channels, size)
    valid = rate.new_full((batch,), time, dtype=torch.int64) if lengths is None else lengths
    sound = waveform.to(compute_dtype(waveform))
    ratio = rate if pitch is None else pitch.ratio
    sound, (rate, ratio) = split_units(sound, rate, ratio)
    if len(sound) > batch:
        valid = valid.repeat_interleave(len(sound) // batch)
    ends = resampled_lengths(valid, rate, size)
    rate = rate.to(compute_dtype(rate))
    source_ends = valid
    if pitch is not None:
        pitch = Pitch(ratio, pitch.size, pitch.max_ratio)
        source_ends = resampled_lengths(valid, ratio, pitch.size)
        rate = rate / ratio
    stretched = stretch_units(sound, rate, valid, ends, size, n_fft, source_ends, pitch)
    if stretched is None:
        if lengths is not None:
            inside = torch.arange(time, device=sound.device) < valid[:, None, None]
            sound = torch.where(inside, sound, 0.0)
        heard = None if lengths is None else valid
        stretched = _stretch_units(sound, rate, heard, ends, size, n_fft, source_ends, pitch)
    return stretched.reshape(batch, channels, size).to(waveform.dtype)


def _stretch_units(
    sound: Tensor,
    rate: Tensor,
    valid: Tensor | None,
    ends: Tensor,
    size: int,
    n_fft: int,
    source_ends: Tensor,
    pitch: Pitch | None,
) -> Tensor:
    """Stretch units, `augspec.native.vocoder.stretch_units`, in torch."""
    # Find attacks before resampling: this costs less and does not depend on the pitch.
    onsets = find_onsets(sound.detach(), n_fft)
    source = sound.__getitem__
    if pitch is not None:
        onsets = resample_onsets(onsets, pitch.ratio.unsqueeze(-1), pitch.size, n_fft)
        source = partial(_resample_some, sound, valid, pitch)
    pace, channels = SteadyPace.of(rate), sound.shape[1]
    return stretch_examples(source, pace, onsets, source_ends, ends, size, n_fft, channels)


def _resample_some(sound: Tensor, valid: Tensor | None, pitch: Pitch, some: slice) -> Tensor:
    return resample(
        sound[some],
        pitch.ratio[some],
        size=pitch.size,
        lengths=None if valid is None else valid[some],
        max_ratio=pitch.max_ratio,
    )
