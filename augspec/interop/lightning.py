"""Lightning: the front end in a module's or a data module's ``on_after_batch_transfer``.

Nothing is imported from Lightning, so that ``lightning`` and ``pytorch_lightning`` both work.
"""

from __future__ import annotations

from typing import Any

from augspec.batches import Batch, add_specgram, augmenting, check_batch
from augspec.frontend import Frontend
from augspec.random import example_keys

__all__ = ["FrontendMixin"]


class FrontendMixin:
    """Add ``specgram`` to every batch on the device; augment in training steps only.

    Put it before ``LightningModule`` or ``LightningDataModule`` in a class and set ``frontend`` in
    its constructor. What `augspec.DeviceLoader` does to a batch is done then: each example's
    augmentation depends on ``seed``, the epoch and its ``index`` alone. Validation, test and
    prediction get the plain features, and so does training while the front end is in ``eval()``.

    Attributes:
        frontend: Makes the spectrogram.
        seed: Seed of the augmentation.
        num_classes: If given, ``label`` comes out as ``(batch, num_classes)`` float32.

    Raises:
        TypeError: While training, if a batch is no dictionary.
        KeyError: While training, if a batch has no ``waveform`` or ``index``.

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

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch:
        """Make the spectrogram of a batch that was moved to the device."""
        # The next class in the order of resolution is Lightning's.
        batch = super().on_after_batch_transfer(batch, dataloader_idx)  # type: ignore[misc]
        check_batch(batch, "dataloader")
        # A data module is no nn.Module: nobody else moves its front end.
        frontend = self.frontend.to(batch["waveform"].device)
        keys = example_keys(self.seed, self.trainer.current_epoch, batch["index"])
        frontend.set_epoch(self.trainer.current_epoch)
        with augmenting(frontend, bool(self.trainer.training)):
            return add_specgram(batch, frontend, keys, num_classes=self.num_classes)
