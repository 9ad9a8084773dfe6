"""Conditions: what each does to a sound, how much, and that it is always the same."""

import hashlib
import inspect
import itertools
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import augspec
from augspec import conditions
from augspec.conditions import CONDITIONS, SEVERITIES, Corrupted, corrupt, keys_of_names

RATE = 16_000
KEYS = augspec.example_keys(0, 0, [3, 4, 11])


def notes(seconds=0.5):
    """Three harmonic tones with an attack and a decay; the last is stereo's other side."""
    time = torch.arange(int(seconds * RATE)) / RATE
    tones = [
        sum(torch.sin(2 * math.pi * k * f0 * time) / k for k in range(1, 12))
        for f0 in (110.0, 220.0, 437.0)
    ]
    shape = torch.minimum(time / 0.01, torch.ones(())) * torch.exp(-3.0 * time)
    return 0.2 * torch.stack(tones)[:, None] * shape


def snr_db(corrupted, clean):
    return 10 * torch.log10(clean.square().sum(-1) / (corrupted - clean).square().sum(-1))


def band_db(waveform, low, high):
    """Energy between two frequencies."""
    power = torch.fft.rfft(waveform.double()).abs().square()
    freq = torch.fft.rfftfreq(waveform.shape[-1], 1 / RATE)
    return 10 * torch.log10(power[..., (freq >= low) & (freq < high)].sum(-1) + 1e-30)


@pytest.mark.parametrize("name", CONDITIONS)
def test_an_example_is_the_same_alone_and_in_any_batch(name):
    clean = notes()
    whole = corrupt(clean, KEYS, name, 3, sample_rate=RATE)
    order = torch.tensor([2, 0])
    assert torch.equal(corrupt(clean[order], KEYS[order], name, 3, sample_rate=RATE), whole[order])
    assert torch.equal(corrupt(clean[1:2], KEYS[1:2], name, 3, sample_rate=RATE), whole[1:2])
    assert not torch.equal(whole, clean)
    double = corrupt(clean.double(), KEYS, name, 3, sample_rate=RATE)
    assert double.dtype == torch.float64
    assert torch.equal(double.float(), whole)


@pytest.mark.parametrize("name", CONDITIONS)
def test_padding_and_what_lies_in_it_change_nothing(name):
    clean = notes()
    lengths = torch.tensor([8000, 5000, 0])
    padded = corrupt(clean, KEYS, name, 2, sample_rate=RATE, lengths=lengths)
    alone = corrupt(clean[1:2, :, :5000], KEYS[1:2], name, 2, sample_rate=RATE)
    assert torch.equal(padded[1:2, :, :5000], alone)
    assert torch.equal(padded[1:2, :, 5000:], clean[1:2, :, 5000:])
    assert torch.equal(padded[2], clean[2])


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_the_result_is_that_of_a_16_bit_file(name, severity):
    for loud in (1.0, 8.0):
        found = corrupt(loud * notes(), KEYS, name, severity, sample_rate=RATE).double() * 32_768
        assert torch.equal(found, found.round())
        assert found.abs().max() <= 32_767
    silence = torch.zeros(1, 2, 4000)
    assert torch.equal(corrupt(silence, KEYS[:1], name, severity, sample_rate=RATE), silence)


# Where a filter or a vocoder turns phases, waveforms tell nothing of how far apart sounds are.
GRADED = ("noise", "background", "room", "device", "quiet", "clipped", "bits", "codec")


@pytest.mark.parametrize("name", GRADED)
def test_a_worse_severity_is_worse(name):
    """Farther from the clean sound, in nearly all steps and from end to end."""
    clean = notes(1.0)
    found = [
        float(snr_db(corrupt(clean, KEYS, name, severity, sample_rate=RATE), clean).mean())
        for severity in SEVERITIES
    ]
    assert found[0] > found[-1] + 1.0
    assert sum(mild > worse for mild, worse in itertools.pairwise(found)) >= 3


@pytest.mark.parametrize("name", ["noise", "background"])
def test_noise_has_the_ratio_that_it_is_said_to_have(name):
    for severity, expected in zip(SEVERITIES, CONDITIONS[name].strengths, strict=True):
        found = snr_db(corrupt(notes(), KEYS, name, severity, sample_rate=RATE), notes())
        assert torch.allclose(found, torch.tensor(expected), atol=0.1)


def test_noise_is_white_and_normal():
    clean = torch.full((1, 1, 64_000), 0.1)
    added = corrupt(clean, KEYS[:1], "noise", 5, sample_rate=RATE) - clean
    kurtosis = float((added**4).mean() / added.square().mean() ** 2)
    assert kurtosis == pytest.approx(3.0, abs=0.1)
    low, high = float(band_db(added, 0, 4000)), float(band_db(added, 4000, 8001))
    assert low == pytest.approx(high, abs=0.3)


