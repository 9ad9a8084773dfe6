"""Mixing the examples of a batch, and their labels.

Each example's partner is the one with the next larger hash of its key. So the choice of partners
depends neither on the order of the batch nor on examples other than the partners. A single example
is its own partner. The index in ``params["partner"]`` counts within the batch for which the params
were drawn: params of mixing transforms are valid for that whole batch only.
"""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from augspec.functional import mix
from augspec.functional.frames import has_weak_label, in_parts, weak_label
from augspec.functional.shapes import choose, like
from augspec.params import Labels, Values
from augspec.random import Draw
from augspec.transforms.base import Batch, WaveformTransform
from augspec.transforms.declare import Drawn, Number, Place, Uniform, Whole, Words, setting

__all__ = ["CutMix", "MixBackground", "Mixup"]

_MOST_PARTNERS = 64  # each partner is a pass over the batch
_TINY = torch.finfo(torch.float32).tiny
_SOUND = ("waveform", "specgram")  # other keys that a batch of labels may hold


class Partner(Drawn):
    """The index of the example in the batch that each example is mixed with."""

    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Take the one or more examples with the next larger hash among those that labels allow."""
        values, allowed = draw.key(self.name), None
        partners = getattr(transform, "partners", "any")
        count = getattr(transform, "num_partners", 1)
        if partners == "any" and count == 1:
            return mix.next_larger(values)
        if partners != "any":
            allowed = mix.may_mix(draw.label, partners, len(values))
        found = mix.next_allowed(values, allowed, count)
        return found if count > 1 else found.squeeze(1)


def own_partners(params: Values) -> Values:
    """Make examples that are not picked their own partners: another example may hold NaN."""
    applied, partner = params["applied"], params["partner"]
    own = like(torch.arange(len(partner), device=partner.device), partner)
    return {**params, "partner": torch.where(like(applied, partner), partner, own)}


class Beta(Drawn):
    """A weight from the symmetric beta distribution whose parameter is the setting ``alpha``."""

    neutral = 1.0

    def draw(self, draw: Draw, transform: Any) -> Tensor:
        """Draw it, float32."""
        return draw.beta(self.name, transform.alpha)


def _check_names(name: str, value: Sequence[str]) -> tuple[str, ...]:
    names = tuple(value) if isinstance(value, list | tuple) else ()
    if not names or not all(isinstance(one, str) for one in names):
        raise ValueError(f"`{name}` must be a list of names of labels, got {value!r}")
    return names


class _MixingTransform(WaveformTransform, ABC):
    per_channel: bool = setting(default=False, init=False)
    label_names: Sequence[str] = setting(
        default=("label", "frames"), check=_check_names, kw_only=True
    )
    partners: Literal["any", "same_class", "positive"] = setting(
        default="any", check=Words("any", "same_class", "positive"), kw_only=True
    )

    mixes_examples = True
    neutral_is_exact = True
    partner = Partner()

    def neutralise(self, params: Values) -> Values:
        """Make examples that are not picked their own partners."""
        return own_partners(super().neutralise(params))

    def _mix_labels(
        self,
        targets: Labels,
        weight: Tensor,
        partner: Tensor,
        names: Sequence[str],
        share: Tensor | None = None,
    ) -> Labels:
        """Mix labels with the weights of the example and of its partners.

        With ``labels="union"`` each class gets its largest value among the examples that are heard.
        """
        self._refuse_other_labels(targets, len(partner))
        union = getattr(self, "labels", "") == "union"
        columns = partner[:, None].flatten(1).unbind(1)
        rests = [1.0 - weight] if share is None else ((1.0 - weight)[:, None] * share).unbind(1)
        mixed = dict(targets)
        for name in names:
            if name in targets:
                own = _soft(name, targets[name])
                made = own if union else like(weight.to(own.dtype), own) * own
                for rest, index in zip(rests, columns, strict=True):
                    part = like(rest.to(own.dtype), own)
                    if union:
                        made = torch.where(part > 0.0, torch.maximum(made, own[index]), made)
                    else:
                        made = made + part * own[index]
                mixed[name] = made
        return mixed

    def _refuse_other_labels(self, targets: Labels, batch: int) -> None:
        """Raise if labels that look like soft labels would stay unmixed."""
        for name, value in targets.items():
            soft = (
                isinstance(value, Tensor)
                and value.is_floating_point()
                and value.ndim in (2, 3)
                and value.shape[0] == batch
            )
            if soft and name not in (*self.label_names, *_SOUND):
                raise ValueError(
                    f"`targets` has `{name}`, which looks like soft labels and would stay unmixed: "
                    f"name it in `label_names` of {type(self).__name__} to mix it, or leave it out"
                )


def _soft(name: str, value: Tensor) -> Tensor:
    """Return labels that can be mixed."""
    if value.is_floating_point():
        return value
    if value.ndim == 1:
        raise ValueError(
            f"`{name}` must be one-hot or soft, (batch, classes), to be mixed, got {value.dtype} "
            f"(batch,): pass num_classes to augspec.DeviceLoader, or give "
            "torch.nn.functional.one_hot(label, num_classes).float()"
        )
    return value.to(torch.float32)


class Mixup(_MixingTransform):
    """Add another example of the batch to each example, with weights that sum to one.

    ``lam * example + (1 - lam) * partner`` with ``lam`` from the symmetric beta distribution.
    ``label`` and ``frames`` are mixed with the same weights, so ``label`` must be ``(batch,
    classes)``. ``pitch`` stays that of the example. An example that is not picked keeps its label.
    The result is as long as the longer of the two. Which examples are mixed does not depend on the
    order of the batch. ``params["partner"]`` is an index into the batch, so params are valid for
    that whole batch only.

    Args:
        alpha: Parameter of the beta distribution, in [0.01, 100]: below 1 most mixtures are nearly
            pure, 1 is uniform.
        num_partners: Number of examples added to each, 1 to 64. ``lam`` stays the weight of the
            example itself; the rest is divided at random among the others.
        labels: ``"share"`` mixes labels with the weights of the sounds; ``"union"`` sets every
            class that is heard: an OR of multi-hot labels.
        label_names: Names of the soft labels that are mixed, ``(batch, classes)`` or ``(batch,
            classes, frame)``.
        partners: Which examples may be mixed: ``"any"``, two of the ``"same_class"``, or
            ``"positive"``: two that have a class. Class number 0 counts as no class. For values
            other than ``"any"``, drawing needs ``label``; `augspec.DeviceLoader` passes it. An
            example without a partner stays as it is.
        p: Probability that an example is mixed.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If an argument is out of its range; when drawing, if ``partners`` needs
            ``label`` and there is none; from ``targets`` if ``label`` holds class numbers, or soft
            labels are not named in ``label_names``.

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

    scale_free = True

    alpha: float = setting(default=0.4, check=Number(0.01, 100.0))
    num_partners: int = setting(default=1, check=Whole(1, _MOST_PARTNERS), kw_only=True)
    labels: Literal["share", "union"] = setting(
        default="share", check=Words("share", "union"), kw_only=True
    )
    lam = Beta()

    def _draw(self, draw: Draw) -> Values:
        params = super()._draw(draw)
        if self.num_partners == 1:
            return params
        # Exponential numbers divided by their sum make every division of the rest equally likely.
        units = [draw.uniform(f"share_{number}") for number in range(self.num_partners)]
        lengths = -torch.log1p(-torch.stack(units, -1)) + _TINY
        return {**params, "share": lengths / lengths.sum(-1, keepdim=True)}

    def _transform(self, signal: Tensor, params: Values, lengths: Tensor | None) -> Tensor:
        lam, share = params["lam"], params.get("share")
        mixed = mix.mixup(signal, params["partner"], lam, lengths, share)
        if lengths is None:
            return mixed
        return choose(params["applied"], mixed, signal)

    def _lengths(self, time: int, params: Values, lengths: Tensor | None) -> Tensor | None:
        if lengths is None:
            return None
        theirs = lengths[params["partner"]]
        return torch.maximum(lengths, theirs if theirs.ndim == 1 else theirs.amax(1))

    def _targets(self, targets: Labels, params: Values, lengths: Tensor | None) -> Labels:
        lam, partner, share = params["lam"], params["partner"], params.get("share")
        return self._mix_labels(targets, lam, partner, self.label_names, share)


