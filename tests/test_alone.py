"""Inside a transform torch computes on one thread, and what the user has set stays."""

import os
import threading

import pytest
import torch
from torch import nn

import augspec
from augspec import features as F
from augspec import functional, interop, native
from augspec import transforms as T
from augspec.compat import torch_audiomentations as compat
from augspec.native.alone import _setters, alone, as_set

pytestmark = pytest.mark.skipif(
    native.instruction_set() == "no" or _setters() is None, reason="needs the native kernels"
)


class Seen(T.WaveformTransform):
    """A user's transform, which notes how many threads torch has."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def _transform(self, signal, params, lengths):
        self.threads.append(torch.get_num_threads())
        return signal


class SeenFeature(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def forward(self, waveform):
        self.threads.append(torch.get_num_threads())
        return waveform[:, :, None]


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    assert numbers() == (3, 3)
    torch.set_num_threads(before)


def numbers():
    """What OpenMP and MKL are set to in this thread."""
    mkl = _setters().mkl(1)
    _setters().mkl(mkl)
    return torch.get_num_threads(), mkl


def test_torch_has_one_thread_and_the_kernels_have_theirs():
    with alone(torch.ones(3)):
        assert numbers() == (1, 1)
        assert native.threads() == 3
        with alone(torch.ones(3)):
            assert numbers() == (1, 1)
        assert numbers() == (1, 1)
        with as_set():
            assert numbers() == (3, 3)
            assert native.threads() == 3
            with alone(torch.ones(3)):
                assert numbers() == (1, 1)
        assert numbers() == (1, 1)


@pytest.mark.parametrize(
    "tensor",
    [torch.ones(3, dtype=torch.float64), torch.ones(3, requires_grad=True), torch.ones(3).half()],
)
def test_torch_keeps_its_threads_where_it_computes_itself(tensor):
    with alone(tensor):
        assert numbers() == (3, 3)
    with as_set():
        assert numbers() == (3, 3)


def test_the_setting_returns_after_an_error():
    with pytest.raises(KeyboardInterrupt), alone(torch.ones(3)):
        raise KeyboardInterrupt
    assert numbers() == (3, 3)
    with pytest.raises(ValueError, match="`snr_db`"):
        functional.add_noise(torch.ones(2, 1, 9), torch.ones(2, 1, 9), torch.ones(5))


def test_the_setting_is_that_of_the_calling_thread():
    before, after, seen = threading.Event(), threading.Event(), []

    def other():
        torch.set_num_threads(2)
        before.wait()
        seen.append(torch.get_num_threads())
        after.set()

    thread = threading.Thread(target=other)
    thread.start()
    with alone(torch.ones(3)):
        before.set()
        after.wait()
    thread.join()
    assert seen == [2]


def test_transforms_and_features_of_the_user_have_the_threads_that_are_set():
    transform, feature = Seen(), SeenFeature()
    waveform = torch.randn(4, 1, 1000)
    T.Chain([T.Gain(), transform])(waveform)
    augspec.Frontend(T.Chain([transform]), feature)(waveform)
    transform(waveform.half())
    assert transform.threads == [3, 3, 3]
    assert feature.threads == [3]


def test_a_kernel_of_the_user_has_the_threads_that_are_set():
    seen = []

    def kernel(waveform):
        seen.append(torch.get_num_threads())
        return waveform

    class Named(T.WaveformTransform, kernel=kernel):
        pass

    class Derived(Named):
        pass

    class Louder(T.Gain):
        pass

    for transform in (Named(), Derived()):
        transform(torch.randn(2, 1, 1000))
    assert seen == [3, 3]
    assert Derived._is_foreign
    assert not Louder._is_foreign  # its kernel is augspec's
    assert not T.Gain._is_foreign


def test_what_other_libraries_compute_has_the_threads_that_are_set():
    seen = []

    def codec(audio):
        seen.append(torch.get_num_threads())
        return audio

    class Peer(nn.Module):
        def forward(self, audio):
            return codec(audio)

    class DropIn(compat.BaseWaveformTransform):
        requires_sample_rate = False

        def apply_transform(self, samples=None, sample_rate=None, targets=None, target_rate=None):
            return compat.ObjectDict(
                samples=codec(samples), sample_rate=sample_rate, targets=targets, target_rate=None
            )

    waveform = torch.randn(2, 1, 1000)
    interop.NeuralCodec(codec, 16_000, 16_000)(waveform)
    interop.from_torchaudio(Peer())(waveform)
    DropIn(p=1.0, output_type="dict")(waveform)
    assert set(seen) == {3}
    assert len(seen) >= 3


def test_a_feature_that_torch_computes_has_the_threads_that_are_set(monkeypatch):
    seen = []
    spectrogram = F.Spectrogram(n_fft=2 * 17, hop_length=10)
    finish = type(spectrogram).finish
    monkeypatch.setattr(
        type(spectrogram),
        "finish",
        lambda *args, **named: (seen.append(torch.get_num_threads()), finish(*args, **named))[1],
    )
    spectrogram(torch.randn(2, 1, 1000))
    assert seen == [3]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_a_thread_leaves_the_processor_of_the_caller():
    allowed = os.sched_getaffinity(0)
    moved, places = torch.empty(3, dtype=torch.int64), []
    for _ in range(20):
        native.call("augspec_leave", out=moved)
        before, after, could = moved.tolist()
        assert could == (len(allowed) > 1)
        assert before in allowed
        assert after in allowed
        places.append(after != before)
        assert os.sched_getaffinity(0) == allowed
    # The system may move it back at any moment.
    assert sum(places) > 15 if len(allowed) > 1 else not any(places)
    os.sched_setaffinity(0, {before})
    try:
        native.call("augspec_leave", out=moved)
        assert moved.tolist() == [before, before, 0]
    finally:
        os.sched_setaffinity(0, allowed)


ALONE = 2000  # microseconds that a run takes on one thread


def balance(saved, costs):
    """Which of the runs of a loop are shared, given what each saves and costs in microseconds."""
    shared, alone_us = torch.empty(len(saved), dtype=torch.int64), torch.full_like(saved, ALONE)
    given = (1000 * saved, 1000 * costs, 1000 * alone_us, len(saved))
    native.call("augspec_balance", *given, out=shared)
    return shared.bool()


def test_a_loop_that_gains_is_always_shared():
    saved, costs = torch.full((5000,), 500), torch.full((5000,), 30)
    assert balance(saved, costs).all()


def test_a_loop_that_loses_runs_alone():
    saved, costs = torch.full((5000,), 500), torch.full((5000,), 4000)
    shared = balance(saved, costs)
    assert shared[0]
    assert shared.float().mean() < 0.02
    # It is tried again.
    assert shared[-100:].any()


def test_a_loop_costs_hardly_more_than_it_saves():
    """Whatever the costs are, sharing costs at most a twentieth of the runs' time alone."""
    generator = torch.Generator().manual_seed(0)
    for share in torch.linspace(0.05, 0.95, 10):
        waits = torch.rand(20_000, generator=generator) < share
        saved, costs = torch.full((20_000,), ALONE // 2), torch.where(waits, 4000, 20)
        shared = balance(saved, costs)
        lost = (costs - saved)[shared].sum()
        assert lost < 0.05 * ALONE * len(saved), share


def test_a_loop_is_shared_again_soon_after_the_other_work_ends():
    saved = torch.full((3000,), 500)
    costs = torch.where(torch.arange(3000) < 1000, 4000, 20)
    shared = balance(saved, costs)
    assert shared[:1000].float().mean() < 0.02
    assert shared[1100:].all()
