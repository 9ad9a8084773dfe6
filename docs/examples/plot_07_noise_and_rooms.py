"""
Noise and rooms
===============

Noise is generated for each example from its key, on the device. Recorded sounds come from a
:class:`augspec.Bank`, which reads each file once. The ratio is exact for each example, and padding
stays silent.
"""

import torch
from showing import note, show

import augspec
from augspec import transforms as T

guitar = note("guitar", pitch=57)

# %%
# WhiteNoise
# ----------
# :class:`~augspec.transforms.WhiteNoise`: 40 dB can just be heard, 20 dB sounds like a poor line,
# at 5 dB the noise has a third of the sound's power. Choose the noise of your recordings, and a
# little more.

show(guitar, T.WhiteNoise((5.0, 30.0)))

# %%
# ColoredNoise
# ------------
# :class:`~augspec.transforms.ColoredNoise`: brown noise rumbles, most rooms have pink noise, blue
# noise hisses.

show(guitar, T.ColoredNoise((5.0, 20.0), slope_db=(-6.0, 6.0)))

# %%
# BackgroundNoise
# ---------------
# :class:`~augspec.transforms.BackgroundNoise`: noise from your own recordings,
# ``augspec.Bank("folder", 16_000)``. Here two other notes are the noise. 10 to 30 dB is usual for a
# quiet background, 0 to 10 dB for a loud one. ``noise_transform`` changes the noise before it is
# added, here as if it came through a wall. With ``loop=False`` a sound that is too short is played
# once.

bank = augspec.Bank([note("string", pitch=50), note("reed", pitch=70)], sample_rate=16_000)
wall = T.LowPass((300.0, 1000.0), sample_rate=16_000, p=0.5)
show(guitar, T.BackgroundNoise(bank, (3.0, 15.0), noise_transform=wall))

# %%
# ShortNoises
# -----------
# :class:`~augspec.transforms.ShortNoises`: clicks, knocks, coughs, from a bank or as white noise.

show(guitar, T.ShortNoises((0.0, 15.0), (2, 5), (0.02, 0.2), sample_rate=16_000))

# %%
# RoomReverb
# ----------
# :class:`~augspec.transforms.RoomReverb`: a synthetic room, without files. 0.3 s is a living room,
# 1 s a hall. The ratio of direct sound to reverberation depends on the distance of the microphone.

show(guitar, T.RoomReverb((0.2, 1.0), (-5.0, 10.0), sample_rate=16_000))

# %%
# ImpulseResponse
# ---------------
# :class:`~augspec.transforms.ImpulseResponse`: measured rooms and devices from a bank. Here the
# response is synthetic, an echo after 150 ms. The longest response decides the cost: cut them with
# ``max_duration``.

echo = torch.zeros(4000)
echo[0], echo[2400] = 1.0, 0.6
rooms = augspec.Bank([echo], sample_rate=16_000)
show(guitar, T.ImpulseResponse(rooms, mix=(0.5, 1.0)))

# %%
# Devices: ``augspec.Bank.from_devices`` has synthetic responses of ten cheap devices, such as a
# telephone, a radio and a megaphone. Use them if test recordings may come from other devices than
# the training data.

show(guitar, T.ImpulseResponse(augspec.Bank.from_devices(16_000)))

# %%
# Early reflections only: ``early=0.05`` fades a response out 50 ms after its direct sound.
# ``augspec.Bank.from_rooms(100, 16_000)`` makes rooms with pyroomacoustics, also for several
# microphones.

show(guitar, T.ImpulseResponse(rooms, early=0.05))
