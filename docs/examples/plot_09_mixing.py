"""
Mixing
======

Two examples of a batch are mixed, and so are their labels: ``targets`` makes soft labels, and
:class:`augspec.DeviceLoader` calls it. The batch here is a bass and a mallet.
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
# :class:`~augspec.transforms.Mixup`: weighted sums. With ``alpha`` of 0.2 to 0.4 most results are
# nearly one of the two examples; with 1 the weight is uniform.

mixup = T.Mixup(alpha=1.0)
show_sounds(mixtures(mixup), mixup)

# %%
# CutMix
# ------
# :class:`~augspec.transforms.CutMix`: a segment is taken from another example. Use it if any part
# of an example shows its class.

cutmix = T.CutMix(alpha=1.0)
show_sounds(mixtures(cutmix), cutmix)

# %%
# MixBackground
# -------------
# :class:`~augspec.transforms.MixBackground`: other examples of the batch are the background noise;
# it needs no files. The label stays, or is mixed with ``labels="soft"``. Below 5 dB the background
# is about as loud as the example.

background = T.MixBackground((3.0, 15.0), labels="soft")
show_sounds(mixtures(background), background)
