"""The number of earlier visits of an example in an epoch, which is the `view` of its key.

A sampler may yield an example several times in an epoch. Each visit needs new draws, so the loader
and the bridges count visits. The first visit is view 0, in any process.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.utils.data import ConcatDataset, DistributedSampler, Subset

__all__ = ["Visits", "samplers_of"]

_DENSE = 1 << 27  # indices below it are counted in an array, others in a dictionary


class Visits:
    """Count the visits of each example in one epoch, over all processes.

    Processes exchange their indices only if two of them may draw the same example: with
    `WeightedRandomSampler`, another sampler with a true ``replacement``, or a ``Subset`` that lists
    an example twice. Then every process must make the same number of batches, which
    ``DistributedDataParallel`` needs as well.

    Args:
        loader: Loader of the batches; its sampler and data set are inspected.

    Example:
        >>> visits = Visits()
        >>> visits.views(torch.tensor([4, 7, 4])), visits.views(torch.tensor([4]))
        (tensor([0, 0, 1]), tensor([2]))
    """

    def __init__(self, loader: Any = None) -> None:
        self._counts = np.zeros(0, np.int32)
        self._others: dict[int, int] = {}
        self._seen = 0  # examples of this process
        self._last: NDArray[np.int64] = np.zeros(0, np.int64)  # indices of the last batches
        self._last_seen = 0
        dataset = getattr(loader, "dataset", None)
        samplers = samplers_of(loader)
        self._bases = len({id(base) for base in _concatenated(dataset)})
        repeats = any(map(_draws_again, samplers)) or _names_twice(dataset)
        self._exchange = repeats and _processes() > 1
        self._padded = next((own for own in samplers if _pads(own, dataset)), None)

    def views(self, index: Tensor) -> Tensor:
        """Return for each example of a batch the number of its earlier visits.

        Args:
            index: ``(batch,)`` integers, preferably on the CPU, because they are copied to it.

        Returns:
            int64 of the shape of ``index``, on its device.

        Raises:
            ValueError: If two data sets of a ``ConcatDataset`` share an index.
        """
        own: NDArray[np.int64] = index.detach().cpu().numpy().astype(np.int64).reshape(-1)
        found = self._of_all(own) if self._exchange else self._count(own)
        if self._padded is not None:
            # A DistributedSampler pads its end with its first examples, which another process
            # visited.
            places = self._seen + np.arange(len(own))
            places = places * self._padded.num_replicas + self._padded.rank
            found = found + places // len(self._padded.dataset)
        self._seen += len(own)
        self._last_seen = len(own)
        if self._bases > 1 and found.any():
            raise ValueError(
                f"`index` {own[found > 0][0]} came twice in an epoch, from a ConcatDataset of "
                f"{self._bases} data sets that each count from 0: number its items with "
                "augspec.datasets.Indexed(ConcatDataset([...]))"
            )
        return torch.from_numpy(found).to(index.device).reshape(index.shape)

    def _of_all(self, own: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the indices of all processes, in the order of their ranks."""
        group = _cpu_group(distributed.group.WORLD)
        drawn: list[Any] = [None] * distributed.get_world_size()
        distributed.all_gather_object(drawn, own, group=group)
        first = sum(map(len, drawn[: distributed.get_rank()]))
        return self._count(np.concatenate(drawn))[first : first + len(own)]

    def _count(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        self._last = index
        values, inverse, counts = np.unique(index, return_inverse=True, return_counts=True)
        before = self._add(values, counts)[inverse]
        if len(values) < len(index):
            order = np.argsort(inverse, kind="stable")
            starts = np.cumsum(counts) - counts
            before[order] += np.arange(len(index)) - np.repeat(starts, counts)
        return before

    def _add(self, values: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add to the counts of distinct ``values`` and return the previous counts."""
        before = np.zeros(len(values), np.int64)
        dense = (values >= 0) & (values < _DENSE)
        small = values[dense]
        if small.size and small[-1] >= len(self._counts):
            room = max(int(small[-1]) + 1, 2 * len(self._counts)) - len(self._counts)
            self._counts = np.concatenate([self._counts, np.zeros(room, np.int32)])
        before[dense] = self._counts[small]
        self._counts[small] += counts[dense].astype(np.int32)
        for place in np.flatnonzero(~dense):
            value = int(values[place])
            before[place] = self._others.get(value, 0)
            self._others[value] = int(before[place] + counts[place])
        return before

    def state_dict(self, *, without_last: bool = False) -> dict[str, Any]:
        """Return the counts, as a tensor and a dictionary.

        Args:
            without_last: Leave out the batch of the last call, which was made ahead of its use.
        """
        counts, others, seen = self._counts.copy(), dict(self._others), self._seen
        if without_last:
            seen -= self._last_seen
            for value in self._last.tolist():
                if 0 <= value < _DENSE:
                    counts[value] -= 1
                else:
                    others[value] -= 1
        return {"counts": torch.from_numpy(counts), "others": others, "seen": seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the counts of `state_dict`."""
        self._counts = torch.as_tensor(state["counts"]).cpu().numpy().astype(np.int32)
        self._others = {int(value): int(count) for value, count in state["others"].items()}
        self._seen = int(state["seen"])


def samplers_of(loader: Any) -> list[Any]:
    """List the samplers in a loader, each once."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    found: list[Any] = []
    for part in (loader, batch_sampler, getattr(batch_sampler, "batch_sampler", None)):
        sampler = getattr(part, "sampler", None)
        if sampler is not None and not any(sampler is other for other in found):
            found.append(sampler)
    return found


def _draws_again(sampler: Any) -> bool:
    """Whether two processes may draw the same example, according to the sampler."""
    # Lightning wraps a user's sampler into one for several processes.
    inner = getattr(getattr(sampler, "dataset", None), "_sampler", None)
    return any(bool(getattr(part, "replacement", False)) for part in (sampler, inner))


def _pads(sampler: Any, dataset: Any) -> bool:
    """Whether a sampler repeats its first examples, so that all processes get equally many."""
    if not isinstance(sampler, DistributedSampler) or sampler.dataset is not dataset:
        return False
    whole: Any = sampler.dataset
    return sampler.total_size > len(whole)


def _names_twice(dataset: Any) -> bool:
    while isinstance(dataset, Subset):
        places = np.asarray(dataset.indices)
        if len(np.unique(places)) < len(places):
            return True
        dataset = dataset.dataset
    return False


def _concatenated(dataset: Any) -> Iterator[Any]:
    """Yield the data sets of a ``ConcatDataset``, or the data set itself."""
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    if isinstance(dataset, ConcatDataset):
        for part in dataset.datasets:
            yield from _concatenated(part)
    else:
        yield dataset


def _processes() -> int:
    ready = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if ready else 1


# One group for each start of the processes. It is destroyed with its world: a group that is left
# when the program ends may abort it.
_cpu_groups: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def _cpu_group(world: Any) -> Any:
    """Return a process group for CPU tensors."""
    if world not in _cpu_groups:
        _cpu_groups[world] = distributed.new_group(backend="gloo")
    return _cpu_groups[world]
