"""Checks of waveforms, spectrograms and settings."""

import math
import operator
from collections.abc import Sequence
from numbers import Real
from typing import Any, Literal, TypeGuard

import torch
from torch import Tensor

LARGEST = 2**31 - 1  # largest number of samples, Hz or bins
_HIGHEST_RATE = 100_000_000  # Hz; blocks of half a second still fit into memory
LONGEST_FRAME = 2**20  # samples, a minute at 16 kHz: more is a mistake and fills the memory

_FEW_CHANNELS = 8  # more channels than samples: the layout is channels last
_MOST_CHANNELS = 128  # Ambisonics of order 7 has 64, and few arrays of microphones have more
_WAVEFORM_DIMS = ("batch", "channel", "time")
_USUAL = (("batch", 1), ("batch channel", 2))  # shapes of a parameter, and their dimensions
_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_MAKING = {
    "ndarray": "; use torch.from_numpy",
    "list": "; augspec.collate pads examples of several lengths to a batch",
    "tuple": "; augspec.collate pads examples of several lengths to a batch",
}
_RANK_HINTS = {
    1: "; use `waveform[None, None]` for one example of one channel",
    2: "; use `waveform.unsqueeze(1)` for (batch, time)",
}


def check_waveform(waveform: Tensor, lengths: Tensor | None = None) -> None:
    """Raise unless ``waveform`` and ``lengths`` have the shapes and dtypes of a batch of audio.

    Only shapes, dtypes and devices are checked: reading values would stall a GPU.

    Args:
        waveform: Audio, floating point, nominally in [-1, 1].
        lengths: Valid samples of each example, in [0, time].

    Shape:
        ``waveform`` is ``(batch, channel, time)`` with at least one channel and one sample,
        ``lengths`` ``(batch,)``, int64.

    Raises:
        TypeError: If ``waveform`` is not a floating-point tensor or ``lengths`` is not an int64
            tensor.
        ValueError: If a shape differs, ``waveform`` looks like ``(batch, time, channel)``, or the
            two lie on different devices.
    """
    _check_float("waveform", waveform)
    if waveform.dim() != 3:
        raise ValueError(
            "`waveform` must be (batch, channel, time), "
            f"got shape {tuple(waveform.shape)}{_RANK_HINTS.get(waveform.dim(), '')}"
        )
    if waveform.shape[1] == 0 or waveform.shape[2] == 0:
        raise ValueError(
            "`waveform` must have at least one channel and one sample, "
            f"got shape {tuple(waveform.shape)}"
        )
    _check_channels_first(waveform)
    if lengths is not None:
        check_lengths(lengths, "waveform", waveform)


def _check_channels_first(waveform: Tensor) -> None:
    """Raise if the last two dimensions look swapped, as files are often read."""
    channels = waveform.shape[1]
    if channels <= _FEW_CHANNELS:
        return
    if channels > _MOST_CHANNELS or channels > waveform.shape[2]:
        raise ValueError(
            f"`waveform` must be (batch, channel, time), got shape {tuple(waveform.shape)}, which "
            "looks like (batch, time, channel); use `waveform.transpose(1, 2)`"
        )


def check_specgram(specgram: Tensor, lengths: Tensor | None = None) -> None:
    """Raise unless ``specgram`` and ``lengths`` have the shapes and dtypes of a batch of features.

    Args:
        specgram: Features, floating point.
        lengths: Valid frames of each example, in [0, frame].

    Shape:
        ``specgram`` is ``(batch, channel, freq, frame)``, ``lengths`` ``(batch,)``, int64.

    Raises:
        TypeError: If ``specgram`` is not a floating-point tensor or ``lengths`` is not an int64
            tensor.
        ValueError: If a shape differs, or the two lie on different devices.
    """
    _check_float("specgram", specgram)
    if specgram.dim() != 4:
        raise ValueError(
            f"`specgram` must be (batch, channel, freq, frame), got shape {tuple(specgram.shape)}"
        )
    if lengths is not None:
        check_lengths(lengths, "specgram", specgram)


def compute_dtype(tensor: Tensor) -> torch.dtype:
    """Return the dtype to compute in: float64 for float64, float32 for narrower types.

    Args:
        tensor: A float tensor.
    """
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def _check_float(name: str, tensor: Tensor) -> None:
    if not isinstance(tensor, Tensor):
        kind = type(tensor).__name__
        how = _MAKING.get(kind, "") if name == "waveform" or kind == "ndarray" else ""
        raise TypeError(f"`{name}` must be a torch.Tensor, got {kind}{how}")
    if tensor.dtype not in _FLOATS:
        raise TypeError(
            f"`{name}` must be float32, float64, float16 or bfloat16, "
            f"got {tensor.dtype}{_conversion(name, tensor.dtype)}"
        )


def _conversion(name: str, dtype: torch.dtype) -> str:
    if dtype.is_complex or dtype.is_floating_point or dtype == torch.bool:
        return ""
    info = torch.iinfo(dtype)
    offset = "" if info.min < 0 else " - 1"
    scale = info.max + 1 if info.min < 0 else (info.max + 1) // 2
    return f"; convert integer audio with `{name}.float() / {scale}{offset}`"


