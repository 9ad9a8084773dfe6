"""Speed, gaps, noise, rooms and what becomes of labels: what SpeechBrain and lhotse promise."""

import math

import pytest
import torch

import augspec
from augspec import features as F
from augspec import functional as AF
from augspec import transforms as T
from augspec.datasets import Windows

pytestmark = pytest.mark.usefixtures("eager_kernels")  # each fact has a shape of its own
RATE = 16_000
NOISE = 0.2 * torch.randn(4, 2, 4000, generator=torch.Generator().manual_seed(0)).double()
LENGTHS = torch.tensor([4000, 1000, 2500, 1])


def tone(freq, time=RATE):
    place = torch.arange(time).double() / RATE
    return torch.sin(2 * math.pi * freq * place).reshape(1, 1, -1)


def power(waveform):
    return waveform.square().mean((1, 2))


def marked(first, last, frames=100):
    """Give labels of one class that holds in some of the frames."""
    place = torch.arange(frames)
    return ((place >= first) & (place < last)).double().reshape(1, 1, -1)


def held(transform, frames, time, lengths=None):
    """Give the first frame of a label after a transform, the one behind the last, and how many."""
    waveform = torch.zeros(1, 1, time)
    params = transform.make_params(waveform, lengths)
    new = transform.targets({"frames": frames}, params, lengths, time=time)["frames"]
    places = (new[0, 0] > 0.5).nonzero().flatten()
    assert (places.diff() == 1).all()
    return int(places[0]), int(places[-1]) + 1, new.shape[-1]


@pytest.mark.parametrize("percent", [90, 95, 105, 110])
def test_speed_perturbation_has_the_length_and_the_tone_of_its_percentage(percent):
    """SpeechBrain's ``SpeedPerturb`` and lhotse's ``perturb_speed``."""
    factor = percent / 100
    out = T.Speed(factor, keep_length=False)(tone(1000.0))
    assert out.shape[-1] == math.ceil(RATE / factor)
    expected = tone(1000.0 * factor, out.shape[-1])
    inner = slice(200, out.shape[-1] - 200)
    assert (out[..., inner] - expected[..., inner]).abs().max() < 2e-3


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_back_at_the_old_speed_the_sound_is_back(factor):
    wave = tone(700.0) + 0.5 * tone(1900.0)
    there = T.Speed(factor, keep_length=False)(wave)
    back = T.Speed(1 / factor, keep_length=False)(there)
    inner = slice(500, RATE - 500)
    assert (back[..., inner] - wave[..., inner]).abs().max() < 5e-3


@pytest.mark.parametrize("factor", [0.8, 1.25])
@pytest.mark.parametrize("kind", [T.Speed, T.TimeStretch])
def test_what_was_said_at_a_time_is_said_at_that_time_divided_by_the_factor(kind, factor):
    """lhotse's ``perturb_speed`` and ``perturb_tempo`` move start and duration of supervisions."""
    first, last, count = held(kind(factor, keep_length=False), marked(20, 60), 10_000)
    assert count == round(100 / factor)
    assert first == pytest.approx(20 / factor, abs=1)
    assert last == pytest.approx(60 / factor, abs=1)


@pytest.mark.parametrize("gain_db", [-6.0, 6.0])
def test_a_volume_leaves_what_was_said_where_it_was(gain_db):
    """lhotse's ``perturb_volume``."""
    assert held(T.Gain(gain_db), marked(20, 60), 10_000) == (20, 60, 100)


@pytest.mark.parametrize(("where", "moved"), [("end", 0), ("start", 50), ("center", 25)])
def test_padding_moves_what_was_said_only_if_it_comes_before(where, moved):
    """lhotse's ``pad(direction=...)``."""
    found = held(T.PadTo(15_000, where=where), marked(20, 60), 10_000)
    assert found == (20 + moved, 60 + moved, 150)


def test_truncating_cuts_what_was_said_as_the_sound():
    """lhotse's ``truncate``: what overlaps the cut stays with the part that is left."""
    assert held(T.CenterCrop(5000), marked(20, 60), 10_000) == (0, 35, 50)


def test_reversed_the_end_comes_first():
    assert held(T.TimeReverse(), marked(20, 60), 10_000) == (40, 80, 100)


class Recordings:
    """Recordings of the given numbers of samples that count them."""

    sample_rate, classes = 100, ["a"]

    def __init__(self, lengths):
        self.lengths = lengths

    def __len__(self):
        return len(self.lengths)

    def part(self, index, start, size):
        end = min(start + size, self.lengths[index])
        return {"waveform": torch.arange(start, end).float()[None] + 1.0, "label": 0}


@pytest.mark.parametrize(
    ("samples", "expected"), [(50, 1), (100, 1), (101, 2), (150, 2), (151, 3), (1000, 19)]
)
def test_a_recording_has_as_many_windows_as_cover_it(samples, expected):
    """lhotse's ``cut_into_windows(duration=1, hop=0.5)``."""
    assert len(Windows(Recordings([samples]), 1.0, 0.5)) == expected


