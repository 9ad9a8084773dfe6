"""Shards for training from a cluster's storage, read with WebDataset."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import numpy as np
import soundfile
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from augspec._described import LOADER, Described
from augspec.datasets._audio import check_finite
from augspec.datasets._items import restore

INDEX = "shards.json"
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_IN_PATHS = ":/\\"


class Shards(Described, IterableDataset[dict[str, Any]]):
    """Stream the items of shards, divided among the nodes and workers of a training.

    An item is the dictionary that was written: ``waveform`` (float32 tensor), ``index`` (its index
    in the written data set) and the other keys. In an epoch every item is read once, by one worker
    of one node. The node is that of ``torch.distributed`` or of ``RANK`` and ``WORLD_SIZE`` in the
    environment. The number of items differs between nodes; `loader` makes a data loader with the
    same number of batches on each node, and a length.

    Args:
        urls: Shards: paths, addresses, or one string with braces,
            ``"/data/shard-{000000..000063}.tar"``. ``webdataset`` opens them, and runs the text
            after ``pipe:`` in a shell: only use addresses that you trust.
        shuffle: Items in the buffer that shuffles them; 0 keeps the order. Shards are also
            shuffled, differently in each epoch (`set_epoch`).
        seed: Seed of the order, the same on every node.
        counts: Items of every shard; by default those in ``shards.json`` beside local shards. Only
            lengths need them.

    Attributes:
        sample_rate: Sampling rate in Hz from ``shards.json``, or ``None`` without that file.
        classes: The labels' names, from the same file.

    Shape:
        ``waveform`` is ``(channel, time)``.

    Raises:
        TypeError: If a length is needed and the counts are not known.
        ValueError: If there are no ``urls``, ``shuffle`` is negative or ``counts`` has another
            length; while iterating, if there are fewer shards than workers on all nodes.
        ImportError: If ``webdataset`` is not installed.
    """

    def __init__(
        self,
        urls: str | Iterable[str | os.PathLike[str]],
        *,
        shuffle: int = 0,
        seed: int = 0,
        counts: Sequence[int] | None = None,
    ) -> None:
        wds = webdataset()
        given = wds.shardlists.expand_urls(urls) if isinstance(urls, str) else urls
        self.urls = [str(url) for url in given]
        if not self.urls:
            raise ValueError("`urls` must name at least one shard")
        if shuffle < 0:
            raise ValueError(f"`shuffle` must not be negative, got {shuffle}")
        self.shuffle = int(shuffle)
        self.seed = int(seed)  # `random` refuses integers of NumPy
        index = _read_index(self.urls)
        self.sample_rate: int | None = index.get("sample_rate")
        self.classes: list[str] | None = index.get("classes")
        if counts is None:
            known = [index.get("items", {}).get(Path(url).name) for url in self.urls]
            self.counts = None if None in known else [int(count) for count in known]
        else:
            self.counts = [int(count) for count in counts]
            if len(self.counts) != len(self.urls):
                raise ValueError(
                    f"`counts` must be as many as shards, {len(self.urls)}, got {len(self.counts)}"
                )
        # Shared memory, so that persistent workers see a new epoch.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self._node: tuple[int, int] | None = None  # of the process that pickled this object

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which determines the order, also in persistent workers."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        """Count the items of this node in this epoch."""
        node, nodes, _, _ = self._place()
        counts = self._known_counts()
        return sum(counts[place] for place in self._order()[node::nodes])

    def loader(
        self, batch_size: int, *, num_workers: int = 0, drop_last: bool = False, **options: Any
    ) -> DataLoader[Any]:
        """Make a data loader with the same number of batches on each node, in each epoch.

        The number is the smallest that any node can have in any epoch; a few more items are left
        out, different ones in each epoch if they are shuffled. So no node waits for another at the
        end of an epoch, and ``len`` of the loader is exact.

        Args:
            batch_size: Examples in a batch.
            num_workers: Workers of each node.
            drop_last: Leave out the last batch of each worker if it is not full.
            options: Other arguments of ``torch.utils.data.DataLoader``.

        Raises:
            TypeError: If the counts of the shards are not known.
            ValueError: If there are fewer shards than workers on all nodes.
        """
        _, nodes, _, _ = self._place()
        workers = max(1, int(num_workers))
        self._check_shared(nodes, workers)
        batch_size = int(batch_size)  # torch does not accept NumPy's integers
        counts = self._known_counts()
        if self.shuffle:  # any worker may get any shard
            counts = sorted(counts)
        totals = []
        for node in range(nodes):
            places = range(node, len(counts), nodes)
            mine = [places[worker::workers] for worker in range(workers)]
            items = [
                sum(counts[: len(own)]) if self.shuffle else sum(counts[place] for place in own)
                for own in mine
            ]
            totals.append(sum(n // batch_size if drop_last else -(-n // batch_size) for n in items))
        return EvenLoader(
            self,
            min(totals),
            batch_size=batch_size,
            num_workers=int(num_workers),
            drop_last=drop_last,
            **options,
        )

    def _known_counts(self) -> list[int]:
        if self.counts is None:
            raise TypeError(
                f"the number of items is not known: {INDEX} is not beside the shards; give `counts`"
            )
        return self.counts

    def _order(self) -> list[int]:
        """Return the places of the shards in the order of this epoch, the same on every node."""
        if not self.shuffle:
            return list(range(len(self.urls)))
        seed = self.seed * 1_000_003 + int(self._epoch)
        generator = torch.Generator().manual_seed(seed)
        order: list[int] = torch.randperm(len(self.urls), generator=generator).tolist()
        return order

    def _check_shared(self, nodes: int, workers: int) -> None:
        if len(self.urls) < nodes * workers:
            raise ValueError(
                f"{len(self.urls)} shards are too few for {nodes} nodes of {workers} workers; "
                f"write more shards or use fewer workers"
            )

    def _place(self) -> tuple[int, int, int, int]:
        """Return the node and the number of nodes, the worker and the number of workers."""
        node, nodes, worker, workers = webdataset().utils.pytorch_worker_info()
        if self._node is not None and get_worker_info() is not None:
            node, nodes = self._node
        return node, nodes, worker, workers

    def __getstate__(self) -> dict[str, Any]:
        # A worker that was not forked, as with Python 3.14 on Linux, does not know the node of the
        # process that started it: it would read the shards of all nodes.
        node, nodes, _, _ = self._place()
        return self.__dict__ | {"_node": (node, nodes)}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        wds = webdataset()
        node, nodes, worker, workers = self._place()
        self._check_shared(nodes, workers)
        epoch = int(self._epoch)
        urls = [self.urls[place] for place in self._order()]
        stages = [
            wds.SimpleShardList(urls[node::nodes][worker::workers]),
            _open,  # wds.tarfile_to_samples does the same as the next three, but leaves shards open
            wds.tariterators.tar_file_expander,
            wds.tariterators.group_by_keys,
        ]
        if self.shuffle:
            # WebDataset adds one to the epoch first.
            stages.append(wds.detshuffle(self.shuffle, seed=self.seed, epoch=epoch - 1))
        yield from map(_item, wds.DataPipeline(*stages))


class EvenLoader(Described, DataLoader[Any]):
    """A data loader that stops after ``batches`` batches."""

    _printed = LOADER

    def __init__(self, dataset: Shards, batches: int, **options: Any) -> None:
        super().__init__(dataset, **options)
        self.batches = batches

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Any:
        return itertools.islice(super().__iter__(), self.batches)


def _read_index(urls: list[str]) -> dict[str, Any]:
    """Read the index of `write_shards`, if the shards are files in one folder."""
    folders = {Path(url).parent for url in urls}
    path = folders.pop() / INDEX
    if folders or not path.is_file():
        return {}
    index = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(index, dict) or not isinstance(index.get("items"), dict):
        raise ValueError(
            f"{path} must have the form that write_shards writes; delete it or write it again"
        )
    return index


def _open(shards: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    wds = webdataset()
    for shard in shards:
        with closing(wds.gopen(_address(shard["url"]))) as stream:
            yield {**shard, "stream": stream}


def _address(url: str) -> str:
    """Return an address that is no path on a drive: WebDataset takes ``C:`` for a protocol."""
    return f"file:{quote(url, safe=_IN_PATHS)}" if _DRIVE.match(url) else url


def _item(sample: dict[str, Any]) -> dict[str, Any]:
    try:
        samples, _ = soundfile.read(io.BytesIO(sample["wav"]), dtype="float32", always_2d=True)
        record: dict[str, Any] = restore(json.loads(sample["json"]))
        waveform = torch.from_numpy(np.ascontiguousarray(samples.T))
        check_finite(waveform, "its audio")
    except (soundfile.LibsndfileError, KeyError, ValueError) as error:
        raise ValueError(
            f"{sample['__url__']} holds a damaged item, {sample['__key__']} ({error!r})"
        ) from error
    return {"waveform": waveform, **record}


def webdataset() -> ModuleType:
    """Import webdataset; if it is missing, the error says how to install it."""
    try:
        import webdataset as module
    except ImportError as error:
        raise ImportError("shards need webdataset: pip install 'augspec[data]'") from error
    return module  # type: ignore[no-any-return]