def test_filters_take_what_they_say():
    white = 0.1 * torch.randn(1, 1, 32_000)
    low = corrupt(white, KEYS[:1], "low-pass", 4, sample_rate=RATE)
    high = corrupt(white, KEYS[:1], "high-pass", 5, sample_rate=RATE)
    assert float(band_db(low, 4000, 4500) - band_db(white, 4000, 4500)) < -22
    assert float(band_db(low, 500, 1000) - band_db(white, 500, 1000)) == pytest.approx(0, abs=0.3)
    assert float(band_db(high, 500, 600) - band_db(white, 500, 600)) < -22
    phone = corrupt(white, KEYS[:1], "phone", 1, sample_rate=RATE)
    assert float(band_db(phone, 5000, 8001) - band_db(white, 5000, 8001)) < -30
    assert float(band_db(phone, 30, 120) - band_db(white, 30, 120)) < -25


def test_levels_peaks_and_steps():
    clean = notes()
    for severity, gain_db in zip(SEVERITIES, CONDITIONS["quiet"].strengths, strict=True):
        found = corrupt(clean, KEYS, "quiet", severity, sample_rate=RATE)
        level = 10 * torch.log10(found.square().mean(-1) / clean.square().mean(-1))
        assert torch.allclose(level, torch.tensor(gain_db), atol=0.5)
    cut = corrupt(clean, KEYS, "clipped", 3, sample_rate=RATE)
    assert torch.allclose(cut.abs().amax(-1), clean.abs().amax(-1), atol=1e-3)
    flat = (cut.abs() > 0.999 * cut.abs().amax(-1, keepdim=True)).float().mean()
    assert flat > 0.1
    coarse = corrupt(clean, KEYS, "bits", 5, sample_rate=RATE)
    assert len(torch.unique(coarse)) <= 2**4


def peak_freq(waveform):
    spectrum = torch.fft.rfft(waveform.double() * torch.hann_window(waveform.shape[-1]), 1 << 20)
    return float(spectrum.abs().argmax() * RATE / (1 << 20))


def test_detuned_moves_the_pitch_and_tempo_does_not():
    tone = 0.3 * torch.sin(2 * math.pi * 440.0 * torch.arange(32_000) / RATE)[None, None]
    signs = set()
    for index in range(8):
        key = augspec.example_keys(0, 0, [index])
        found = peak_freq(corrupt(tone, key, "detuned", 4, sample_rate=RATE)[0, 0, 4000:-4000])
        semitones = 12 * math.log2(found / 440.0)
        assert abs(semitones) == pytest.approx(1.0, abs=0.03)
        signs.add(round(semitones))
    assert signs == {-1, 1}
    faster = corrupt(tone, KEYS[:1], "tempo", 4, sample_rate=RATE)
    assert peak_freq(faster[0, 0, 4000:16_000]) == pytest.approx(440.0, rel=0.002)
    assert faster.shape == tone.shape


def test_another_example_condition_or_severity_has_other_draws():
    clean = notes()[:1].expand(3, 1, -1)
    found = corrupt(clean, KEYS, "noise", 3, sample_rate=RATE)
    assert not torch.equal(found[0], found[1])
    noises = [
        corrupt(clean[:1], KEYS[:1], "noise", severity, sample_rate=RATE) - clean[:1]
        for severity in (4, 5)
    ]
    correlation = torch.corrcoef(torch.stack(noises).reshape(2, -1))[0, 1]
    assert abs(float(correlation)) < 0.05


def digest(name, clean=None):
    if clean is None:
        clean = (notes().double() * 32_768).round() / 32_768
    found = corrupt(clean, KEYS, name, 3, sample_rate=RATE)
    steps = (found * 32_768).numpy().astype(np.int16)
    return hashlib.blake2b(steps.tobytes(), digest_size=4).hexdigest()


PROGRAM = """
import sys
sys.path[:0] = [sys.argv[1]]
import torch
torch.set_num_threads(int(sys.argv[2]))
import test_corrupt
print(*[test_corrupt.digest(name) for name in test_corrupt.CONDITIONS])
"""


def test_bytes_are_those_of_another_process_with_other_threads():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), "2"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [digest(name) for name in CONDITIONS]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("noise", "b898a09f"), ("quiet", "4bfcc7e3"), ("bits", "3631b8fc"), ("clipped", "dc8c5790")],
)
def test_bytes_are_those_of_every_machine(name, expected):
    """Of what hashes and plain arithmetic make; filters and FFTs may round otherwise.

    The sound is of whole numbers: processors differ in the last bits of a sine in float32.
    """
    step = torch.tensor([331, 661, 1313])[:, None, None]
    whole = torch.arange(8000) * step % 24_001 - 12_000
    assert digest(name, whole.double() / 32_768) == expected


