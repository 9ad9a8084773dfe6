"""Running one of several transforms on each example of a batch.

On a CPU, in eager mode, examples are grouped by their choice, so that each transform runs on its
own examples only. Elsewhere that would wait for the device to say how large each group is, and
shapes would not be static: there every transform runs on the whole batch and each example takes
the result that it has chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from augspec.functional.shapes import fit, like
from augspec.params import select
from augspec.transforms.base import RandomTransform

__all__ = ["Options"]

NOTHING = -1  # the choice of an example that passes as it is


@dataclass(frozen=True)
class Options:
    """Transforms with their params, and which of them each example has chosen.

    Args:
        name: Who asks, for messages.
        transforms: The transforms.
        params: Their params, each for the whole batch.
        choice: The place of one of the transforms, or -1 for none, ``(batch,)``.
        by_mode: Whether a transform that does not act in the present mode passes.
        may_pass: Whether the choice may be -1.
    """

    name: str
    transforms: Sequence[RandomTransform]
    params: Sequence[Any]
    choice: Tensor
    by_mode: bool
    may_pass: bool

    def run(self, waveform: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Apply to each example what it has chosen."""
        eager = waveform.device.type == "cpu" and not torch.compiler.is_compiling()
        # A transform that mixes examples has to see all of them.
        if eager and not any(transform.mixes_examples for transform in self.transforms):
            return self._run_groups(waveform, lengths)
        return self._run_all(waveform, lengths)

    def _run_groups(self, waveform: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        groups, outs, ends = [], [], []
        for place, (transform, params) in enumerate(zip(self.transforms, self.params, strict=True)):
            # Nobody's choice runs on an empty batch: it says the size.
            group = (self.choice == place).nonzero().squeeze(1)
            own = None if lengths is None else lengths[group]
            out, end = transform.run(
                waveform[group], select(params, group), own, by_mode=self.by_mode
            )
            groups.append(group)
            outs.append(out)
            ends.append(end)
        size = self._check_sizes(outs, waveform)
        if self.may_pass:
            group = (self.choice == NOTHING).nonzero().squeeze(1)
            groups.append(group)
            outs.append(fit(waveform[group], size))
            ends.append(None if lengths is None else lengths[group])
        place_of = torch.argsort(torch.cat(groups))
        out = torch.cat(outs)[place_of]
        if all(end is None for end in ends):
            return out, None
        times = [made.shape[-1] for made in outs]
        if self.may_pass:
            times[-1] = waveform.shape[-1]
        filled = [
            torch.full_like(group, time) if end is None else end
            for end, group, time in zip(ends, groups, times, strict=True)
        ]
        return out, torch.cat(filled)[place_of]

    def _run_all(self, waveform: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        made = [
            transform.run(waveform, params, lengths, by_mode=self.by_mode)
            for transform, params in zip(self.transforms, self.params, strict=True)
        ]
        size = self._check_sizes([out for out, _ in made], waveform)
        result = fit(waveform, size) if self.may_pass else made[0][0]
        for place, (out, _) in enumerate(made):
            result = torch.where(like(self.choice == place, out), out, result)
        ends = [ends for _, ends in made]
        return result, self._merge_ends(waveform.shape[-1], size, lengths, ends)

    def _merge_ends(
        self, time: int, size: int, lengths: Tensor | None, made: list[Tensor | None]
    ) -> Tensor | None:
        """Say where examples end: at the size of their choice where no lengths are known."""
        before = lengths if self.may_pass else None
        if before is None and all(ends is None for ends in made):
            return None
        result = torch.full_like(self.choice, time) if before is None else before
        for place, ends in enumerate(made):
            own = torch.full_like(self.choice, size) if ends is None else ends
            result = torch.where(self.choice == place, own, result)
        return result

    def _check_sizes(self, outs: list[Tensor], waveform: Tensor) -> int:
        """Raise a clear error unless every choice ends in the same shape; give its last size."""
        shapes = {tuple(out.shape[1:]) for out in outs}
        size: int = outs[0].shape[-1]
        passes = (*waveform.shape[1:-1], size)
        # What passes can be followed by silence, but not be cut.
        lost = self.may_pass and (size < waveform.shape[-1] or passes not in shapes)
        if len(shapes) == 1 and not lost:
            return size
        parts = [
            f"{type(transform).__name__} {tuple(out.shape[1:])}"
            for transform, out in zip(self.transforms, outs, strict=True)
        ]
        if self.may_pass:
            parts.append(f"an example that passes {tuple(waveform.shape[1:])}")
        raise ValueError(
            f"{self.name} must end in one shape whatever is chosen, got {', '.join(parts)}"
        )

    def run_targets(
        self, targets: dict[str, Any], lengths: Tensor | None, time: int | None
    ) -> dict[str, Any]:
        """Give each example the labels that its choice makes of them."""
        made = [
            transform.run_targets(dict(targets), params, lengths, time, by_mode=self.by_mode)
            for transform, params in zip(self.transforms, self.params, strict=True)
        ]
        return {
            name: self._merge(name, [of.get(name) for of in made], targets.get(name))
            for name in {name: None for of in made for name in of}
        }

    def _merge(self, name: str, made: list[Any], before: Any) -> Any:
        if all(value is before for value in made):
            return before
        first = before if self.may_pass else made[0]
        shapes = {value.shape for value in [first, *made] if isinstance(value, Tensor)}
        if len(shapes) != 1 or not all(isinstance(value, Tensor) for value in [first, *made]):
            raise ValueError(
                f"{self.name} must give `{name}` of one shape whatever is chosen, got "
                f"{[tuple(v.shape) if isinstance(v, Tensor) else v for v in [first, *made]]}"
            )
        result = first
        for place, value in enumerate(made):
            result = torch.where(like(self.choice == place, value), value, result)
        return result

    def run_lengths(self, time: int, lengths: Tensor | None) -> tuple[int, Tensor | None]:
        """Say what becomes of the time and the lengths."""
        made = [
            transform.run_lengths(time, params, lengths, by_mode=self.by_mode)
            for transform, params in zip(self.transforms, self.params, strict=True)
        ]
        size = made[0][0]
        return size, self._merge_ends(time, size, lengths, [ends for _, ends in made])
