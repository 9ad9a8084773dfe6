"""Names in errors: the first of many, the nearest to an unknown one, ours for a peer's."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Iterable
from types import ModuleType

__all__ = ["PEERS", "listing", "nearest", "no_attribute"]

_LISTED, _WIDTH = 20, 60  # names that an error lists, and characters of each

#: Our names for classes of audiomentations, torch-audiomentations and torchaudio;
#: `docs/migration.md` has details.
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


def listing(names: Collection[str]) -> str:
    """List the first names for an error; files of others may have millions, and long ones.

    Example:
        >>> listing([str(number) for number in range(30)])
        '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 and 10 more'
    """
    first = itertools.islice(names, _LISTED)
    some = [name if len(name) <= _WIDTH else f"{name[:_WIDTH]}..." for name in first]
    more = len(names) - len(some)
    return ", ".join(some) + (f" and {more:,} more" if more else "")


def no_attribute(
    module: str, name: str, known: Iterable[str], elsewhere: Iterable[ModuleType] = ()
) -> AttributeError:
    """Make the error of a name that a module does not have.

    Args:
        module: The module's full name.
        name: The unknown name.
        known: The names of the module.
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
    return AttributeError(text + nearest(name, known))


def nearest(name: str, known: Iterable[str], most: int = 3, *, always: bool = False) -> str:
    """Return ``"; nearest: ..."`` with the known names that are most like one, for an error.

    Args:
        name: The unknown name.
        known: The names that exist.
        most: Largest number of names.
        always: Whether to name some even if none is like it.

    Returns:
        An empty text if there are none.
    """
    letters = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), letters, n=most)
    if always and not found:
        found = difflib.get_close_matches(name.lower(), letters, n=most, cutoff=0.0)
    return f"; nearest: {', '.join(letters[one] for one in found)}" if found else ""
