"""Lightning: the front end in a module's or a data module's ``on_after_batch_transfer``.

Nothing is imported from Lightning, so that ``lightning`` and ``pytorch_lightning`` both work.
"""

from __future__ import annotations

from typing import Any

from torch.utils import _pytree as pytree

from augspec.batches import Batch, add_specgram, augmenting, check_batch, draws
from augspec.classes import check_classes, check_num_classes, classes_of
from augspec.frontend import Frontend
from augspec.random import example_keys
from augspec.visits import Visits

__all__ = ["FrontendMixin"]

_VIEW = "_augspec_view"  # the key of a batch that takes the views to the device


class FrontendMixin:
    """Add ``specgram`` to every batch on the device; augment in training steps only.

    Put it before ``LightningModule`` or ``LightningDataModule`` in the bases of a class and set
    ``frontend`` in the constructor. Batches are processed as in `augspec.DeviceLoader`: the
    augmentation of an example depends only on ``seed``, the epoch and its ``index``, and if an
    example comes several times in an epoch, each time has different draws. Validation, test and
    prediction, and training while the front end is in ``eval()``, get plain features and need no
    ``index``.

    Attributes:
        frontend: Computes the spectrogram.
        seed: Seed of the augmentation.
        num_classes: If given, ``label`` is returned as ``(batch, num_classes)`` float32.

    Raises:
        TypeError: If a class names Lightning's class before this one, or a batch is not a
            dictionary.
        KeyError: If a batch has no ``waveform`` or, while training, no ``index``.
        ValueError: While training, if the ``classes`` of the data sets of training and validation
            differ, or their number is not ``num_classes``.

    Example:
        >>> from lightning import LightningModule  # doctest: +SKIP
        >>> class Classifier(FrontendMixin, LightningModule):  # doctest: +SKIP
        ...     def __init__(self, frontend, model):
        ...         super().__init__()
        ...         self.frontend, self.model = frontend, model
    """

    frontend: Frontend
    seed: int = 0
    num_classes: int | None = None
    # Lightning's own classes have it.
    trainer: Any
    _visits: _EpochVisits | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        before = cls.__mro__[: cls.__mro__.index(FrontendMixin)]
        for base in before:
            if "on_after_batch_transfer" in vars(base) and not issubclass(base, FrontendMixin):
                raise TypeError(
                    f"{cls.__name__} must name FrontendMixin first among its bases, got "
                    f"{', '.join(one.__name__ for one in cls.__bases__)}: Lightning's own methods "
                    "would be called in its place"
                )

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Count the examples of a training batch, while their ``index`` is on the CPU."""
        batch = super().on_before_batch_transfer(batch, dataloader_idx)  # type: ignore[misc]
        if not self._draws():
            return batch
        check_batch(batch, "dataloader")
        trainer = self.trainer
        known = self._visits
        if known is None or known.trainer is not trainer or known.epoch != trainer.current_epoch:
            self._visits = known = _EpochVisits(trainer)
            known.check_classes(self.num_classes)
        return {**batch, _VIEW: known.visits.views(batch["index"])}

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch:
        """Make the spectrogram of a batch that was moved to the device."""
        # The next class in the method resolution order is Lightning's.
        batch = super().on_after_batch_transfer(batch, dataloader_idx)  # type: ignore[misc]
        needed = self._draws()
        check_batch(batch, "dataloader", index=needed)
        # A data module is not an nn.Module, so nothing else moves its front end.
        frontend = self.frontend.to(batch["waveform"].device)
        epoch = self.trainer.current_epoch
        batch = dict(batch)
        views = batch.pop(_VIEW, 0)
        keys = example_keys(self.seed, epoch, batch["index"], views) if needed else None
        frontend.set_epoch(epoch)
        with augmenting(frontend, bool(self.trainer.training)):
            return add_specgram(batch, frontend, keys, num_classes=self.num_classes)

    def _draws(self) -> bool:
        return bool(self.trainer.training) and draws(self.frontend)


class _EpochVisits:
    """The visits of one epoch of a trainer."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.epoch: int = trainer.current_epoch
        self.visits = Visits(trainer.train_dataloader)

    def check_classes(self, num_classes: int | None) -> None:
        """Raise if the data sets of training and validation number their classes differently."""
        train = getattr(self.trainer.train_dataloader, "dataset", None)
        check_num_classes(train, num_classes)
        own = classes_of(train)
        for loader in pytree.tree_leaves(self.trainer.val_dataloaders):
            other = classes_of(getattr(loader, "dataset", None))
            if own is not None and other is not None:
                check_classes(own, other)
