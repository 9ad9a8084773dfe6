"""The named arms and presets: augmentations of the waveform in training.

Ranges are narrow on purpose. Attack and spectrum identify a note's family, and every augmentation
distorts one of the two: in probes on nsynth, 4 semitones together with stretch, crop and gain lost
7 points of macro recall.
"""

from __future__ import annotations

from typing import Any

from augspec import transforms as T
from augspec.ablation import plan

ALL: list[T.RandomTransform] = [
    T.TimeStretch((0.9, 1.1)),
    T.PitchShift((-1.0, 1.0)),
    T.RandomCrop(56_000),
    T.Gain((-6.0, 6.0)),
]
EQUALIZER = T.RandomEQ(gain_db=(-9.0, 9.0), sample_rate=16_000)
# Level, spectrum, room and noise differ between recordings of one sound. Half of the notes get no
# room, and noise begins at 5 dB, so that clean notes are learned as well.
ROBUST: list[T.RandomTransform] = [
    T.Gain((-18.0, 6.0)),
    EQUALIZER,
    T.RoomReverb((0.2, 0.6), (0.0, 15.0), sample_rate=16_000, p=0.5),
    T.ColoredNoise((5.0, 40.0)),
]
# Differences between recording devices, and a way to make a network insensitive to them.
DEVICES: dict[str, Any] = {
    "ImpulseResponse": {
        "bank": {"Bank": {"sounds": "made:devices", "sample_rate": 16_000}},
        "p": 0.5,
    }
}
MIX_STYLE: dict[str, Any] = {"FreqMixStyle": {"alpha": 0.4, "p": 0.6}}  # the published values
# Arms from the search for robustness under conditions; each is selected by its name.
BY_NAME: dict[str, Any] = {
    # Level and spectrum as wide as between recordings, and half as wide in dB.
    "gain-eq": [T.Gain((-18.0, 6.0)), EQUALIZER],
    "gain-eq-narrow": [T.Gain((-9.0, 3.0)), T.RandomEQ(gain_db=(-4.5, 4.5), sample_rate=16_000)],
    "mix-style": {"specgram": [MIX_STYLE]},
    "devices": [DEVICES],
    "devices-mix-style": {"waveform": [DEVICES], "specgram": [MIX_STYLE]},
    # Noise that should cost less on clean notes: milder, for half of the notes, or growing from
    # epoch to epoch (full in the ninth).
    "noise": [T.ColoredNoise((5.0, 40.0))],
    "noise-mild": [T.ColoredNoise((15.0, 40.0))],
    "noise-half": [T.ColoredNoise((5.0, 40.0), p=0.5)],
    "noise-rising": [T.Schedule(T.ColoredNoise((5.0, 40.0)), {"p": [(0, 0.0), (8, 1.0)]})],
}
ARMS: dict[str, Any] = {
    "none": [],
    # Level says little about the family; the notes differ by about this much in it already.
    "gain": [T.Gain((-6.0, 6.0))],
    # Half a second of 4 s: the start of the note moves, and most attacks stay inside.
    "crop": [T.RandomCrop(56_000)],
    # Each instrument has few pitches. A semitone moves formants by 6 %, and the instrument stays
    # recognisable.
    "pitch": [T.PitchShift((-1.0, 1.0))],
    # Slower and faster decays, the same spectrum.
    "stretch": [T.TimeStretch((0.9, 1.1))],
    "all": ALL,
    # The same draws, computed stage by stage on the waveform; only if selected by name.
    "all-unfused": {"waveform": ALL, "fuse": "never"},
    # For sounds whose recording differs from the training sounds; only if selected by name.
    "robust": ROBUST,
    **BY_NAME,
}
ONLY_BY_NAME = ("all-unfused", "robust", *BY_NAME)
# The presets of --preset: settings as in a study's file.
PRESETS: dict[str, dict[str, Any]] = {
    # The article of 2018: mel pictures written before training, or spectrograms computed in
    # training?
    "article": {
        "arms": {"none": [], "images": plan.IMAGES},
        "backbone": "resnet18",
        "epochs": 3,
        "batch_size": 64,
        "features": {"hop_length": 256, "n_mels": 40, "f_min": 20.0, "f_max": 8000.0},
    },
    # Its open question: do weights of photographs help? Give the file with --pretrained.
    "imagenet": {"arms": {"none": []}, "backbone": "tf_efficientnet_lite0", "epochs": 8},
}
PLANS = {
    "leave-one-in": plan.leave_one_in,
    "leave-one-out": plan.leave_one_out,
    "factorial": plan.factorial,
}
# The same for every arm, except settings in `features` of a study or an arm.
FEATURES: dict[str, Any] = {
    "kind": "LogMelSpectrogram",
    "sample_rate": 16_000,  # of both data sets
    "n_fft": 1024,  # 64 ms: separates harmonics of the lowest notes
    "hop_length": 512,  # 32 ms; 16 ms doubles the cost of the backbone
    "n_mels": 64,  # 128 doubles the cost, too
    # Mean and standard deviation in dB of the training notes' log-mel, between those of the two
    # data sets (gm-notes -40 and 37, nsynth -33 and 37). They are fixed, so that the level remains
    # a cue. (With a normalisation per example the arm "gain" would equal "none".) For another kind
    # of feature, and for "auto", they are measured on the training notes.
    "mean": -36.0,
    "std": 37.0,
}
