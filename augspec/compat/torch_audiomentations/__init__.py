"""torch-audiomentations' names, arguments and calling convention, on augspec's kernels.

Change one import, and a program that was written for torch-audiomentations runs: ``augment(samples,
sample_rate=...)``, ``output_type``, ``mode`` and ``p_mode``, ``targets``, frozen parameters,
``Compose``, ``OneOf`` and ``SomeOf``. Neither that library nor torchaudio is needed.

Draws come from torch's default generator: ``torch.manual_seed`` repeats them.

Example:
    >>> import torch
    >>> from augspec.compat.torch_audiomentations import Compose, Gain, PolarityInversion
    >>> augment = Compose([Gain(-12.0, 6.0), PolarityInversion()], output_type="dict")
    >>> augment(torch.randn(4, 1, 16_000), sample_rate=16_000).samples.shape
    torch.Size([4, 1, 16000])
"""

from augspec.compat.torch_audiomentations._base import (
    BaseWaveformTransform,
    EmptyPathException,
    ModeNotSupportedException,
    MultichannelAudioNotSupportedException,
    ObjectDict,
)
from augspec.compat.torch_audiomentations._channels import Identity, ShuffleChannels
from augspec.compat.torch_audiomentations._compose import BaseCompose, Compose, OneOf, SomeOf
from augspec.compat.torch_audiomentations._config import from_dict, from_yaml
from augspec.compat.torch_audiomentations._filters import (
    BandPassFilter,
    BandStopFilter,
    HighPassFilter,
    LowPassFilter,
)
from augspec.compat.torch_audiomentations._level import Gain, PeakNormalization, PolarityInversion
from augspec.compat.torch_audiomentations._noise import AddBackgroundNoise, AddColoredNoise, Mix
from augspec.compat.torch_audiomentations._pitch import PitchShift
from augspec.compat.torch_audiomentations._rooms import ApplyImpulseResponse
from augspec.compat.torch_audiomentations._splice import SpliceOut
from augspec.compat.torch_audiomentations._time import Padding, RandomCrop, Shift, TimeInversion

__all__ = [
    "AddBackgroundNoise",
    "AddColoredNoise",
    "ApplyImpulseResponse",
    "BandPassFilter",
    "BandStopFilter",
    "BaseCompose",
    "BaseWaveformTransform",
    "Compose",
    "EmptyPathException",
    "Gain",
    "HighPassFilter",
    "Identity",
    "LowPassFilter",
    "Mix",
    "ModeNotSupportedException",
    "MultichannelAudioNotSupportedException",
    "ObjectDict",
    "OneOf",
    "Padding",
    "PeakNormalization",
    "PitchShift",
    "PolarityInversion",
    "RandomCrop",
    "Shift",
    "ShuffleChannels",
    "SomeOf",
    "SpliceOut",
    "TimeInversion",
    "from_dict",
    "from_yaml",
]
