"""Mixing the examples of a batch, and their labels.

Each example's partner is the one with the next larger hash of its key: which examples are mixed
depends neither on the order of the batch nor, but for those that are partners, on its other
examples. A lone example is its own partner. The index in ``params["partner"]`` counts within the
batch that the params were drawn for: params of mixing transforms hold for that batch as a whole.
"""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from augspec.functional import mix
from augspec.functional.checks import check_finite, check_range
from augspec.functional.shapes import like
from augspec.random import Draw
from augspec.transforms.base import WaveformTransform

__all__ = ["CutMix", "MixBackground", "Mixup"]


class _MixingTransform(WaveformTransform, ABC):
    mixes_examples = True
    neutral_is_exact = True

    def _partner(self, draw: Draw) -> Tensor:
        return mix.next_larger(draw.key("partner"))

    def neutralise(self, params: dict[str, Tensor]) -> dict[str, Tensor]:
        """Make examples that are not picked their own partners: another may hold NaN."""
        applied, partner = params["applied"], params["partner"]
        own = torch.arange(len(partner), device=partner.device)
        return {**super().neutralise(params), "partner": torch.where(applied, partner, own)}


def _check_alpha(alpha: float) -> float:
    if not 0.01 <= check_finite("alpha", alpha) <= 100.0:
        raise ValueError(f"`alpha` must lie in [0.01, 100], got {alpha!r}")
    return float(alpha)


def _soft(name: str, value: Tensor) -> Tensor:
    """Give labels that can be mixed."""
    if value.is_floating_point():
        return value
    if value.ndim == 1:
        raise ValueError(
            f"`{name}` must be one-hot or soft, (batch, classes), to be mixed, got {value.dtype} "
            f"(batch,): pass num_classes to augspec.DeviceLoader, or give "
            "torch.nn.functional.one_hot(label, num_classes).float()"
        )
    return value.to(torch.float32)


def _mix_labels(
    targets: dict[str, Any], weight: Tensor, partner: Tensor, names: Sequence[str]
) -> dict[str, Any]:
    """Give each label the weight of its example, and its partner's the rest."""
    mixed = dict(targets)
    for name in names:
        if name in targets:
            own = _soft(name, targets[name])
            share = like(weight.to(own.dtype), own)
            mixed[name] = share * own + (1.0 - share) * own[partner]
    return mixed


