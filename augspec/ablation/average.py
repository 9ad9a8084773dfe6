"""Averages of a network's weights over the end of its training, which are scored instead of it.

References:
    P. Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
    UAI 2018: the mean over the last epochs.
    B. Polyak and A. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J.
    Control Optim. 30, 1992.
"""

from __future__ import annotations

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

DECAY = 0.98  # of "ema", a step: about the last fifty steps, an epoch or two of 1,000 notes


class Average:
    """Keep an average of the weights, and of the statistics of batch norm, beside a network.

    Args:
        kind: ``"ema"``, the exponential average over steps, or ``"last-K"``, the mean of the
            weights after each of the last K epochs.
        model: The network.
        epochs: Of the training.
    """

    def __init__(self, kind: str, model: nn.Module, epochs: int) -> None:
        self.every_step = kind == "ema"
        self.first = 0 if self.every_step else max(0, epochs - int(kind.removeprefix("last-")))
        rule = get_ema_multi_avg_fn(DECAY) if self.every_step else None
        self.held = AveragedModel(model, multi_avg_fn=rule, use_buffers=True)

    @property
    def model(self) -> nn.Module:
        """The network with the average weights."""
        module: nn.Module = self.held.module
        return module

    def after_step(self, model: nn.Module) -> None:
        """Take in what a step has made of the weights."""
        if self.every_step:
            self.held.update_parameters(model)

    def after_epoch(self, model: nn.Module, epoch: int) -> None:
        """Take in what an epoch, counted from 0, has made of the weights."""
        if not self.every_step and epoch >= self.first:
            self.held.update_parameters(model)
