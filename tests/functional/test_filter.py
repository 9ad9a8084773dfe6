import numpy as np
import pytest
import torch
from scipy import signal

from augspec import functional
from augspec.functional import filter as filter_module

BATCH = torch.randn(3, 2, 3001, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
DESIGNS = {
    "2nd order at 1 kHz": signal.butter(2, 1000, output="sos", fs=16_000),
    "1st order": signal.butter(1, 3000, output="sos", fs=16_000),
    "high-pass at 20 Hz": signal.butter(6, 20, "high", output="sos", fs=48_000),
    "low-pass at 20 Hz": signal.butter(2, 20, output="sos", fs=48_000),
    "next to Nyquist": signal.butter(3, 7900, output="sos", fs=16_000),
    "16th order band": signal.butter(8, [300, 3000], "band", output="sos", fs=16_000),
    "elliptic": signal.ellip(7, 0.1, 80, 2000, output="sos", fs=16_000),
    "finite": signal.tf2sos([0.5, -0.25, 0.1], [1.0, 0.0, 0.0]),
    "real poles": signal.zpk2sos([0.3, -0.9], [0.999, 0.2], 0.7),
    "double pole": signal.zpk2sos([-1.0, -1.0], [0.95, 0.95], 0.01),
}


@pytest.fixture(params=DESIGNS.values(), ids=DESIGNS.keys())
def sos(request):
    return torch.from_numpy(np.ascontiguousarray(request.param))


def scipy_filter(sos, waveform):
    return torch.from_numpy(signal.sosfilt(sos.numpy(), waveform.double().numpy(), axis=-1))


@pytest.mark.parametrize("time", [1, 31, 32, 33, 64, 3001])
def test_float64_equals_scipy(sos, time):
    expected = scipy_filter(sos, BATCH[..., :time])
    out = functional.sosfilt(BATCH[..., :time], sos)
    assert (out - expected).abs().max() < 1e-9 * expected.abs().max()


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_float32_stays_within_twenty_roundings_of_the_peak(sos, offset):
    waveform = BATCH.float() + offset
    expected = scipy_filter(sos, waveform)
    error = (functional.sosfilt(waveform, sos) - expected).abs().max()
    assert error < 20 * torch.finfo(torch.float32).eps * expected.abs().max()


def test_each_example_and_each_channel_has_its_own_filter():
    designs = [signal.butter(2, freq, output="sos", fs=16_000) for freq in range(500, 3500, 500)]
    sos = torch.tensor(np.stack(designs)).view(3, 2, 1, 6)
    own, shared = functional.sosfilt(BATCH, sos), functional.sosfilt(BATCH, sos[:, 0])
    for i in range(3):
        for c in range(2):
            expected = scipy_filter(sos[i, c], BATCH[i, c])
            torch.testing.assert_close(own[i, c], expected, rtol=0, atol=1e-12)
            expected = scipy_filter(sos[i, 0], BATCH[i, c])
            torch.testing.assert_close(shared[i, c], expected, rtol=0, atol=1e-12)


def test_coefficients_are_divided_by_a0():
    sos = torch.tensor(signal.butter(4, 1000, output="sos", fs=16_000))
    torch.testing.assert_close(
        functional.sosfilt(BATCH, sos * 3), functional.sosfilt(BATCH, sos), rtol=1e-12, atol=1e-12
    )


def test_biquad_is_one_section():
    b, a = signal.iirnotch(1000, 5, fs=16_000)
    expected = torch.from_numpy(signal.lfilter(b, a, BATCH.numpy()))
    out = functional.biquad(BATCH, torch.from_numpy(b), torch.from_numpy(a))
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


def test_nothing_beyond_the_end_is_heard_and_the_filter_does_not_ring_on():
    sos = torch.tensor(signal.butter(2, 100, output="sos", fs=16_000))
    lengths = torch.tensor([3001, 0, 1000])
    beyond = torch.arange(3001) >= lengths[:, None, None]
    out = functional.sosfilt(torch.where(beyond, torch.nan, BATCH), sos, lengths)
    expected = torch.where(beyond, 0.0, scipy_filter(sos, BATCH))
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


def test_gradients_of_audio_and_coefficients():
    waveform = BATCH[:2, :, :70].clone().requires_grad_()
    sos = torch.tensor(signal.butter(3, 1000, output="sos", fs=16_000))
    sos = sos.expand(2, -1, -1).clone().requires_grad_()
    assert torch.autograd.gradcheck(functional.sosfilt, (waveform, sos), fast_mode=True)


def test_the_blocks_are_only_a_way_to_compute(monkeypatch):
    sos = torch.tensor(signal.butter(5, 1000, output="sos", fs=16_000))
    expected = functional.sosfilt(BATCH, sos)
    monkeypatch.setattr(filter_module, "_BLOCK", 256)
    torch.testing.assert_close(functional.sosfilt(BATCH, sos), expected, rtol=0, atol=1e-12)


def test_half_precision_is_computed_in_float32():
    sos = torch.tensor(signal.butter(2, 100, output="sos", fs=16_000))
    half = BATCH.half()
    expected = functional.sosfilt(half.float(), sos).half()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(functional.sosfilt(half, sos), expected)


@pytest.mark.slow
def test_compiled_equals_eager():
    sos = torch.tensor(signal.butter(4, 500, output="sos", fs=16_000)).expand(3, -1, -1)
    compiled = torch.compile(functional.sosfilt, fullgraph=True)
    lengths = torch.tensor([3001, 5, 1000])
    torch.testing.assert_close(
        compiled(BATCH, sos, lengths), functional.sosfilt(BATCH, sos, lengths), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(
    ("sos", "error", "message"),
    [
        (torch.ones(1, 6).long(), TypeError, "`sos` must be of a floating-point type, got"),
        (torch.ones(6), ValueError, r"`sos` must be \(section, 6\) or .*, got \(6,\)"),
        (torch.ones(0, 6), ValueError, r"`sos` must have at least one section, got \(0, 6\)"),
        (
            torch.ones(4, 1, 6),
            ValueError,
            r"`sos` must be \(section, 6\) or .*\(3, section, 6\) or",
        ),
    ],
)
def test_bad_coefficients_are_named(sos, error, message):
    with pytest.raises(error, match=message):
        functional.sosfilt(BATCH, sos)
    with pytest.raises(ValueError, match=r"`b` must be \(3,\)"):
        functional.biquad(BATCH, torch.ones(2), torch.ones(2))


@pytest.mark.parametrize("samples", [1, 2])
def test_the_shortest_sounds_are_filtered_too(sos, samples):
    waveform = BATCH[..., :samples]
    out = functional.sosfilt(waveform, sos)
    expected = signal.sosfilt(np.asarray(sos), waveform.numpy())
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-9, atol=1e-12)
    one = functional.sosfilt(waveform[:1, :1], sos)
    np.testing.assert_allclose(one.numpy(), expected[:1, :1], rtol=1e-9, atol=1e-12)
