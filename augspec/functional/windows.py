"""Windows of frames, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.signal import windows

__all__ = ["window"]


def _rectangular(length: int, *, sym: bool, dtype: torch.dtype) -> Tensor:
    return windows.general_cosine(length, a=[1.0], sym=sym, dtype=dtype)


def _povey(length: int, *, sym: bool, dtype: torch.dtype) -> Tensor:
    # Kaldi's own: like Hamming's, but zero at its ends.
    return windows.hann(length, sym=sym, dtype=dtype).pow(0.85)


_MAKERS: dict[str, Callable[..., Tensor]] = {
    "hann": windows.hann,
    "hamming": windows.hamming,
    "blackman": windows.blackman,
    "povey": _povey,
    "rectangular": _rectangular,
    "bartlett": windows.bartlett,
    "cosine": windows.cosine,
    "nuttall": windows.nuttall,
}


def window(
    name: str,
    win_length: int,
    n_fft: int | None = None,
    periodic: bool = True,
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Make a window of ``win_length`` samples in the middle of ``n_fft`` zeros.

    Args:
        name: ``"hann"``, ``"hamming"``, ``"blackman"``, ``"povey"`` (Kaldi's: Hann's to the power
            of 0.85), ``"rectangular"``, ``"bartlett"``, ``"cosine"`` or ``"nuttall"``.
        win_length: Samples under the window, at least 1.
        n_fft: Samples of a frame; None is ``win_length``.
        periodic: Make a periodic window, as for spectrograms; a symmetric window, as in Kaldi,
            includes both ends.
        dtype: The result's dtype; the window is computed in float64 and rounded once.

    Shape:
        ``(n_fft,)``.

    Raises:
        ValueError: If the name is not known.

    Example:
        >>> window("hann", 4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    made = _MAKERS[check_window("name", name)](win_length, sym=not periodic, dtype=torch.float64)
    missing = (win_length if n_fft is None else n_fft) - win_length
    return torch.nn.functional.pad(made, (missing // 2, missing - missing // 2)).to(dtype)


def check_window(argument: str, name: str) -> str:
    """Check the name of a window and return it."""
    if not isinstance(name, str) or name not in _MAKERS:
        raise ValueError(f"`{argument}` must be one of {', '.join(_MAKERS)}, got {name!r}")
    return name