class CutMix(_MixingTransform, kernel=mix.cutmix):
    """Replace a segment of each example by the same segment of another example of the batch.

    The segment is a fraction ``1 - lam`` of the example, with ``lam`` from the symmetric beta
    distribution; if the partner is shorter, of the part where both have sound. ``label`` is mixed
    with the partner's by the fraction that was replaced, so it must be ``(batch, classes)``.
    ``frames`` whose middle lies in the segment become the partner's; ``pitch`` stays that of the
    example. An example that is not picked keeps its label.

    Args:
        alpha: Parameter of the beta distribution, in [0.01, 100]; 1 is uniform.
        labels: ``"share"`` mixes ``label`` by the fractions of the example; ``"union"`` sets every
            class of both.
        label_names: Names of the soft labels that are mixed; ``frames`` are cut as the sound is.
        partners: Which examples may be mixed: ``"any"``, two of the ``"same_class"``, or
            ``"positive"``: two that have a class. Class number 0 counts as no class. For values
            other than ``"any"``, drawing needs ``label``; `augspec.DeviceLoader` passes it. An
            example without a partner stays as it is.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` in and out; lengths stay.

    Raises:
        ValueError: If an argument is out of its range; when drawing, if ``partners`` needs
            ``label`` and there is none; from ``targets`` if ``label`` holds class numbers, or soft
            labels are not named in ``label_names``.

    References:
        Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
        Features", ICCV 2019, https://arxiv.org/abs/1905.04899.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.CutMix()(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    alpha: float = setting(default=1.0, check=Number(0.01, 100.0))
    labels: Literal["share", "union"] = setting(
        default="share", check=Words("share", "union"), kw_only=True
    )
    lam = Beta()
    start = Place()

    def _move_labels(self, batch: Batch, params: Values) -> Labels:
        """Mix labels, and replace frames by the partner's."""
        targets, partner, kept = batch.targets, params["partner"], params["lam"]
        names = [name for name in self.label_names if name != "frames" and name in targets]
        if names and not batch.ends_are_known:
            raise ValueError(
                f"`targets` has `{names[0]}`, which CutMix mixes by the lengths of the examples: "
                f"give `time`, the number of samples of the waveform before"
            )
        if batch.lengths is not None:
            both = torch.minimum(batch.lengths, batch.lengths[partner])
            kept = 1.0 - (1.0 - kept) * both / batch.lengths.clamp(min=1)
        mixed = self._mix_labels(targets, kept, partner, names)
        if "frames" not in targets:
            return mixed
        frames = targets["frames"]
        if has_weak_label(mixed) and "label" in names:
            heard = self._cut_frames(in_parts(frames), batch, params)
            both = torch.maximum(frames, frames[partner])
            mixed["label"] = weak_label(mixed["label"], both, heard)
        return {**mixed, "frames": self._cut_frames(frames, batch, params)}

    def _cut_frames(self, frames: Tensor, batch: Batch, params: Values) -> Tensor:
        time, partner, count = self._time_for_frames(batch), params["partner"], frames.shape[-1]
        ends = torch.full_like(partner, time) if batch.lengths is None else batch.lengths
        first, width = mix.cut_segment(params["lam"], params["start"], ends, partner)
        middle = (2 * torch.arange(count, device=partner.device) + 1) * time // (2 * count)
        theirs = (middle >= first[:, None]) & (middle < (first + width)[:, None])
        return torch.where(theirs[:, None], frames[partner], frames)


