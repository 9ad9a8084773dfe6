"""Batches of a data loader, moved to a device and converted to spectrograms there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any

import torch
from torch import Tensor

from augspec._described import Described
from augspec._epoch import EpochRun, tell_epoch
from augspec.batches import Batch, add_specgram, check_batch, draws
from augspec.classes import as_count, check_classes, check_num_classes, classes_of
from augspec.frontend import Frontend
from augspec.random import example_keys, fresh_keys
from augspec.transfer import move, one_ahead
from augspec.transforms.base import RandomTransform

__all__ = ["DeviceLoader", "PerExample", "per_example"]


class DeviceLoader(Described):
    """Iterate over a loader's batches and compute ``specgram`` on the device.

    All keys of a batch are kept, also the loaded ``waveform``, and tensors are moved to ``device``.
    The augmentation of an example depends only on ``seed``, the epoch and its ``index``, not on the
    batch, the order, the number of workers or the rank. If an example comes several times in an
    epoch, each time has different draws: see ``view`` in `augspec.example_keys`. The mode of the
    front end decides whether it augments. On a GPU the next batch is copied and computed on a side
    stream while the current one is used.

    Each ``iter`` is an epoch, counted from 0, even if the loop stops after one batch; `peek`
    returns a batch without starting an epoch. The epoch is passed on to the sampler, the batch
    sampler and the data set if they have ``set_epoch``. If a loop stops early, its workers end,
    except those that the loader keeps with ``persistent_workers``.

    With `state_dict` and `load_state_dict` a new process resumes at the epoch of the old one. It
    resumes at the batch if the loader also has these methods, as torchdata's ``StatefulDataLoader``
    does.

    Args:
        loader: Yields dictionaries with ``waveform`` ``(batch, channel, time)`` and, to augment,
            ``index`` ``(batch,)``; may hold ``lengths``, ``label``, ``pitch``, ``frames`` and
            anything else. For a GPU give it ``pin_memory=True``.
        frontend: Computes the spectrogram; it is moved to ``device``.
        device: Device of the batches; ``None`` is the GPU if there is one, else the CPU.
        seed: Seed of the augmentation.
        num_classes: If given, ``label`` is returned as ``(batch, num_classes)`` float32, one-hot
            unless a transform mixes examples. Labels may already be ``(batch, num_classes)``.
        classes: If given, the names that the ``classes`` of the data set must equal, such as those
            of the training set for a validation loader.

    Raises:
        TypeError: If ``frontend`` is not an `augspec.Frontend`, or, while iterating, if a batch is
            not a dictionary.
        ValueError: If ``device`` is a GPU and there is none; if the classes of the data set differ
            from ``classes``, or their number from ``num_classes``; while iterating, if ``label``
            does not fit ``num_classes``, if the examples of a batch have several lengths and the
            loader's collate does not pad, or if the data sets of a ``ConcatDataset`` share an
            ``index``.
        KeyError: While iterating, if a batch has no ``waveform``, or no ``index``, which
            augmentation needs.

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

    _printed = {
        "Number of batches": "__len__",
        "Device": "device",
        "Seed": "seed",
        "Number of classes": "num_classes",
        "Made from": "loader",
    }

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
                "out to use an available one"
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
        # A loop that sets the epoch before each iteration also sets the epoch that was loaded.
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
        """Return the first batch of the next iteration without starting the iteration.

        ``next(iter(loader))`` would count as an epoch. `peek` iterates the loader itself: one that
        shuffles with torch's default generator may then begin with other examples.

        Raises:
            ValueError: If the loader has no batch.
        """
        kept = self._epoch, self._run, self._resumed
        try:
            for batch in self:
                return batch
            raise ValueError("`loader` must have at least one batch, got none")
        finally:
            self._epoch, self._run, self._resumed = kept
            if self._resumed is not None:
                self.load_state_dict(self._resumed)

    def state_dict(self) -> dict[str, Any]:
        """Return the state from which `load_state_dict` resumes after the last returned batch.

        It resumes within an epoch only if the loader also has a ``state_dict``; otherwise the epoch
        starts again. The state holds numbers and tensors: ``torch.load`` reads it with
        ``weights_only=True`` if it can read the loader's state.
        """
        if self._run is None:
            return self._resumed or {"epoch": self._epoch, "loader": None, "visits": None}
        return self._run.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Make the next iteration resume from ``state``."""
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
            # Count before the move: reading an index from a GPU would wait for it.
            views = run.visits.views(batch["index"])
            keys = example_keys(self.seed, run.epoch, batch["index"].cpu(), views)
            keys = move(keys, self.device)
        batch = move(batch, self.device)
        # Set it for each batch, not once per epoch: another loader may use the front end in
        # between.
        self.frontend.set_epoch(run.epoch)
        return add_specgram(batch, self.frontend, keys, num_classes=self.num_classes)


def _now(batches: Iterable[Callable[[], Batch]]) -> Iterator[Batch]:
    for make in batches:
        yield make()


def per_example(transform: RandomTransform | Frontend) -> PerExample:
    """Make a function for one ``(channel, time)`` example, for use inside a ``Dataset``.

    The draws are those of the example in any batch on any device. So augmenting in the workers of a
    ``DataLoader`` gives the same result as augmenting on a GPU, within rounding. The function can
    be pickled and works in forked and spawned workers.

    Args:
        transform: A transform or a front end that does not mix examples. Draws depend on the path
            of a transform: those of ``Frontend.waveform`` differ from those of the chain alone.

    Returns:
        ``apply(waveform, key=None)``: with a key from `augspec.example_keys` the result is that of
        the example in any batch; without a key the draws come from torch's default generator.

    Raises:
        ValueError: If ``transform`` mixes examples, which needs a batch.

    Example:
        >>> from augspec import transforms as T
        >>> crop = per_example(T.RandomCrop(100))
        >>> crop(torch.randn(1, 400), key=example_keys(seed=0, epoch=0, index=7)).shape
        torch.Size([1, 100])
    """
    for module in reversed([*transform.modules()]):  # a chain comes after its parts: name the part
        if getattr(module, "mixes_examples", False):
            raise ValueError(
                f"`transform` must not mix examples, got {type(module).__name__}, which needs a "
                "batch: use it in the front end of an augspec.DeviceLoader"
            )
    return PerExample(transform)


class PerExample:
    """The result of `per_example`; it is a class, because a closure cannot be sent to a worker."""

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
