"""
From waveforms to augmented spectrograms
========================================

One front end draws for every example anew: tempo, pitch, the place of a crop, a gain, and a mask.
The titles are the drawn parameters, which are data: they can be saved and replayed.
"""

from showing import note

import augspec
from augspec import features as F
from augspec import plot
from augspec import transforms as T

frontend = augspec.Frontend(
    waveform=T.Chain(
        [
            T.TimeStretch((0.8, 1.25)),
            T.PitchShift((-4.0, 4.0)),
            T.RandomCrop(20_000),
            T.Gain((-12.0, 6.0)),
        ]
    ),
    features=F.LogMelSpectrogram(sample_rate=16_000, n_fft=1024, hop_length=256, n_mels=80),
    specgram=T.FrequencyMask(12),
)
guitar = note("guitar", pitch=57)
plot.compare(guitar, frontend, n=3)

# %%
# What is computed where: tempo, pitch, crop and gain are folded into the features
# (:doc:`/fusion`).

print(frontend.plan(guitar[None]))
