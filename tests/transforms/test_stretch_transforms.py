import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.fusion import split_chain


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.PitchShift((2.0, -2.0)), "`semitones` must be .low, high. with low <= high"),
        (lambda: T.PitchShift(float("nan")), "`semitones` must be a finite number"),
        (lambda: T.PitchShift((-20.0, 20.0)), "`semitones` must span at most two octaves"),
        (lambda: T.TimeStretch((0.0, 1.0)), r"`rate` must lie in \[0.25, 4\]"),
        (lambda: T.TimeStretch((1.25, 0.8)), "`rate` must be .low, high. with low <= high"),
        (lambda: T.PitchAndTempo((-20.0, 20.0)), "`semitones` must span at most two octaves"),
        (lambda: T.PitchAndTempo(rate=5.0), r"`rate` must lie in \[0.25, 4\]"),
        (lambda: T.FormantShift((-30.0, 0.0)), r"`semitones` must lie in \[-24, 24\]"),
        (lambda: T.VTLP(0.0), r"`alpha` must lie in \[0.25, 4\]"),
        (lambda: T.VTLP(f_hi=4800.0), r"`f_hi` must be in \(0, 1\), a fraction"),
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


# PitchAndTempo and preserved formants.

KEYS = augspec.example_keys(seed=0, epoch=0, index=torch.arange(3))
FEATURES = F.LogMelSpectrogram(sample_rate=16_000, n_fft=512, hop_length=128, n_mels=40)


def note() -> torch.Tensor:
    time = torch.arange(16_000) / 16_000
    tones = sum(torch.sin(2 * torch.pi * 220 * k * time + k * k) / k for k in range(1, 20))
    assert isinstance(tones, torch.Tensor)
    return (0.1 * tones).expand(3, 1, -1).contiguous()


def test_pitch_and_tempo_moves_both_and_the_labels_follow_the_pitch():
    time = torch.arange(16_000) / 16_000
    waveform = torch.sin(2 * torch.pi * 1000 * time)[None, None]
    both = T.PitchAndTempo(12.0, 1.25)
    out, ends = both(waveform, torch.tensor([16_000]))
    assert ends.tolist() == [12_800]
    assert not out[..., 12_800:].any()
    assert torch.fft.rfft(out[0, 0, 1600:9600]).abs().argmax() == 1000  # 2 kHz in bins of 2 Hz
    targets = {"pitch": torch.tensor([60]), "label": torch.tensor([3])}
    new = both.targets(targets, both.make_params(waveform))
    assert new["pitch"].tolist() == [72.0]
    assert new["label"].tolist() == [3]


def test_pitch_and_tempo_is_fused_as_its_two_halves_are():
    waveform, lengths = note(), torch.tensor([16_000, 9000, 12_000])
    both = augspec.Frontend(T.Chain([T.PitchAndTempo((2.0, 2.0), (0.8, 0.8))]), FEATURES)
    halves = augspec.Frontend(T.Chain([T.PitchShift(2.0), T.TimeStretch(0.8)]), FEATURES)
    ours, ends = both(waveform, lengths, keys=KEYS)
    theirs, same = halves(waveform, lengths, keys=KEYS)
    assert torch.equal(ends, same)
    torch.testing.assert_close(ours, theirs)
    chain = T.Chain([T.PitchAndTempo(p=0.5)])
    before, fused = split_chain(chain, chain.make_params(waveform, keys=KEYS), by_mode=True)
    assert (len(before), len(fused)) == (0, 1)


def test_a_shift_that_preserves_formants_is_not_fused():
    waveform = note()
    chain = T.Chain([T.Gain(), T.PitchShift(4.0, preserve_formants=True), T.Gain()])
    params = chain.make_params(waveform, keys=KEYS)
    before, fused = split_chain(chain, params, by_mode=True)
    assert [type(part) for part, _ in before] == [T.Gain, T.PitchShift]
    assert [type(part) for part, _ in fused] == [T.Gain]
    outputs = [
        augspec.Frontend(chain, FEATURES, fuse=fuse)(waveform, keys=KEYS)
        for fuse in ("auto", "never")
    ]
    loud = outputs[0] > outputs[0].amax() - 60  # below it is rounding
    torch.testing.assert_close(outputs[0][loud], outputs[1][loud], rtol=0, atol=1e-2)


@pytest.mark.parametrize("transform", [T.FormantShift(4.0), T.VTLP(1.2)])
def test_formants_move_without_the_pitch_label(transform):
    waveform = note()
    params = transform.make_params(waveform, keys=KEYS)
    targets = {"pitch": torch.tensor([57, 57, 57]), "label": torch.tensor([0, 1, 2])}
    assert transform.targets(targets, params) == targets
    out = transform.transform(waveform, params)
    assert torch.fft.rfft(out[0, 0]).abs()[150:300].argmax() == 70  # 220 Hz
    assert not torch.equal(out, waveform)


# Policies and schedules bring rates nearer to 1, out of the range that they were drawn from.

FAST = {
    "TimeStretch": lambda: T.TimeStretch((1.25, 1.5), keep_length=False),
    "Speed": lambda: T.Speed((1.25, 1.5), keep_length=False),
    "PitchAndTempo": lambda: T.PitchAndTempo(0.0, (1.25, 1.5), keep_length=False),
}
POLICIES = {
    "Schedule": lambda own: T.Schedule(own, {"magnitude": [(0, 0.0)]}),
    "Schedule of a chain": lambda own: T.Schedule(T.Chain([own]), {"magnitude": [(0, 0.0)]}),
    "Schedule of a choice": lambda own: T.Schedule(T.OneOf([own]), {"magnitude": [(0, 0.0)]}),
    "RandAugment": lambda own: T.RandAugment([own], n=2, magnitude=0.0),
}


@pytest.mark.usefixtures("eager_kernels")
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", FAST)
def test_at_magnitude_0_nothing_of_an_example_is_cut(kind, policy):
    waveform, lengths = note(), torch.tensor([16_000, 9000, 12_000])
    out, ends = POLICIES[policy](FAST[kind]())(waveform, lengths, keys=KEYS)
    assert out.shape == waveform.shape
    assert ends.tolist() == lengths.tolist()
    inside = torch.arange(16_000) < lengths[:, None, None] - 600  # a frame fades out at the end
    torch.testing.assert_close(out * inside, waveform * inside, rtol=0, atol=2e-3)


@pytest.mark.usefixtures("eager_kernels")
@pytest.mark.parametrize("kind", FAST)
def test_a_drawn_magnitude_cuts_nothing_either(kind):
    waveform, lengths = note(), torch.full((3,), 16_000)
    policy = T.TrivialAugment([FAST[kind]()])
    params = policy.make_params(waveform, keys=KEYS)
    own = params["options"][0][0]
    rate = own["factor" if kind == "Speed" else "rate"]
    assert (rate < 1.25).any()
    _, ends = policy.transform(waveform, params, lengths)
    assert ends.tolist() == torch.ceil(lengths / rate.double()).tolist()


def test_without_a_policy_the_time_is_still_that_of_the_lowest_rate():
    stretch = FAST["TimeStretch"]()
    assert stretch(note()).shape[-1] == 12_800
    assert T.Schedule(stretch, {"p": [(0, 1.0)]}).body(note()).shape[-1] == 12_800
