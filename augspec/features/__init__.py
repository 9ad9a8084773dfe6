"""Waveform to features, with torchaudio's names and meanings."""

from augspec._names import no_attribute
from augspec.features.cepstral import MFCC
from augspec.features.constant_q import CQT
from augspec.features.delta import Delta
from augspec.features.fbank import Fbank
from augspec.features.mel import LogMelSpectrogram, MelFeature, MelSpectrogram
from augspec.features.multiple import ToMultiple
from augspec.features.normalize import AmplitudeToDB, Normalize
from augspec.features.pcen import PCEN
from augspec.features.presets import preset
from augspec.features.spectrogram import MagnitudeFeature, Spectrogram

__all__ = [
    "Spectrogram",
    "MelSpectrogram",
    "LogMelSpectrogram",
    "Fbank",
    "MFCC",
    "CQT",
    "PCEN",
    "Delta",
    "AmplitudeToDB",
    "Normalize",
    "ToMultiple",
    "MagnitudeFeature",
    "MelFeature",
    "preset",
]


def __getattr__(name: str) -> object:
    raise no_attribute(__name__, name, __all__)