class Mixup(_MixingTransform):
    """Add to each example another one of its batch, with weights that sum to one.

    ``lam * example + (1 - lam) * partner`` with ``lam`` from the symmetric beta distribution.
    ``label`` and ``frames`` are mixed with the same weights, so that ``label`` has to be ``(batch,
    classes)``; ``pitch`` stays the example's own. An example that is not picked keeps its label.
    The result ends where the longer of the two ends. Who is mixed with whom does not depend on the
    order of the batch; ``params["partner"]`` is an index into it, so that params hold for the batch
    as a whole.

    Args:
        alpha: Parameter of the beta distribution, in [0.01, 100]: below 1 most mixtures are nearly
            pure, 1 is uniform.
        p: Probability that an example is mixed.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If ``alpha`` leaves its range; from ``targets`` if ``label`` holds class
            numbers.

    References:
        Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
        https://arxiv.org/abs/1710.09412.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> mixup, waveform = T.Mixup(0.4), torch.randn(4, 1, 100)
        >>> params = mixup.make_params(waveform)
        >>> targets = mixup.targets({"label": torch.eye(4)}, params)
        >>> targets["label"].sum(dim=1)
        tensor([1., 1., 1., 1.])
    """

    neutral = {"lam": 1.0}

    def __init__(self, alpha: float = 0.4, *, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.alpha = _check_alpha(alpha)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {"partner": self._partner(draw), "lam": draw.beta("lam", self.alpha)}

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        mixed = mix.mixup(waveform, params["partner"], params["lam"], lengths)
        if lengths is None:
            return mixed
        return torch.where(like(params["applied"], mixed), mixed, waveform)

    def _lengths(
        self, time: int, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor | None:
        if lengths is None:
            return None
        return torch.maximum(lengths, lengths[params["partner"]])

    def _targets(
        self, targets: dict[str, Any], params: dict[str, Tensor], lengths: Tensor | None
    ) -> dict[str, Any]:
        return _mix_labels(targets, params["lam"], params["partner"], ("label", "frames"))


class CutMix(_MixingTransform):
    """Replace a segment of each example by the same segment of another one of its batch.

    The segment's share of the example is ``1 - lam``, with ``lam`` from the symmetric beta
    distribution; where the partner is shorter, its share of what sounds in both. ``label`` gets the
    partner's with the share of the example that was replaced, so that it has to be ``(batch,
    classes)``. ``frames`` whose middle lies in the segment become the partner's; ``pitch`` stays
    the example's own. An example that is not picked keeps its label.

    Args:
        alpha: Parameter of the beta distribution, in [0.01, 100]; 1 is uniform.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` in and out; lengths stay.

    Raises:
        ValueError: If ``alpha`` leaves its range; from ``targets`` if ``label`` holds class
            numbers.

    References:
        Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
        Features", ICCV 2019, https://arxiv.org/abs/1905.04899.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.CutMix()(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    neutral = {"lam": 1.0}

    def __init__(self, alpha: float = 1.0, *, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.alpha = _check_alpha(alpha)

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {
            "partner": self._partner(draw),
            "lam": draw.beta("lam", self.alpha),
            "start": draw.uniform("start"),
        }

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return mix.cutmix(waveform, params["partner"], params["lam"], params["start"], lengths)

    def _targets(
        self, targets: dict[str, Any], params: dict[str, Tensor], lengths: Tensor | None
    ) -> dict[str, Any]:
        partner, kept = params["partner"], params["lam"]
        if lengths is not None:
            both = torch.minimum(lengths, lengths[partner])
            kept = 1.0 - (1.0 - kept) * both / lengths.clamp(min=1)
        return _mix_labels(targets, kept, partner, ("label",))

    def run_targets(
        self,
        targets: dict[str, Any],
        params: Any,
        lengths: Tensor | None,
        time: int | None = None,
        *,
        by_mode: bool,
    ) -> dict[str, Any]:
        """Share out labels, and put in the partner's frames."""
        mixed = super().run_targets(targets, params, lengths, time, by_mode=by_mode)
        if "frames" not in targets or (by_mode and not self.acts()):
            return mixed
        if time is None:
            raise ValueError(
                "`targets` has `frames`, which CutMix mixes: give `time`, the number of samples of "
                "the waveform before"
            )
        own, frames = self.neutralise(params), targets["frames"]
        partner, count = own["partner"], frames.shape[-1]
        ends = torch.full_like(partner, time) if lengths is None else lengths
        first, width = mix.cut_segment(own["lam"], own["start"], ends, partner)
        middle = (2 * torch.arange(count, device=partner.device) + 1) * time // (2 * count)
        theirs = (middle >= first[:, None]) & (middle < (first + width)[:, None])
        return {**mixed, "frames": torch.where(theirs[:, None], frames[partner], frames)}


class MixBackground(_MixingTransform):
    """Add another example of the batch to each, at a random level below its own.

    As `BackgroundNoise` with the batch as its bank. Levels are RMS over all channels, the
    background's over the part of it that is heard. ``pitch`` stays the example's own.

    Args:
        snr_db: Range of the level of the example above the background's in dB, uniform; a number is
            a constant.
        labels: ``"keep"`` leaves labels as they are; ``"soft"`` mixes ``label`` and ``frames`` by
            share of power, ``1 / (1 + 10 ** (-snr_db / 10))`` for the example's own.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` in and out; lengths stay, and a longer background is cut.

    Raises:
        ValueError: If the range is reversed or leaves [-100, 100], or ``labels`` is not known; from
            ``targets`` if ``label`` holds class numbers and ``labels`` is ``"soft"``.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.MixBackground((5.0, 20.0))(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    neutral = {"snr_db": math.inf}

    def __init__(
        self,
        snr_db: float | Sequence[float] = (5.0, 20.0),
        *,
        labels: Literal["keep", "soft"] = "keep",
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        self.snr_db = check_range("snr_db", snr_db, at_least=-100.0, at_most=100.0)
        if labels not in ("keep", "soft"):
            raise ValueError(f"`labels` must be 'keep' or 'soft', got {labels!r}")
        self.labels = labels

    def _draw(self, draw: Draw) -> dict[str, Tensor]:
        return {
            "partner": self._partner(draw),
            "snr_db": draw.uniform("snr_db", *self.snr_db),
        }

    def _transform(
        self, waveform: Tensor, params: dict[str, Tensor], lengths: Tensor | None
    ) -> Tensor:
        return mix.mix_background(waveform, params["partner"], params["snr_db"], lengths)

    def _targets(
        self, targets: dict[str, Any], params: dict[str, Tensor], lengths: Tensor | None
    ) -> dict[str, Any]:
        if self.labels == "keep":
            return targets
        own = torch.sigmoid(params["snr_db"] * (math.log(10.0) / 10.0))
        return _mix_labels(targets, own, params["partner"], ("label", "frames"))
