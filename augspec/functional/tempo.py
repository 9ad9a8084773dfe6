"""Tempo that varies within an example."""

from __future__ import annotations

from torch import Tensor

from augspec.functional.checks import check_parameter, check_waveform, compute_dtype, output_size
from augspec.functional.frame_size import choose_n_fft
from augspec.functional.onset import find_onsets
from augspec.functional.pace import CurvedPace, mean_rate
from augspec.functional.resample import resampled_lengths
from augspec.functional.shapes import ends_of, silence_after
from augspec.functional.vocoder import frame_places, stretch_examples
from augspec.native.vocoder import stretch_units

__all__ = ["tempo_curve", "tempo_position"]


def tempo_curve(
    waveform: Tensor,
    rate: Tensor,
    *,
    size: int | None = None,
    lengths: Tensor | None = None,
    n_fft: int | None = None,
    sample_rate: int = 16_000,
) -> Tensor:
    """Change the tempo of each example along its own curve; the pitch stays.

    The rates lie at equal distances over the result, the first at its start and the last at its
    end, with linear interpolation between them. Output ``n`` corresponds to the input at the
    integral of the rate up to ``n``: `tempo_position`. With equal rates it is `time_stretch`; if
    all rates are exactly 1, it returns the input, bit for bit.

    Args:
        waveform: Float audio; half and bfloat16 are computed in float32.
        rate: Speed at each point: 2 is twice as fast. A rate that is not positive makes its example
            NaN.
        size: Output time in samples, the input's by default. Longer results are cut, shorter ones
            padded with zeros.
        lengths: Valid samples of each example, all by default; later samples have no effect. The
            output's are ``ceil(lengths / mean)`` with the mean of the curve, at most ``size``.
        n_fft: Samples of a frame, a multiple of 32; about 64 ms at ``sample_rate`` by default.
        sample_rate: Sample rate in Hz. Only the default of ``n_fft`` depends on it.

    Shape:
        ``waveform``: (batch, channel, time); ``rate``: (batch, point) with two points or more;
        ``lengths``: (batch,); the output is (batch, channel, size).

    Raises:
        ValueError: If a shape does not fit, ``size`` is not positive or ``n_fft`` is not a multiple
            of 32.
        TypeError: If ``waveform`` or ``rate`` is not of a floating-point type.

    References:
        J. Laroche and M. Dolson, "Improved phase vocoder time-scale modification of audio",
        IEEE Transactions on Speech and Audio Processing, 1999.

    Example:
        >>> import torch
        >>> slower = torch.tensor([[1.2, 0.8], [1.0, 0.7]])
        >>> tempo_curve(torch.randn(2, 1, 16_000), slower).shape
        torch.Size([2, 1, 16000])
    """
    check_waveform(waveform, lengths)
    _check_points(rate, waveform)
    size = output_size(size, waveform)
    n_fft = choose_n_fft(n_fft, sample_rate)
    batch, channels, _ = waveform.shape
    if batch * channels == 0:
        return waveform.new_zeros(batch, channels, size)
    sound = silence_after(waveform.to(compute_dtype(waveform)), lengths)
    valid = ends_of(waveform, lengths)
    ends = resampled_lengths(valid, mean_rate(rate))
    pace = CurvedPace.over(rate, ends)
    onsets, ends = find_onsets(sound.detach(), n_fft), ends.clamp(max=size)

    def place() -> tuple[Tensor, Tensor]:
        return pace.place(frame_places(size, n_fft, sound.device), onsets, n_fft)

    one_rate = pace.one_rate()
    stretched = stretch_units(sound, one_rate, valid, ends, size, n_fft, valid, None, place)
    if stretched is None:
        stretched = stretch_examples(
            sound.__getitem__, pace, onsets, valid, ends, size, n_fft, channels
        )
    return stretched.to(waveform.dtype)


def tempo_position(position: Tensor, rate: Tensor, lengths: Tensor) -> Tensor:
    """Return the input sample of `tempo_curve` at a sample of the output.

    Args:
        position: Samples of the output, int64.
        rate: Speed at each point, as in `tempo_curve`.
        lengths: Valid samples of each example of the input.

    Shape:
        ``position``: (batch, place) or (1, place); ``rate``: (batch, point); ``lengths``: (batch,);
        the output is (batch, place), int64, rounded down.

    Raises:
        ValueError: If a shape does not fit.
        TypeError: If ``rate`` is not of a floating-point type.

    Example:
        >>> import torch
        >>> rate = torch.tensor([[0.5, 1.5]])
        >>> tempo_position(torch.tensor([[0, 500, 1000]]), rate, torch.tensor([1000]))
        tensor([[   0,  375, 1000]])
    """
    _check_points(rate, lengths)
    pace = CurvedPace.over(rate, resampled_lengths(lengths, mean_rate(rate)))
    return pace.at(position.expand(len(rate), -1))[0] >> 32


def _check_points(rate: Tensor, signal: Tensor) -> None:
    check_parameter("rate", rate, signal, "batch point")
    if rate.shape[1] < 2:
        raise ValueError(f"`rate` must have at least two points, got {rate.shape[1]}")
