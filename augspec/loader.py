"""Batches from a data loader, moved to a device and turned into spectrograms there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, TypeAlias

import torch
from torch import Tensor

from augspec.frontend import Frontend
from augspec.random import example_keys, fresh_keys
from augspec.transforms.base import RandomTransform, Result

__all__ = ["DeviceLoader", "per_example"]

Batch: TypeAlias = dict[str, Any]


class DeviceLoader:
    """Iterate over a loader's batches with ``specgram`` made on the device.

    Every key of a batch is kept, ``waveform`` as it was loaded, and tensors are moved to
    ``device``. Each example's augmentation depends on ``seed``, the epoch and its ``index`` alone:
    not on the batch, the order, the number of workers or the rank. Whether it augments is the
    front end's mode. On a GPU the next batch is copied and computed on a stream of its own while
    the current one is used.

    Args:
        loader: Yields dictionaries with ``waveform`` ``(batch, channel, time)`` and ``index``
            ``(batch,)``; may hold ``lengths``, ``label``, ``pitch``, ``frames`` and anything else.
            For a GPU give it ``pin_memory=True``.
        frontend: Makes the spectrogram; it is moved to ``device``.
        device: Where to; ``None`` takes the GPU if there is one, else the CPU.
        seed: Seed of the augmentation.
        num_classes: If given, ``label`` comes out as ``(batch, num_classes)`` float32, one-hot
            unless a transform mixes examples.

    Raises:
        TypeError: If ``frontend`` is no `augspec.Frontend`.
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
        set_epoch = getattr(getattr(self.loader, "sampler", None), "set_epoch", None)
        if callable(set_epoch):  # a DistributedSampler shuffles by epoch
            set_epoch(epoch)
        batches = (lambda batch=batch: self._make(batch, epoch) for batch in self.loader)
        return _one_ahead(batches, self.device) if self.device.type == "cuda" else _now(batches)

    def _make(self, batch: Batch, epoch: int) -> Batch:
        for name in ("waveform", "index"):
            if name not in batch:
                raise KeyError(f"`loader` must yield `{name}` in its batches, got {sorted(batch)}")
        batch = {name: self._move(value) for name, value in batch.items()}
        waveform, lengths = batch["waveform"], batch.get("lengths")
        keys = example_keys(self.seed, epoch, batch["index"])
        with torch.no_grad():
            params = self.frontend.make_params(waveform, lengths, keys=keys)
            made = self.frontend.run(waveform, params, lengths, by_mode=True)
        if isinstance(made, tuple):
            batch["specgram"], batch["specgram_lengths"] = made
        else:
            batch["specgram"] = made
        if self.num_classes is not None and "label" in batch:
            one_hot = torch.nn.functional.one_hot(batch["label"], self.num_classes)
            batch["label"] = one_hot.to(torch.float32)
        return self.frontend.run_targets(batch, params, lengths, by_mode=True)

    def _move(self, value: Any) -> Any:
        return value.to(self.device, non_blocking=True) if isinstance(value, Tensor) else value


def _now(batches: Iterable[Callable[[], Batch]]) -> Iterator[Batch]:
    for make in batches:
        yield make()


def _one_ahead(batches: Iterable[Callable[[], Batch]], device: torch.device) -> Iterator[Batch]:
    """Make each batch on a side stream while the one before it is in use."""
    side = torch.cuda.Stream(device)
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
    for value in batch.values():
        if isinstance(value, Tensor):
            # The allocator must not reuse the memory while the current stream still reads it.
            value.record_stream(current)
    return batch


def per_example(
    transform: RandomTransform | Frontend,
) -> Callable[..., Result]:
    """Make a function for one ``(channel, time)`` example, for use inside a ``Dataset``.

    Args:
        transform: A transform or a front end.

    Returns:
        ``apply(waveform, key=None)``: with a key from `augspec.example_keys` the result is the one
        that the example has in any batch; without one torch's default generator decides.

    Example:
        >>> from augspec import transforms as T
        >>> crop = per_example(T.RandomCrop(100))
        >>> crop(torch.randn(1, 400), key=example_keys(seed=0, epoch=0, index=7)).shape
        torch.Size([1, 100])
    """

    def apply(waveform: Tensor, key: int | Tensor | None = None) -> Result:
        if waveform.ndim != 2:
            raise ValueError(
                f"`waveform` must be (channel, time), got shape {tuple(waveform.shape)}"
            )
        if key is None:
            keys = fresh_keys(1, waveform.device)
        else:
            keys = torch.as_tensor(key, dtype=torch.int64, device=waveform.device).reshape(1)
        made: Tensor = transform(waveform.unsqueeze(0), keys=keys)
        return made.squeeze(0)

    return apply
