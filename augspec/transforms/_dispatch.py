"""Running one of several transforms on each example of a batch.

On a CPU, in eager mode, examples are grouped by their choice, so that each transform runs on its
own examples only. On a GPU, grouping would wait for the device to return the group sizes; in a
graph, shapes would not be static. There every transform runs on the whole batch, and each example
takes the result of its choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from augspec._compile import is_launched
from augspec._torch import is_compiling
from augspec.functional.shapes import fit, join_examples, like, take_examples
from augspec.params import Labels, select
from augspec.transforms.base import Batch, RandomTransform

__all__ = ["Options"]

NOTHING = -1  # the choice of an example that stays as it is


@dataclass(frozen=True)
class Options:
    """Transforms, their params, and the choice of each example.

    Args:
        name: Name of the caller, for error messages.
        transforms: The transforms.
        params: Their params, each for the whole batch.
        choice: Index of the chosen transform, or -1 for none, ``(batch,)``.
        by_mode: Whether to skip a transform that does not act in the present mode.
        may_pass: Whether the choice may be -1.
    """

    name: str
    transforms: Sequence[RandomTransform]
    params: Sequence[Any]
    choice: Tensor
    by_mode: bool
    may_pass: bool

    def walk(self, batch: Batch) -> Batch:
        """Apply to each example the transform of its choice."""
        eager = not (is_launched(self.choice) or is_compiling())
        # A transform that mixes examples needs the whole batch. Labels alone are cheap for all.
        alone = batch.signal is not None and not batch.targets
        if alone and eager and not any(each.mixes_examples for each in self.transforms):
            return self._run_groups(batch)
        return self._run_all(batch)

    def _run_groups(self, batch: Batch) -> Batch:
        """Run each transform on the examples that chose it, and put the results in order."""
        groups, outs = [], []
        for place, (transform, params) in enumerate(zip(self.transforms, self.params, strict=True)):
            # An empty batch has no choices to run. Run every branch on it anyway, only to learn the
            # output's shape.
            group = (self.choice == place).nonzero().squeeze(1)
            part = _take(batch, group)
            outs.append(transform.walk(part, select(params, group), by_mode=self.by_mode))
            groups.append(group)
        size = self._check_sizes([tuple(out.sound.shape[1:]) for out in outs], batch)
        if self.may_pass:
            group = (self.choice == NOTHING).nonzero().squeeze(1)
            part = _take(batch, group)
            outs.append(part.carry(signal=fit(part.sound, size)))
            groups.append(group)
        signal = join_examples([out.sound for out in outs], groups)
        ends = None
        if any(out.lengths is not None for out in outs):
            pairs = zip(outs, groups, strict=True)
            ends = join_examples([_ends(out, group) for out, group in pairs], groups)
        return batch.carry(signal=signal, time=size, lengths=ends)

    def _run_all(self, batch: Batch) -> Batch:
        """Run every transform on the whole batch; each example takes the result of its choice."""
        outs, signal, size = self._run_one_by_one(batch)
        targets = self._merge_targets(batch.targets, [out.targets for out in outs])
        ends = [out.lengths for out in outs]
        passing = [batch] if self.may_pass else []
        if not all(out.ends_are_known for out in [*outs, *passing]):
            return batch.carry(
                signal=signal, time=None, lengths=None, relative=False, targets=targets
            )
        if any(end is not None for end in ends) or (self.may_pass and batch.lengths is not None):
            merged = self._merge(
                [_ends(out, self.choice) for out in outs],
                _ends(batch, self.choice) if self.may_pass else None,
            )
        else:
            merged = None
        return batch.carry(
            signal=signal,
            time=size,
            lengths=merged,
            targets=targets,
            relative=outs[0].relative,
        )

    def _run_one_by_one(self, batch: Batch) -> tuple[list[Batch], Tensor | None, int | None]:
        """Run the transforms in turn, and copy the chosen sound out after each of them.

        Keeping all results until the end would need the memory of all of them.

        Returns:
            The transforms' results without sound; the chosen sound; and its time.
        """
        outs: list[Batch] = []
        shapes: list[tuple[int, ...]] = []
        signal: Tensor | None = None
        for place, (transform, params) in enumerate(zip(self.transforms, self.params, strict=True)):
            out = transform.walk(batch, params, by_mode=self.by_mode)
            outs.append(out.carry(signal=None))
            if out.signal is None:
                continue
            shapes.append(tuple(out.signal.shape[1:]))
            if signal is None:
                signal = fit(batch.sound, shapes[0][-1]) if self.may_pass else out.signal
            # A different shape is an error; it is raised once all shapes are known.
            if shapes[-1] == shapes[0] == tuple(signal.shape[1:]):
                signal = self._take(place, out.signal, signal)
        size = outs[0].time if signal is None else self._check_sizes(shapes, batch)
        return outs, signal, size

    def _merge(self, made: Sequence[Tensor], passing: Tensor | None) -> Tensor:
        """Give each example the result of its choice; ``passing`` is the result of choice -1."""
        result = made[0] if passing is None else passing
        for place, value in enumerate(made):
            result = self._take(place, value, result)
        return result

    def _take(self, place: int, made: Tensor, others: Tensor) -> Tensor:
        """Give ``made`` to the examples that chose ``place``."""
        if made is others:
            return made
        return torch.where(like(self.choice == place, made), made, others)

    def _check_sizes(self, shapes: Sequence[tuple[int, ...]], batch: Batch) -> int:
        """Raise a clear error unless every choice ends in the same shape; give its last size."""
        before = batch.sound.shape
        size: int = shapes[0][-1]
        passes = (*before[1:-1], size)
        # An example that no transform changes can be padded with silence, but must not be cut.
        lost = self.may_pass and (size < before[-1] or passes not in shapes)
        # Compare sizes instead of putting them into a set: hashing a size makes it static in a
        # graph.
        if all(shape == shapes[0] for shape in shapes) and not lost:
            return size
        parts = [
            f"{type(transform).__name__} {shape}"
            for transform, shape in zip(self.transforms, shapes, strict=True)
        ]
        if self.may_pass:
            parts.append(f"an unchanged example {tuple(before[1:])}")
        raise ValueError(
            f"{self.name} must give the same shape for every choice, got {', '.join(parts)}"
        )

    def _merge_targets(self, before: Labels, made: Sequence[Labels]) -> Labels:
        """Give each example the labels that its choice returns."""
        return {
            name: self._merge_label(name, [of.get(name) for of in made], before.get(name))
            for name in {name: None for of in made for name in of}
        }

    def _merge_label(self, name: str, made: list[Any], before: Any) -> Any:
        if all(value is before for value in made):
            return before
        values = [before, *made] if self.may_pass else made
        shapes = {value.shape for value in values if isinstance(value, Tensor)}
        if len(shapes) != 1 or not all(isinstance(value, Tensor) for value in values):
            raise ValueError(
                f"{self.name} must give `{name}` of the same shape for every choice, got "
                f"{[tuple(v.shape) if isinstance(v, Tensor) else v for v in values]}"
            )
        return self._merge(made, before if self.may_pass else None)


def _take(batch: Batch, group: Tensor) -> Batch:
    """Take some examples out of a batch of sound."""
    lengths = None if batch.lengths is None else batch.lengths[group]
    return batch.carry(signal=take_examples(batch.sound, group), lengths=lengths)


def _ends(batch: Batch, choice: Tensor) -> Tensor:
    """Return where examples end, in the shape of ``choice``; without lengths, at ``time``."""
    if batch.lengths is not None or batch.time is None:
        return cast(Tensor, batch.lengths)
    return torch.full_like(choice, batch.time)
