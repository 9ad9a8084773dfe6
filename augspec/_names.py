"""What to say where a module has no such name: ours for a peer's, and the nearest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from types import ModuleType

__all__ = ["PEERS", "no_attribute"]

#: What audiomentations, torch-audiomentations and torchaudio call what is ours; `docs/migration.md`
#: says more of each.
PEERS = {
    "AddBackgroundNoise": "T.BackgroundNoise(bank, snr_db)",
    "AddColorNoise": "T.ColoredNoise(snr_db, slope_db)",
    "AddColoredNoise": "T.ColoredNoise(snr_db, slope_db)",
    "AddGaussianNoise": "T.WhiteNoise(snr_db, reference)",
    "AddGaussianSNR": "T.WhiteNoise(snr_db)",
    "AddNoise": "T.BackgroundNoise(bank, snr_db), T.MixBackground",
    "AddShortNoises": "T.ShortNoises(snr_db, count, duration, bank)",
    "AdjustDuration": "T.RandomCrop(size), T.CenterCrop(size), T.PadTo(size)",
    "AmplitudeToDB": "F.AmplitudeToDB(stype, top_db)",
    "ApplyImpulseResponse": "T.ImpulseResponse(bank)",
    "BandPassFilter": "T.BandPass(center_freq, q)",
    "BandStopFilter": "T.BandStop(center_freq, q)",
    "Compose": "T.Chain(transforms)",
    "ComputeDeltas": "F.Delta(width, mode)",
    "Convolve": "T.ImpulseResponse(bank)",
    "Deemphasis": "T.LowShelf(cutoff_freq, gain_db, q)",
    "FFTConvolve": "T.ImpulseResponse(bank)",
    "Fade": "T.GainTransition",
    "FrequencyMasking": "T.FrequencyMask(max_width)",
    "HighPassFilter": "T.HighPass(cutoff_freq)",
    "HighShelfFilter": "T.HighShelf(cutoff_freq, gain_db, q)",
    "Identity": "T.Chain(transforms)",
    "LFCC": "F.MFCC",
    "Lambda": "T.WaveformTransform",
    "Loudness": "T.LoudnessNormalize(lufs)",
    "LoudnessNormalization": "T.LoudnessNormalize(lufs)",
    "LowPassFilter": "T.LowPass(cutoff_freq)",
    "LowShelfFilter": "T.LowShelf(cutoff_freq, gain_db, q)",
    "MFCC": "F.MFCC",
    "MelScale": "F.MelSpectrogram",
    "MelSpectrogram": "F.MelSpectrogram, F.LogMelSpectrogram",
    "Mp3Compression": "T.Codec(sample_rate, formats, compression_level)",
    "MuLawDecoding": "T.MuLaw(quantization_channels)",
    "MuLawEncoding": "T.MuLaw(quantization_channels)",
    "Normalize": "T.PeakNormalize(peak_db)",
    "Padding": "T.Mute(width)",
    "PeakNormalization": "T.PeakNormalize(peak_db)",
    "PeakingFilter": "T.PeakingEQ(center_freq, gain_db, q)",
    "Preemphasis": "T.HighShelf(cutoff_freq, gain_db, q)",
    "Reverse": "T.TimeReverse",
    "RoomSimulator": "T.RoomReverb(rt60, drr_db)",
    "SevenBandParametricEQ": "T.RandomEQ(bands, gain_db, q)",
    "ShuffleChannels": "T.ChannelShuffle",
    "SlidingWindowCmn": "F.Normalize",
    "Spectrogram": "F.Spectrogram",
    "SpeedPerturbation": "T.Speed(factor)",
    "SpliceOut": "T.Mute(width), T.Speed(factor)",
    "TimeInversion": "T.TimeReverse",
    "TimeMasking": "T.TimeMask(max_width)",
    "Vol": "T.Gain(gain_db)",
}


def no_attribute(
    module: str, name: str, known: Iterable[str], elsewhere: Iterable[ModuleType] = ()
) -> AttributeError:
    """Make the error of a name that a module does not have.

    Args:
        module: The module's full name.
        name: What was looked for.
        known: The names that it has.
        elsewhere: Modules that may have it.
    """
    text = f"module {module!r} has no attribute {name!r}"
    if name.startswith("_"):
        return AttributeError(text)
    for other in elsewhere:
        if name in other.__all__:
            return AttributeError(f"{text}: it is {other.__name__}.{name}")
    if name in PEERS:
        return AttributeError(f"{text}: here it is {PEERS[name]}")
    letters = {one.lower(): one for one in known}
    near = [letters[one] for one in difflib.get_close_matches(name.lower(), letters, n=3)]
    return AttributeError(f"{text}; nearest: {', '.join(near)}" if near else text)
