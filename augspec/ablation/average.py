"""Averages of a network's weights over the end of its training, for scoring.

References:
    P. Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
    UAI 2018: the mean over the last epochs.
    B. Polyak and A. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J.
    Control Optim. 30, 1992.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

DECAY = 0.98  # decay of "ema" per step: about the last fifty steps, an epoch or two of 1,000 notes


class Average:
    """Keep an average of a network's weights.

    Statistics of batch norm are not averaged: those of other weights do not fit the average, and
    some change faster than the weights. `settle` computes them anew, as Izmailov et al. do.

    Args:
        kind: ``"ema"``, the exponential average over steps, or ``"last-K"``, the mean of the
            weights after each of the last K epochs.
        model: The network.
        epochs: Number of epochs of the training.
    """

    def __init__(self, kind: str, model: nn.Module, epochs: int) -> None:
        self.every_step = kind == "ema"
        self.first = 0 if self.every_step else max(0, epochs - int(kind.removeprefix("last-")))
        rule = get_ema_multi_avg_fn(DECAY) if self.every_step else None
        self.held = AveragedModel(model, multi_avg_fn=rule)

    @property
    def model(self) -> nn.Module:
        """The network with the average weights."""
        module: nn.Module = self.held.module
        return module

    def after_step(self, model: nn.Module) -> None:
        """Add the weights after a step to the average."""
        if self.every_step:
            self.held.update_parameters(model)

    def after_epoch(self, model: nn.Module, epoch: int) -> None:
        """Add the weights after an epoch, counted from 0, to the average."""
        if not self.every_step and epoch >= self.first:
            self.held.update_parameters(model)

    def settle(self, inputs: Iterable[Tensor]) -> None:
        """Compute the batch norm statistics of the average weights.

        Args:
            inputs: Inputs of the network, a batch at a time, as the training had them.
        """
        update_bn(inputs, self.held.module)
