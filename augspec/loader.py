"""Batches from a data loader, moved to a device and turned into spectrograms there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

import torch
from torch import Tensor

from augspec.batches import Batch, add_specgram, check_batch
from augspec.frontend import Frontend
from augspec.random import example_keys, fresh_keys
from augspec.transforms.base import RandomTransform

__all__ = ["DeviceLoader", "PerExample", "per_example"]


class DeviceLoader:
    """Iterate over a loader's batches with ``specgram`` made on the device.

    Every key of a batch is kept, ``waveform`` as it was loaded, and tensors are moved to
    ``device``. Each example's augmentation depends on ``seed``, the epoch and its ``index`` alone:
    not on the batch, the order, the number of workers or the rank. Whether it augments is the
    front end's mode. On a GPU the next batch is copied and computed on a stream of its own while
    the current one is used.

    Each ``iter`` is an epoch, counted from 0. Its number is passed on to the sampler, the batch
    sampler and the data set, as far as they have a ``set_epoch``. A loop that is left early leaves
    no workers behind, other than those that the loader itself keeps with ``persistent_workers``.

    Args:
        loader: Yields dictionaries with ``waveform`` ``(batch, channel, time)`` and ``index``
            ``(batch,)``; may hold ``lengths``, ``label``, ``pitch``, ``frames`` and anything else.
            For a GPU give it ``pin_memory=True``.
        frontend: Makes the spectrogram; it is moved to ``device``.
        device: Where to; ``None`` takes the GPU if there is one, else the CPU.
        seed: Seed of the augmentation.
        num_classes: If given, ``label`` comes out as ``(batch, num_classes)`` float32, one-hot
            unless a transform mixes examples. Labels may be ``(batch, num_classes)`` already.

    Raises:
        TypeError: If ``frontend`` is no `augspec.Frontend`, or, while iterating, if a batch is no
            dictionary.
        ValueError: While iterating, if ``label`` does not suit ``num_classes``.
        KeyError: While iterating, if a batch has no ``waveform`` or ``index``.

    Example:
        >>> import augspec
        >>> from augspec import features as F
        >>> notes = [{"waveform": torch.randn(1, 4000), "label": i, "index": i} for i in range(4)]
        >>> loader = torch.utils.data.DataLoader(notes, batch_size=2)
        >>> frontend = augspec.Frontend(features=F.Spectrogram(n_fft=256))
        >>> for batch in DeviceLoader(loader, frontend, device="cpu"):
        ...     print(tuple(batch["specgram"].shape))
        (2, 1, 129, 32)
        (2, 1, 129, 32)
    """

    def __init__(
        self,
        loader: Iterable[Batch],
        frontend: Frontend,
        device: torch.device | str | None = None,
        seed: int = 0,
        num_classes: int | None = None,
    ) -> None:
        if not isinstance(frontend, Frontend):
            raise TypeError(
                f"`frontend` must be an augspec.Frontend, got {type(frontend).__name__}"
            )
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.loader = loader
        self.device = torch.device(device)
        self.frontend = frontend.to(self.device)
        self.seed = seed
        self.num_classes = num_classes
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration epoch number ``epoch``, for the draws and for the sampler."""
        self._epoch = epoch

    def __len__(self) -> int:
        if not isinstance(self.loader, Sized):
            raise TypeError(f"`loader` of type {type(self.loader).__name__} has no length")
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        epoch = self._epoch
        self._epoch = epoch + 1
        _tell_epoch(self.loader, epoch)
        batches = (lambda batch=batch: self._make(batch, epoch) for batch in self.loader)
        return _one_ahead(batches, self.device) if self.device.type == "cuda" else _now(batches)

    def _make(self, batch: Batch, epoch: int) -> Batch:
        check_batch(batch, "loader")
        batch = {name: _move(value, self.device) for name, value in batch.items()}
        keys = example_keys(self.seed, epoch, batch["index"])
        # Here, not once an epoch: another loader may use the front end in between.
        self.frontend.set_epoch(epoch)
        return add_specgram(batch, self.frontend, keys, num_classes=self.num_classes)


