"""Bases of transforms whose defaults depend on the sample rate, and of phase vocoders."""

from __future__ import annotations

from abc import ABC
from typing import Any

from augspec.functional.checks import check_n_fft
from augspec.functional.frame_size import choose_n_fft
from augspec.transforms.base import WaveformTransform
from augspec.transforms.declare import check_rate_or_none, setting

__all__ = ["RateTransform", "VocoderTransform"]

_DEFAULT_RATE = 16_000  # Hz


def _check_n_fft_or_none(_: str, n_fft: Any) -> int | None:
    return None if n_fft is None else check_n_fft(n_fft)


class RateTransform(WaveformTransform, ABC):
    """A transform with a default that depends on the sample rate.

    Args:
        sample_rate: Sample rate in Hz; None is the front end's, or 16,000.
    """

    sample_rate: int | None = setting(default=None, check=check_rate_or_none, kw_only=True)

    #: Sample rate of the front end that holds the transform.
    _adopted_rate: int | None = setting(default=None, init=False)

    def adopt_sample_rate(self, rate: int) -> None:
        """Take the sample rate of a front end if none was given and one is needed."""
        if self.sample_rate is not None or not self._needs_rate():
            return
        # Without this error the first front end would silently give other results from now on.
        if self._adopted_rate not in (None, rate):
            raise ValueError(
                f"`sample_rate` of {type(self).__name__} is {self._adopted_rate} in one front end "
                f"and would be {rate} in another: give each front end a transform of its own"
            )
        self._adopted_rate = rate
        self._validate()

    def _needs_rate(self) -> bool:
        """Whether the result depends on the sample rate."""
        return True

    def _effective_rate(self) -> int:
        """Return the sample rate in Hz."""
        return self.sample_rate or self._adopted_rate or _DEFAULT_RATE


class VocoderTransform(RateTransform, ABC):
    """A transform whose frames last 64 ms at any sample rate, unless their size is given.

    Args:
        n_fft: Samples of a frame, a multiple of 32; None is about 64 ms, 1024 at 16 kHz.
        sample_rate: Sample rate in Hz, for ``n_fft=None``; None is the front end's, or 16,000.
    """

    n_fft: int | None = setting(default=None, check=_check_n_fft_or_none, kw_only=True)
    sample_rate: int | None = setting(default=None, check=check_rate_or_none, kw_only=True)

    def _validate(self) -> None:
        self._frame_size()  # raises if the frame becomes too long at this rate

    def _needs_rate(self) -> bool:
        return self.n_fft is None

    def _frame_size(self) -> int:
        """Return the number of samples of a frame."""
        return choose_n_fft(self.n_fft, self._effective_rate())

    def _settings(self, time: int) -> dict[str, Any]:
        frame = {"n_fft": self._frame_size(), "sample_rate": self._effective_rate()}
        return {**super()._settings(time), **frame}