def check_lengths(lengths: Tensor, name: str, tensor: Tensor) -> None:
    """Raise unless ``lengths`` fits the batch ``tensor``, called ``name`` in messages."""
    if not isinstance(lengths, Tensor):
        raise TypeError(
            f"`lengths` must be a torch.Tensor, got {type(lengths).__name__}; use "
            "`torch.tensor(lengths)`"
        )
    if lengths.dtype != torch.int64:
        unit = "samples" if name == "waveform" else "frames"
        raise TypeError(
            f"`lengths` must be int64, numbers of {unit}, got {lengths.dtype}; use "
            f"{_counts(lengths, unit)}"
        )
    if lengths.shape != tensor.shape[:1]:
        raise ValueError(
            f"`lengths` must be (batch,), here ({tensor.shape[0]},), got {tuple(lengths.shape)}"
        )
    if lengths.device != tensor.device:
        raise ValueError(
            f"`lengths` must be on the device of `{name}`, {tensor.device}, got {lengths.device}"
        )


def _counts(lengths: Tensor, unit: str) -> str:
    """Return how lengths of another type become int64."""
    if not lengths.is_floating_point():
        return "`lengths.long()`"
    # Fractions and seconds are usual elsewhere. As int64 they would be 0.
    return f"`lengths.long()` if they are {unit}, not seconds or fractions"


def check_parameter(
    name: str,
    values: Tensor,
    signal: Tensor,
    *shapes: str,
    kind: Literal["float", "int64", "bool"] = "float",
) -> None:
    """Raise unless a second tensor of a kernel fits the first.

    Only types, shapes and devices are checked: reading values would stall a GPU.

    Args:
        name: The tensor's name, for messages.
        values: The tensor.
        signal: The batch: ``(batch, channel, time)`` or ``(batch, channel, freq, frame)``, or the
            first dimensions of them.
        shapes: Allowed shapes as names of dimensions, ``"batch channel"``. Dimensions that
            ``signal`` lacks may have any size, and numbers are sizes. ``"..."`` is the shape of
            ``signal``. By default one number per example, or one per channel.
        kind: Allowed type of the values.

    Raises:
        TypeError: If it is not a tensor, or has another type.
        ValueError: If its shape is none of ``shapes``, or it lies on another device.
    """
    if not isinstance(values, Tensor):
        raise TypeError(f"`{name}` must be a torch.Tensor, got {type(values).__name__}")
    if kind == "float":
        if not values.is_floating_point():
            raise TypeError(f"`{name}` must be of a floating-point type, got {values.dtype}")
    elif values.dtype != (torch.int64 if kind == "int64" else torch.bool):
        raise TypeError(f"`{name}` must be {kind}, got {values.dtype}")
    shapes = shapes or ("batch", "batch channel")
    # Test the usual cases directly: comparing names takes longer than some kernels.
    if not any(shape in shapes and values.shape == signal.shape[:dims] for shape, dims in _USUAL):
        _check_shape(name, values, signal, shapes)
    if values.device != signal.device:
        raise ValueError(
            f"`{name}` must be on the device of the batch, {signal.device}, got {values.device}"
        )


def _check_shape(name: str, values: Tensor, signal: Tensor, shapes: Sequence[str]) -> None:
    known = ("batch", "channel", "freq", "frame") if signal.ndim == 4 else _WAVEFORM_DIMS
    # Do not use `dict(zip())`: it breaks the graph, which torch 2.8 cannot do here.
    sizes = {name: signal.shape[dim] for dim, name in enumerate(known[: signal.ndim])}
    allowed = [known[: signal.ndim] if shape == "..." else tuple(shape.split()) for shape in shapes]
    if not any(_fits(values.shape, dims, sizes) for dims in allowed):
        wanted = " or ".join(_say_shape(dims, sizes) for dims in allowed)
        raise ValueError(f"`{name}` must be {wanted}, got {tuple(values.shape)}")


def check_parameters(
    waveform: Tensor,
    lengths: Tensor | None = None,
    kind: Literal["float", "int64", "bool"] = "float",
    /,
    **parameters: Tensor,
) -> None:
    """Raise unless a waveform, its lengths and its parameters fit together."""
    check_waveform(waveform, lengths)
    for name, values in parameters.items():
        check_parameter(name, values, waveform, kind=kind)


def _fits(shape: Sequence[int], dims: Sequence[str], sizes: dict[str, int]) -> bool:
    if len(shape) != len(dims):
        return False
    return all(
        size == (int(dim) if dim.isdigit() else sizes.get(dim, size))
        for size, dim in zip(shape, dims, strict=True)
    )


def _say_shape(dims: Sequence[str], sizes: dict[str, int]) -> str:
    """Format a shape as names of dimensions and as numbers, ``(batch,) = (4,)``."""
    end = ",)" if len(dims) == 1 else ")"
    numbers = ", ".join(str(sizes.get(dim, dim)) for dim in dims)
    names = ", ".join(dims)
    return f"({names}{end}" if numbers == names else f"({names}{end} = ({numbers}{end}"


