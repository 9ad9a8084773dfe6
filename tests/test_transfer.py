"""Batches are made one ahead, on one stream a loader, and none is lost; tried without a GPU."""

import contextlib

import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.testing import _fake
from augspec.transfer import one_ahead


class Stream:
    made = 0

    def __init__(self, device=None):
        Stream.made += 1
        self.waited_for = []

    def wait_stream(self, other):
        self.waited_for.append(other)

    def wait_event(self, event):
        pass


class Event:
    def record(self, stream):
        pass


@pytest.fixture
def streams(monkeypatch):
    """Stand in for the streams of a GPU."""
    monkeypatch.setattr(Stream, "made", 0)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    current = Stream()
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: current)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
    Stream.made = 0


@pytest.mark.usefixtures("streams")
def test_a_batch_that_is_done_is_given_before_the_next_one_raises():
    def broken():
        raise OSError("the file is gone")

    made = one_ahead([dict, dict, broken, dict], torch.device("cuda"), Stream())
    assert [next(made), next(made)] == [{}, {}]
    with pytest.raises(OSError, match="the file is gone"):
        next(made)
    assert list(one_ahead([dict] * 3, torch.device("cuda"), Stream())) == [{}] * 3
    assert list(one_ahead([], torch.device("cuda"), Stream())) == []


@pytest.mark.usefixtures("streams")
def test_the_first_batch_waits_for_what_was_moved_to_the_gpu_before():
    side, waited = Stream(), []
    first = next(one_ahead([lambda: waited.extend(side.waited_for) or {}], "cuda", side))
    assert first == {}
    assert waited == [torch.cuda.current_stream("cuda")]


@pytest.mark.usefixtures("streams")
def test_what_the_loader_itself_raises_comes_after_the_last_batch():
    def batches():
        yield dict
        raise ValueError("no more")

    made = one_ahead(batches(), torch.device("cuda"), Stream())
    assert next(made) == {}
    with pytest.raises(ValueError, match="no more"):
        next(made)


@pytest.mark.usefixtures("streams")
def test_a_loader_has_one_stream_for_all_epochs():
    notes = [{"waveform": torch.randn(1, 400), "index": i} for i in range(2)]
    loader = torch.utils.data.DataLoader(notes, batch_size=1)
    loader = augspec.DeviceLoader(loader, augspec.Frontend(features=F.Spectrogram(64)), "cpu")
    loader.device = torch.device("cuda")  # the batches themselves are never made
    for _ in range(3):
        iter(loader)
    assert Stream.made == 1


@pytest.mark.usefixtures("eager_kernels")
@pytest.mark.parametrize("kind", [T.TimeStretch, T.PitchShift, T.PitchAndTempo, T.Speed])
def test_what_stretches_makes_no_float64(kind):
    """MPS has none."""

    class NoDouble(_fake.OperatorMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            out = operation(*args, **(kwargs or {}))
            assert not isinstance(out, torch.Tensor) or out.dtype != torch.float64, operation
            return out

    transform, waveform, keys = kind(), torch.randn(2, 2, 4000), torch.arange(2)
    with NoDouble():
        transform(waveform, keys=keys)
        transform(waveform, torch.tensor([4000, 900]), keys=keys)
