"""Compressor and limiter against a loop over samples, and against what their settings promise."""

import math

import pytest
import torch

from augspec import functional

RATE = 16_000
SETTINGS = [  # threshold_db, ratio, attack, release
    (-20.0, 4.0, 0.005, 0.1),
    (-12.0, 2.0, 0.0002, 0.05),
    (-40.0, 20.0, 0.03, 0.002),
    (-30.0, 1.0, 0.01, 0.1),
    (-25.0, 3.0, 0.0, 0.0),
]


def values(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def noise(batch, time, channels=1):
    generator = torch.Generator().manual_seed(0)
    swell = torch.linspace(0, 12, time, dtype=torch.float64).sin().square() + 1e-3
    return swell * torch.randn(batch, channels, time, generator=generator, dtype=torch.float64)


def compress(waveform, *settings, **options):
    settings = [value.expand(len(waveform)) for value in map(values, settings)]
    return functional.compressor(waveform, *settings, sample_rate=RATE, **options)


def gain_db(out, waveform):
    return 20 * (out / waveform).log10()[0, 0]


def coefficient(seconds):
    return math.exp(-1 / (seconds * RATE)) if seconds else 0.0


def compress_by_loop(samples, threshold_db, ratio, attack, release, knee_db):
    """The static curve and the smooth decoupled peak detector, sample by sample."""
    fall, rise = coefficient(attack), coefficient(release)
    peak = smooth = 0.0
    out = []
    for sample in samples:
        excess = 20 * math.log10(max(abs(sample), 1e-6)) - threshold_db
        if knee_db and abs(excess) <= knee_db / 2:
            bend = (excess + knee_db / 2) ** 2 / (2 * knee_db)
        else:
            bend = max(excess, 0.0)
        reduction = (1 - 1 / ratio) * bend
        peak = max(reduction, rise * peak + (1 - rise) * reduction)
        smooth = fall * smooth + (1 - fall) * peak
        out.append(sample * 10 ** (-smooth / 20))
    return values(*out)


def limit_by_loop(samples, threshold_db, attack, release):
    ceiling = 10 ** (threshold_db / 20)
    reduction = [max(0.0, 20 * math.log10(max(abs(x), 1e-6) / ceiling)) for x in samples]
    for i in range(1, len(samples)):
        reduction[i] = max(reduction[i], coefficient(release) * reduction[i - 1])
    for i in reversed(range(len(samples) - 1)):
        reduction[i] = max(reduction[i], coefficient(attack) * reduction[i + 1])
    return values(*(x * 10 ** (-r / 20) for x, r in zip(samples, reduction, strict=True)))


@pytest.mark.parametrize("knee_db", [0.0, 6.0])
@pytest.mark.parametrize("time", [1, 31, 33, 3000])
def test_the_compressor_is_the_loop_over_samples(knee_db, time):
    waveform = noise(len(SETTINGS), time)
    columns = [values(*column) for column in zip(*SETTINGS, strict=True)]
    out = functional.compressor(waveform, *columns, sample_rate=RATE, knee_db=knee_db)
    single = functional.compressor(
        waveform.float(), *(c.float() for c in columns), sample_rate=RATE, knee_db=knee_db
    )
    for i, settings in enumerate(SETTINGS):
        expected = compress_by_loop(waveform[i, 0].tolist(), *settings, knee_db)
        assert torch.allclose(out[i, 0], expected, rtol=1e-11, atol=1e-13)
        assert torch.allclose(single[i, 0].double(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("time", [1, 33, 3000])
def test_the_limiter_is_the_loop_over_samples(time):
    waveform = noise(len(SETTINGS), time)
    threshold_db, _, attack, release = (values(*column) for column in zip(*SETTINGS, strict=True))
    out = functional.limiter(waveform, threshold_db, attack, release, sample_rate=RATE)
    for i, (threshold, _, fall, rise) in enumerate(SETTINGS):
        expected = limit_by_loop(waveform[i, 0].tolist(), threshold, fall, rise)
        assert torch.allclose(out[i, 0], expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("level_db", [-35.0, -20.0, -10.0, 0.0])
@pytest.mark.parametrize("ratio", [2.0, 4.0, 10.0])
def test_above_the_threshold_one_of_ratio_decibels_is_left(level_db, ratio):
    waveform = torch.full((1, 1, RATE), 10 ** (level_db / 20), dtype=torch.float64)
    out = compress(waveform, -20.0, ratio, 0.005, 0.05, knee_db=0.0)
    expected = -max(level_db + 20.0, 0.0) * (1 - 1 / ratio)
    assert abs(gain_db(out, waveform)[-1].item() - expected) < 1e-9


def test_the_knee_is_smooth_and_ends_where_the_lines_begin():
    level_db = torch.linspace(-40, 0, 401, dtype=torch.float64)
    waveform = (10 ** (level_db / 20)).expand(1, 1, -1)
    static = gain_db(compress(waveform, -20.0, 4.0, 0.0, 0.0, knee_db=10.0), waveform)
    outside = (level_db + 20.0).abs() >= 5.0
    lines = -0.75 * (level_db + 20.0).clamp(min=0.0)
    assert torch.allclose(static[outside], lines[outside], rtol=0, atol=1e-9)
    # In the middle the knee is an eighth of its width below the corner, times the slope.
    assert abs(static[200].item() + 0.75 * 10.0 / 8) < 1e-9
    slope = static.diff() / level_db.diff()
    assert slope.diff().abs().max() < 0.75 * 0.1 / 10 + 1e-9


@pytest.mark.parametrize("attack", [0.002, 0.02])
def test_attack_is_the_time_to_63_percent_of_a_step(attack):
    waveform = torch.full((1, 1, RATE), 1e-3, dtype=torch.float64)
    waveform[..., RATE // 2 :] = 1.0
    gain = gain_db(compress(waveform, -20.0, 4.0, attack, 0.1, knee_db=0.0), waveform)
    reached = (gain[RATE // 2 :] < -15.0 * (1 - math.exp(-1))).int().argmax().item()
    assert abs((reached + 1) / RATE / attack - 1) < 0.1


@pytest.mark.parametrize("release", [0.05, 0.2])
def test_release_is_the_time_to_63_percent_of_the_way_back(release):
    waveform = torch.full((1, 1, 2 * RATE), 1e-3, dtype=torch.float64)
    waveform[..., : RATE // 2] = 1.0
    gain = gain_db(compress(waveform, -20.0, 4.0, 0.002, release, knee_db=0.0), waveform)
    reached = (gain[RATE // 2 :] > -15.0 * math.exp(-1)).int().argmax().item()
    assert abs((reached + 1) / RATE / release - 1) < 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("relative", [False, True])
def test_no_sample_leaves_the_limiter_above_the_threshold(dtype, relative):
    waveform = (4.0 * noise(40, 4000, channels=2)).to(dtype)
    threshold_db = torch.linspace(-40, -1, 40, dtype=dtype)
    attack, release = torch.linspace(0, 0.02, 40), torch.linspace(0.3, 0, 40)
    out = functional.limiter(
        waveform, threshold_db, attack, release, sample_rate=RATE, relative=relative
    )
    ceiling = 10 ** (threshold_db.double() / 20)
    peak = out.double().abs().amax((-2, -1))
    if relative:
        ceiling = ceiling * waveform.double().abs().amax((-2, -1))
    assert (peak <= ceiling * (1 + 1e-6)).all()
    assert (peak >= ceiling * (1 - 1e-6)).all()  # no quieter than it must be


def test_the_limiters_threshold_is_kept_to_the_last_bit():
    waveform = (4.0 * noise(4, 4000)).float()
    zero, short = torch.zeros(4), torch.full((4,), 0.003)
    out = functional.limiter(waveform, zero, short, short, sample_rate=RATE)
    assert out.abs().max() == 1.0


def test_the_limiter_leaves_what_is_below_bit_for_bit():
    waveform = noise(2, 4000).float()
    waveform /= waveform.abs().amax()
    out = functional.limiter(
        waveform, torch.zeros(2), *2 * [torch.full((2,), 0.01)], sample_rate=RATE
    )
    assert torch.equal(out, waveform)


def test_the_limiter_looks_ahead():
    waveform = torch.full((1, 1, 2000), 0.01, dtype=torch.float64)
    waveform[..., 1000] = 1.0
    attack, release = 0.002, 0.01
    out = functional.limiter(
        waveform, values(-20.0), values(attack), values(release), sample_rate=RATE
    )
    gain = gain_db(out, waveform)
    assert abs(gain[1000].item() + 20.0) < 1e-9
    assert abs(gain[1000 - round(attack * RATE)].item() + 20.0 / math.e) < 1e-9
    assert abs(gain[1000 + round(release * RATE)].item() + 20.0 / math.e) < 1e-9


@pytest.mark.parametrize("kernel", ["compressor", "limiter"])
def test_channels_share_a_gain_unless_they_have_parameters_of_their_own(kernel):
    waveform = noise(1, 2000, channels=2)
    waveform[:, 1] *= 0.1
    count = {"compressor": 4, "limiter": 3}[kernel]
    function = getattr(functional, kernel)
    settings = [values(-20.0), values(4.0), values(0.005), values(0.1)][:count]
    if kernel == "limiter":
        settings = [values(-20.0), values(0.005), values(0.1)]
    shared = function(waveform, *settings, sample_rate=RATE) / waveform
    assert torch.allclose(shared[:, 0], shared[:, 1], rtol=1e-12)
    own = function(waveform, *(s.expand(1, 2) for s in settings), sample_rate=RATE)
    for channel in range(2):
        alone = function(waveform[:, [channel]], *settings, sample_rate=RATE)
        assert torch.allclose(own[:, [channel]], alone, rtol=1e-12)
    assert not torch.allclose(own, shared * waveform)


def test_a_relative_threshold_makes_the_result_scale_with_the_input():
    waveform = noise(1, 2000)
    loud = compress(8.0 * waveform, -20.0, 4.0, 0.005, 0.1, relative=True)
    assert torch.allclose(
        loud, 8.0 * compress(waveform, -20.0, 4.0, 0.005, 0.1, relative=True), rtol=1e-9
    )
    assert not torch.allclose(loud, 8.0 * compress(waveform, -20.0, 4.0, 0.005, 0.1), rtol=1e-2)
