"""Checks of numbers: dtypes, silence, gradients, and compilation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from augspec import native
from augspec._torch import COMPILES_WHOLE, MODULES_ARE_CONSTANTS
from augspec.bank import Bank
from augspec.testing.case import Case, check, close, equal, require
from augspec.transforms.base import RandomTransform


@check()
def dtype_and_device_are_kept(case: Case) -> None:
    """float32 and float64 are kept and computed in that precision."""
    single, double = case.run(), case.on(batch=case.batch.double()).run()
    for out, dtype in ((single, torch.float32), (double, torch.float64)):
        require(out.dtype == dtype, f"{dtype} came out as {out.dtype}")
        require(out.device == case.batch.device, f"{case.batch.device} came out on {out.device}")
    require(single.shape == double.shape, "float64 and float32 give different shapes")


@check()
def half_precision_is_computed_in_float32(case: Case) -> None:
    """float16 and bfloat16 are computed in float32 and returned in their own dtype."""
    for dtype in (torch.float16, torch.bfloat16):
        narrow = case.batch.to(dtype)
        out = case.on(batch=narrow).run()
        require(out.dtype == dtype, f"{dtype} came out as {out.dtype}")
        expected = case.on(batch=narrow.float()).run().to(dtype)
        equal(out, expected, f"{dtype} is not float32's result rounded")


@check()
def autocast_changes_nothing(case: Case) -> None:
    """Under autocast the result is the same, bit for bit."""
    cases = {"": case, " of quiet sound": case.on(batch=1e-3 * case.batch)}
    device = case.batch.device.type
    for words, some in cases.items():
        expected, ends = some.run_ragged()
        for dtype in (torch.float16, torch.bfloat16):
            with torch.autocast(device, dtype=dtype):
                out, new_ends = some.run_ragged()
            equal(out, expected, f"{dtype} autocast changes the result{words}")
            equal(new_ends, ends, f"{dtype} autocast changes the lengths{words}")


@check()
def one_sample_is_enough(case: Case) -> None:
    """Examples of one sample, and of none, give finite values."""
    out = case.on(batch=case.batch[..., :1]).run()
    require(out.isfinite().all(), "one sample gives values that are not finite")
    out, _ = case.on(lengths=torch.zeros_like(case.lengths)).run_ragged()
    require(out.isfinite().all(), "examples of length 0 give values that are not finite")


@check()
def silence_gives_finite_values(case: Case) -> None:
    """Digital silence gives neither NaN nor infinity."""
    out = case.on(batch=torch.zeros_like(case.batch)).run()
    require(out.isfinite().all(), "silence gives values that are not finite")


@check(only="differentiable")
def gradients_are_finite(case: Case) -> None:
    """Gradients are finite, also in silence, in padding and for examples that are not picked."""
    cases = {"sound": case, "silence": case.on(batch=torch.zeros_like(case.batch))}
    if case.picks:
        cases["what is not picked"] = case.with_p(0.0)
    for name, some in cases.items():
        batch = some.batch.clone().requires_grad_()
        out, _ = some.on(batch=batch).run_ragged()
        require(out.requires_grad, "no gradient flows to the input: is it `differentiable`?")
        (gradient,) = torch.autograd.grad(out.sum(), batch)
        require(gradient.isfinite().all(), f"the gradient of {name} is not finite")
        require(name != "sound" or gradient.any(), "the gradient is zero: is it `differentiable`?")


@check(only="differentiable")
def gradients_are_right(case: Case) -> None:
    """Gradients agree with finite differences along random directions, in float64.

    It works like the fast mode of ``torch.autograd.gradcheck``, with a tolerance that does not grow
    with the number of samples.
    """
    few = case.take(slice(0, 2))
    batch = few.batch[..., :600].double()
    generator = torch.Generator().manual_seed(0)
    step = 1e-6
    for _ in range(3):
        direction = _noise(batch, generator)
        direction = direction / direction.norm()
        point = batch.clone().requires_grad_()
        out = few.on(batch=point).run()
        weights = _noise(out, generator)
        (gradient,) = torch.autograd.grad((out * weights).sum(), point)
        ahead, behind = (
            (few.on(batch=batch + side * step * direction).run() * weights).sum()
            for side in (1.0, -1.0)
        )
        slope, expected = (gradient * direction).sum(), (ahead - behind) / (2.0 * step)
        require(
            abs(slope - expected) <= 1e-5 * gradient.norm(),
            f"the slope along a direction is {expected:.6g}, by its gradient {slope:.6g}",
        )


def _noise(tensor: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor.device)


@check(only="compilable")
def it_compiles_whole(case: Case) -> None:
    """``torch.compile(fullgraph=True)`` takes it, and the result is that of eager mode.

    Before torch 2.11 the graph may be in parts, and with 2.11 to 2.13 where it reads a bank.
    """
    compiles_with(case, backend="aot_eager")


def compiles_with(case: Case, **options: Any) -> None:
    """Require the module to compile whole and to give what it gives in eager mode."""
    module = case.module

    def call(batch: Tensor, lengths: Tensor, keys: Tensor) -> Any:
        drawn = {"keys": keys} if isinstance(module, RandomTransform) else {}
        return module(batch, lengths, **drawn)

    # Graphs are cached by code object: use a new one, so that checks do not evict one another.
    call.__code__ = call.__code__.replace()
    reads_a_bank = any(isinstance(part, Bank) for part in module.modules())
    whole = COMPILES_WHOLE and (MODULES_ARE_CONSTANTS or not reads_a_bank)
    compiled = torch.compile(call, fullgraph=whole, dynamic=False, **options)
    with native.in_torch():  # graphs do this, but code between two parts of a graph may not
        theirs = compiled(case.batch, case.lengths, case.keys)
        eager = case.run_ragged()
    for ours, expected in zip(theirs, eager, strict=True):
        close(ours, expected, "compiled and eager results differ", tolerance=1e-4)
