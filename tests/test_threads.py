"""Threads that each compute some examples: the same result, and nothing of the caller changes."""

import os
import signal
import subprocess
import sys
import threading

import pytest
import torch

from augspec import _threads, native
from augspec import functional as AF
from augspec._chunks import by_examples
from augspec.functional import distortion, dynamics

BATCH, TIME = 32, 32_000


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def waveform():
    return 0.3 * torch.randn(BATCH, 2, TIME, generator=torch.Generator().manual_seed(0))


@by_examples(8, threads=True)
def who(waveform, *, note):
    """Compute something, and note the thread and what holds in it."""
    note.append(
        (
            threading.get_ident(),
            torch.get_num_threads(),
            torch.is_inference_mode_enabled(),
            native._in_torch.get(),
        )
    )
    return waveform + 1.0


def test_parts_are_computed_by_threads_that_have_one_thread_each(waveform):
    note = []
    assert torch.equal(who(waveform, note=note), waveform + 1.0)
    assert len(note) > 2
    assert {each[1] for each in note} == {1}
    assert threading.get_ident() not in {each[0] for each in note}


def test_settings_of_the_caller_hold_in_the_threads_and_stay(waveform):
    note = []
    with native.in_torch(), torch.inference_mode():
        made = who(waveform, note=note)
    assert made.is_inference()
    assert {each[2:] for each in note} == {(True, True)}
    assert torch.get_num_threads() == 2
    seen = []
    other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert seen == [2]


@pytest.mark.parametrize("case", ["gradient", "autocast", "vmap", "one thread", "small", "double"])
def test_who_computes(waveform, case):
    note, here = [], threading.get_ident()
    if case == "gradient":
        waveform.requires_grad_()
        who(waveform, note=note).sum().backward()
        assert waveform.grad is not None
    elif case == "autocast":
        with torch.autocast("cpu", dtype=torch.bfloat16):
            who(waveform, note=note)
    elif case == "vmap":
        torch.func.vmap(lambda x: who(x, note=note))(waveform[None])
    elif case == "one thread":
        torch.set_num_threads(1)
        who(waveform, note=note)
    elif case == "small":
        who(waveform[:, :, :100], note=note)
    else:
        assert who(waveform.double(), note=note).dtype == torch.float64
        here = None
    assert (here in {each[0] for each in note}) == (here is not None)


def test_an_error_in_a_part_is_raised_and_no_further_part_begins(waveform):
    begun = []

    def work(part):
        begun.append(part)
        raise ValueError("`x` is wrong")

    with pytest.raises(ValueError, match="`x` is wrong"):
        _threads.join(work, [slice(i, i + 1) for i in range(1000)])
    assert len(begun) <= 2
    assert torch.equal(who(waveform, note=[]), waveform + 1.0)


def test_a_thread_that_is_held_up_holds_up_one_part():
    first, others = threading.Event(), []

    def work(part):
        if part.start == 0:
            assert first.wait(60)
        else:
            others.append(part.start)
            if len(others) == 19:
                first.set()
        return torch.full((1, 1), float(part.start))

    made = _threads.join(work, [slice(i, i + 1) for i in range(20)])
    assert made.flatten().tolist() == list(range(20))


def kernels():
    ones = torch.linspace(0.1, 0.9, BATCH)
    return {
        "compressor": lambda x, n: dynamics.compressor(
            x, -30 * ones, 1 + 5 * ones, 0.01 * ones, 0.1 * ones, sample_rate=16_000, lengths=n
        ),
        "limiter": lambda x, n: dynamics.limiter(
            x, -20 * ones, 0.01 * ones, 0.1 * ones, sample_rate=16_000, lengths=n
        ),
        "aliasing": lambda x, n: distortion.aliasing(
            x, 2000 + 5000 * ones, sample_rate=16_000, lengths=n
        ),
        "wow_flutter": lambda x, n: AF.wow_flutter(
            x, 0.01 * ones, ones, ones, 0.002 * ones, 9 * ones, ones, 16_000, n
        ),
        "loudness_normalize": lambda x, n: AF.loudness_normalize(x, -30 * ones, 16_000, n),
    }


@pytest.mark.parametrize("name", kernels())
@pytest.mark.parametrize("ragged", [False, True])
def test_threads_change_no_more_than_rounding(waveform, name, ragged):
    lengths = torch.linspace(0, TIME, BATCH).long() if ragged else None
    function = kernels()[name]
    together = function(waveform, lengths)
    torch.set_num_threads(1)
    torch.testing.assert_close(together, function(waveform, lengths), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("workers", [4])
def test_several_callers_at_once(waveform, workers):
    wrong = []

    def run():
        wrong.extend(1 for _ in range(10) if not torch.equal(who(waveform, note=[]), waveform + 1))

    callers = [threading.Thread(target=run) for _ in range(workers)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_process_has_threads_of_its_own():
    program = """
import os, signal, numpy, torch
from augspec import functional
torch.set_num_threads(2)
x, rate = 0.1 * torch.randn(32, 2, 32_000), torch.full((32,), 4000.0)
expected = functional.aliasing(x, rate, sample_rate=16_000)
child = os.fork()
if child == 0:  # torch's own threads hang there, so that numpy compares
    signal.alarm(60)
    made = functional.aliasing(x, rate, sample_rate=16_000)
    os._exit(0 if numpy.array_equal(made.numpy(), expected.numpy()) else 3)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=300)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT of one thread")
def test_an_interruption_ends_the_wait():
    begun = []

    def work(part):
        begun.append(part)
        if len(begun) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return torch.zeros(1, 1)

    with pytest.raises(KeyboardInterrupt):
        _threads.join(work, [slice(i, i + 1) for i in range(10**6)])
