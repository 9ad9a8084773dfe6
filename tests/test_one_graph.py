"""A front end compiled as one graph, as it is on a GPU; here on the CPU, which is asked to."""

import copy
import logging
import pickle

import pytest
import releases
import torch
from torch import nn

import augspec
from augspec import _compile
from augspec import features as F
from augspec import transforms as T

SIZES = [(4, 6000, False), (3, 6400, True), (5, 7001, True), (2, 7777, True), (6, 6000, False)]


@pytest.fixture
def graphs(monkeypatch):
    """Run front ends whole on the CPU; count their graphs, which run as they were traced."""
    made = []

    def backend(graph, _):
        made.append(graph)
        return graph.forward

    monkeypatch.delenv("AUGSPEC_COMPILE", raising=False)
    monkeypatch.setattr(_compile, "_runs_whole", lambda _: True)
    monkeypatch.setattr(_compile, "_backend", backend)
    monkeypatch.setattr(_compile, "_watch", _compile._Watch())
    torch._dynamo.reset()
    yield made
    torch._dynamo.reset()


def features():
    return F.LogMelSpectrogram(16_000, n_fft=256, hop_length=128, n_mels=16)


def frontend(*waveform, specgram=None):
    return augspec.Frontend(T.Chain(list(waveform)), features(), specgram)


def batch(count, time, ragged):
    generator = torch.Generator().manual_seed(time)
    waveform = 0.1 * torch.randn(count, 1, time, generator=generator)
    lengths = torch.randint(4500, time, (count,), generator=generator) if ragged else None
    return waveform, lengths, augspec.example_keys(0, 0, range(count))


@pytest.mark.parametrize(
    "made",
    [
        frontend(T.RandomCrop(4000), specgram=T.Chain([T.TimeMask(8), T.FrequencyMask(4)])),
        frontend(T.OneOf([T.Gain(), T.PolarityInversion()], p=0.5)),
        pytest.param(
            frontend(T.TimeStretch((0.8, 1.25)), T.PitchShift(), T.RandomCrop(4000), T.Gain()),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["masks", "choice", "warp"],
)
def test_batches_of_any_size_take_three_graphs_and_give_what_the_parts_give(graphs, made):
    for count, time, ragged in SIZES:
        waveform, lengths, keys = batch(count, time, ragged)
        found, drawn = made.draw_and_run(waveform, lengths, keys=keys)
        params = made.make_params(waveform, lengths, keys=keys)
        with _compile.eager_kernels():
            expected = made.transform(waveform, params, lengths)
        assert augspec.params_to_json(drawn) == augspec.params_to_json(params)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    assert int(releases.COMPILES_WHOLE) <= len(graphs) <= 3


@releases.compiles_whole
def test_a_loader_takes_labels_and_spectrogram_from_one_graph(graphs):
    waveform, _, _ = batch(4, 6000, False)
    items = [{"waveform": sound, "label": n, "index": n} for n, sound in enumerate(waveform)]
    made = frontend(T.Gain(), T.Mixup())
    loader = torch.utils.data.DataLoader(items, 4, collate_fn=augspec.collate)
    (found,) = augspec.DeviceLoader(loader, made, device="cpu", num_classes=4)
    keys = augspec.example_keys(0, 0, found["index"])
    params = made.make_params(waveform, keys=keys)
    label = made.targets({"label": torch.eye(4)}, params)["label"]
    torch.testing.assert_close(found["label"], label)
    torch.testing.assert_close(found["specgram"], made.transform(waveform, params))
    assert len(graphs) == 1


class Loud(nn.Module):
    """A user's feature that cannot be part of a graph: it looks at a value."""

    def forward(self, waveform):
        return waveform.unsqueeze(2) if float(waveform.abs().max()) > 0 else waveform


@releases.compiles_whole
def test_what_cannot_be_compiled_runs_in_parts_and_others_stay_whole(graphs, caplog):
    waveform, _, keys = batch(4, 6000, False)
    stubborn = augspec.Frontend(T.Gain(), Loud())
    with caplog.at_level(logging.WARNING, "augspec"):
        for _ in range(2):
            assert stubborn(waveform, keys=keys).shape == (4, 1, 1, 6000)
    told = [record.message for record in caplog.records if "in parts" in record.message]
    assert len(told) == 1
    frontend(T.Gain())(waveform, keys=keys)
    assert len(graphs) == 1


def test_what_is_trained_keeps_its_gradient(graphs):
    waveform, _, keys = batch(4, 6000, False)
    trained = augspec.Frontend(T.Gain(), nn.Sequential(features(), nn.Linear(47, 47)))
    assert trained(waveform[..., :5900], keys=keys).requires_grad
    asked = waveform.requires_grad_()
    assert frontend(T.Gain())(asked, keys=keys).requires_grad
    assert not graphs


@pytest.mark.usefixtures("graphs")
def test_a_front_end_that_ran_whole_can_be_copied_and_pickled():
    waveform, _, keys = batch(4, 6000, False)
    made = frontend(T.Gain())
    expected = made(waveform, keys=keys)
    again = pickle.loads(pickle.dumps(made))  # noqa: S301
    for other in (copy.deepcopy(made), again):
        torch.testing.assert_close(other(waveform, keys=keys), expected)


def test_on_a_cpu_the_parts_run(monkeypatch):
    def refuse(*_):
        raise AssertionError("compiled as a whole")

    monkeypatch.setattr(_compile, "_backend", refuse)
    waveform, _, keys = batch(4, 6000, False)
    with _compile.eager_kernels():
        frontend(T.Gain())(waveform, keys=keys)
    assert not _compile._runs_whole(waveform)
