"""Writing any data set to shards."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import soundfile
from torch.utils.data import Dataset

from augspec.datasets._items import attribute_of, check_over, split_item
from augspec.datasets._pack_format import SAMPLE_TYPES
from augspec.datasets._progress import progress_bar
from augspec.datasets.shards import INDEX, webdataset

_SUBTYPES = {"int16": "PCM_16", "float32": "FLOAT"}


def write_shards(
    dataset: Dataset[dict[str, Any]],
    folder: str | os.PathLike[str],
    *,
    shards: int,
    dtype: str = "int16",
    sample_rate: int | None = None,
    progress: bool = True,
    over: str = "raise",
) -> list[Path]:
    """Write a data set as tar files for `Shards`, or for ``webdataset`` alone.

    Each item becomes ``{index}.wav`` and ``{index}.json``, and ``shards.json`` lists the number of
    items of each shard. Items are assigned to shards in turn, so that shards differ by one item at
    most and each holds items from every part of a sorted data set. Choose a multiple of nodes times
    workers as the number of shards, because each worker gets whole shards.

    Args:
        dataset: As for `pack`.
        folder: Folder of the shards, ``shard-000000.tar`` and so on.
        shards: Number of shards.
        dtype: ``"int16"`` or ``"float32"``, as for `pack`.
        sample_rate: Sampling rate in Hz; by default the ``sample_rate`` of the data set.
        progress: Show a progress bar.
        over: ``"raise"`` or ``"clip"``, as for `pack`.

    Returns:
        The shards.

    Raises:
        FileExistsError: If a shard of that name exists.
        ValueError: If an argument has a value that is not allowed, or an item cannot be stored.
        ImportError: If ``webdataset`` is not installed.
    """
    wds = webdataset()
    check_over(over)
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
                    tar.write(_sample(dataset[index], index, dtype, int(rate), over))
                    bar.update()
            partial.replace(path)
    classes = attribute_of(dataset, "classes")
    counts = {path.name: len(range(number, count, shards)) for number, path in enumerate(paths)}
    contents = {
        "items": counts,
        "sample_rate": int(rate),
        "classes": None if classes is None else [str(name) for name in classes],
    }
    (folder / INDEX).write_text(json.dumps(contents, indent=1), encoding="utf-8")
    return paths


def _sample(
    item: dict[str, Any], index: int, dtype: str, sample_rate: int, over: str
) -> dict[str, Any]:
    samples, record = split_item(item, SAMPLE_TYPES[dtype], index, over)
    file = io.BytesIO()
    soundfile.write(file, samples.T, sample_rate, format="WAV", subtype=_SUBTYPES[dtype])
    return {
        "__key__": f"{index:09d}",
        "wav": file.getvalue(),
        "json": json.dumps({"index": index, **record}).encode(),
    }
