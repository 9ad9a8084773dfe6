"""Which transforms the peers have too, and how each is called: the rows of ``bench_catalogue.py``.

A batched peer gets the whole batch in one call. torch-audiomentations draws for each example, and
so do the masks of torchaudio with ``iid_masks``. The rest of torchaudio has one setting for all of
them and draws nothing: that is less than what ours do, and a column of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import audiomentations
import torch
import torch_audiomentations
from torchaudio import functional as taf
from torchaudio import transforms as tat

from augspec import transforms as T

RATE = 16_000
Call = Callable[[torch.Tensor], Any]
FIXED = ", one for all"


@dataclass(frozen=True)
class Row:
    """How one of our transforms and its peers are made, with settings that do the same work."""

    #: Arguments of our class.
    ours: dict[str, Any]
    #: Batched peers by name, if there are any; each gives the call. `FIXED` at the end of a name
    #: says that all examples have the same setting.
    peers: dict[str, Callable[[], Call]]
    #: An audiomentations transform, run in a loop: for information.
    loop: Callable[[], Any] | None = None
    #: What both are given.
    shape: str = "mono"
    note: str = field(default="", kw_only=True)


def ta(name: str, **arguments: Any) -> dict[str, Callable[[], Call]]:
    """Make a torch-audiomentations contestant that changes every example."""

    def make() -> Call:
        peer = getattr(torch_audiomentations, name)(p=1.0, output_type="dict", **arguments)
        return lambda waveform: peer(waveform, sample_rate=RATE)

    return {"torch-audiomentations": make}


def once(call: Call) -> dict[str, Callable[[], Call]]:
    """Make a torchaudio contestant out of a function with one setting for all examples."""
    return {f"torchaudio{FIXED}": lambda: call}


def module(make: Callable[[], Call]) -> dict[str, Callable[[], Call]]:
    """Make a torchaudio contestant out of a module with one setting for all examples."""
    return {f"torchaudio{FIXED}": make}


def same(make: Callable[[], Call], name: str = "torchaudio") -> dict[str, Callable[[], Call]]:
    """Make a contestant that does for each example what ours does."""
    return {name: make}


def am(name: str, **arguments: Any) -> Callable[[], Any]:
    """Make an audiomentations transform that changes every example."""
    return lambda: getattr(audiomentations, name)(p=1.0, **arguments)


def _stretch() -> Call:
    window = torch.hann_window(1024)
    stretch = tat.TimeStretch(hop_length=256, n_freq=513, fixed_rate=1.1)

    def call(waveform: torch.Tensor) -> torch.Tensor:
        flat = waveform.flatten(0, 1)
        spectrum = torch.stft(flat, 1024, 256, window=window, return_complex=True)
        return torch.istft(stretch(spectrum), 1024, 256, window=window)

    return call


def _noise(waveform: torch.Tensor) -> torch.Tensor:
    return taf.add_noise(waveform, torch.randn_like(waveform), torch.full(waveform.shape[:2], 10.0))


def _file_noise() -> Call:
    noise = torch.randn(64, 1, 64_000)
    return lambda waveform: taf.add_noise(
        waveform, noise[: len(waveform)], torch.full(waveform.shape[:2], 10.0)
    )


def _reverb() -> Call:
    response = torch.randn(1, 1, RATE // 2) * torch.exp(-torch.arange(RATE // 2) / 800.0)
    return lambda waveform: taf.fftconvolve(waveform, response)[..., : waveform.shape[-1]]


def _nnaudio_cqt() -> Call:
    from nnAudio.features import CQT1992v2

    cqt = CQT1992v2(sr=RATE, hop_length=256, verbose=False)
    return lambda waveform: cqt(waveform.flatten(0, 1))


def _kaldi_in_torch() -> Call:
    from torchaudio.compliance.kaldi import fbank

    settings = {"num_mel_bins": 80, "sample_frequency": RATE, "dither": 0.0}
    return lambda waveform: [fbank(example, **settings) for example in waveform]


def _kaldi_native() -> Call:
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = 80

    def fbank(example: Any) -> Any:
        found = kaldi_native_fbank.OnlineFbank(options)
        found.accept_waveform(RATE, example)
        found.input_finished()
        return [found.get_frame(i) for i in range(found.num_frames_ready)]

    return lambda waveform: [fbank(example) for example in waveform[:, 0].numpy()]


def _librosa_pcen() -> Call:
    import librosa

    mel = tat.MelSpectrogram(RATE)
    settings = {"sr": RATE, "hop_length": 200}
    return lambda waveform: librosa.pcen(2.0**31 * mel(waveform).numpy(), **settings)


_FILTER = {"sample_rate": RATE}
_BAND = {"center_freq": (200.0, 4000.0), "q": 1.0, **_FILTER}
_TA_BAND = {"min_bandwidth_fraction": 0.5, "max_bandwidth_fraction": 1.0}
_SHELF = {"cutoff_freq": (200.0, 4000.0), "gain_db": (-12.0, 12.0), **_FILTER}

ROWS: dict[str, Row] = {
    "Gain": Row({}, ta("Gain") | once(lambda x: taf.gain(x, 3.0)), am("Gain")),
    "PolarityInversion": Row({}, ta("PolarityInversion"), am("PolarityInversion")),
    "PeakNormalize": Row({"peak_db": 0.0}, ta("PeakNormalization"), am("Normalize")),
    "LoudnessNormalize": Row(
        _FILTER,
        same(lambda: lambda x: taf.loudness(x, RATE)),
        note="theirs only measures",
    ),
    "Shift": Row({"shift": (-0.5, 0.5)}, ta("Shift"), am("Shift")),
    "TimeReverse": Row({}, ta("TimeInversion"), am("Reverse")),
    "ChannelShuffle": Row({}, ta("ShuffleChannels"), shape="stereo"),
    "PitchShift": Row(
        {"semitones": (-4.0, 4.0)},
        ta("PitchShift", sample_rate=RATE) | module(lambda: tat.PitchShift(RATE, 4)),
        am("PitchShift"),
    ),
    "TimeStretch": Row(
        {"rate": (0.8, 1.25)}, module(_stretch), am("TimeStretch"), note="theirs: STFT and back"
    ),
    "Speed": Row({"factor": (0.8, 1.25)}, module(lambda: tat.Speed(RATE, 1.1)), am("Resample")),
    "LowPass": Row(
        {"cutoff_freq": (150.0, 7500.0), **_FILTER},
        ta("LowPassFilter") | once(lambda x: taf.lowpass_biquad(x, RATE, 2000.0)),
        am("LowPassFilter"),
    ),
    "HighPass": Row(
        {"cutoff_freq": (20.0, 2400.0), **_FILTER},
        ta("HighPassFilter") | once(lambda x: taf.highpass_biquad(x, RATE, 500.0)),
        am("HighPassFilter"),
    ),
    "BandPass": Row(
        _BAND,
        ta("BandPassFilter", **_TA_BAND) | once(lambda x: taf.bandpass_biquad(x, RATE, 1000.0)),
        am("BandPassFilter"),
    ),
    "BandStop": Row(
        _BAND,
        ta("BandStopFilter", **_TA_BAND) | once(lambda x: taf.bandreject_biquad(x, RATE, 1000.0)),
        am("BandStopFilter"),
    ),
    "LowShelf": Row(
        _SHELF, once(lambda x: taf.bass_biquad(x, RATE, 6.0, 300.0)), am("LowShelfFilter")
    ),
    "HighShelf": Row(
        _SHELF, once(lambda x: taf.treble_biquad(x, RATE, 6.0, 3000.0)), am("HighShelfFilter")
    ),
    "PeakingEQ": Row(
        {**_BAND, "gain_db": (-12.0, 12.0)},
        once(lambda x: taf.equalizer_biquad(x, RATE, 1000.0, 6.0)),
        am("PeakingFilter"),
    ),
    "WhiteNoise": Row(
        {"snr_db": (3.0, 30.0)},
        ta("AddColoredNoise", min_f_decay=0.0, max_f_decay=0.0) | once(_noise),
        am("AddGaussianSNR"),
    ),
    "ColoredNoise": Row({"snr_db": (3.0, 30.0)}, ta("AddColoredNoise"), am("AddColorNoise")),
    "BackgroundNoise": Row({}, module(_file_noise), note="theirs has its noise ready"),
    "ImpulseResponse": Row({}, module(_reverb), note="theirs: one response for all"),
    "TanhDistortion": Row({}, {}, am("TanhDistortion")),
    "GainTransition": Row({}, {}, am("GainTransition")),
    "Clip": Row({}, {}, am("Clip", a_min=-0.1, a_max=0.1)),
    "ClippingDistortion": Row({}, {}, am("ClippingDistortion")),
    "BitCrush": Row({}, {}, am("BitCrush")),
    "Aliasing": Row({}, {}, am("Aliasing", min_sample_rate=4000, max_sample_rate=12_000)),
    "Mute": Row({}, {}, am("TimeMask")),
    "RandomEQ": Row({"bands": 7, **_FILTER}, {}, am("SevenBandParametricEQ")),
    "AirAbsorption": Row({}, {}, am("AirAbsorption")),
    "TimeMask": Row(
        {"max_width": 40, "mask_value": 0.0},
        same(lambda: lambda x: taf.mask_along_axis_iid(x, 40, 0.0, 3))
        | module(lambda: tat.TimeMasking(40)),
        shape="specgram",
    ),
    "FrequencyMask": Row(
        {"max_width": 12, "mask_value": 0.0},
        same(lambda: lambda x: taf.mask_along_axis_iid(x, 12, 0.0, 2))
        | module(lambda: tat.FrequencyMasking(12)),
        shape="specgram",
    ),
    "SpecAugment": Row(
        {
            "policy": None,
            "max_warp": 0,
            "n_time_masks": 2,
            "max_time_width": 40,
            "n_freq_masks": 2,
            "max_freq_width": 12,
            "max_time_fraction": 1.0,
            "mask_value": 0.0,
        },
        same(lambda: tat.SpecAugment(2, 40, 2, 12, iid_masks=True, zero_masking=True)),
        shape="specgram",
    ),
    "OneOf": Row(
        {"transforms": [T.Gain(), T.PolarityInversion()]},
        {
            f"torch-audiomentations{FIXED}": lambda: torch_audiomentations.OneOf(
                [
                    torch_audiomentations.Gain(p=1.0, output_type="dict"),
                    torch_audiomentations.PolarityInversion(p=1.0, output_type="dict"),
                ],
                output_type="dict",
            )
        },
    ),
    "Resample": Row(
        {"orig_freq": 44_100, "new_freq": RATE}, same(lambda: tat.Resample(44_100, RATE))
    ),
    "MuLaw": Row(
        {"quantization_channels": 256},
        same(lambda: lambda x: taf.mu_law_decoding(taf.mu_law_encoding(x, 256), 256)),
    ),
    "Fbank": Row(
        {"n_mels": 80, **_FILTER},
        same(_kaldi_in_torch, "torchaudio, a loop")
        | same(_kaldi_native, "kaldi-native-fbank, a loop"),
        note="no batched peer",
    ),
    "PCEN": Row(_FILTER, same(_librosa_pcen, "librosa of torchaudio's mel")),
    "Spectrogram": Row({}, same(tat.Spectrogram)),
    "MelSpectrogram": Row(_FILTER, same(lambda: tat.MelSpectrogram(RATE))),
    "MFCC": Row(_FILTER, same(lambda: tat.MFCC(RATE))),
    "AmplitudeToDB": Row({"stype": "power"}, same(tat.AmplitudeToDB), shape="specgram"),
    "Delta": Row({"width": 5, "mode": "nearest"}, same(tat.ComputeDeltas), shape="specgram"),
    "CQT": Row({"hop_length": 256, **_FILTER}, same(_nnaudio_cqt, "nnAudio")),
}

#: What `docs/migration.md` names as the counterpart of a batched peer's without a row of its own.
NOT_COMPARED = {
    "RandomOrder": "as Chain",
    "Chain": "calls its transforms and nothing else",
    "SomeOf": "as OneOf",
    "MixBackground": "as BackgroundNoise",
    "TiltEQ": "theirs is one fixed filter",
    "LogMelSpectrogram": "bench_features.py",
    "Normalize": "theirs, SlidingWindowCmn, does something else",
}
