"""A GPU's work is counted without one, and what would make it wait is named by its line."""

import functools
import inspect

import pytest
import releases
import torch

import augspec
from augspec import features as F
from augspec import functional
from augspec import transforms as T
from augspec.testing import _fake, device_work
from augspec.testing.counting import DeviceWorkError

pytestmark = releases.counts_launches
WAVEFORM = torch.zeros(8, 1, 4000)
KEYS = torch.arange(8)
FLOATS = 4 * WAVEFORM.numel()


def test_the_private_parts_of_torch_are_where_they_were():
    """If this fails, a new torch moved what `augspec/testing/_fake.py` uses: mend it there."""
    seen = {}

    class Note(_fake.OperatorMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            seen[_fake.name_of(operation)] = operation
            return operation(*args, **(kwargs or {}))

    with _fake.fake_tensors(), Note():
        there = torch.empty(3, device="cuda")
        there.add_(1.0)
        assert there.sum().device.type == "cuda"
        assert _fake.has_number(torch.tensor(1.0))
        assert not _fake.has_number(torch.arange(3))
        with pytest.raises(RuntimeError):
            there.sum().item()
        with pytest.raises(RuntimeError):
            there.nonzero()
    assert _fake.edits(seen["add_"])
    assert not _fake.edits(seen["sum"])
    assert _fake.needs_values(seen["nonzero"])
    assert _fake.needs_values(seen["_local_scalar_dense"])
    assert not _fake.needs_values(seen["sum"])


def test_each_operation_is_a_launch_that_reads_and_writes():
    work = device_work(lambda x: (x + 1.0).square(), WAVEFORM)
    assert (work.launches, work.bytes, work.host_copies) == (2, 4 * FLOATS, 0)
    assert work.peak_bytes == 3 * FLOATS


def test_views_and_allocations_are_free():
    work = device_work(lambda x: torch.empty_like(x[:, :, 5:].transpose(1, 2)[0]), WAVEFORM)
    assert (work.launches, work.bytes) == (0, 0)


def test_memory_is_the_most_that_is_in_use_at_one_time():
    def in_turn(x):
        for _ in range(5):
            x = x + 1.0
        return x

    def together(x):
        return [x + 1.0 for _ in range(5)]

    assert device_work(in_turn, WAVEFORM).peak_bytes == 3 * FLOATS
    assert device_work(together, WAVEFORM).peak_bytes == 6 * FLOATS


def test_memory_in_place_and_expanded_is_counted_once():
    work = device_work(lambda x: x.mul_(2.0), WAVEFORM)
    assert work.peak_bytes == FLOATS
    work = device_work(lambda x: x[:1].expand(800, -1, -1) * 1.0, WAVEFORM[:1])
    assert work.bytes == 4 * 4000 * 801


def test_a_tensor_without_memory_stands_for_a_large_one():
    large = torch.empty(256, 1, 441_000, device="meta")
    keys = torch.zeros(256, dtype=torch.int64)
    work = device_work(T.PolarityInversion(), large, keys=keys)
    assert 2 * 4 * large.numel() < work.bytes < 6 * 4 * large.numel()


def test_what_is_called_and_what_it_is_called_with_is_taken_there():
    gain, keys = T.Gain(), KEYS
    by_module = device_work(gain, WAVEFORM, keys=keys)
    params = gain.make_params(WAVEFORM, keys=keys)
    draws = device_work(gain.make_params, WAVEFORM, keys=keys)
    apply = device_work(gain.transform, WAVEFORM, params)
    assert draws.launches + apply.launches == by_module.launches
    assert device_work(functools.partial(gain, keys=keys), WAVEFORM) == by_module
    assert device_work(lambda module, x: module(x, keys=x[:, 0, 0].long()), gain, WAVEFORM)
    lengths = torch.full((8,), 4000)
    assert device_work(gain, WAVEFORM, lengths, keys=keys).host_copies == 0


def test_modules_with_weights_and_buffers_are_taken_there_and_stay_here():
    module = torch.nn.Sequential(torch.nn.Linear(4000, 3), torch.nn.BatchNorm1d(1))
    weights = 4 * sum(tensor.numel() for tensor in [*module.parameters(), *module.buffers()])
    work = device_work(module, WAVEFORM)
    assert work.peak_bytes >= FLOATS + weights
    assert {tensor.device.type for tensor in module.parameters()} == {"cpu"}


def test_a_front_end_is_counted_with_its_draws():
    frontend = augspec.Frontend(
        T.Chain([T.RandomCrop(3000), T.Gain()]),
        F.LogMelSpectrogram(16_000, n_fft=512, hop_length=256, n_mels=20),
        T.FrequencyMask(4),
    )
    work = device_work(frontend, WAVEFORM, keys=KEYS)
    plain = device_work(frontend.eval(), WAVEFORM)
    assert work.launches > plain.launches > 0
    assert plain.host_copies == 0


def test_a_bank_is_there():
    bank = augspec.Bank([torch.randn(500)], 16_000)
    assert device_work(T.BackgroundNoise(bank), WAVEFORM, keys=KEYS).host_copies == 0


def test_keys_that_are_drawn_are_one_copy_from_the_host():
    for options in ({}, {"generator": torch.Generator().manual_seed(1)}):
        work = device_work(T.Gain(), WAVEFORM, **options)
        assert work.host_copies == 1
        assert "random.py" in work.copied_at[0]


class Item(T.Gain):
    def _transform(self, signal, params, lengths):
        return signal / signal.abs().max().item()


class Branch(T.Gain):
    def _transform(self, signal, params, lengths):
        if params["gain_db"].sum() > 0.0:
            return signal
        return -signal


class Mask(T.Gain):
    def _transform(self, signal, params, lengths):
        return signal - signal[signal > 0.0].mean()


class FillByMask(T.Gain):
    def _transform(self, signal, params, lengths):
        out = signal.clone()
        out[signal > 1.0] = signal[0, 0, :1]  # one number: no wait
        out[params["applied"]] = signal[:1]
        return out


class ToHost(T.Gain):
    def _transform(self, signal, params, lengths):
        return signal * max(params["gain_db"].tolist())


class ToNumpy(T.Gain):
    def _transform(self, signal, params, lengths):
        return signal * float(signal.cpu().numpy().mean())


class Solve(T.Gain):
    def _transform(self, signal, params, lengths):
        return torch.linalg.solve(signal[..., :4, None] * signal[..., None, :4], signal[..., :4])


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (Item, "signal.abs().max().item()"),
        (Branch, 'if params["gain_db"].sum() > 0.0:'),
        (Mask, "signal[signal > 0.0].mean()"),
        (FillByMask, 'out[params["applied"]] = signal[:1]'),
        (ToHost, 'max(params["gain_db"].tolist())'),
        (ToNumpy, "float(signal.cpu().numpy().mean())"),
        (Solve, "torch.linalg.solve("),
    ],
)
def test_a_wait_for_the_device_names_its_line(kind, line):
    with pytest.raises(DeviceWorkError, match="waits for the device") as error:
        device_work(kind(), WAVEFORM, keys=KEYS)
    source, first = inspect.getsourcelines(kind)
    number = first + next(place for place, text in enumerate(source) if line in text)
    assert str(error.value).startswith(f"{__file__}:{number}: ")
    assert line in str(error.value)


