"""Moving nested batches to a device; on a GPU one batch ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from augspec._precision import lacks_float64
from augspec.batches import Batch

__all__ = ["move", "one_ahead"]


def move(value: Any, device: torch.device) -> Any:
    """Move every tensor in ``value`` to ``device``.

    Args:
        value: A tensor, or dictionaries, lists, tuples and named tuples of them, to any depth;
            other values stay.
        device: Target device. On MPS, which has no float64, such tensors become float32.
    """
    return pytree.tree_map_only(
        Tensor, lambda own: storable(own, device).to(device, non_blocking=True), value
    )


def storable(tensor: Tensor, device: torch.device) -> Tensor:
    """Convert a tensor to a type that ``device`` supports."""
    if lacks_float64(device) and tensor.dtype == torch.float64:
        return tensor.to(torch.float32)
    return tensor


def one_ahead(
    batches: Iterable[Callable[[], Batch]], device: torch.device, side: torch.cuda.Stream
) -> Iterator[Batch]:
    """Make each batch on a side stream while the one before it is in use.

    Args:
        batches: Functions that make the batches.
        device: The GPU.
        side: The stream. Use one for all epochs, because the allocator keeps separate memory for
            every stream.

    Raises:
        Exception: The exception of making a batch, after the batch before it was yielded.
    """
    # The front end may have been moved to the device a moment ago, on the current stream.
    side.wait_stream(torch.cuda.current_stream(device))
    ready: tuple[Batch, torch.cuda.Event] | None = None
    coming = iter(batches)
    while True:
        made, error = _make_next(coming, side)
        if ready is not None:
            yield _wait_for(*ready, device)
        if error is not None:
            raise error
        if made is None:
            return
        ready = made


def _make_next(
    coming: Iterator[Callable[[], Batch]], side: torch.cuda.Stream
) -> tuple[tuple[Batch, torch.cuda.Event] | None, Exception | None]:
    """Make a batch on a stream; return the batch, the end of the iteration or the exception."""
    try:
        with torch.cuda.stream(side):
            batch = next(coming)()
            event = torch.cuda.Event()
            event.record(side)
    except StopIteration:
        return None, None
    except Exception as error:
        return None, error
    return (batch, event), None


def _wait_for(batch: Batch, event: torch.cuda.Event, device: torch.device) -> Batch:
    current = torch.cuda.current_stream(device)
    current.wait_event(event)
    for value in pytree.tree_leaves(batch):
        # Keeps the allocator from reusing the memory while the current stream still reads it.
        if isinstance(value, Tensor):
            value.record_stream(current)
    return batch
