"""Schedule: the epoch decides what is drawn, and nothing else."""

import math

import pytest
import releases
import torch
from torch.utils.data import DataLoader

import augspec
from augspec import features as F
from augspec import transforms as T

COUNT = 4000
KEYS = augspec.example_keys(7, 0, range(COUNT))
NOTHING = torch.zeros(COUNT, 1, 1)


def at(schedule, epoch):
    schedule.set_epoch(epoch)
    return schedule.make_params(NOTHING, keys=KEYS)


@pytest.mark.parametrize(
    ("epoch", "p"),
    [(0, 0.2), (2, 0.2), (3, 0.35), (4, 0.5), (6, 0.75), (8, 1.0), (9, 0.5), (10, 0.0), (99, 0.0)],
)
def test_the_probability_is_interpolated_between_epochs(epoch, p):
    schedule = T.Schedule(T.Gain(), {"p": [(2, 0.2), (4, 0.5), (8, 1.0), (10, 0.0)]})
    share = at(schedule, epoch)["applied"].float().mean()
    assert abs(share - p) <= 5 * math.sqrt(p * (1 - p) / COUNT)


def test_the_strength_is_interpolated_between_epochs():
    schedule = T.Schedule(T.Chain([T.Gain(8.0)]), {"magnitude": [(0, 0.0), (10, 1.0)]})
    for epoch, gain_db in ((0, 0.0), (5, 4.0), (7, 5.6), (10, 8.0), (30, 8.0)):
        params = at(schedule, epoch)
        drawn = params["options"][0][0]["gain_db"]
        torch.testing.assert_close(drawn, torch.full((COUNT,), gain_db))
        assert params["applied"].all()


def test_an_example_that_is_picked_early_is_picked_later():
    schedule = T.Schedule(T.Gain(), {"p": [(0, 0.0), (10, 1.0)]})
    early, late = at(schedule, 3)["applied"], at(schedule, 6)["applied"]
    assert (late | ~early).all()


def test_what_was_drawn_replays_at_any_epoch():
    schedule = T.Schedule(T.Gain((-6.0, 6.0)), {"p": [(0, 0.5)], "magnitude": [(0, 0.1), (9, 1)]})
    waveform = torch.randn(8, 1, 50)
    schedule.set_epoch(3)
    params = schedule.make_params(waveform, keys=KEYS[:8])
    expected = schedule.transform(waveform, params)
    schedule.set_epoch(9)
    assert torch.equal(schedule.transform(waveform, params), expected)
    assert not torch.equal(schedule(waveform, keys=KEYS[:8]), expected)


@releases.compiles_whole
def test_a_compiled_schedule_follows_the_epoch_without_compiling_again():
    schedule = T.Schedule(T.Gain(8.0), {"magnitude": [(0, 0.0), (10, 1.0)]})
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(schedule, fullgraph=True, backend=backend)
    waveform = torch.ones(4, 1, 10)
    for epoch in (0, 5, 10):
        schedule.set_epoch(epoch)
        expected = 10.0 ** (8.0 * epoch / 10 / 20)
        torch.testing.assert_close(compiled(waveform, keys=KEYS[:4]), expected * waveform)
    assert len(graphs) == 1


def test_the_epoch_reaches_schedules_through_a_tree_and_a_loader():
    schedule = T.Schedule(T.Gain(20.0), {"magnitude": [(0, 0.0), (1, 1.0)]})
    frontend = augspec.Frontend(
        waveform=T.Chain([T.OneOf([T.Chain([schedule])])]), features=F.Spectrogram(64)
    )
    frontend.set_epoch(1)
    assert schedule.epoch == 1
    notes = [{"waveform": torch.ones(1, 400), "index": i} for i in range(4)]
    loader = augspec.DeviceLoader(DataLoader(notes, batch_size=2), frontend, device="cpu")
    first = next(iter(loader))["specgram"]
    torch.testing.assert_close(first, F.Spectrogram(64)(torch.ones(2, 1, 400)))
    second = next(iter(loader))["specgram"]
    torch.testing.assert_close(second, 100.0 * first)
    # Two loaders with one front end, in turns: each has its own epoch.
    later = augspec.DeviceLoader(DataLoader(notes, batch_size=2), frontend, device="cpu")
    later.set_epoch(1)
    loader.set_epoch(0)
    for early, late in zip(loader, later, strict=True):
        torch.testing.assert_close(late["specgram"], 100.0 * early["specgram"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "`settings` must have `p`, `magnitude` or both, got []"),
        ({"strength": [(0, 1.0)]}, "got ['strength']"),
        ([(0, 1.0)], "`settings` must have `p`, `magnitude` or both"),
        ({"p": 0.5}, "`settings` must give `p` as (epoch, value), ..., got 0.5"),
        ({"p": []}, "`settings` must give `p` as"),
        ({"p": [(0, 1.0, 2)]}, "`settings` must give `p` as"),
        ({"p": [(0.5, 1.0)]}, "`settings` must have whole epochs for `p`, got 0.5"),
        ({"p": [(0, 1.5)]}, "`settings` must have `p` in [0, 1], got 1.5"),
        ({"p": [(3, 0.0), (3, 1.0)]}, "`settings` must have rising epochs for `p`, got [3, 3]"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match="`settings` must") as error:
        T.Schedule(T.Gain(), settings)
    assert message in str(error.value)
