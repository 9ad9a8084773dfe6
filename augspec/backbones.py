"""timm image models as backbones for spectrograms: the pretrained stem adapted to one channel.

A pretrained stem is a convolution over R, G and B. A spectrogram has one channel. To the RGB model
it is a grey picture, with the same values in all three channels. Because a convolution is linear,
the kernel *summed* over its input channels gives exactly that response from the one channel alone.
"""

from __future__ import annotations

import copy
import difflib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from augspec._input_fit import fit_input, input_fit, takes_rgb_only
from augspec.classes import as_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ModelT = TypeVar("ModelT", bound=nn.Module)

# timm is imported inside the functions: it takes longer to import than torch itself, and most
# users of the transforms never build a backbone.
_logger = logging.getLogger(__name__)

# The timm modules whose models take any input size when built with these two arguments.
_DYNAMIC_MODULES = ("vision_transformer", "deit", "eva")
_DYNAMIC_ARGUMENTS = {"dynamic_img_size": True, "dynamic_img_pad": True}


def create_backbone(
    name: str,
    *,
    num_classes: int,
    in_chans: int = 1,
    pretrained: bool = False,
    checkpoint: str | Path | None = None,
    **timm_arguments: Any,
) -> nn.Module:
    """Create a timm model that takes spectrograms.

    Without weights to load this is ``timm.create_model`` with ``in_chans``. Weights, downloaded or
    from a file, are adapted if their stem has another number of channels: see `adapt_input` for the
    rule and the normalisation that it needs.

    Vision transformers (timm's ``vision_transformer``, ``deit`` and ``eva`` modules) are built
    with ``dynamic_img_size=True`` and ``dynamic_img_pad=True``, so that any spectrogram goes in:
    it is padded with zeros at the right and at the top frequencies to whole patches (64 x 251
    becomes 64 x 256 with 16 x 16 patches), and in each forward pass the position embedding is
    interpolated (bicubic) from the grid of ``img_size`` (timm's default: 14 x 14 patches) to the
    grid of the input (4 x 16). The patch embedding is a strided convolution and is adapted as any
    stem. Pass ``img_size=(64, 256)`` to learn positions on the spectrogram's own grid, or
    ``dynamic_img_size=False`` for a fixed size.

    Some models take pictures of one size only (Swin, BEiT, MaxViT, LeViT, Hiera and similar ones):
    the spectrogram is resized to it (bilinear, antialiased) before the forward pass, because
    pretrained positions and windows expect that size. With ``img_size=(freq, frames)`` the model is
    built for the spectrogram's own grid, and smaller input is padded with zeros at the right and at
    the top frequencies instead. Models that need multiples of a number (HRNet and DLA: 32;
    `augspec.features.ToMultiple` does the same for other networks), or a minimum size (Inception:
    96), are padded in the same way. A model that only takes R, G and B (CSATv2) gets the mean of
    the channels as a grey picture. This happens when the model is called;
    ``model.forward_features`` takes the same input as timm's.

    Args:
        name: Name of a timm model, ``"resnet18"`` or ``"resnet18.a1_in1k"`` for example.
        num_classes: Outputs of the classifier; 0 leaves it out and the model returns pooled
            features.
        in_chans: Channels of the input, 1 or more.
        pretrained: Whether timm downloads its weights.
        checkpoint: File of weights for this model, ``.safetensors`` or a torch file (read with
            ``weights_only=True``); bare, or under ``state_dict`` or ``model``. Its stem may be RGB
            or have ``in_chans`` channels already. A classifier that is absent or has another shape
            is initialised at random, with a log entry at level INFO; every other difference is an
            error.
        **timm_arguments: Passed on to ``timm.create_model`` (``drop_rate``, ``img_size``, ...).

    Returns:
        The model, an ordinary timm ``nn.Module`` in training mode.

    Raises:
        ValueError: If ``name`` is unknown, a count is out of range, both ``pretrained`` and
            ``checkpoint`` are given, or the checkpoint does not fit the model (the message names
            the tensors).
        FileNotFoundError: If ``checkpoint`` is not a file.
        ImportError: If timm is not installed.

    Example:
        >>> model = augspec.create_backbone("resnet10t", num_classes=10)
        >>> model(torch.randn(2, 1, 64, 251)).shape
        torch.Size([2, 10])
    """
    _check_timm()
    import timm
    from timm.models import is_model_in_modules

    in_chans, num_classes = as_count("in_chans", in_chans, 1), as_count("num_classes", num_classes)
    if pretrained and checkpoint is not None:
        raise ValueError(
            f"`checkpoint` must be None when `pretrained` is True, got {str(checkpoint)!r}: "
            "choose one source of weights"
        )
    hosted = name.startswith(("hf-hub:", "hf_hub:", "local-dir:"))
    if not hosted and not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=5)
        near = near or timm.list_models(f"*{name.split('_')[0].split('.')[0]}*")[:5]
        raise ValueError(
            f"`name` must be a timm model, got {name!r}" + (f"; near: {near}" if near else "")
        )
    if not hosted and is_model_in_modules(name.split(".")[0], _DYNAMIC_MODULES):
        timm_arguments = _DYNAMIC_ARGUMENTS | timm_arguments
    rgb = not hosted and takes_rgb_only(name)
    if pretrained:
        # For 2 or more channels timm's in_chans repeats and cuts RGB, which changes the response to
        # grey. So the model is built with its trained channels and adapted here.
        model = timm.create_model(name, pretrained=True, num_classes=num_classes, **timm_arguments)
        model = model if rgb else adapt_input(model, in_chans)
    else:
        taken = 3 if rgb else in_chans
        model = timm.create_model(name, num_classes=num_classes, in_chans=taken, **timm_arguments)
    if checkpoint is not None:
        _load_checkpoint(model, Path(checkpoint))
    dynamic = timm_arguments.get("dynamic_img_size", False)
    size = timm_arguments.get("img_size")
    fit_input(model, None if dynamic else input_fit(model, size, in_chans))
    return model


