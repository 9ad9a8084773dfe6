"""Batches from a data loader, moved to a device and turned into spectrograms there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any

import torch
from torch import Tensor

from augspec._epoch import EpochRun, tell_epoch
from augspec.batches import Batch, add_specgram, check_batch, draws
from augspec.classes import as_count, check_classes, check_num_classes, classes_of
from augspec.frontend import Frontend
from augspec.random import example_keys, fresh_keys
from augspec.transfer import move, one_ahead
from augspec.transforms.base import RandomTransform

__all__ = ["DeviceLoader", "PerExample", "per_example"]


class DeviceLoader:
    """Iterate over a loader's batches with ``specgram`` made on the device.

    Every key of a batch is kept, ``waveform`` as it was loaded, and tensors are moved to
    ``device``. Each example's augmentation depends on ``seed``, the epoch and its ``index`` alone:
    not on the batch, the order, the number of workers or the rank. Where an example comes several
    times in an epoch, each time has draws of its own: ``view`` in `augspec.example_keys`. Whether
    it augments is the front end's mode. On a GPU the next batch is copied and computed on a stream
    of its own while the current one is used.

    Each ``iter`` is an epoch, counted from 0, also if it is left after a batch: `peek` looks at a
    batch without that. The number is passed on to the sampler, the batch sampler and the data set,
    as far as they have a ``set_epoch``. A loop that is left early leaves no workers behind, other
    than those that the loader itself keeps with ``persistent_workers``.

    `state_dict` and `load_state_dict` make a new process go on at the epoch of the old one, and at
    its batch if the loader has them too, as torchdata's ``StatefulDataLoader`` has.

    Args:
        loader: Yields dictionaries with ``waveform`` ``(batch, channel, time)`` and, to augment,
            ``index`` ``(batch,)``; may hold ``lengths``, ``label``, ``pitch``, ``frames`` and
            anything else. For a GPU give it ``pin_memory=True``.
        frontend: Makes the spectrogram; it is moved to ``device``.
        device: Where to; ``None`` takes the GPU if there is one, else the CPU.
        seed: Seed of the augmentation.
        num_classes: If given, ``label`` comes out as ``(batch, num_classes)`` float32, one-hot
            unless a transform mixes examples. Labels may be ``(batch, num_classes)`` already.
        classes: If given, the names that the data set must have as its ``classes``, such as those
            of the training set for the loader of the validation set.

    Raises:
        TypeError: If ``frontend`` is no `augspec.Frontend`, or, while iterating, if a batch is no
            dictionary.
        ValueError: If ``device`` is a GPU and there is none; if the data set has other classes than
            ``classes``, or another number of them than ``num_classes``; while iterating, if
            ``label`` does not suit ``num_classes``, if the examples of a batch have several lengths
            and the loader's collate does not pad, or if the data sets of a ``ConcatDataset`` share
            an ``index``.
        KeyError: While iterating, if a batch has no ``waveform``, or no ``index`` to augment by.

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
        classes: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(frontend, Frontend):
            raise TypeError(
                f"`frontend` must be an augspec.Frontend, got {type(frontend).__name__}"
            )
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.loader = loader
        self.device = torch.device(device)
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(
                f"`device` must be one that torch finds, got {str(device)!r} and no GPU: leave it "
                "out to take what there is"
            )
        self.frontend = frontend.to(self.device)
        self.seed = int(seed)
        self.num_classes = None if num_classes is None else as_count("num_classes", num_classes, 1)
        dataset = getattr(loader, "dataset", None)
        check_num_classes(dataset, self.num_classes)
        found = classes_of(dataset)
        if classes is not None and found is not None:
            check_classes(list(classes), found, "`classes`", "the data set")
        self._epoch = 0
        self._side: torch.cuda.Stream | None = None
        self._run: EpochRun | None = None
        self._resumed: dict[str, Any] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration epoch number ``epoch``, for the draws and for the sampler."""
        self._epoch = int(epoch)
        self._run = None
        # A loop that sets the epoch before each iteration names the one that was loaded, too.
        if self._resumed is not None and self._resumed["epoch"] != epoch:
            self._resumed = None

    def __len__(self) -> int:
        if not isinstance(self.loader, Sized):
            raise TypeError(f"`loader` of type {type(self.loader).__name__} has no length")
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        epoch = self._epoch
        self._epoch = epoch + 1
        tell_epoch(self.loader, epoch)
        self._run = run = EpochRun(self.loader, epoch, self._resumed)
        self._resumed = None
        batches = (lambda batch=batch: self._make(batch, run) for batch in run.fetch())
        if self.device.type != "cuda":
            return run.give(_now(batches))
        self._side = self._side or torch.cuda.Stream(self.device)
        return run.give(one_ahead(batches, self.device, self._side))

    def peek(self) -> Batch:
        """Give the first batch of the next iteration, which stays the next one.

        ``next(iter(loader))`` would use up an epoch. The loader itself is started for it: one that
        shuffles by torch's default generator may begin with other examples when it is iterated.

        Raises:
            ValueError: If the loader has no batch.
        """
        kept = self._epoch, self._run, self._resumed
        try:
            for batch in self:
                return batch
            raise ValueError("`loader` must have a batch to look at, got none")
        finally:
            self._epoch, self._run, self._resumed = kept
            if self._resumed is not None:
                self.load_state_dict(self._resumed)

    def state_dict(self) -> dict[str, Any]:
        """Give what `load_state_dict` needs to go on after the batch that was given last.

        Within an epoch that is a place only if the loader has a ``state_dict`` too; without one
        the epoch is begun again. It holds numbers and tensors: ``torch.load`` reads it with
        ``weights_only=True`` if that holds for the loader's own.
        """
        if self._run is None:
            return self._resumed or {"epoch": self._epoch, "loader": None, "visits": None}
        return self._run.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Make the next iteration go on where the loader was that gave ``state``."""
        self._resumed = None
        self.set_epoch(int(state["epoch"]))
        load = getattr(self.loader, "load_state_dict", None)
        if state["loader"] is not None and callable(load):
            load(state["loader"])
            self._resumed = state

    def _make(self, batch: Batch, run: EpochRun) -> Batch:
        needed = draws(self.frontend)
        check_batch(batch, "loader", index=needed)
        keys = None
        if needed:
            # Counted before the move: reading an index from a GPU would wait for it.
            views = run.visits.views(batch["index"])
            keys = example_keys(self.seed, run.epoch, batch["index"].cpu(), views)
            keys = move(keys, self.device)
        batch = move(batch, self.device)
        # Here, not once an epoch: another loader may use the front end in between.
        self.frontend.set_epoch(run.epoch)
        return add_specgram(batch, self.frontend, keys, num_classes=self.num_classes)


def _now(batches: Iterable[Callable[[], Batch]]) -> Iterator[Batch]:
    for make in batches:
        yield make()


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
