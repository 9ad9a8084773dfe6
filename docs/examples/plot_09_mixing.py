"""
Mixing
======

Two examples of a batch become one, and so do their labels: ``targets``, which a
:class:`augspec.DeviceLoader` calls by itself, makes them soft. The batch here is a bass and a
mallet.
"""

import torch
from showing import note, show_sounds

import augspec
from augspec import transforms as T

batch = torch.stack([note("bass", pitch=40), note("mallet", pitch=72)])
label = torch.eye(2)
keys = augspec.example_keys(0, 0, range(2))


def mixtures(transform):
    params = transform.make_params(batch, keys=keys)
    mixed = transform.transform(batch, params)
    soft = transform.targets({"label": label}, params)["label"]
    named = [f"{bass:.2f} bass, {mallet:.2f} mallet" for bass, mallet in soft.tolist()]
    sounds = {"bass": batch[0], "mallet": batch[1]}
    return sounds | {f"{place}: {name}": mixed[place - 1] for place, name in enumerate(named, 1)}


# %%
# Mixup
# -----
# :class:`~augspec.transforms.Mixup`: weighted sums. ``alpha`` of 0.2 to 0.4 keeps most mixtures
# nearly pure; 1 is uniform.

mixup = T.Mixup(alpha=1.0)
show_sounds(mixtures(mixup), mixup)

# %%
# CutMix
# ------
# :class:`~augspec.transforms.CutMix`: a segment is another's. For classes that any part of an
# example shows.

cutmix = T.CutMix(alpha=1.0)
show_sounds(mixtures(cutmix), cutmix)

# %%
# MixBackground
# -------------
# :class:`~augspec.transforms.MixBackground`: the batch as a bank of noise: no files, and the
# label stays, or gets soft with ``labels="soft"``. Below 5 dB the background competes.

background = T.MixBackground((3.0, 15.0), labels="soft")
show_sounds(mixtures(background), background)
