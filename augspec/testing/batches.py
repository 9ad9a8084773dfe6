"""Checks that examples are independent of one another."""

from __future__ import annotations

from typing import Any

import torch

from augspec.params import select
from augspec.testing.case import Case, check, close, equal, require
from augspec.transforms.base import RandomTransform


@check(unless="mixes_examples")
def examples_come_out_as_if_alone(case: Case) -> None:
    """An example's result does not depend on the batch that it is in."""
    whole = case.run()
    for i in range(len(case.batch)):
        alone = case.take(slice(i, i + 1)).run()
        close(alone[0], whole[i], f"example {i} alone differs from the same in a batch")
    if isinstance(case.module, RandomTransform):
        params = case.transform.make_params(case.batch, keys=case.keys)
        some: Any = case.transform.transform(case.batch[2:4], select(params, [2, 3]))
        close(some, whole[2:4], "examples that `select` takes from params and batch differ")


@check()
def the_order_of_the_batch_is_irrelevant(case: Case) -> None:
    """Examples in another order give the same results in that order."""
    order = torch.arange(len(case.batch), device=case.batch.device).flip(0).roll(1)
    close(case.take(order).run(), case.run()[order], "the result depends on the batch's order")


@check()
def padding_changes_no_valid_sample(case: Case) -> None:
    """Samples after ``lengths`` have no influence on valid samples."""
    out, ends = case.run_ragged()
    require(
        ends.dtype == torch.int64 and ends.shape == case.lengths.shape,
        f"`lengths` must be returned as int64, one per example, got {ends.dtype}, "
        f"{tuple(ends.shape)}",
    )
    in_range = (ends >= 0) & (ends <= out.shape[-1])
    require(in_range.all(), f"lengths {ends.tolist()} do not lie in [0, {out.shape[-1]}]")
    for content in (torch.nan, 7.0):
        filled = case.on(batch=torch.where(case.padding(), content, case.batch))
        other, again = filled.run_ragged()
        equal(again, ends, f"padding of {content} changes the lengths")
        for i, end in enumerate(ends.tolist()):
            message = f"padding of {content} changes example {i}"
            close(other[i, ..., :end], out[i, ..., :end], message)


@check()
def full_lengths_are_no_lengths(case: Case) -> None:
    """If every example is as long as the batch, lengths change nothing."""
    full = torch.full_like(case.lengths, case.batch.shape[-1])
    out, _ = case.on(lengths=full).run_ragged()
    close(out, case.run(), "lengths of the full size give another result than no lengths")


@check(unless="mixes_examples")
def an_example_ends_at_its_own_end(case: Case) -> None:
    """A padded example gives the same result as without padding."""
    out, ends = case.run_ragged()
    for i, length in enumerate(case.lengths.tolist()):
        one = case.take(slice(i, i + 1))
        alone, end = one.on(batch=one.batch[..., :length]).run_ragged()
        both = min(int(ends[i]), int(end[0]))
        message = f"example {i} of {length} samples differs from the same with padding"
        close(alone[0, ..., :both], out[i, ..., :both], message)


@check(only="transform")
def padding_stays_silent(case: Case) -> None:
    """Padding stays silent: zeros after ``lengths`` stay zeros."""
    padded = case.on(batch=torch.where(case.padding(), 0.0, case.batch))
    out, ends = padded.run_ragged()
    for i, end in enumerate(ends.tolist()):
        require(not out[i, ..., end:].any(), f"the padding of example {i} does not stay silent")


@check(unless="mixes_examples")
def nan_stays_in_its_example(case: Case) -> None:
    """NaN in one example does not spread to others."""
    spoilt = case.batch.clone()
    spoilt[1] = torch.nan
    out, clean = case.on(batch=spoilt).run(), case.run()
    others = [i for i in range(len(spoilt)) if i != 1]
    close(out[others], clean[others], "NaN in one example reaches another")


@check()
def an_empty_batch_gives_an_empty_result(case: Case) -> None:
    """Batch 0 gives batch 0, in the shape of other batches, and labels of no example."""
    out, ends = case.take(slice(0, 0)).run_ragged()
    expected = (0, *case.run().shape[1:])
    require(out.shape == expected, f"an empty batch gives {tuple(out.shape)}, not {expected}")
    require(ends.shape == (0,), f"an empty batch gives lengths of shape {tuple(ends.shape)}")
    if isinstance(case.module, RandomTransform):
        none = case.take(slice(0, 0))
        params = case.module.make_params(none.batch, keys=none.keys)
        labels = {"label": none.batch.new_ones(0, 3)}
        if not getattr(case.module, "per_channel", False):  # its channels may move separately
            labels["frames"] = none.batch.new_ones(0, 3, 8)
        time = none.batch.shape[-1]
        for name, made in case.module.targets(labels, params, none.lengths, time=time).items():
            require(len(made) == 0, f"an empty batch gives `{name}` of {len(made)} examples")


@check()
def strides_do_not_matter(case: Case) -> None:
    """Non-contiguous and expanded input gives what contiguous input gives."""
    strided = case.batch.transpose(1, 2).contiguous().transpose(1, 2)
    close(case.on(batch=strided).run(), case.run(), "non-contiguous input gives another result")
    every_other = torch.stack([case.batch, case.batch + 1.0], dim=-1)[..., 0]
    close(case.on(batch=every_other).run(), case.run(), "input with strides gives another result")
    expanded = case.batch[:1, :1].expand(case.batch.shape)
    close(
        case.on(batch=expanded).run(),
        case.on(batch=expanded.clone()).run(),
        "expanded input gives another result",
    )
