"""Compare the presets of PaSST and VGGish with the code that their authors published.

    pip install --no-deps hear21passt torchvggish
    python tests/long/published_presets.py

Only their feature code is loaded, from its files: the packages want others that are not needed. It
prints the largest difference in units of each feature, and ends with 1 if it is above 1e-3.
"""

import importlib.util
import sys
import warnings
from pathlib import Path

import torch

from augspec import features as F


def load(package, path):
    """Load one file of an installed package, without the package."""
    found = importlib.util.find_spec(package)
    if found is None:
        raise SystemExit(f"pip install --no-deps {package}")
    spec = importlib.util.spec_from_file_location(path, Path(found.origin).parent / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def passt(waveform):
    """Give the features of PaSST as `hear21passt` makes them when it classifies."""
    settings = {"n_mels": 128, "sr": 32_000, "win_length": 800, "hopsize": 320, "n_fft": 1024}
    published = load("hear21passt", "models/preprocess.py").AugmentMelSTFT(
        **settings, fmin_aug_range=10, fmax_aug_range=2000
    )
    return published.eval()(waveform[:, 0])


def vggish(waveform):
    """Give the features of VGGish as `torchvggish` makes them, before they are cut to patches."""
    made = [
        load("torchvggish", "mel_features.py").log_mel_spectrogram(
            one,
            audio_sample_rate=16_000,
            log_offset=0.01,
            window_length_secs=0.025,
            hop_length_secs=0.010,
            num_mel_bins=64,
            lower_edge_hertz=125,
            upper_edge_hertz=7500,
        )
        for one in waveform[:, 0].double().numpy()
    ]
    return torch.stack([torch.from_numpy(one) for one in made]).mT


def main():
    """Print the differences."""
    warnings.simplefilter("ignore")
    waveform = 0.1 * torch.randn(2, 1, 64_000, generator=torch.Generator().manual_seed(0))
    worst = 0.0
    for name, theirs in (("PaSST", passt), ("VGGish", vggish)):
        found = (F.preset(name)(waveform)[:, 0] - theirs(waveform)).abs().max().item()
        print(f"{name}: {found:.1e}")
        worst = max(worst, found)
    return int(worst > 1e-3)


if __name__ == "__main__":
    sys.exit(main())
