"""The native kernels of plain work on samples, each one pass over the audio.

torch's loops share such work among threads that wait for the slowest one, so that other busy
processes make two threads slower than one. Callers, such as ``augspec/functional/level.py``, have
the reference in torch, and ask `can_compute` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from augspec import native

__all__ = [
    "Part",
    "apply",
    "can_compute",
    "choose",
    "is_worthwhile",
    "join",
    "measure",
    "mix",
    "reverse",
    "take",
]

Function = Literal["scale", "level", "clip", "crush", "tanh", "a_law", "mu_law", "law"]
_ALONE = 32_768  # torch copies so many numbers on one thread, faster than a kernel is called
_FUNCTIONS: Sequence[Function] = get_args(Function)  # their numbers are their places


def can_compute(waveform: Tensor, *numbers: Tensor | None) -> bool:
    """Whether the kernels of this module can compute with a batch and its parameters."""
    # Sizes are compared last: in a graph they may be unknown.
    is_float = waveform.dtype == torch.float32
    return is_float and native.applies(waveform, *numbers) and waveform.numel() > 0


def is_worthwhile(values: Tensor, *others: Tensor, count: int | None = None) -> bool:
    """Whether the kernels can copy ``values``, and there is enough to copy.

    Args:
        values: float32, of any rank.
        *others: Values or indices that are needed too.
        count: Number of examples that are copied; all by default.
    """
    if not can_compute(values, *others):
        return False
    return (values.numel() if count is None else values[0].numel() * count) > _ALONE


def apply(
    function: Function,
    waveform: Tensor,
    first: Tensor | None = None,
    second: Tensor | None = None,
    *,
    in_place: bool = False,
) -> Tensor:
    """Compute a function of each sample ``x`` and of its example's numbers ``a`` and ``b``.

    Args:
        function: ``"scale"``: ``x * a``. ``"level"``: ``x / a * b``. ``"clip"``: at ``-a`` and
            ``a``. ``"crush"``: rounded to steps of ``1 / a``, from -1 up to 1, excluded.
            ``"tanh"``: ``tanh(x * a)``. ``"a_law"``: through an A-law codec. ``"mu_law"``: through
            a mu-law codec of ``a + 1`` values, with ``b`` steps for a unit of the logarithm.
            ``"law"``: with ``a`` of 0 through a mu-law codec of 256 values and ``b``, with 1
            through an A-law codec.
        waveform: The batch.
        first: ``a``, float32, one for each example or each channel.
        second: ``b``, as many.
        in_place: Whether the result replaces ``waveform``, which must be contiguous.

    Shape:
        ``(batch, channel, time)`` in and out.
    """
    first = waveform.new_ones(1) if first is None else first
    contiguous = torch.contiguous_format
    out = waveform if in_place else torch.empty_like(waveform, memory_format=contiguous)
    native.call(
        "augspec_map", _FUNCTIONS.index(function), waveform, waveform.shape[:2].numel(),
        waveform.shape[-1], first.numel(), first, second, native.threads(), out=out,
    )  # fmt: skip
    return out


def measure(
    what: Literal["peak", "energy"],
    waveform: Tensor,
    parameter: Tensor,
    lengths: Tensor | None,
    index: Tensor | None = None,
) -> Tensor:
    """Measure the largest absolute sample, or the sum of squares.

    Args:
        what: ``"peak"`` or ``"energy"``.
        waveform: The batch, ``(batch, channel, time)``.
        parameter: Its rank selects one level for each example or for each channel.
        lengths: Samples that are measured, ``(batch,)``; None means all.
        index: Which example is measured in the place of each, ``(batch,)`` int64.

    Returns:
        ``(batch,)`` or ``(batch, channel)`` float32.
    """
    batch, channels, time = waveform.shape
    waveform = _with_rows(waveform)
    index = None if index is None else _checked(index, batch)
    together = parameter.ndim == 1
    levels = waveform.new_empty(batch if together else (batch, channels))
    native.call(
        "augspec_measure", int(what == "energy"), _table([waveform]), batch, channels, time,
        together, index, lengths, native.threads(), out=levels,
    )  # fmt: skip
    return levels


@dataclass(frozen=True)
class Part:
    """Sound that is added in `mix`.

    Args:
        sound: ``(example, channel, time)``; for a single channel or example, it may be expanded.
        weight: Factor, ``(batch,)`` or ``(batch, channel)``; None is 1. With 0 it is left out.
        index: Which example of ``sound`` each example gets, ``(batch,)`` int64; None: its own.
        begin: First sample that is added, ``(batch,)`` int64; None is 0.
        end: Sample after the last, ``(batch,)`` int64; None is the end of ``sound``.
        place: Where the first sample of all of ``sound`` is added, ``(batch,)`` int64; None is 0.
    """

    sound: Tensor
    weight: Tensor | None = None
    index: Tensor | None = None
    begin: Tensor | None = None
    end: Tensor | None = None
    place: Tensor | None = None

    def span(self, time: int) -> tuple[Tensor | None, Tensor | None]:
        """Return the samples of a result of ``time`` that it reaches; None is all."""
        size = self.sound.shape[-1]
        if self.place is not None:
            return self.place, self.place + size
        if size >= time:
            return self.begin, self.end
        batch = len(self.sound if self.index is None else self.index)
        last = torch.full((batch,), size)
        return self.begin, last if self.end is None else torch.minimum(self.end, last)


def mix(shape: Sequence[int], *parts: Part) -> Tensor:
    """Add up parts; where there is none, there is silence.

    A sample that only one part of weight 1 reaches is that part's, bit for bit.

    Args:
        shape: Batch, channels and time of the result.
        *parts: What is added, in this order.

    Shape:
        The output is ``(batch, channel, time)``.
    """
    batch, channels, time = shape
    for part in parts:
        fits = part.sound.shape[1] == channels and (
            part.index is not None or len(part.sound) == batch
        )
        if not fits:
            raise ValueError(f"a part must fit {tuple(shape)}, got {tuple(part.sound.shape)}")
    sounds = [_with_rows(part.sound) for part in parts]
    own = torch.arange(batch)
    indices = _stack(
        [None if part.index is None else _checked(part.index, len(part.sound)) for part in parts],
        own,
    )
    spans = [part.span(time) for part in parts]
    begins = _stack([begin for begin, _ in spans], torch.zeros_like(own))
    ends = _stack([end for _, end in spans], torch.full_like(own, time))
    places = _stack([part.place for part in parts], torch.zeros_like(own))
    weights = [
        None if part.weight is None else part.weight.reshape(batch, -1).expand(batch, channels)
        for part in parts
    ]
    out = sounds[0].new_empty(batch, channels, time)
    native.call(
        "augspec_mix", _table(sounds), len(parts), batch, channels, time, indices, begins, ends,
        places, _stack(weights, out.new_ones(batch, channels)), native.threads(), out=out,
    )  # fmt: skip
    return out


def choose(picked: Tensor, values: Tensor, others: Tensor) -> Tensor:
    """Copy the examples that are picked from ``values``, and the rest from ``others``.

    Args:
        picked: bool, ``(batch,)``.
        values: ``(batch, ..., time)``.
        others: Of this shape but for the last dimension, which is cut or filled up with zeros.
    """
    first, second = _as_rows(values), _as_rows(others)
    until = torch.where(picked, values.shape[-1], 0)
    parts = Part(first, end=until), Part(second, begin=until)
    return mix(first.shape, *parts).reshape(values.shape)


def take(values: Tensor, index: Tensor) -> Tensor:
    """Copy the examples at ``index``, ``(example,)``: ``values[index]``."""
    rows = _as_rows(values)
    made = mix((len(index), *rows.shape[1:]), Part(rows, index=index))
    return made.reshape(len(index), *values.shape[1:])


def join(parts: Sequence[Tensor], groups: Sequence[Tensor]) -> Tensor:
    """Copy the examples of several groups to their places in the whole batch.

    Args:
        parts: The examples of each group, ``(example, ..., time)``.
        groups: Their places, ``(example,)`` int64, each place once.
    """
    filled = [(part, group) for part, group in zip(parts, groups, strict=True) if len(part)]
    shape = (sum(map(len, groups)), *filled[0][0].shape[1:])
    placed = []
    for part, group in filled:
        index, end = torch.zeros(2, shape[0], dtype=torch.int64).unbind()
        index[group], end[group] = torch.arange(len(group)), shape[-1]
        placed.append(Part(_as_rows(part), index=index, end=end))
    return mix((shape[0], *placed[0].sound.shape[1:]), *placed).reshape(shape)


def reverse(waveform: Tensor, ends: Tensor) -> Tensor:
    """Turn each example round within its own length; silence follows.

    Args:
        waveform: The batch, ``(batch, channel, time)``.
        ends: Valid samples per example, ``(batch,)``.
    """
    out = torch.empty_like(waveform, memory_format=torch.contiguous_format)
    native.call("augspec_reverse", waveform, *waveform.shape, ends, native.threads(), out=out)
    return out


def _as_rows(values: Tensor) -> Tensor:
    """Give values of any rank three dimensions, of which the last stays."""
    return values.reshape(len(values), -1, values.shape[-1])


def _with_rows(sound: Tensor) -> Tensor:
    """Return sound whose samples follow one another in memory, within each channel."""
    return sound if sound.stride(-1) == 1 or sound.shape[-1] == 1 else sound.contiguous()


def _checked(index: Tensor, count: int) -> Tensor:
    """Return an index of examples as numbers from 0; raise where there is no such example."""
    if index.numel():
        low, high = (int(value) for value in index.aminmax())
        if low < -count or high >= count:
            raise IndexError(f"an index must be within {count} examples, got {low} to {high}")
        index = torch.where(index < 0, index + count, index) if low < 0 else index
    return index


def _table(sounds: Sequence[Tensor]) -> Tensor:
    """Tell a kernel where sounds are: address, and distances of examples and of channels."""
    return torch.tensor([[sound.data_ptr(), *sound.stride()[:2]] for sound in sounds])


def _stack(values: Sequence[Tensor | None], otherwise: Tensor) -> Tensor | None:
    """Stack what each part has; None if no part has it."""
    if all(value is None for value in values):
        return None
    return torch.stack([otherwise if value is None else value for value in values])