def _check_timm() -> None:
    try:
        import timm  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'backbones need timm: pip install "augspec[backbones]", or timm'
        ) from error


def adapt_input(model: ModelT, in_chans: int = 1) -> ModelT:
    """Return a copy of a timm model whose stem takes another number of channels.

    Every new channel gets the sum of the stem's kernel over its old input channels, divided by
    ``in_chans``. A grey input, with the same signal in every channel, then gives the same response
    as before: ``adapted(x) == model(x.expand(-1, 3, -1, -1))`` for one channel, and also with ``x``
    copied to each of several. (timm also sums for one channel, but for other counts it repeats R,
    G, B, cuts and rescales: with two channels the blue kernel is lost.) A model that already has
    ``in_chans`` channels is only copied.

    This holds for values that are equal in all channels *as the stem sees them*. ImageNet models
    were trained on pixels in [0, 1] normalised with a mean and standard deviation *per channel*
    (``model.pretrained_cfg["mean"]`` and ``["std"]``). After this normalisation the channels of a
    grey picture differ a little, so its RGB response is reproduced exactly only if all three have
    the same mean and standard deviation. For spectrograms, normalise to mean 0 and standard
    deviation 1, the range that the pretrained stem expects.

    Args:
        model: A model made by timm, or by `create_backbone`; it is not changed.
        in_chans: Channels of the input, 1 or more.

    Returns:
        The adapted copy.

    Raises:
        ValueError: If the stem is not a plain convolution over the input (weight-standardised,
            grouped, space-to-depth or linear stems), or ``model`` does not name its stem as timm
            models do.

    Example:
        >>> import timm
        >>> rgb = timm.create_model("resnet10t")  # or pretrained=True
        >>> adapt_input(rgb)(torch.randn(2, 1, 64, 126)).shape
        torch.Size([2, 1000])
    """
    in_chans = as_count("in_chans", in_chans, 1)
    adapted = copy.deepcopy(model)
    for name, stem in _stems(adapted):
        _check_stem(adapted, name, stem)
        if stem.in_channels == in_chans:
            continue
        weight = _sum_input(stem.weight.detach(), in_chans)
        # Same module, new weight: padding modes and subclasses such as Conv2dSame stay.
        stem.weight = nn.Parameter(weight, requires_grad=stem.weight.requires_grad)
        stem.in_channels = in_chans
    if hasattr(adapted, "in_chans"):
        setattr(adapted, "in_chans", in_chans)  # noqa: B010  (timm's record of what it takes now)
    return adapted


def _sum_input(weight: Tensor, in_chans: int) -> Tensor:
    """Sum ``(out, in, height, width)`` over ``in``, divided among ``in_chans`` channels."""
    total = weight.float() if weight.dtype in (torch.float16, torch.bfloat16) else weight
    total = total.sum(dim=1, keepdim=True) / in_chans
    return total.to(weight.dtype).repeat(1, in_chans, 1, 1)


def _names(model: nn.Module, key: str) -> tuple[str, ...]:
    """Read the module names that timm keeps under ``key``: none, one or several."""
    names = (getattr(model, "pretrained_cfg", None) or {}).get(key) or ()
    return (names,) if isinstance(names, str) else tuple(names)