def test_every_sample_is_in_a_window_and_without_a_hop_in_one():
    windows = Windows(Recordings([130, 70]), 0.5)
    found = torch.cat([item["waveform"][0, : item["lengths"]] for item in windows])
    assert torch.equal(found, torch.cat([torch.arange(1.0, 131.0), torch.arange(1.0, 71.0)]))


@pytest.mark.parametrize("width", [0.1, 0.5, 1.0])
def test_a_dropped_chunk_is_silent_and_the_rest_untouched(width):
    """SpeechBrain's ``DropChunk``."""
    out = T.Mute(width, fade=0.0)(NOISE)
    silent = (out == 0.0).all(1)
    assert (silent.sum(1) == round(4000 * width)).all()
    assert torch.equal(out[:, 0][~silent], NOISE[:, 0][~silent])


def test_no_chunk_is_dropped_from_padding():
    out, _ = T.Mute((0.2, 0.8), fade=0.0)(torch.ones(4, 1, 4000), LENGTHS)
    beyond = torch.arange(4000) >= LENGTHS[:, None]
    assert not (out[:, 0] == 0.0)[beyond].any()


@pytest.mark.parametrize("freq", [500.0, 2000.0, 5000.0])
def test_a_dropped_frequency_is_gone_and_others_stay(freq):
    """SpeechBrain's ``DropFreq`` is a notch."""
    notch = T.BandStop(freq, 5.0, sample_rate=RATE)
    middle = slice(RATE // 2, None)
    for other in (0.5, 1.0, 2.0 if freq < 4000 else 0.25):
        wave = tone(freq * other)
        left = 10 * torch.log10(power(notch(wave)[..., middle]) / power(wave[..., middle]))
        assert (left < -100.0) if other == 1.0 else (left > -0.2)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 15.0])
def test_noise_is_added_at_its_ratio_whatever_its_level(snr_db):
    """SpeechBrain's ``AddNoise``; torchaudio's ``add_noise``."""
    noise = torch.randn(4, 2, 4000).double() * torch.tensor([1e-3, 1.0, 50.0, 2.0])[:, None, None]
    added = AF.add_noise(NOISE, noise, torch.full((4,), snr_db)) - NOISE
    found = 10 * torch.log10(power(NOISE) / power(added))
    torch.testing.assert_close(found, torch.full((4,), snr_db).double(), rtol=0, atol=1e-5)
    angle = torch.nn.functional.cosine_similarity(added.flatten(1), noise.flatten(1))
    torch.testing.assert_close(angle, torch.ones(4).double(), rtol=0, atol=1e-9)


def test_the_ratio_is_that_of_what_is_heard_and_not_of_padding():
    lengths = LENGTHS[:3]
    waveform, noise = NOISE[:3].clone(), torch.randn(3, 2, 4000).double()
    added = AF.add_noise(waveform, noise, torch.full((3,), 10.0), lengths) - waveform
    for one, sound, end in zip(added, waveform, lengths.tolist(), strict=True):
        found = 10 * torch.log10(sound[:, :end].square().mean() / one[:, :end].square().mean())
        assert float(found) == pytest.approx(10.0, abs=1e-5)
        assert not one[:, end:].any()


@pytest.mark.parametrize("delay", [0, 160, 800])
def test_the_direct_sound_of_a_room_comes_at_time_zero(delay):
    """SpeechBrain's ``reverberate`` and lhotse's ``reverb_rir`` take the delay back."""
    response = torch.zeros(1600)
    response[delay], response[delay + 400] = 1.0, 0.5
    bank = augspec.Bank([response], sample_rate=RATE)
    click = torch.zeros(1, 1, 4000)
    click[..., 1000] = 1.0
    out = T.ImpulseResponse(bank, keep_level=False)(click)
    assert float(out[0, 0, 1000]) == pytest.approx(1.0, abs=1e-5)
    assert float(out[0, 0, 1400]) == pytest.approx(0.5, abs=1e-5)
    assert float(out.abs().sum()) == pytest.approx(1.5, abs=1e-3)


def test_a_room_keeps_the_length_and_the_level():
    """SpeechBrain's ``rescale_amp``, here of the power."""
    bank = augspec.Bank([torch.randn(2000) * torch.exp(-torch.arange(2000) / 300)], RATE)
    out = T.ImpulseResponse(bank)(NOISE)
    assert out.shape == NOISE.shape
    torch.testing.assert_close(power(out), power(NOISE), rtol=1e-5, atol=0)
    assert not torch.allclose(out, NOISE, atol=0.01)


@pytest.mark.parametrize("snr_db", [0.0, 12.0])
def test_a_mix_of_two_recordings_has_the_ratio_of_their_levels(snr_db):
    """lhotse's ``mix(snr=...)``."""
    mixer = T.MixBackground(snr_db)
    params = mixer.make_params(NOISE)
    added = mixer.transform(NOISE, params) - NOISE
    found = 10 * torch.log10(power(NOISE) / power(added))
    torch.testing.assert_close(found, torch.full_like(found, snr_db), rtol=0, atol=1e-4)


