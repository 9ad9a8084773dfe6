"""Random transforms: parameters drawn per example, applied by `augspec.functional`."""

from augspec.transforms.base import RandomTransform, SpecgramTransform, WaveformTransform
from augspec.transforms.channels import ChannelDrop, ChannelShuffle, StereoWidth, ToMono
from augspec.transforms.choice import OneOf, RandomOrder, SomeOf
from augspec.transforms.codec import Codec
from augspec.transforms.coloration import AirAbsorption, RandomEQ, TiltEQ
from augspec.transforms.compose import Chain, Repeat
from augspec.transforms.crop import CenterCrop, RandomCrop
from augspec.transforms.distortion import (
    Aliasing,
    BitCrush,
    Clip,
    ClippingDistortion,
    MuLaw,
    TanhDistortion,
)
from augspec.transforms.dynamics import Compressor, Limiter
from augspec.transforms.edit import Mute, RepeatPart, Shift, TimeReverse
from augspec.transforms.equalizer import HighShelf, LowShelf, PeakingEQ
from augspec.transforms.filter import BandPass, BandStop, HighPass, LowPass
from augspec.transforms.filter_augment import FilterAugment
from augspec.transforms.formant import VTLP, FormantShift
from augspec.transforms.level import Gain, GainTransition, PolarityInversion
from augspec.transforms.mask import FrequencyMask, TimeMask
from augspec.transforms.mix import CutMix, MixBackground, Mixup
from augspec.transforms.noise import BackgroundNoise, ColoredNoise, ShortNoises, WhiteNoise
from augspec.transforms.normalize import LoudnessNormalize, PeakNormalize, RMSNormalize
from augspec.transforms.pad import PadTo
from augspec.transforms.policy import RandAugment, TrivialAugment
from augspec.transforms.resample import Resample
from augspec.transforms.resize import FrequencyShift, RandomResizeCrop, TimeWarp
from augspec.transforms.reverb import ImpulseResponse, RoomReverb
from augspec.transforms.schedule import Schedule
from augspec.transforms.specaugment import Cutout, SpecAugment
from augspec.transforms.stretch import PitchAndTempo, PitchShift, Speed, TimeStretch

__all__ = [
    "RandomTransform",
    "WaveformTransform",
    "SpecgramTransform",
    "Chain",
    "Repeat",
    "OneOf",
    "SomeOf",
    "RandomOrder",
    "RandAugment",
    "TrivialAugment",
    "Schedule",
    "Gain",
    "GainTransition",
    "PeakNormalize",
    "RMSNormalize",
    "LoudnessNormalize",
    "PolarityInversion",
    "Compressor",
    "Limiter",
    "Clip",
    "ClippingDistortion",
    "TanhDistortion",
    "BitCrush",
    "MuLaw",
    "Aliasing",
    "RandomCrop",
    "CenterCrop",
    "PadTo",
    "Shift",
    "TimeReverse",
    "Mute",
    "RepeatPart",
    "ChannelShuffle",
    "ChannelDrop",
    "ToMono",
    "StereoWidth",
    "TimeStretch",
    "PitchShift",
    "PitchAndTempo",
    "FormantShift",
    "VTLP",
    "Speed",
    "Resample",
    "Codec",
    "Mixup",
    "CutMix",
    "MixBackground",
    "TimeMask",
    "FrequencyMask",
    "SpecAugment",
    "TimeWarp",
    "RandomResizeCrop",
    "FilterAugment",
    "FrequencyShift",
    "Cutout",
    "LowPass",
    "HighPass",
    "BandPass",
    "BandStop",
    "LowShelf",
    "HighShelf",
    "PeakingEQ",
    "RandomEQ",
    "TiltEQ",
    "AirAbsorption",
    "WhiteNoise",
    "ColoredNoise",
    "BackgroundNoise",
    "ShortNoises",
    "ImpulseResponse",
    "RoomReverb",
]
