"""Shards for training from a cluster's storage, written for and read by WebDataset."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import soundfile
import torch
from torch.utils.data import Dataset, IterableDataset

from augspec.datasets._items import attribute_of, split_item
from augspec.datasets._pack_format import SAMPLE_TYPES
from augspec.datasets._progress import progress_bar

_SUBTYPES = {"int16": "PCM_16", "float32": "FLOAT"}


def write_shards(
    dataset: Dataset[dict[str, Any]],
    folder: str | os.PathLike[str],
    *,
    shards: int,
    dtype: str = "int16",
    sample_rate: int | None = None,
    progress: bool = True,
) -> list[Path]:
    """Write a data set as tar files that `Shards`, and the ``webdataset`` library alone, can read.

    Each item becomes ``{index}.wav`` and ``{index}.json``. Items are dealt out in turn, so that
    shards differ by one item at most and each has some of every part of a sorted data set. Choose
    a multiple of the nodes times the workers of a training: shards are what is shared out.

    Args:
        dataset: As for `pack`.
        folder: Where the shards go, ``shard-000000.tar`` and so on.
        shards: How many.
        dtype: ``"int16"`` or ``"float32"``, as for `pack`.
        sample_rate: Sampling rate in Hz; by default the data set's own ``sample_rate``.
        progress: Show a progress bar.

    Returns:
        The shards.

    Raises:
        FileExistsError: If a shard of that name exists.
        ValueError: If an argument is not one of those above, or an item cannot be kept.
        ImportError: If ``webdataset`` is not installed.
    """
    wds = _webdataset()
    folder = Path(folder)
    rate = attribute_of(dataset, "sample_rate") if sample_rate is None else sample_rate
    count = len(dataset)  # type: ignore[arg-type]
    if dtype not in SAMPLE_TYPES:
        raise ValueError(f"`dtype` must be one of {', '.join(SAMPLE_TYPES)}, got {dtype!r}")
    if not rate:
        raise ValueError("`sample_rate` must be given: the data set does not say it")
    if not 0 < shards <= count:
        raise ValueError(f"`shards` must be from 1 to the number of items, {count}, got {shards}")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"shard-{number:06d}.tar" for number in range(shards)]
    for path in paths:
        if path.exists():
            raise FileExistsError(f"{path} is there already; delete it or choose another folder")
    with progress_bar(f"writing {folder.name}", count, 0, progress) as bar:
        for number, path in enumerate(paths):
            partial = path.with_name(path.name + ".partial")
            with partial.open("wb") as file, wds.TarWriter(file, encoder=False, mtime=0) as tar:
                for index in range(number, count, shards):
                    tar.write(_sample(dataset[index], index, dtype, int(rate)))
                    bar.update()
            partial.replace(path)
    return paths


class Shards(IterableDataset[dict[str, Any]]):
    """Stream the items of shards, shared out among the nodes and workers of a training.

    An item is the dictionary that was written: ``waveform`` (float32 tensor), ``index`` (its place
    in the data set that was written) and the rest. In an epoch every item comes once, in one worker
    of one node. The node is that of ``torch.distributed`` or of ``RANK`` and ``WORLD_SIZE`` in the
    environment. Nodes may differ by some items, so let each stop after the same number of batches.

    Args:
        urls: Shards: paths, addresses, or one string with braces,
            ``"/data/shard-{000000..000063}.tar"``. They are opened by ``webdataset``, which runs
            what follows ``pipe:`` in a shell; take addresses from no one you do not trust.
        shuffle: Items in the buffer that shuffles them; 0 keeps the order. Shards are shuffled too,
            anew in each epoch (`set_epoch`).
        seed: Seed of the order, the same on every node.

    Shape:
        ``waveform`` is ``(channel, time)``.

    Raises:
        ValueError: While iterating, if there are fewer shards than workers on all nodes.
        ImportError: If ``webdataset`` is not installed.
    """

    def __init__(
        self, urls: str | Iterable[str | os.PathLike[str]], *, shuffle: int = 0, seed: int = 0
    ) -> None:
        wds = _webdataset()
        given = wds.shardlists.expand_urls(urls) if isinstance(urls, str) else urls
        self.urls = [str(url) for url in given]
        if not self.urls:
            raise ValueError("`urls` must name at least one shard")
        if shuffle < 0:
            raise ValueError(f"`shuffle` must not be negative, got {shuffle}")
        self.shuffle = shuffle
        self.seed = seed
        # Shared, so that workers that live on are told of a new epoch.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which decides on the order, in workers that live on too."""
        self._epoch.fill_(epoch)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        wds = _webdataset()
        _, nodes, _, workers = wds.utils.pytorch_worker_info()
        if len(self.urls) < nodes * workers:
            raise ValueError(
                f"{len(self.urls)} shards cannot be shared by {nodes} nodes of {workers} workers; "
                "write more shards or use fewer workers"
            )
        epoch = int(self._epoch)
        urls = self.urls
        if self.shuffle:
            # Every node and worker must come to the same order before each takes its part.
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            urls = [urls[i] for i in torch.randperm(len(urls), generator=generator).tolist()]
        stages = [
            wds.SimpleShardList(urls),
            wds.split_by_node,
            wds.split_by_worker,
            _open,  # wds.tarfile_to_samples does all of the next three but leaves shards open
            wds.tariterators.tar_file_expander,
            wds.tariterators.group_by_keys,
        ]
        if self.shuffle:
            # It adds one to its epoch first.
            stages.append(wds.detshuffle(self.shuffle, seed=self.seed, epoch=epoch - 1))
        yield from map(_item, wds.DataPipeline(*stages))


def _sample(item: dict[str, Any], index: int, dtype: str, sample_rate: int) -> dict[str, Any]:
    samples, record = split_item(item, SAMPLE_TYPES[dtype], index)
    file = io.BytesIO()
    soundfile.write(file, samples.T, sample_rate, format="WAV", subtype=_SUBTYPES[dtype])
    return {
        "__key__": f"{index:09d}",
        "wav": file.getvalue(),
        "json": json.dumps({"index": index, **record}).encode(),
    }


def _open(shards: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    wds = _webdataset()
    for shard in shards:
        with closing(wds.gopen(shard["url"])) as stream:
            yield {**shard, "stream": stream}


def _item(sample: dict[str, Any]) -> dict[str, Any]:
    try:
        samples, _ = soundfile.read(io.BytesIO(sample["wav"]), dtype="float32", always_2d=True)
        record: dict[str, Any] = json.loads(sample["json"])
    except (soundfile.LibsndfileError, KeyError, ValueError) as error:
        raise ValueError(
            f"{sample['__url__']} holds a damaged item, {sample['__key__']} ({error!r})"
        ) from error
    return {"waveform": torch.from_numpy(np.ascontiguousarray(samples.T)), **record}


def _webdataset() -> ModuleType:
    try:
        import webdataset
    except ImportError as error:
        raise ImportError("shards need webdataset: pip install 'augspec[data]'") from error
    return webdataset  # type: ignore[no-any-return]