def test_a_shorter_recording_is_mixed_in_from_the_start_and_ends_where_it_ends():
    lengths = torch.tensor([4000, 1500])
    waveform = NOISE[:2].clone()
    waveform[1, :, 1500:] = 0.0
    mixed, ends = T.MixBackground(0.0)(waveform, lengths)
    assert torch.equal(ends, lengths)
    assert torch.equal(mixed[0, :, 1500:], waveform[0, :, 1500:])
    assert not torch.equal(mixed[0, :, :1500], waveform[0, :, :1500])
    assert not mixed[1, :, 1500:].any()


def test_channels_are_dropped_whole_and_one_is_left():
    """SpeechBrain's ``ChannelDrop``."""
    waveform = torch.randn(200, 3, 50)
    out = T.ChannelDrop((1, 2))(waveform)
    silent = (out == 0.0).all(-1)
    assert set(silent.sum(1).tolist()) == {1, 2}
    assert torch.equal(out[~silent], waveform[~silent])


def test_channels_are_swapped_and_none_is_changed():
    """SpeechBrain's ``ChannelSwap``, but that channels never come out as they were."""
    waveform = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1).expand(6000, 3, 4)
    out = T.ChannelShuffle()(waveform)
    assert torch.equal(out.sort(1).values, waveform)
    orders = (out[:, :, 0] * torch.tensor([100.0, 10.0, 1.0])).sum(1).long()
    # Turned round by one place stands in for no change: twice as likely as others.
    expected = {132: 1000, 213: 1000, 231: 1000, 312: 2000, 321: 1000}
    counts = {order: int((orders == order).sum()) for order in expected}
    assert sum(counts.values()) == 6000
    assert sum((counts[order] - n) ** 2 / n for order, n in expected.items()) < 25.0


@pytest.mark.parametrize("threshold_db", [-14.0, -6.0])
def test_clipping_is_a_clamp(threshold_db):
    """SpeechBrain's ``DoClip``."""
    most = 10 ** (threshold_db / 20)
    torch.testing.assert_close(
        T.Clip(threshold_db)(4 * NOISE), (4 * NOISE).clamp(-most, most), rtol=1e-7, atol=0
    )


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_the_same_rate_is_not_resampled(rate):
    assert torch.equal(T.Resample(rate, rate)(NOISE), NOISE)


@pytest.mark.parametrize(("old", "new"), [(16_000, 8000), (8000, 16_000), (44_100, 16_000)])
def test_a_constant_is_one_at_every_rate(old, new):
    out = T.Resample(old, new)(torch.ones(1, 1, 4000).double())
    inner = slice(out.shape[-1] // 4, -(out.shape[-1] // 4))
    torch.testing.assert_close(out[..., inner], torch.ones_like(out[..., inner]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("freq", [5000.0, 6000.0, 7500.0])
def test_what_a_lower_rate_cannot_hold_is_gone(freq):
    out = T.Resample(RATE, 8000)(tone(freq))
    inner = slice(500, -500)
    assert 10 * math.log10(power(out[..., inner]) / power(tone(freq))) < -60.0


def test_features_of_a_sentence_are_normalised_by_its_own_frames():
    """SpeechBrain's ``InputNormalization(norm_type="sentence")``; padding has no say."""
    specgram = 3.0 * torch.randn(4, 1, 20, 60).double() - 40.0
    ends = torch.tensor([60, 10, 35, 20])
    out, _ = F.Normalize(per_bin=True)(specgram, ends)
    for one, end in zip(out, ends.tolist(), strict=True):
        mean, var = one[..., :end].mean(-1), one[..., :end].var(-1, unbiased=False)
        torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-9)
        torch.testing.assert_close(var, torch.ones_like(var), rtol=0, atol=1e-2)
        assert not one[..., end:].any()


def test_a_warp_in_time_moves_frames_and_leaves_bins():
    """SpeechBrain's ``Warping``; a spectrogram whose frames are alike has nothing to move."""
    steady = torch.rand(4, 1, 20, 1).expand(-1, -1, -1, 60)
    warp = T.SpecAugment(None, max_warp=20)
    torch.testing.assert_close(warp(steady), steady)
    line = torch.arange(60.0).expand(50, 1, 20, -1)
    moved = warp(line)
    assert (moved.diff(dim=-1) >= 0).all()
    assert torch.equal(moved, moved[:, :, :1].expand_as(moved))
    torch.testing.assert_close(moved[..., 0], line[..., 0])
    torch.testing.assert_close(moved[..., -1], line[..., -1])
    assert (moved - line).abs().amax() > 5.0


def test_lost_packets_are_lost_whole():
    """A packet of 20 ms at 16 kHz is 320 samples."""
    out = T.PacketLoss(0.3, 2.0, sample_rate=RATE)(torch.ones(50, 1, 3200))
    packets = out.reshape(50, 10, 320)
    lost = packets[:, :, 160] == 0.0
    assert 0.1 < lost.double().mean() < 0.5
    # A fade leads in and out, within the neighbours or the packet.
    assert (packets[~lost] > 0).double().mean() > 0.9
