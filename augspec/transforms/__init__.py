"""Random transforms: parameters drawn per example, applied by `augspec.functional`."""

from augspec.transforms.base import RandomTransform, SpecgramTransform, WaveformTransform
from augspec.transforms.compose import Chain
from augspec.transforms.crop import CenterCrop, RandomCrop
from augspec.transforms.formant import VTLP, FormantShift
from augspec.transforms.level import Gain, PolarityInversion
from augspec.transforms.mask import FrequencyMask, TimeMask
from augspec.transforms.resample import Resample
from augspec.transforms.stretch import PitchAndTempo, PitchShift, Speed, TimeStretch

__all__ = [
    "RandomTransform",
    "WaveformTransform",
    "SpecgramTransform",
    "Chain",
    "Gain",
    "PolarityInversion",
    "RandomCrop",
    "CenterCrop",
    "TimeStretch",
    "PitchShift",
    "PitchAndTempo",
    "FormantShift",
    "VTLP",
    "Speed",
    "Resample",
    "TimeMask",
    "FrequencyMask",
]