def as_whole(value: Any) -> int | None:
    """Convert an integer of Python, NumPy or torch to an int; return None for other types.

    True, False and arrays of one element are probably mistakes, so they give None. Settings are
    stored as plain integers, because a config cannot hold NumPy's.
    """
    if type(value) is int:
        return value
    dtype = str(getattr(value, "dtype", ""))
    if isinstance(value, bool) or dtype.endswith("bool") or getattr(value, "ndim", 0) != 0:
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def is_finite(value: object) -> TypeGuard[float]:
    """Return whether a setting is a finite number; True and False are not."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def check_finite(name: str, value: float) -> float:
    """Check that a setting is a finite number and return it as a float."""
    if not is_finite(value):
        raise ValueError(f"`{name}` must be a finite number, got {value!r:.60}")
    return float(value)


def check_flag(name: str, value: bool) -> bool:
    """Check that a setting is True or False, or 1 or 0, and return it as a bool."""
    if not isinstance(value, int) or value not in (0, 1):
        raise ValueError(f"`{name}` must be True or False, got {value!r:.60}")
    return bool(value)


def check_positive(name: str, value: float) -> float:
    """Check that a setting is a finite number above 0 and return it as a float."""
    if not is_finite(value) or value <= 0:
        raise ValueError(f"`{name}` must be positive, got {value!r:.60}")
    return float(value)


def check_count(name: str, value: int, at_least: int = 0, at_most: int = LARGEST) -> int:
    """Check that a setting is a whole number in ``[at_least, at_most]`` and return it."""
    whole = as_whole(value)
    if whole is None or whole < at_least:
        raise ValueError(f"`{name}` must be a whole number, {at_least} or more, got {value!r:.60}")
    if whole > at_most:
        raise ValueError(f"`{name}` must be at most {at_most}, got {value!r:.60}")
    return whole


def check_range(
    name: str,
    value: float | Sequence[float],
    *,
    at_least: float = -math.inf,
    at_most: float = math.inf,
) -> tuple[float, float]:
    """Check a range and return it as ``(low, high)``; a number is a constant.

    Raises:
        ValueError: If a bound is not finite, the range is reversed, or it leaves
            ``[at_least, at_most]``.
    """
    bounds: Any = (value, value) if isinstance(value, Real) else value
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise ValueError(f"`{name}` must be a number or (low, high), got {value!r}")
    low, high = (check_finite(name, bound) for bound in bounds)
    if low > high:
        raise ValueError(f"`{name}` must be (low, high) with low <= high, got {value!r}")
    if low < at_least or high > at_most:
        raise ValueError(f"`{name}` must lie in [{at_least:g}, {at_most:g}], got {value!r}")
    return low, high


def check_integer_range(
    name: str, value: int | Sequence[int], *, at_least: float, at_most: float
) -> tuple[int, int]:
    """Check a range of whole numbers and return it as ``(low, high)``, both included.

    Raises:
        ValueError: If a bound is not an integer, the range is reversed, or it leaves ``[at_least,
            at_most]``.
    """
    bounds: Any = value if isinstance(value, tuple | list) else (value, value)
    whole = [number for bound in bounds if (number := as_whole(bound)) is not None]
    if len(bounds) != 2 or len(whole) != 2:
        raise ValueError(f"`{name}` must be an integer or (low, high) integers, got {value!r}")
    low, high = check_range(name, whole, at_least=at_least, at_most=at_most)
    return int(low), int(high)


def check_size(name: str, size: int) -> int:
    """Check that the size of a crop is a positive whole number of samples and return it."""
    whole = as_whole(size)
    if whole is None or not 1 <= whole <= LARGEST:
        raise ValueError(f"`{name}` must be a positive number of samples, got {size!r}")
    return whole


def output_size(size: int | None, waveform: Tensor) -> int:
    """Return the number of samples of a result: ``size``, or that of the waveform."""
    size = waveform.shape[-1] if size is None else size
    if size < 1:
        raise ValueError(f"`size` must be at least 1, got {size}")
    return size


def check_sample_rate(sample_rate: int, name: str = "sample_rate") -> int:
    """Check that a sample rate is a positive whole number of Hz, at most 100 MHz, and return it."""
    whole = as_whole(sample_rate)
    if whole is None or whole < 1:
        raise ValueError(f"`{name}` must be a positive number of Hz, got {sample_rate!r:.60}")
    if whole > _HIGHEST_RATE:
        raise ValueError(f"`{name}` must be at most {_HIGHEST_RATE} Hz, got {sample_rate!r:.60}")
    return whole


def check_n_fft(n_fft: int) -> int:
    """Check that a vocoder's frame can be divided into its parts, and return it.

    Raises:
        ValueError: If it is not a positive multiple of 32.
    """
    whole = as_whole(n_fft)
    if whole is None or whole < 32 or whole % 32:
        raise ValueError(f"`n_fft` must be a positive multiple of 32, got {n_fft!r:.60}")
    return check_count("n_fft", whole, at_most=LONGEST_FRAME)
