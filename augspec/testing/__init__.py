"""The contract of every transform and feature, as checks for your own classes too.

augspec's classes pass them in its test suite. Check your own with `check_transform`, or, with one
test per check, with `checks_for` and `run_check`:

.. code-block:: python

    @pytest.mark.parametrize("name", checks_for(MyTransform()))
    def test_my_transform(name):
        run_check(name, MyTransform())

A class states exceptions by its attributes, and the matching checks are skipped: ``mixes_examples``
skips the checks that examples are independent, ``compilable = False`` those of compilation and of a
GPU, ``differentiable = False`` those of gradients. ``max_launches`` is the largest number of
operations that it may launch on a GPU.

`device_work` counts the work of any function on a GPU, without a GPU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from augspec.testing import batches, devices, modules, numbers, randomness
from augspec.testing.case import CHECKS, make_case
from augspec.testing.counting import DeviceWork, device_work

__all__ = [
    "DeviceWork",
    "check_transform",
    "checks_for",
    "device_work",
    "run_check",
]

_MODULES = (batches, modules, numbers, devices, randomness)  # importing them fills CHECKS


def checks_for(transform: nn.Module) -> list[str]:
    """Name the checks that apply to a transform or a feature.

    Args:
        transform: An instance; its class attributes state the exceptions.

    Example:
        >>> from augspec import transforms as T
        >>> "it_compiles_whole" in checks_for(T.Gain())
        True
    """
    return [name for name, check in CHECKS.items() if check.applies(transform)]


def run_check(
    name: str,
    transform: nn.Module,
    *,
    batch: Tensor | None = None,
    device: torch.device | str | None = None,
) -> None:
    """Run one check; see `check_transform`.

    Args:
        name: One of `checks_for`.
        transform: An instance of a transform or a feature.
        batch: As in `check_transform`.
        device: As in `check_transform`.

    Raises:
        AssertionError: If the check fails; the message describes the failure.
        TypeError: If ``transform`` is a class, or not a module.
        ValueError: If there is no check of that name, or ``batch`` has fewer than four examples.
    """
    if not isinstance(transform, nn.Module):
        raise TypeError(f"`transform` must be an object such as T.Gain(), got {transform!r}")
    if name not in CHECKS:
        raise ValueError(f"`name` must be one of {list(CHECKS)}, got {name!r}")
    case = make_case(transform, batch, device)
    heading = f"{type(transform).__name__} fails {name}"
    try:
        CHECKS[name].function(case)
    except AssertionError as error:
        raise AssertionError(f"{heading}: {error}") from error
    except Exception as error:
        raise AssertionError(f"{heading}: it raises {error!r}") from error


def check_transform(
    transform: nn.Module,
    *,
    batch: Tensor | None = None,
    device: torch.device | str | None = None,
) -> None:
    """Run every check that applies to a transform or a feature.

    Args:
        transform: An instance, in training mode: a `augspec.transforms.RandomTransform`, or a
            feature, a module with ``forward(waveform, lengths=None)``.
        batch: Input, float32, at least four examples; by default a short batch of noise, a waveform
            ``(4, 2, 2400)`` or a spectrogram ``(4, 2, 24, 40)``.
        device: Device to run on; None is the device of ``batch``, or the CPU.

    Raises:
        AssertionError: If a check fails; the message names the check and describes the failure.
        TypeError: If ``transform`` is a class, or not a module.
        ValueError: If ``batch`` has fewer than four examples.

    Example:
        >>> from augspec import transforms as T
        >>> check_transform(T.Gain((-6.0, 6.0)))
    """
    for name in checks_for(transform):
        run_check(name, transform, batch=batch, device=device)
