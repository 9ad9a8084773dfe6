"""Fitting spectrograms of any size to the input size of a timm model.

Most convolutional models take any size. Others take only the size of their training pictures, or
multiples of a number. Without this module their first forward pass fails inside timm.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

from torch import Tensor, nn

from augspec.features.multiple import pad_to, resize_to

__all__ = ["InputFit", "fit_input", "input_fit", "takes_rgb_only"]

# Modules of timm whose models are marked as fixed size, but take any size.
_ANY_SIZE = {
    "crossvit",
    "deit",
    "efficientvit_msra",
    "eva",
    "sequencer",
    "swiftformer",
    "twins",
    "vision_transformer",
    "xcit",
}
# Models with a fixed size, or nearly, that are not marked.
_ONE_SIZE = {"byoanet"}
# Freq and frames must be multiples of the first number and at least the second.
_MULTIPLES = {
    "csatv2": (8, 64),
    "deepseek_vit": (14, 126),
    "dla": (32, 32),
    "gemma4_vit": (16, 96),
    "hieradet_sam2": (32, 64),
    "hrnet": (32, 32),
    "inception_resnet_v2": (1, 96),
    "inception_v3": (1, 96),
    "inception_v4": (1, 96),
    "naflexvit": (16, 16),
    "qwen3_vit": (32, 32),
    "tresnet": (32, 32),
}
# Models whose stem takes only R, G and B, because a fixed transform of colours comes before it.
_RGB_ONLY = {"csatv2"}


class InputFit:
    """Pad or resize the input of a model; a class, because models are copied and pickled.

    Args:
        size: Freq and frames that the model takes; None if any multiple fits.
        resize: Resize to ``size``; otherwise pad with zeros to it.
        multiple: Without ``size``: freq and frames must be multiples of it.
        least: Without ``size``: the smallest freq and frames.
        grey: Pass the mean of the channels as a grey picture, in R, G and B.
    """

    def __init__(
        self,
        size: tuple[int, int] | None = None,
        *,
        resize: bool = False,
        multiple: int = 1,
        least: int = 1,
        grey: bool = False,
    ) -> None:
        self.size = size
        self.resize = resize
        self.multiple = multiple
        self.least = least
        self.grey = grey

    def __call__(self, specgram: Tensor) -> Tensor:
        """Return ``(batch, channel, freq, frame)`` in a size that the model takes."""
        if self.grey:
            specgram = specgram.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        given = specgram.shape[-2:]
        size = self.size or (self._up(given[0]), self._up(given[1]))
        if self.resize:
            return resize_to(specgram, size)
        if given[0] > size[0] or given[1] > size[1]:
            raise ValueError(
                f"the spectrogram must be no larger than the `img_size` of the model, {size}, got "
                f"{tuple(given)}: pass create_backbone a larger img_size=, in bins and frames"
            )
        return pad_to(specgram, size)

    def _up(self, length: int) -> int:
        return -(-max(length, self.least) // self.multiple) * self.multiple


class _BeforeForward:
    def __init__(self, fit: InputFit) -> None:
        self.fit = fit

    def __call__(self, model: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not inputs or not isinstance(inputs[0], Tensor) or inputs[0].ndim != 4:
            return None
        return (self.fit(inputs[0]), *inputs[1:])


def takes_rgb_only(name: str) -> bool:
    """Return whether a timm model can only be made for three channels."""
    from timm.models import is_model_in_modules

    return bool(is_model_in_modules(name.split(".")[0], _RGB_ONLY))


def input_fit(model: nn.Module, img_size: Any = None, in_chans: int = 1) -> InputFit | None:
    """Return how to fit the input of a timm model; None if it takes any size.

    Args:
        model: The model as timm made it.
        img_size: The argument with which it was made, if given.
        in_chans: Channels of its input.
    """
    from timm.models import is_model_in_modules

    config: Any = getattr(model, "pretrained_cfg", {})
    # Use the module of its name, not of its class: hybrids have the class of models that take any
    # size.
    name = config.get("architecture", "")
    for family, (multiple, least) in _MULTIPLES.items():
        if is_model_in_modules(name, {family}):
            grey = family in _RGB_ONLY and in_chans != 3
            return InputFit(multiple=multiple, least=least, grey=grey)
    one_size = config.get("fixed_input_size", False) or is_model_in_modules(name, _ONE_SIZE)
    if not one_size or is_model_in_modules(name, _ANY_SIZE):
        return None
    if img_size is None:
        freq, frames = config["input_size"][-2:]
        return InputFit((freq, frames), resize=True)
    freq, frames = (img_size, img_size) if isinstance(img_size, Integral) else img_size
    return InputFit((int(freq), int(frames)))


def fit_input(model: nn.Module, fit: InputFit | None) -> None:
    """Make a model fit its input to the size that it takes."""
    if fit is not None:
        model.register_forward_pre_hook(_BeforeForward(fit))