def _stems(model: nn.Module) -> Iterator[tuple[str, nn.Conv2d]]:
    names = _names(model, "first_conv")
    if not names:
        raise ValueError(
            "`model` must be a timm model that names its stem in pretrained_cfg['first_conv'], "
            f"got {type(model).__name__}"
        )
    for name in names:
        stem = model.get_submodule(name)
        if not isinstance(stem, nn.Conv2d):
            raise ValueError(
                "`model` must have a convolution as its stem, "
                f"got {type(stem).__name__} at {name!r}"
            )
        yield name, stem


def _check_stem(model: nn.Module, name: str, stem: nn.Conv2d) -> None:
    """Raise for stems that are not linear in their weight, or do not get the input directly."""
    from timm.layers.std_conv import (
        ScaledStdConv2d,
        ScaledStdConv2dSame,
        StdConv2d,
        StdConv2dSame,
    )

    standardised = (ScaledStdConv2d, ScaledStdConv2dSame, StdConv2d, StdConv2dSame)
    # Older models have no number of input channels; take that of their training.
    trained = model.pretrained_cfg["input_size"][0]  # type: ignore[index]
    taken = getattr(model, "in_chans", min(stem.in_channels, trained))
    if isinstance(stem, standardised) or stem.groups != 1 or stem.in_channels != taken:
        raise ValueError(
            "`model` must have a plain convolution over its input channels as its stem, "
            f"so that its kernel can be summed, got {name!r}: {stem}"
        )


def _load_checkpoint(model: nn.Module, path: Path) -> None:
    """Load weights strictly, except a stem to be summed and a new classifier."""
    state = _read_checkpoint(path)
    expected = model.state_dict()
    if _names(model, "first_conv"):
        for name, stem in _stems(model):
            weight = state.get(f"{name}.weight")
            if weight is not None and weight.ndim == 4 and weight.shape[1] != stem.in_channels:
                _check_stem(model, name, stem)
                state[f"{name}.weight"] = _sum_input(weight, stem.in_channels)
    for prefix in _names(model, "classifier"):
        wanted = {key: value for key, value in expected.items() if key.startswith(f"{prefix}.")}
        given = {key: value.shape for key, value in state.items() if key.startswith(f"{prefix}.")}
        if given != {key: value.shape for key, value in wanted.items()}:
            _logger.info("%s: the classifier %r is freshly initialised", path, prefix)
            state = {key: value for key, value in state.items() if key not in given} | wanted
    if differences := _differences(expected, state):
        raise ValueError(
            f"`checkpoint` must hold the tensors of this model, got {str(path)!r}:\n  "
            + "\n  ".join(differences)
        )
    model.load_state_dict(state)


def _differences(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    """Describe in a few lines how tensors differ from those of a model."""
    missing = [name for name in expected if name not in given]
    strange = [name for name in given if name not in expected]
    shapes = [
        f"{name} {tuple(given[name].shape)}, the model's is {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in given and given[name].shape != tensor.shape
    ]
    found = []
    for what, names in (
        (f"{len(missing)} of {len(expected)} tensors are missing", missing),
        (f"{len(strange)} tensors are not part of the model", strange),
        (f"{len(shapes)} tensors have another shape", shapes),
    ):
        if names:
            more = f", and {len(names) - 3} more" if len(names) > 3 else ""
            found.append(f"{what}: {', '.join(name[:120] for name in names[:3])}{more}")
    prefixes = {name.partition(".")[0] for name in strange}
    prefix = f"{min(prefixes, default='')}."
    if len(prefixes) == 1 and any(name.removeprefix(prefix) in expected for name in strange):
        found.append(f"without the prefix {prefix!r} the names would fit: remove it and save again")
    return found


def _read_checkpoint(path: Path) -> dict[str, Tensor]:
    from timm.models import load_state_dict

    if not path.is_file():
        raise FileNotFoundError(f"`checkpoint` must be an existing file, got {str(path)!r}")
    try:
        state = dict(load_state_dict(str(path), weights_only=True))
    except Exception as error:  # each format raises its own errors for a file of another format
        raise ValueError(
            "`checkpoint` must be a safetensors or torch file of tensors, "
            f"got {str(path)!r}: {error}"
        ) from error
    strangers = [str(key) for key, value in state.items() if not isinstance(value, Tensor)]
    if strangers:
        raise ValueError(
            f"`checkpoint` must hold tensors only, bare or under 'state_dict' or 'model', "
            f"got {str(path)!r} with {strangers[:5]}"
        )
    return state
