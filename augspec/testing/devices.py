"""Checks of the work on a GPU; none of them needs one."""

from __future__ import annotations

from torch import nn

from augspec._precision import without_float64
from augspec.testing.case import Case, check, require
from augspec.testing.counting import DeviceWork, DeviceWorkError, device_work
from augspec.transforms.base import RandomTransform
from augspec.transforms.compose import Composite

_MOST = 200  # launches of a class, about a millisecond on a fast GPU
_MOST_TOGETHER = 300  # at least this for a class that is made of others


@check(only="counted")
def nothing_waits_for_a_gpu(case: Case) -> None:
    """It reads no value from the GPU, and neither mixes devices nor copies from the host."""
    for ragged in (False, True):
        work = _work(case, ragged=ragged)
        places = "; ".join(work.copied_at)
        require(
            not work.host_copies,
            f"it copies {work.host_copies} tensors from the host at each call: {places}. Make them "
            f"on the device from Python numbers, or once for all calls",
        )


@check(only="counted")
def it_needs_no_float64(case: Case) -> None:
    """It makes no tensor of float64 on a device that lacks it, as MPS does."""
    with without_float64("cuda"):
        work = _work(case, ragged=True)
    require(
        not work.float64_at,
        f"it makes a tensor of float64, which MPS does not have: {'; '.join(work.float64_at[:1])}",
    )


@check(only="counted")
def launches_are_few(case: Case) -> None:
    """It launches at most ``max_launches`` operations on a GPU, as many for any batch."""
    most = max_launches(case.module)
    launches = _work(case).launches
    require(
        launches <= most,
        f"it launches {launches} operations on a GPU, more than its `max_launches`, {most}",
    )
    half = _work(case.take(slice(0, len(case.batch) // 2))).launches
    require(
        half == launches,
        f"it launches {half} operations on a GPU for {len(case.batch) // 2} examples and "
        f"{launches} for {len(case.batch)}: is there a loop over examples?",
    )


def max_launches(module: nn.Module) -> int:
    """Return how many operations a class may launch: its ``max_launches``, or the default.

    A transform that is made of others may launch as many as they may in total.
    """
    own = getattr(module, "max_launches", None)
    if isinstance(module, Composite):
        together = max(_MOST_TOGETHER, sum(map(max_launches, module)))
        return together if own is None else int(own)
    inside = [part for part in module.children() if isinstance(part, RandomTransform)]
    return (_MOST if own is None else int(own)) + sum(map(max_launches, inside))


def _work(case: Case, *, ragged: bool = False) -> DeviceWork:
    lengths = [case.lengths] if ragged else []
    keys = {"keys": case.keys} if isinstance(case.module, RandomTransform) else {}
    try:
        return device_work(case.module, case.batch, *lengths, **keys)
    except DeviceWorkError as error:
        raise AssertionError(str(error)) from error
