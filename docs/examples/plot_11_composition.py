"""
Composition
===========

Transforms that are made of others. Choices are made for each example. The cost depends on the
transforms inside (:doc:`/composition`); the costs here are those of small examples.
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
# :class:`~augspec.transforms.Repeat`: the same transform several times, each with its own draws:
# here two gaps.

show(strings, T.Repeat(T.Mute((0.05, 0.15)), 2))

# %%
# OneOf
# -----
# :class:`~augspec.transforms.OneOf`: one of several, by weights; the option ``T.Chain()`` does
# nothing.

show(strings, T.OneOf([gain, pitch, noise]), n=3)

# %%
# SomeOf
# ------
# :class:`~augspec.transforms.SomeOf`: some of several, in their order.

show(strings, T.SomeOf([gain, pitch, noise], k=(1, 2)), n=3)

# %%
# RandomOrder
# -----------
# :class:`~augspec.transforms.RandomOrder`: all, in random order. This matters if the order changes
# the result, such as noise before or after a filter.

show(strings, T.RandomOrder([noise, T.LowPass((500.0, 2000.0), sample_rate=16_000)]))

# %%
# RandAugment
# -----------
# :class:`~augspec.transforms.RandAugment`: ``n`` of several at a magnitude. You tune two numbers
# instead of all ranges.

show(strings, T.RandAugment([gain, pitch, noise, T.TimeStretch()], n=2, magnitude=0.7))

# %%
# TrivialAugment
# --------------
# :class:`~augspec.transforms.TrivialAugment`: one of several, at a random magnitude. There is
# nothing to tune, and ranges may be wide.

show(strings, T.TrivialAugment([gain, T.PitchShift((-6.0, 6.0)), T.TimeStretch((0.7, 1.4))]))

# %%
# Schedule
# --------
# :class:`~augspec.transforms.Schedule`: ``p`` and magnitude change with the epoch: here half of the
# strength at epoch 5 of 10.

gentle = T.Schedule(T.PitchShift((-4.0, 4.0)), {"magnitude": [(0, 0.0), (10, 1.0)]})
gentle.set_epoch(5)
show(strings, gentle)
