"""
From waveforms to augmented spectrograms
========================================

For every example the front end draws a new tempo, pitch, place of a crop, gain and mask. The titles
show the drawn parameters. They are data and can be saved and replayed.
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
# The plan of the front end: tempo, pitch, crop and gain are computed inside the features
# (:doc:`/fusion`).

print(frontend.plan(guitar[None]))
