"""
Noise and rooms
===============

Noise is generated per example from its key, on the device; recorded sounds come from a
:class:`augspec.Bank` that was read once. Ratios are exact per example, and nothing lands in
padding.
"""

import torch
from showing import note, show

import augspec
from augspec import transforms as T

guitar = note("guitar", pitch=57)

# %%
# WhiteNoise
# ----------
# :class:`~augspec.transforms.WhiteNoise`: 40 dB is just heard, 20 dB is a poor line, at 5 dB
# noise has a third of the sound's power. Choose what the field has, and a little more.

show(guitar, T.WhiteNoise((5.0, 30.0)))

# %%
# ColoredNoise
# ------------
# :class:`~augspec.transforms.ColoredNoise`: brown rumbles, pink is what most rooms have, blue
# hisses.

show(guitar, T.ColoredNoise((5.0, 20.0), slope_db=(-6.0, 6.0)))

# %%
# BackgroundNoise
# ---------------
# :class:`~augspec.transforms.BackgroundNoise`: your own recordings: ``augspec.Bank("folder",
# 16_000)``. Here two other notes stand for them. 10 to 30 dB for what is behind, 0 to 10 dB for
# what competes. ``noise_transform`` changes the noise before it is added: here it comes through
# a wall. With ``loop=False`` a sound that is too short is heard once.

bank = augspec.Bank([note("string", pitch=50), note("reed", pitch=70)], sample_rate=16_000)
wall = T.LowPass((300.0, 1000.0), sample_rate=16_000, p=0.5)
show(guitar, T.BackgroundNoise(bank, (3.0, 15.0), noise_transform=wall))

# %%
# ShortNoises
# -----------
# :class:`~augspec.transforms.ShortNoises`: clicks, knocks, coughs; from a bank, or white.

show(guitar, T.ShortNoises((0.0, 15.0), (2, 5), (0.02, 0.2), sample_rate=16_000))

# %%
# RoomReverb
# ----------
# :class:`~augspec.transforms.RoomReverb`: a room without files. 0.3 s is a living room, 1 s a
# hall, and the ratio of direct sound says how near the microphone is.

show(guitar, T.RoomReverb((0.2, 1.0), (-5.0, 10.0), sample_rate=16_000))

# %%
# ImpulseResponse
# ---------------
# :class:`~augspec.transforms.ImpulseResponse`: measured rooms and devices from a bank. Here one
# is made up: an echo after 150 ms. The longest response sets the cost: cut them with
# ``max_duration``.

echo = torch.zeros(4000)
echo[0], echo[2400] = 1.0, 0.6
rooms = augspec.Bank([echo], sample_rate=16_000)
show(guitar, T.ImpulseResponse(rooms, mix=(0.5, 1.0)))

# %%
# Devices: ``augspec.Bank.from_devices`` comes with responses of ten cheap ones, made by us: a
# telephone, a radio, a megaphone. They help where test recordings come from other devices than
# training did.

show(guitar, T.ImpulseResponse(augspec.Bank.from_devices(16_000)))

# %%
# Early reflections alone: ``early=0.05`` fades a response out 50 ms after its direct sound.
# ``augspec.Bank.from_rooms(100, 16_000)`` makes rooms with pyroomacoustics, for several microphones
# too.

show(guitar, T.ImpulseResponse(rooms, early=0.05))
