"""
Composition
===========

Transforms of transforms: each example takes its own way. What they cost depends on what is in
them (:doc:`/composition`); the costs here are those of small ones.
"""

from showing import note, show

from augspec import transforms as T

strings = note("string", pitch=62)
gain, pitch, noise = T.Gain((-12.0, 0.0)), T.PitchShift((-3.0, 3.0)), T.WhiteNoise((10.0, 30.0))

# %%
# Chain
# -----
# :class:`~augspec.transforms.Chain`: one after the other.

show(strings, T.Chain([pitch, gain, noise]))

# %%
# Repeat
# ------
# :class:`~augspec.transforms.Repeat`: the same several times, with draws of its own: two gaps.

show(strings, T.Repeat(T.Mute((0.05, 0.15)), 2))

# %%
# OneOf
# -----
# :class:`~augspec.transforms.OneOf`: one of them, by weights; ``T.Chain()`` is the option to do
# nothing.

show(strings, T.OneOf([gain, pitch, noise]), n=3)

# %%
# SomeOf
# ------
# :class:`~augspec.transforms.SomeOf`: a number of them, in their order.

show(strings, T.SomeOf([gain, pitch, noise], k=(1, 2)), n=3)

# %%
# RandomOrder
# -----------
# :class:`~augspec.transforms.RandomOrder`: all, in any order: it matters where they do not
# commute, such as noise before a filter or behind it.

show(strings, T.RandomOrder([noise, T.LowPass((500.0, 2000.0), sample_rate=16_000)]))

# %%
# RandAugment
# -----------
# :class:`~augspec.transforms.RandAugment`: ``n`` of them at a magnitude: two numbers to tune
# instead of all ranges.

show(strings, T.RandAugment([gain, pitch, noise, T.TimeStretch()], n=2, magnitude=0.7))

# %%
# TrivialAugment
# --------------
# :class:`~augspec.transforms.TrivialAugment`: one, at a random magnitude: nothing to tune, so
# that ranges may be wide.

show(strings, T.TrivialAugment([gain, T.PitchShift((-6.0, 6.0)), T.TimeStretch((0.7, 1.4))]))

# %%
# Schedule
# --------
# :class:`~augspec.transforms.Schedule`: ``p`` and magnitude follow the epoch: here half of the
# strength at epoch 5 of 10.

gentle = T.Schedule(T.PitchShift((-4.0, 4.0)), {"magnitude": [(0, 0.0), (10, 1.0)]})
gentle.set_epoch(5)
show(strings, gentle)
