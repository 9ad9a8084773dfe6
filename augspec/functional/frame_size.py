"""The frame size of a vocoder: the same duration at every sample rate."""

from __future__ import annotations

from augspec.functional.checks import check_n_fft, check_sample_rate

__all__ = ["choose_n_fft"]

# A frame is 64 ms: long enough to separate the harmonics of a low note (above 60 Hz), short enough
# to follow a melody. It is divided into 32 parts.
_PARTS_A_SECOND = 32 / 0.064


def choose_n_fft(n_fft: int | None, sample_rate: int) -> int:
    """Return the frame size in samples: ``n_fft`` if given, else about 64 ms.

    That is 512 at 8 kHz, 1024 at 16, 1440 at 22.05, 2880 at 44.1, 3072 at 48 and 6144 at 96 kHz:
    the multiple of 32 nearest to 64 ms that has no prime factor above 5. An FFT of a size with
    large prime factors takes several times as long.

    Args:
        n_fft: Samples of a frame, or None.
        sample_rate: Sample rate in Hz.

    Raises:
        ValueError: If ``n_fft`` is not a positive multiple of 32 or ``sample_rate`` is not
            positive.
    """
    if n_fft is not None:
        return check_n_fft(n_fft)
    part = max(1, round(check_sample_rate(sample_rate) / _PARTS_A_SECOND))
    away = 0
    while True:
        for near in (part + away, part - away):
            if near > 0 and _has_small_factors(near):
                return check_n_fft(32 * near)
        away += 1


def _has_small_factors(number: int) -> bool:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1
