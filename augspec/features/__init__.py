"""Waveform to features, with torchaudio's names and meanings."""

from augspec.features.cepstral import MFCC
from augspec.features.mel import LogMelSpectrogram, MelFeature, MelSpectrogram
from augspec.features.normalize import AmplitudeToDB, Normalize
from augspec.features.spectrogram import MagnitudeFeature, Spectrogram

__all__ = [
    "Spectrogram",
    "MelSpectrogram",
    "LogMelSpectrogram",
    "MFCC",
    "AmplitudeToDB",
    "Normalize",
    "MagnitudeFeature",
    "MelFeature",
]
