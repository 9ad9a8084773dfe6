"""The contract of every transform and feature as checks that anyone can run.

augspec's own classes pass them in its test suite; run your own through `check_transform`, or, a
test for each check, through `checks_for` and `run_check`:

.. code-block:: python

    @pytest.mark.parametrize("name", checks_for(MyTransform()))
    def test_my_transform(name):
        run_check(name, MyTransform())

A class says by its attributes what it cannot promise, and is spared exactly the checks that ask
for it: ``mixes_examples`` those that an example is independent of others, ``compilable = False``
that it compiles and those of a GPU, ``differentiable = False`` those of gradients. By
``max_launches`` it says how many operations it may launch on a GPU.

`device_work` counts what any function gives a GPU to do, without a GPU.
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
        transform: An instance; its class attributes say what it is spared.

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
        batch: As `check_transform` takes it.
        device: As `check_transform` takes it.

    Raises:
        AssertionError: If the check fails; the message says what broke.
        TypeError: If ``transform`` is a class, or no module.
        ValueError: If there is no check of that name, or ``batch`` has less than four examples.
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
        batch: What to run it on, float32, at least four examples; without it a short batch of
            noise, a waveform ``(4, 2, 2400)`` or a spectrogram ``(4, 2, 24, 40)``.
        device: Where to run; None is where ``batch`` is, or the CPU.

    Raises:
        AssertionError: If a check fails; the message names the check and says what broke.
        TypeError: If ``transform`` is a class, or no module.
        ValueError: If ``batch`` has less than four examples.

    Example:
        >>> from augspec import transforms as T
        >>> check_transform(T.Gain((-6.0, 6.0)))
    """
    for name in checks_for(transform):
        run_check(name, transform, batch=batch, device=device)
