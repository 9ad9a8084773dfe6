import pytest
import torch

from augspec import transforms as T


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.PitchShift((2.0, -2.0)), "`semitones` must be .low, high. with low <= high"),
        (lambda: T.PitchShift(float("nan")), "`semitones` must be a finite number"),
        (lambda: T.PitchShift((-20.0, 20.0)), "`semitones` must span at most two octaves"),
        (lambda: T.TimeStretch((0.0, 1.0)), r"`rate` must lie in \[0.25, 4\]"),
        (lambda: T.TimeStretch((1.25, 0.8)), "`rate` must be .low, high. with low <= high"),
        (lambda: T.Speed((0.0, 1.0)), r"`factor` must lie in \[0.25, 4\]"),
        (lambda: T.Resample(16_000, 0), "`new_freq` must be a positive number of Hz, got 0"),
        (lambda: T.Resample(16e3, 8_000), "`orig_freq` must be a positive number of Hz"),
        (lambda: T.TimeStretch(n_fft=1023), "`n_fft` must be a positive multiple of 32"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_lengths_follow_the_rate_and_the_time_does_not():
    waveform = torch.randn(2, 1, 4000)
    lengths = torch.tensor([4000, 1000])
    out, ends = T.TimeStretch(1.25)(waveform, lengths)
    assert out.shape == waveform.shape
    assert ends.tolist() == [3200, 800]
    out, ends = T.TimeStretch(0.8)(waveform, lengths)
    assert out.shape == waveform.shape
    assert ends.tolist() == [4000, 1250]
    out, ends = T.TimeStretch((0.8, 0.8), keep_length=False)(waveform, lengths)
    assert out.shape == (2, 1, 5000)
    assert ends.tolist() == [5000, 1250]


def test_without_keep_length_the_time_is_that_of_the_lowest_rate():
    waveform = torch.randn(3, 1, 1001)
    for _ in range(3):
        assert T.TimeStretch((0.8, 1.25), keep_length=False)(waveform).shape[-1] == 1252


def test_what_gets_shorter_ends_in_zeros():
    out = T.TimeStretch(2.0)(torch.randn(1, 1, 8000))
    assert not out[..., 4000:].any()
    assert out[..., :4000].any()


def test_speed_changes_pitch_and_tempo_together():
    time = torch.arange(16_000) / 16_000
    waveform = torch.sin(2 * torch.pi * 1000 * time)[None, None]
    out, ends = T.Speed(1.25)(waveform, torch.tensor([16_000]))
    assert ends.tolist() == [12_800]
    assert not out[..., 12_800:].any()
    spectrum = torch.fft.rfft(out[0, 0, 1600:9600]).abs()
    assert spectrum.argmax() == 625  # 1250 Hz in bins of 2 Hz
    targets = {"pitch": torch.tensor([60])}
    params = T.Speed(2.0).make_params(waveform)
    assert T.Speed(2.0).targets(targets, params)["pitch"].tolist() == [72.0]


def test_resample_changes_the_rate_and_keeps_the_tone_and_acts_in_eval():
    time = torch.arange(44_100) / 44_100
    waveform = torch.sin(2 * torch.pi * 1000 * time)[None, None]
    out, ends = T.Resample(44_100, 16_000).eval()(waveform, torch.tensor([22_050]))
    assert out.shape == (1, 1, 16_000)
    assert ends.tolist() == [8_000]
    ideal = torch.sin(2 * torch.pi * 1000 * torch.arange(16_000) / 16_000)
    assert (out[0, 0, 100:7900] - ideal[100:7900]).abs().max() < 1e-3