class MixBackground(_MixingTransform, kernel=mix.mix_background):
    """Add another example of the batch to each example, at a random signal-to-noise ratio.

    It works like `BackgroundNoise` with the batch as the bank. Levels are RMS over all channels;
    that of the background is measured over the part that is added. ``pitch`` stays that of the
    example.

    Args:
        snr_db: Range of the level of the example above the background's in dB, uniform; a number is
            a constant.
        num_partners: Number of examples added to each, 1 to 64, each at a random level.
        labels: ``"keep"`` leaves labels as they are; ``"soft"`` mixes them by the fractions of
            power, ``1 / (1 + 10 ** (-snr_db / 10))`` for the example itself; ``"union"`` sets every
            class that is heard: an OR of multi-hot labels.
        label_names: Names of the soft labels that are mixed, unless ``labels`` is ``"keep"``.
        partners: Which examples may be mixed: ``"any"``, two of the ``"same_class"``, or
            ``"positive"``: two that have a class. Class number 0 counts as no class. For values
            other than ``"any"``, drawing needs ``label``; `augspec.DeviceLoader` passes it. An
            example without a partner stays as it is.
        p: Probability that an example is changed.

    Shape:
        ``(batch, channel, time)`` in and out; lengths stay, and a longer background is cut.

    Raises:
        ValueError: If the range is reversed or leaves [-100, 100], or another argument is out of
            its range; when drawing, if ``partners`` needs ``label`` and there is none. Unless
            ``labels`` is ``"keep"``, also from ``targets`` if ``label`` holds class numbers, or
            soft labels are not named in ``label_names``.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.MixBackground((5.0, 20.0))(torch.randn(4, 1, 16000)).shape
        torch.Size([4, 1, 16000])
    """

    snr_db: Uniform = Uniform(
        default=(5.0, 20.0), at_least=-100.0, at_most=100.0, neutral=math.inf, unit="dB"
    )
    num_partners: int = setting(default=1, check=Whole(1, _MOST_PARTNERS), kw_only=True)
    labels: Literal["keep", "soft", "union"] = setting(
        default="keep", check=Words("keep", "soft", "union"), kw_only=True
    )

    def _draw(self, draw: Draw) -> Values:
        params = super()._draw(draw)
        if self.num_partners == 1:
            return params
        others = (f"snr_db_{number}" for number in range(1, self.num_partners))
        levels = [params["snr_db"], *(draw.uniform(name, *self.snr_db) for name in others)]
        return {**params, "snr_db": torch.stack(levels, -1)}

    def _targets(self, targets: Labels, params: Values, lengths: Tensor | None) -> Labels:
        if self.labels == "keep":
            return targets
        partner, snr_db = params["partner"], params["snr_db"] * (math.log(10.0) / 10.0)
        if partner.ndim == 1:
            own = torch.sigmoid(snr_db)
            return self._mix_labels(targets, own, partner, self.label_names)
        power = torch.exp(-snr_db)
        total = power.sum(-1, keepdim=True)
        own, share = 1.0 / (1.0 + total.squeeze(-1)), power / total.clamp(min=_TINY)
        return self._mix_labels(targets, own, partner, self.label_names, share)