class OnTheCpu(T.Gain):
    def _transform(self, signal, params, lengths):
        return signal + torch.hann_window(signal.shape[-1])


class SecondsOnTheCpu(T.Gain):
    def _transform(self, signal, params, lengths):
        seconds = torch.arange(signal.shape[-1]) / 16_000
        return signal * seconds


@pytest.mark.parametrize("kind", [OnTheCpu, SecondsOnTheCpu])
def test_a_tensor_of_the_cpu_among_those_of_the_device_names_its_line(kind):
    message = r"mixes devices \((add|mul)\): a tensor of shape \(4000,\) is on the CPU"
    with pytest.raises(DeviceWorkError, match=message) as error:
        device_work(kind(), WAVEFORM, keys=KEYS)
    assert str(error.value).startswith(f"{__file__}:")
    assert "return signal" in str(error.value)


def test_a_number_without_a_shape_may_be_on_the_cpu():
    assert device_work(lambda x: x * torch.tensor(2.0), WAVEFORM).host_copies == 0


def test_a_line_of_augspec_is_named_beside_that_of_the_user():
    def mine(x):
        return functional.codec(x, x[:, 0, 0].long(), x[:, 0, 0], 16_000)

    with pytest.raises(DeviceWorkError, match=r"codec\(x.*, in .*functional.codec\.py:\d+: "):
        device_work(mine, WAVEFORM)


class Listed(T.Gain):
    def _transform(self, signal, params, lengths):
        return signal * torch.tensor([1.0] * 8, device=signal.device)[:, None, None]


class FromTheHost(T.Gain):
    def _transform(self, signal, params, lengths):
        ramp = torch.arange(signal.shape[-1]).to(signal.device)
        return signal[..., [1, 0]] * ramp[:2]


def test_a_list_that_is_made_a_tensor_is_a_copy_from_the_host():
    work = device_work(Listed(), WAVEFORM, keys=KEYS)
    assert work.host_copies == 1
    assert work.copied_at[0].startswith(f"{__file__}:")
    assert "torch.tensor([1.0] * 8" in work.copied_at[0]


def test_what_is_moved_there_and_a_list_as_an_index_are_copies_from_the_host():
    assert device_work(FromTheHost(), WAVEFORM, keys=KEYS).host_copies == 2


def test_a_loop_over_examples_launches_more_for_more_examples():
    def loop(x):
        return torch.stack([one * one.abs().amax() for one in x])

    few, many = device_work(loop, WAVEFORM), device_work(loop, torch.zeros(16, 1, 4000))
    assert many.launches - few.launches == 8 * 3


def test_a_number_of_a_tensor_on_the_cpu_is_known_only_if_it_was_one():
    assert device_work(lambda x: x * int(torch.tensor([3])), WAVEFORM).launches == 1
    with pytest.raises(DeviceWorkError, match="reads a tensor on the CPU"):
        device_work(lambda x: x * torch.arange(3).tolist()[1], WAVEFORM)


def test_an_error_of_the_function_is_its_own():
    with pytest.raises(ValueError, match="`waveform` must be"):
        device_work(T.Gain(), WAVEFORM[0], keys=KEYS)
