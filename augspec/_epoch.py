"""One iteration over a loader, its epoch and its position."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from augspec.batches import Batch
from augspec.visits import Visits, samplers_of

__all__ = ["EpochRun", "tell_epoch"]


class EpochRun:
    """One iteration over a loader, with its epoch and its position."""

    def __init__(self, loader: Any, epoch: int, resumed: dict[str, Any] | None) -> None:
        self.loader = loader
        self.epoch = epoch
        self.visits = Visits(loader)
        if resumed is not None and resumed["visits"] is not None:
            self.visits.load_state_dict(resumed["visits"])
        self.fetched = self.given = 0
        self.ended = False
        # The loader's state by number of batches: the loader is up to two ahead of the batch in
        # use.
        self.states: dict[int, Any] = {} if resumed is None else {0: resumed["loader"]}
        self.final: Any = None

    def fetch(self) -> Iterator[Any]:
        """Iterate over the loader."""
        try:
            for batch in self.loader:
                self.fetched += 1
                self.states[self.fetched] = self._loader_state()
                yield batch
        except RuntimeError as error:
            remedy = _collate_remedy(str(error))
            if remedy is None:
                raise
            raise ValueError(remedy) from error
        # Handled separately: on a GPU the last batch is in use only after this.
        self.final = self._loader_state()

    def _loader_state(self) -> Any:
        state_dict = getattr(self.loader, "state_dict", None)
        return state_dict() if callable(state_dict) else None

    def give(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield batches and count them."""
        for batch in batches:
            self.given += 1
            self.states = {place: own for place, own in self.states.items() if place >= self.given}
            yield batch
        self.ended = True

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the iteration, as the user of the batches sees it."""
        if self.ended:
            return {"epoch": self.epoch + 1, "loader": self.final, "visits": None}
        state = self.states.get(self.given)
        if state is None:
            return {"epoch": self.epoch, "loader": None, "visits": None}
        visits = self.visits.state_dict(without_last=self.fetched > self.given)
        return {"epoch": self.epoch, "loader": state, "visits": visits}


def _collate_remedy(message: str) -> str | None:
    """Return advice if an error is about tensors that PyTorch's collate cannot stack."""
    sizes = re.search(r"stack expects each tensor to be equal size, but (got .*)", message)
    # A worker raises this instead if the first example is shorter or longer than the others.
    if sizes is None and "Trying to resize storage that is not resizable" not in message:
        return None
    shapes = f", {sizes[1].strip()}" if sizes else ""
    return (
        f"the examples of a batch must have one shape{shapes}: give "
        "the DataLoader collate_fn=augspec.collate, which pads them to one length, and the data "
        "set mono=True if their numbers of channels differ"
    )


def tell_epoch(loader: Any, epoch: int) -> None:
    """Pass the epoch to all parts of a loader that have ``set_epoch``, such as a sampler."""
    parts = [*samplers_of(loader), getattr(loader, "batch_sampler", None)]
    parts += _datasets_in(getattr(loader, "dataset", None))
    told: list[Any] = []
    for part in parts:
        set_epoch = getattr(part, "set_epoch", None)
        if callable(set_epoch) and not any(part is other for other in told):
            set_epoch(epoch)
            told.append(part)


def _datasets_in(dataset: Any) -> Iterator[Any]:
    """Yield a data set and, unless it passes an epoch on, the data sets inside it."""
    if dataset is None:
        return
    yield dataset
    if not callable(getattr(dataset, "set_epoch", None)):
        for inner in (getattr(dataset, "dataset", None), *getattr(dataset, "datasets", ())):
            yield from _datasets_in(inner)