def _tell_epoch(loader: Any, epoch: int) -> None:
    """Pass the epoch on to whatever in the loader asks for it, such as a DistributedSampler."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    samplers = [getattr(owner, "sampler", None) for owner in (loader, batch_sampler)]
    told: list[Any] = []
    for part in (*samplers, batch_sampler, getattr(loader, "dataset", None)):
        set_epoch = getattr(part, "set_epoch", None)
        if callable(set_epoch) and not any(part is other for other in told):
            set_epoch(epoch)
            told.append(part)


def _move(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {name: _move(part, device) for name, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_move(part, device) for part in value)
    return value


def _now(batches: Iterable[Callable[[], Batch]]) -> Iterator[Batch]:
    for make in batches:
        yield make()


def _one_ahead(batches: Iterable[Callable[[], Batch]], device: torch.device) -> Iterator[Batch]:
    """Make each batch on a side stream while the one before it is in use."""
    side = torch.cuda.Stream(device)
    # The front end may have been moved to the device a moment ago, on the current stream.
    side.wait_stream(torch.cuda.current_stream(device))
    ready: tuple[Batch, torch.cuda.Event] | None = None
    for make in batches:
        with torch.cuda.stream(side):
            batch = make()
            event = torch.cuda.Event()
            event.record(side)
        if ready is not None:
            yield _wait_for(*ready, device)
        ready = batch, event
    if ready is not None:
        yield _wait_for(*ready, device)


def _wait_for(batch: Batch, event: torch.cuda.Event, device: torch.device) -> Batch:
    current = torch.cuda.current_stream(device)
    current.wait_event(event)
    _record_stream(batch, current)
    return batch


def _record_stream(value: Any, stream: torch.cuda.Stream) -> None:
    """Keep the allocator from reusing the memory while ``stream`` still reads it."""
    if isinstance(value, Tensor):
        value.record_stream(stream)
    elif isinstance(value, dict):
        for part in value.values():
            _record_stream(part, stream)
    elif type(value) in (list, tuple):
        for part in value:
            _record_stream(part, stream)


def per_example(transform: RandomTransform | Frontend) -> PerExample:
    """Make a function for one ``(channel, time)`` example, for use inside a ``Dataset``.

    The draws are those that the example has in any batch on any device, so that augmenting in the
    workers of a ``DataLoader`` gives the same as augmenting on a GPU, within rounding. It can be
    pickled, and serves in workers that are forked or spawned.

    Args:
        transform: A transform or a front end that does not mix examples. Draws are named by their
            path: those of ``Frontend.waveform`` differ from those of the chain on its own.

    Returns:
        ``apply(waveform, key=None)``: with a key from `augspec.example_keys` the result is the one
        that the example has in any batch; without one torch's default generator decides.

    Raises:
        ValueError: If ``transform`` mixes examples, which one alone cannot do.

    Example:
        >>> from augspec import transforms as T
        >>> crop = per_example(T.RandomCrop(100))
        >>> crop(torch.randn(1, 400), key=example_keys(seed=0, epoch=0, index=7)).shape
        torch.Size([1, 100])
    """
    for module in reversed([*transform.modules()]):  # a chain comes before what is in it
        if getattr(module, "mixes_examples", False):
            raise ValueError(
                f"`transform` must not mix examples, got {type(module).__name__}, which needs a "
                "batch: use it in the front end of an augspec.DeviceLoader"
            )
    return PerExample(transform)


class PerExample:
    """What `per_example` returns; a class, because a closure could not be sent to a worker."""

    def __init__(self, transform: RandomTransform | Frontend) -> None:
        self.transform = transform

    def __call__(self, waveform: Tensor, key: int | Tensor | None = None) -> Tensor:
        """Transform one ``(channel, time)`` example."""
        if waveform.ndim != 2:
            raise ValueError(
                f"`waveform` must be (channel, time), got shape {tuple(waveform.shape)}"
            )
        if key is None:
            keys = fresh_keys(1, waveform.device)
        else:
            keys = torch.as_tensor(key, dtype=torch.int64, device=waveform.device).reshape(1)
        made: Tensor = self.transform(waveform.unsqueeze(0), keys=keys)
        return made.squeeze(0)
