"""
Channels
========

Most transforms draw once for all channels of an example, unless ``per_channel=True``. The
transforms on this page change the channels themselves. The example has a bass on the left and a
flute on the right, each with a little sound on the other side.
"""

import torch
from showing import note, show_sounds

import augspec
from augspec import transforms as T

bass, flute = note("bass", pitch=40)[0], note("flute", pitch=72)[0]
stereo = torch.stack([0.8 * bass + 0.2 * flute, 0.2 * bass + 0.8 * flute])
keys = augspec.example_keys(0, 0, range(2))


def versions(transform):
    made = transform(stereo.expand(2, -1, -1), keys=keys)
    return {"original": stereo, "version 1": made[0], "version 2": made[1]}


# %%
# ChannelShuffle
# --------------
# :class:`~augspec.transforms.ChannelShuffle`: swaps left and right; use ``p=0.5`` if the sides do
# not matter.

shuffle = T.ChannelShuffle()
show_sounds(versions(shuffle), shuffle)

# %%
# ChannelDrop
# -----------
# :class:`~augspec.transforms.ChannelDrop`: a channel is silent, as with a broken cable; a
# regulariser for microphone arrays.

drop = T.ChannelDrop()
show_sounds(versions(drop), drop)

# %%
# StereoWidth
# -----------
# :class:`~augspec.transforms.StereoWidth`: 0 is mono, 1 changes nothing, up to 2 is wider.

width = T.StereoWidth((0.0, 2.0))
show_sounds(versions(width), width)

# %%
# ToMono
# ------
# :class:`~augspec.transforms.ToMono`: the mean of the channels, also in ``eval()``.

mono = T.ToMono()
show_sounds({"original": stereo, "mono": mono(stereo[None])[0]}, mono)

# %%
# AmbisonicsRotation
# ------------------
# :class:`~augspec.transforms.AmbisonicsRotation`: rotates a sound field of four channels and the
# directions of its sources. The bass comes from the left and the flute from the right. For
# listening, two cardioid microphones turn it into stereo.


def from_side(sound, y):
    zero = torch.zeros_like(sound)
    return torch.stack([sound, y * sound, zero, zero])  # W, Y, Z, X


def cardioids(field):
    return 0.5 * torch.stack([field[0] + field[1], field[0] - field[1]])


field = from_side(bass, 1.0) + from_side(flute, -1.0)
turn = T.AmbisonicsRotation(yaw=(-180.0, 180.0))
made = turn(field.expand(2, -1, -1), keys=keys)
sounds = {"original": field, "version 1": made[0], "version 2": made[1]}
show_sounds({name: cardioids(one) for name, one in sounds.items()}, turn)