def test_a_data_set_under_a_condition_is_the_same_in_workers():
    clean = augspec.datasets.GMNotes("valid")
    few = torch.utils.data.Subset(clean, [5, 60, 100, 200])
    noisy = Corrupted(few, "noise", 3, sample_rate=clean.sample_rate)
    expected = torch.stack([noisy[i]["waveform"] for i in range(4)])
    for workers, size in ((0, 4), (2, 1)):
        loader = DataLoader(noisy, batch_size=size, num_workers=workers)
        assert torch.equal(torch.cat([batch["waveform"] for batch in loader]), expected)
    keys = augspec.example_keys(0, 0, [5, 60, 100, 200])
    whole = torch.stack([few[i]["waveform"] for i in range(4)])
    assert torch.equal(corrupt(whole, keys, "noise", 3, sample_rate=16_000), expected)
    with pytest.raises(ValueError, match="`sample_rate` must be given"):
        Corrupted(few, "noise", 3)


def test_names_are_read():
    assert len(conditions.parse_names("all")) == 5 * len(CONDITIONS)
    assert conditions.parse_names(["noise-2", "noise-2"]) == [("noise", 2)]
    assert conditions.parse_names("low-pass-3,low-pass-1") == [("low-pass", 1), ("low-pass", 3)]
    assert conditions.parse_names("all-3") == [(name, 3) for name in CONDITIONS]
    for wrong in ("loud", "noise-6", "noise-", "all-6"):
        with pytest.raises(ValueError, match="a condition must be among noise, background"):
            conditions.parse_names(wrong)


def test_wrong_arguments_are_refused():
    clean = notes()
    with pytest.raises(ValueError, match="`condition` must be among"):
        corrupt(clean, KEYS, "loud", 1, sample_rate=RATE)
    with pytest.raises(ValueError, match="`severity` must be among"):
        corrupt(clean, KEYS, "noise", 6, sample_rate=RATE)
    with pytest.raises(ValueError, match="`keys` must be \\(3,\\) int64"):
        corrupt(clean, KEYS[:2], "noise", 1, sample_rate=RATE)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 96_000])
def test_every_condition_takes_any_rate(rate):
    clean = 0.1 * torch.randn(1, 1, rate // 4)
    for name in CONDITIONS:
        found = corrupt(clean, KEYS[:1], name, 5, sample_rate=rate)
        assert found.shape == clean.shape, name
        assert torch.isfinite(found).all(), name


def test_what_an_arm_has_trained_with():
    arm = {"waveform": [{"OneOf": {"transforms": [{"Gain": {}}, {"RoomReverb": {}}]}}]}
    assert conditions.trained_with(arm) == ["room", "quiet"]
    assert conditions.trained_with({"waveform": [], "specgram": []}) == []
    assert conditions.trained_with("images") == []


# Transforms that train for none of the conditions: they choose others, move, cut or mask the sound,
# change its channels, dynamics or formants, or replace parts of it.
FOR_NO_CONDITION = """
    Chain Repeat OneOf RandomOrder SomeOf RandAugment TrivialAugment Schedule PolarityInversion
    Compressor Limiter Aliasing PacketLoss CenterCrop RandomCrop PadTo Mute RepeatPart Shift
    TimeReverse FormantShift VTLP ChannelDrop ChannelShuffle StereoWidth ToMono AmbisonicsRotation
    CutMix FrequencyMask TimeMask Cutout
"""


def test_every_transform_is_counted_or_trains_for_no_condition():
    """A new transform must be put on one side, or a trained condition would count as unseen."""
    every = {
        name
        for name in augspec.transforms.__all__
        if isinstance(kind := getattr(augspec.transforms, name), type)
        and not inspect.isabstract(kind)
    }
    counted = {name for one in CONDITIONS.values() for name in one.seen_by}
    others = set(FOR_NO_CONDITION.split())
    assert counted.isdisjoint(others)
    assert counted | others == every


def test_a_telephone_trains_for_all_that_a_telephone_line_does():
    arm = {"waveform": [{"Telephone": {}}]}
    assert conditions.trained_with(arm) == ["low-pass", "high-pass", "bits", "phone"]


def test_keys_of_names_are_those_of_their_bytes():
    keys = keys_of_names(["a.wav", "b.wav", "a.wav"])
    assert keys.dtype == torch.int64
    assert keys[0] == keys[2] != keys[1]
    digest = hashlib.blake2b(b"a.wav", digest_size=8).digest()
    assert int(keys[0]) == int.from_bytes(digest, "big", signed=True)
