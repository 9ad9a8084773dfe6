"""Styles of devices, mixed between the spectrograms of a batch."""

from __future__ import annotations

from augspec.functional import mixstyle
from augspec.params import Values
from augspec.transforms.base import SpecgramTransform
from augspec.transforms.declare import Number, setting
from augspec.transforms.mix import Beta, Partner, own_partners

__all__ = ["FreqMixStyle"]


class FreqMixStyle(SpecgramTransform, kernel=mixstyle.freq_mix_style):
    """Mix the mean and deviation of each frequency bin with those of another example.

    In dB, a microphone or a loudspeaker adds a constant to each frequency, which shows in the mean
    over time. Mixing this mean with another example's keeps a model from learning the devices.
    ``lam``, from the symmetric beta distribution, is the weight of the example's own mean and
    deviation. Labels stay, because only the style is mixed and not the content.

    Which examples are mixed does not depend on the order of the batch. ``params["partner"]`` is an
    index into the batch, so params are valid for that whole batch only.

    Args:
        alpha: Parameter of the beta distribution, in [0.01, 100]: below 1 most examples almost keep
            their style or take the other's, 1 is uniform.
        p: Probability that an example is changed. The published values lie between 0.4 and 0.8.

    Shape:
        ``(batch, channel, freq, frame)`` in and out.

    Raises:
        ValueError: If ``alpha`` leaves its range, or ``p`` is not in [0, 1].

    References:
        Schmid et al., "CP-JKU Submission to DCASE22: Distilling Knowledge for Low-Complexity
        Convolutional Neural Networks From a Patchout Audio Transformer", 2022. Zhou et al., "Domain
        Generalization with MixStyle", ICLR 2021, https://arxiv.org/abs/2104.02008.

    Example:
        >>> import torch
        >>> from augspec import transforms as T
        >>> T.FreqMixStyle(0.4, p=0.6)(torch.randn(4, 1, 64, 250)).shape
        torch.Size([4, 1, 64, 250])
    """

    alpha: float = setting(default=0.4, check=Number(0.01, 100.0))
    per_channel: bool = setting(default=False, init=False)
    partner = Partner()
    lam = Beta()

    mixes_examples = True

    def neutralise(self, params: Values) -> Values:
        """Make examples that are not picked their own partners."""
        return own_partners(super().neutralise(params))
