"""Impulse responses and rooms as transforms."""

import numpy as np
import pytest
import torch
from scipy import signal

import augspec
from augspec import transforms as T

KEYS = augspec.example_keys(seed=4, epoch=0, index=torch.arange(6))
pytestmark = pytest.mark.usefixtures("eager_kernels")


def decaying(size, delay, seed):
    noise = torch.randn(size, generator=torch.Generator().manual_seed(seed)) / 4
    response = noise * torch.exp(-torch.arange(size) / (size / 5))
    return torch.cat([torch.zeros(delay), torch.ones(1), response])


RESPONSES = [decaying(700, 0, 1), decaying(100, 250, 2), decaying(2000, 30, 3)]


def test_each_example_is_convolved_with_the_response_that_was_drawn():
    transform = T.ImpulseResponse(augspec.Bank(RESPONSES, 8000), align=False, keep_level=False)
    waveform = torch.randn(6, 2, 900, dtype=torch.float64)
    params = transform.make_params(waveform, keys=KEYS)
    assert len(set(params["sound"].tolist())) > 1
    out = transform.transform(waveform, params)
    for i, sound in enumerate(params["sound"].tolist()):
        for c in range(2):
            expected = signal.convolve(waveform[i, c], RESPONSES[sound].double())[:900]
            np.testing.assert_allclose(out[i, c], expected, atol=1e-10)


def test_alignment_takes_the_delay_of_the_direct_sound_back():
    delays = list(torch.eye(400)[[0, 17, 399]])
    waveform = torch.randn(6, 1, 900)
    out = T.ImpulseResponse(augspec.Bank(delays, 8000))(waveform, keys=KEYS)
    torch.testing.assert_close(out, waveform, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "transform",
    [
        T.ImpulseResponse(augspec.Bank(RESPONSES, 8000)),
        T.RoomReverb((0.1, 0.5), sample_rate=8000),
    ],
    ids=["ImpulseResponse", "RoomReverb"],
)
def test_the_level_is_kept_over_the_valid_samples(transform):
    waveform, lengths = torch.randn(6, 2, 900), torch.tensor([900, 800, 300, 50, 7, 900])
    out, _ = transform(waveform, lengths, keys=KEYS)
    for i, end in enumerate(lengths.tolist()):
        ratio = out[i, :, :end].square().sum() / waveform[i, :, :end].square().sum()
        assert ratio.item() == pytest.approx(1.0, rel=1e-4)
        assert not out[i, :, end:].any() or end == 900


def test_a_room_is_heard_as_direct_sound_and_reverberation():
    transform = T.RoomReverb(0.3, 3.0, sample_rate=8000, keep_level=False)
    impulse = torch.zeros(6, 1, 4000)
    impulse[..., 1000] = 1.0
    out = transform(impulse, keys=KEYS)[:, 0]
    assert out[:, :1000].abs().max() < 1e-6
    direct, tail = out[:, 1000].square(), out[:, 1001:].square().sum(1)
    torch.testing.assert_close(
        10 * torch.log10(direct / tail), torch.full((6,), 3.0), rtol=0, atol=0.01
    )
    early = out[:, 1001:1801].square().sum(1)  # a third of rt60: 20 dB
    torch.testing.assert_close(
        10 * torch.log10(1 - early / tail), torch.full((6,), -20.0), rtol=0, atol=2.0
    )
    assert torch.corrcoef(out[:, 1001:2000]).triu(1).abs().max() < 0.3  # six rooms, not one


def test_the_mix_is_the_part_of_the_reverberated_sound():
    waveform = torch.randn(3, 1, 900)
    wet = T.RoomReverb(0.2, sample_rate=8000)(waveform, keys=KEYS[:3])
    some = T.RoomReverb(0.2, sample_rate=8000, mix=0.25)(waveform, keys=KEYS[:3])
    torch.testing.assert_close(some, 0.75 * waveform + 0.25 * wet)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: T.ImpulseResponse([1.0]), TypeError, "`bank` must be an augspec.Bank, got list"),
        (lambda: T.RoomReverb(0.0, sample_rate=8000), ValueError, r"`rt60` must lie in \[0.01, 20"),
        (lambda: T.RoomReverb(drr_db=99.0, sample_rate=8000), ValueError, "`drr_db` must lie in"),
        (lambda: T.RoomReverb(sample_rate=8000, mix=-1.0), ValueError, "`mix` must lie in"),
    ],
)
def test_bad_settings_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_labels_of_frames_move_with_a_delay_that_is_kept():
    response = torch.zeros(2000)
    response[1600] = 1.0
    bank = augspec.Bank([response], sample_rate=16_000)
    waveform = torch.zeros(2, 1, 16_000)
    waveform[:, :, 4000:4160] = 1.0
    frames = torch.zeros(2, 1, 100)
    frames[:, :, 25] = 1.0
    for align, place in ((True, 25), (False, 35)):
        room = T.ImpulseResponse(bank, align=align)
        params = room.make_params(waveform)
        heard = room.transform(waveform, params).unflatten(-1, (100, 160)).square().sum(-1)
        assert heard.argmax(-1).flatten().tolist() == [place] * 2
        moved = room.targets({"frames": frames}, params, time=16_000)["frames"]
        assert moved.argmax(-1).flatten().tolist() == [place] * 2


@pytest.mark.parametrize("kind", [T.BandPass, T.BandStop])
def test_a_band_is_as_wide_as_the_page_says(kind):
    """The -3.01 dB points: ``center / q`` apart far below Nyquist, 23 % less at 3 kHz of 16."""
    freq = torch.fft.rfftfreq(2**17, 1 / 16_000)
    impulse = torch.zeros(1, 1, 2**17, dtype=torch.float64)
    impulse[..., 0] = 1.0
    for center, expected in ((100.0, 1.0), (3000.0, 0.77)):
        response = torch.fft.rfft(kind(center, 2.0, sample_rate=16_000)(impulse))[0, 0].abs()
        inside = response >= 0.5**0.5 if kind is T.BandPass else response <= 0.5**0.5
        width = freq[inside].max() - freq[inside].min()
        assert abs(width / (center / 2.0) - expected) < 0.01
