"""The VGG tagger of musicnn, a network trained on music, as a timm backbone.

Its weights are in the package of that name (ISC); `recipes/audio_weights.py` makes files of them.

References:
    J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio
    tagging", ISMIR late-breaking demo, 2019; https://github.com/jordipons/musicnn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from timm.models import register_model
from torch import Tensor, nn

__all__ = ["FEATURES", "NAME", "Tagger", "convert", "musicnn_vgg"]

NAME = "musicnn_vgg"
# Its input, as a study's `features`: librosa's mel spectrogram with musicnn's settings. The network
# computes the logarithm.
FEATURES = {
    "kind": "MelSpectrogram", "sample_rate": 16_000, "n_fft": 512, "hop_length": 256, "n_mels": 96,
    "norm": "slaney", "mel_scale": "slaney", "mean": 0.0, "std": 1.0,
}  # fmt: skip
FRAMES = 187  # 3 s, the input size of its last layer
WIDTH = 128
# The pooling after each convolution: bins and frames, and the strides.
POOLS = [((1, 4), 2), ((2, 2), 2), ((2, 2), 2), ((2, 2), 2), ((4, 4), 4)]


class Tagger(nn.Module):
    """Classify mel spectrograms with five convolutions, each with batch norm and pooling.

    Inference is as published, except that mel powers are not rounded to 16 bits. Training uses
    dropout only before the last layer, and batch norm averages over tens of steps instead of
    hundreds, because fine-tuning is short.

    Args:
        num_classes: Outputs.
        in_chans: Channels of the input; the network is made for 1.

    Shape:
        ``(batch, 1, 96, frame)`` mel power to ``(batch, num_classes)``. Frames after 187 (3 s) are
        left out, missing ones are silence.

    Raises:
        ValueError: If ``in_chans`` is not 1.
    """

    def __init__(self, num_classes: int = 50, in_chans: int = 1) -> None:
        super().__init__()
        if in_chans != 1:
            raise ValueError(f"`in_chans` must be 1 for {NAME}, got {in_chans}")
        self.num_classes = num_classes
        self.pretrained_cfg = {"first_conv": "convs.0", "classifier": "dense"}
        self.norms = nn.ModuleList(nn.BatchNorm2d(n, eps=1e-3) for n in [1] + 5 * [WIDTH])
        self.convs = nn.ModuleList(nn.Conv2d(n, WIDTH, 3, padding=1) for n in [1] + 4 * [WIDTH])
        self.dense = nn.Linear(2 * WIDTH, num_classes)

    def forward(self, specgram: Tensor) -> Tensor:
        """Return the logits."""
        short = max(0, FRAMES - specgram.shape[-1])
        specgram = nn.functional.pad(specgram[..., :FRAMES], (0, short))
        held = self.norms[0](torch.log10(1.0 + 10_000.0 * specgram))
        for place, (size, stride) in enumerate(POOLS):
            held = self.norms[place + 1](torch.relu(self.convs[place](held)))
            held = nn.functional.max_pool2d(held, size, stride)
        # (batch, channel, 1, 2): time before channel, as the weights are.
        held = nn.functional.dropout(held.permute(0, 3, 2, 1).flatten(1), 0.5, self.training)
        logits: Tensor = self.dense(held)
        return logits


@register_model  # type: ignore[untyped-decorator, unused-ignore]
def musicnn_vgg(pretrained: bool = False, **words: Any) -> Tagger:
    """Make the tagger for `timm.create_model`, without weights."""
    if pretrained:
        raise ValueError(f"{NAME} has no weights to download: see recipes/audio_weights.py")
    taken = ("num_classes", "in_chans")
    return Tagger(**{name: words[name] for name in taken if name in words})


def convert(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Convert the tensors of a musicnn checkpoint to the names and axes of `Tagger`.

    A convolution of the checkpoint has the axes time, frequency, input, output; `Tagger` has
    output, input, frequency, time.

    Raises:
        ValueError: If a tensor is missing or has another shape.
    """
    found: dict[str, Tensor] = {}
    try:
        for place in range(6):
            own = "batch_normalization" + (f"_{place}" if place else "")
            names = ("gamma", "beta", "moving_mean", "moving_variance")
            ours = ("weight", "bias", "running_mean", "running_var")
            for theirs, name in zip(names, ours, strict=True):
                found[f"norms.{place}.{name}"] = torch.tensor(tensors[f"{own}/{theirs}"])
            found[f"norms.{place}.num_batches_tracked"] = torch.tensor(0)
        for place in range(5):
            kernel = torch.tensor(tensors[f"{place + 1}CNN/kernel"])
            found[f"convs.{place}.weight"] = kernel.permute(3, 2, 1, 0).contiguous()
            found[f"convs.{place}.bias"] = torch.tensor(tensors[f"{place + 1}CNN/bias"])
        found["dense.weight"] = torch.tensor(tensors["dense/kernel"]).T.contiguous()
        found["dense.bias"] = torch.tensor(tensors["dense/bias"])
        Tagger(len(found["dense.bias"])).load_state_dict(found)
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"the checkpoint must be of musicnn's VGG: {error}") from error
    return found
