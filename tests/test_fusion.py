"""The fused front end states facts: what equals the plain features, what the unfused path."""

import math

import pytest
import releases
import torch
from ideal_tones import cases, log_mel

import augspec
from augspec import features as F
from augspec import transforms as T

MEL = {"n_fft": 512, "hop_length": 128, "n_mels": 40}
FEATURES = {
    "spectrogram": F.Spectrogram(n_fft=512, hop_length=128),
    "magnitude": F.Spectrogram(n_fft=400, hop_length=130, power=1.0),
    "odd": F.Spectrogram(n_fft=301, hop_length=77, win_length=251),
    "mel": F.MelSpectrogram(**MEL),
    "log-mel": F.LogMelSpectrogram(**MEL),
    "mfcc": F.MFCC(n_mfcc=20, melkwargs=MEL),
    "pcen": F.PCEN(**MEL),
}
POWER = FEATURES["spectrogram"]
STRETCH, PITCH = T.TimeStretch((0.8, 1.25)), T.PitchShift((-4.0, 4.0))


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def keys(batch: int) -> torch.Tensor:
    return augspec.example_keys(seed=0, epoch=0, index=torch.arange(batch))


def frontend(*chain: T.RandomTransform, features: torch.nn.Module = POWER, fuse: str = "auto"):
    return augspec.Frontend(T.Chain(chain), features, fuse=fuse)


def fused_and_not(chain, waveform, lengths=None, features=POWER):
    """Compute the features of the same parameters both ways."""
    fused, plain = (frontend(*chain, features=features, fuse=fuse) for fuse in ("auto", "never"))
    params = fused.make_params(waveform, keys=keys(len(waveform)))
    assert "nothing is fused" not in fused.plan(waveform)
    return fused.transform(waveform, params, lengths), plain.transform(waveform, params, lengths)


def assert_equal(found, expected, tolerance=1e-5):
    """Within a relative ``tolerance``; of a hundredth of the peak where there is less."""
    assert found.shape == expected.shape
    if not expected.numel():
        return
    bound = tolerance * (expected.abs() + 1e-2 * expected.abs().max())
    assert ((found - expected).abs() <= bound).all()


def assert_equal_ragged(found, expected, tolerance=1e-5):
    """The same of the valid frames, and the counts of these are equal."""
    (found, counts), (expected, expected_counts) = found, expected
    assert counts.tolist() == expected_counts.tolist()
    for one, other, count in zip(found, expected, counts.tolist(), strict=True):
        assert_equal(one[..., :count], other[..., :count], tolerance)


# What is exact.


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("ragged", [False, True])
def test_neutral_parameters_give_the_plain_features(name, ragged):
    waveform = noise(3, 2, 6000)
    lengths = torch.tensor([6000, 4111, 700]) if ragged else None
    neutral = frontend(
        T.TimeStretch(1.0), T.PitchShift(0.0), T.RandomCrop(6000), features=FEATURES[name]
    )
    found, expected = neutral(waveform, lengths), FEATURES[name](waveform, lengths)
    # 1e-4 dB is a relative 2e-5.
    tolerance = 1e-4 if name == "log-mel" else 1e-5
    (assert_equal_ragged if ragged else assert_equal)(found, expected, tolerance)


def test_examples_that_are_not_picked_are_plain():
    waveform = noise(16, 1, 5000)
    some = frontend(T.TimeStretch((0.8, 1.25), p=0.5), T.PitchShift((-4.0, 4.0), p=0.5))
    params = some.make_params(waveform, keys=keys(16))
    picked = params["waveform"][0]["applied"] | params["waveform"][1]["applied"]
    assert 4 < picked.sum() < 16
    found, expected = some.transform(waveform, params), POWER(waveform)
    assert_equal(found[~picked], expected[~picked])
    assert ((found - expected)[picked].abs().amax((1, 2, 3)) > 1e-3).all()


EXACT = {
    "gain": [T.Gain((-12.0, 6.0), p=0.7), T.PolarityInversion(p=0.5)],
    "gain by channel": [T.Gain((-12.0, 6.0), per_channel=True), T.Gain((-3.0, 3.0))],
    "crop": [T.Gain((-12.0, 6.0)), T.RandomCrop(3000), T.PolarityInversion()],
    "crops": [T.Gain(), T.RandomCrop(3000), T.CenterCrop(2000)],
    "crop that pads": [T.Gain(), T.RandomCrop(7000)],
    "crop that cuts, then pads": [T.Gain(), T.CenterCrop(3000), T.RandomCrop(4000)],
    "speed": [T.Speed((0.8, 1.25))],
    "speed, longer": [T.Speed((0.8, 1.25), keep_length=False)],
    "speed, sometimes": [T.Speed((0.8, 1.25), p=0.5), T.Gain()],
    "speed, crop": [T.Speed((0.8, 1.25)), T.RandomCrop(3000), T.Gain()],
    "crop, speed": [T.RandomCrop(3000), T.Speed((0.8, 1.25)), T.Gain()],
}


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("feature", ["spectrogram", "odd"])
@pytest.mark.parametrize("ragged", [False, True])
def test_fused_equals_unfused(name, feature, ragged):
    waveform = noise(5, 2, 6000)
    lengths = torch.tensor([6000, 5000, 3100, 700, 20]) if ragged else None
    found, expected = fused_and_not(EXACT[name], waveform, lengths, FEATURES[feature])
    (assert_equal_ragged if ragged else assert_equal)(found, expected)


@pytest.mark.parametrize("name", ["mel", "log-mel", "mfcc", "pcen", "magnitude"])
@pytest.mark.parametrize("ragged", [False, True])
def test_every_feature_equals_its_unfused_self(name, ragged):
    chain = [T.Speed((0.8, 1.25), p=0.7), T.RandomCrop(4000), T.Gain((-12.0, 6.0), p=0.7)]
    waveform = noise(5, 2, 6000).double()  # the logarithm magnifies what rounding does to silence
    lengths = torch.tensor([6000, 5000, 4000, 3100, 700]) if ragged else None
    found, expected = fused_and_not(chain, waveform, lengths, FEATURES[name])
    if ragged:
        assert_equal_ragged(found, expected)
    else:
        assert_equal(found, expected)


@pytest.mark.parametrize("pad_mode", ["constant", "replicate", "reflect"])
@pytest.mark.parametrize("size", [5000, 256, 200, 40])
def test_edges_are_padded_as_the_features_pad_them(pad_mode, size):
    features = F.Spectrogram(512, hop_length=128, pad_mode=pad_mode)
    waveform = noise(3, 1, size)
    neutral = [T.TimeStretch(1.0), T.PitchShift(0.0)]
    found, expected = fused_and_not(neutral, waveform, features=features)
    assert_equal(frontend(*neutral, features=features)(waveform), features(waveform))
    found, expected = fused_and_not([T.Speed((0.8, 1.25))], waveform, features=features)
    assert_equal(found, expected)
    lengths = torch.tensor([size, size // 2, 1])
    found, expected = fused_and_not([T.Speed((0.8, 1.25))], waveform, lengths, features)
    assert_equal_ragged(found, expected)


def test_without_center_frames_lie_inside():
    features = F.Spectrogram(512, hop_length=128, center=False)
    waveform, lengths = noise(3, 1, 5000), torch.tensor([5000, 3000, 512])
    found = frontend(T.TimeStretch(1.0), T.PitchShift(0.0), features=features)(waveform)
    assert_equal(found, features(waveform))
    for chain in ([T.Speed((0.8, 1.25))], [T.RandomCrop(2000), T.Speed(0.9)]):
        assert_equal(*fused_and_not(chain, waveform, features=features))
        assert_equal_ragged(*fused_and_not(chain, waveform, lengths, features))
    with pytest.raises(ValueError, match="`waveform` must have at least n_fft = 512"):
        frontend(T.TimeStretch(1.1), features=features)(waveform[..., :500])


# What is an approximation of the same ideal.


def ideal_error(found: torch.Tensor, ideal: torch.Tensor) -> float:
    """RMS error in dB over the bins within 60 dB of the ideal's peak, without the edge frames."""
    want = log_mel(ideal)[:, 4:-4]
    have = found[:, 4 : 4 + want.shape[1]]
    return float((have - want)[want > want.max() - 60].square().mean().sqrt())


@pytest.mark.slow
@pytest.mark.parametrize("task", ["pitch", "stretch"])
def test_ideal_notes(task):
    notes = cases(task)
    waveform = torch.stack([note.source for note in notes]).unsqueeze(1)
    if task == "pitch":
        chain, name = [PITCH], "semitones"
        values = torch.tensor([note.semitones for note in notes])
    else:
        chain, name = [T.TimeStretch((0.8, 1.25), keep_length=False)], "rate"
        values = torch.tensor([note.rate for note in notes])
    features = F.LogMelSpectrogram(n_fft=1024, hop_length=256, n_mels=40, pad_mode="constant")
    applied = torch.ones(len(notes), dtype=torch.bool)
    params = {"waveform": [{"applied": applied, name: values}], "specgram": []}
    found = frontend(*chain, features=features).transform(waveform, params)
    errors = torch.tensor(
        [ideal_error(one[0], note.ideal) for one, note in zip(found, notes, strict=True)]
    )
    assert errors.quantile(0.5) <= 0.30
    assert errors.max() <= 0.60


def tones(batch: int, time: int) -> torch.Tensor:
    freqs = 220.0 * 2 ** (torch.arange(batch) / 5)
    return 0.5 * torch.sin(2 * torch.pi * freqs[:, None] * torch.arange(time) / 16_000)[:, None]


@pytest.mark.parametrize(
    "chain",
    [
        [STRETCH],
        [PITCH],
        [STRETCH, PITCH, T.RandomCrop(12_000), T.Gain()],
        [PITCH, STRETCH, PITCH],
        [T.RandomCrop(14_000), STRETCH, T.RandomCrop(9000)],
        [STRETCH, STRETCH],
        [T.Speed((0.9, 1.1)), PITCH],
        [T.TimeStretch((0.8, 1.25), keep_length=False), T.RandomCrop(18_000)],
    ],
)
def test_fused_tones_are_near_the_unfused(chain):
    features = F.LogMelSpectrogram(n_fft=1024, hop_length=256, n_mels=40)
    found, expected = fused_and_not(chain, tones(6, 16_000), features=features)
    assert found.shape == expected.shape
    loud = expected > expected.amax((2, 3), keepdim=True) - 30
    inside = torch.zeros_like(loud)
    inside[..., 4:-4] = True
    difference = (found - expected)[loud & inside].abs()
    assert difference.quantile(0.9) < 0.5


def test_a_tone_is_at_its_new_pitch_and_as_loud_as_before():
    features = F.Spectrogram(1024, hop_length=256, power=1.0)
    waveform = tones(1, 32_000).expand(3, -1, -1)
    params = {"applied": torch.ones(3, dtype=torch.bool), "semitones": torch.tensor([-4.0, 0, 4])}
    shifted = frontend(PITCH, features=features).transform(
        waveform, {"waveform": [params], "specgram": []}
    )
    middle = shifted[:, 0, :, 20:-20].mean(-1)
    freqs = torch.arange(513) * 16_000 / 1024
    weights = middle.square() * (middle > 0.01 * middle.amax(-1, keepdim=True))
    center = (weights * freqs).sum(-1) / weights.sum(-1)
    ratio = 2 ** (params["semitones"] / 12)
    torch.testing.assert_close(center, 220 * ratio, rtol=5e-3, atol=0)
    level = weights.sum(-1)
    torch.testing.assert_close(level, level[1].expand(3), rtol=1e-2, atol=0)


def test_content_ends_where_the_unfused_content_ends():
    faster = [T.TimeStretch(1.25), T.RandomCrop(16_000)]
    features = F.LogMelSpectrogram(n_fft=512, hop_length=128, n_mels=40)
    found, expected = fused_and_not(faster, tones(3, 16_000), features=features)
    silent = 1 + math.ceil((12_800 + 256) / 128)
    assert (found[..., silent:] == -100).all()
    assert (expected[..., silent:] == -100).all()
    loud = expected[..., : silent - 1].amax(-2)
    near_end = (found[..., : silent - 1].amax(-2) - loud)[..., -5:-2]
    assert near_end.abs().max() < 1.0


# What holds for every batch.

ALL = [T.TimeStretch((0.8, 1.25), p=0.8), PITCH, T.RandomCrop(4000), T.Gain()]
LENGTHS = torch.tensor([6000, 5000, 4000, 2100, 900, 120])


def run(waveform, lengths=None, index=None, chain=ALL, **settings):
    index = torch.arange(len(waveform)) if index is None else index
    module = frontend(*chain, **settings)
    return module(waveform, lengths, keys=augspec.example_keys(seed=0, epoch=0, index=index))


def test_an_example_comes_out_as_if_it_were_alone():
    waveform = noise(11, 2, 6000)
    batch = run(waveform)
    for i in (0, 7, 10):
        assert_equal(run(waveform[i : i + 1], index=torch.tensor([i])), batch[i : i + 1])


def test_the_order_of_a_batch_is_irrelevant():
    waveform = noise(11, 1, 6000)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(0))
    assert_equal(run(waveform[order], index=order), run(waveform)[order])


@pytest.mark.parametrize("feature", ["spectrogram", "log-mel", "odd"])
def test_padding_is_never_heard(feature):
    waveform, settings = noise(6, 1, 6000), {"features": FEATURES[feature]}
    spoilt = waveform.clone()
    for one, length in zip(spoilt, LENGTHS.tolist(), strict=True):
        one[:, length:] = math.nan
    expected = run(waveform, LENGTHS, **settings)
    assert_equal_ragged(run(spoilt, LENGTHS, **settings), expected)
    assert expected[0].isfinite().all()


@pytest.mark.parametrize("first", [[], [T.Gain()], [T.TimeStretch(1.0)]])
@pytest.mark.parametrize("known", [False, True])
def test_a_crop_that_takes_everything_only_silences_padding(first, known):
    waveform, lengths = noise(4, 1, 4000), torch.tensor([4000, 3000, 1500, 40])
    chain = [*first, T.RandomCrop(4000), T.Gain((6.0, 6.0))]
    found, expected = fused_and_not(chain, waveform, lengths if known else None)
    if known:
        assert_equal_ragged(found, expected)
    else:
        assert_equal(found, expected)


@pytest.mark.parametrize(
    "chain", [ALL, [PITCH], [T.TimeStretch((0.8, 1.25), keep_length=False), PITCH]]
)
def test_a_ragged_example_equals_itself_without_padding(chain):
    waveform = noise(6, 2, 6000)
    batch, counts = run(waveform, LENGTHS, chain=chain)
    for i, length in enumerate(LENGTHS.tolist()):
        one = waveform[i : i + 1, :, :length]
        alone = run(one, LENGTHS[i : i + 1], torch.tensor([i]), chain=chain)
        if chain[0] is ALL[0]:  # which keeps the length of the tensor
            alone = run(waveform[i : i + 1], LENGTHS[i : i + 1], torch.tensor([i]), chain=chain)
        count = int(counts[i])
        assert alone[1].item() == count
        assert_equal(alone[0][0, ..., :count], batch[i, ..., :count])


def test_counts_of_frames_are_those_of_the_unfused():
    found, expected = fused_and_not(ALL, noise(6, 1, 6000), LENGTHS)
    assert found[1].tolist() == expected[1].tolist()
    assert found[0].shape == expected[0].shape
    for one, count in zip(found[0], found[1].tolist(), strict=True):
        assert (one[..., count:] == 0).all()


def test_nan_stays_in_its_example():
    waveform = noise(4, 1, 6000)
    spoilt = waveform.clone()
    spoilt[1, :, 3000] = math.nan
    found, expected = run(spoilt, chain=[STRETCH, PITCH]), run(waveform, chain=[STRETCH, PITCH])
    others = [0, 2, 3]
    assert found[1].isnan().any()
    assert torch.equal(found[others], expected[others])


def test_channels_may_be_shifted_on_their_own():
    by_channel = T.PitchShift((-4.0, 4.0), per_channel=True)
    waveform = noise(2, 2, 6000)
    module = frontend(by_channel, T.Gain(per_channel=True))
    params = module.make_params(waveform, keys=keys(2))
    found = module.transform(waveform, params)
    for channel in (0, 1):
        own = [
            {k: v if v.ndim == 1 else v[:, channel] for k, v in p.items()}
            for p in params["waveform"]
        ]
        one = waveform[:, channel : channel + 1]
        expected = frontend(PITCH, T.Gain()).transform(one, {"waveform": own, "specgram": []})
        assert_equal(found[:, channel : channel + 1], expected)


@pytest.mark.parametrize("chain", [ALL, [STRETCH], [T.Gain(), T.RandomCrop(4000)], [T.Speed()]])
def test_an_empty_batch_gives_an_empty_result(chain):
    module = frontend(*chain)
    frames = 32 if any(isinstance(part, T.RandomCrop) for part in chain) else 47
    empty = torch.zeros(0, 2, 6000)
    assert module(empty).shape == (0, 2, 257, frames)
    assert module(empty, torch.zeros(0, dtype=torch.int64))[1].shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_is_computed_in_float32(dtype):
    waveform = noise(2, 1, 6000).to(dtype)
    found = run(waveform, features=FEATURES["log-mel"])
    assert found.dtype == dtype
    assert torch.equal(found, run(waveform.float(), features=FEATURES["log-mel"]).to(dtype))


@pytest.mark.usefixtures("eager_kernels")
def test_float64_is_computed_in_float64():
    waveform = noise(2, 1, 6000)
    found = run(waveform.double())
    assert found.dtype == torch.float64
    assert_equal(run(waveform).double(), found, 1e-4)
    neutral = frontend(T.TimeStretch(1.0), T.PitchShift(0.0))
    assert_equal(neutral(waveform.double()), POWER(waveform.double()), 1e-12)


def test_the_input_stays_as_it_is():
    waveform = noise(3, 1, 6000)
    before = waveform.clone()
    run(waveform)
    assert torch.equal(waveform, before)


# Modes, records, plans.


def test_eval_gives_the_plain_features_and_replays_a_record():
    waveform = noise(3, 1, 6000)
    module = frontend(STRETCH, PITCH, T.CenterCrop(4000), T.Gain())
    params = module.make_params(waveform, keys=keys(3))
    expected = module.transform(waveform, params)
    module.eval()
    assert_equal(module(waveform), POWER(waveform[..., 1000:5000]))
    assert torch.equal(module.transform(waveform, params), expected)


def test_one_record_replays_fused_and_unfused():
    waveform = tones(3, 16_000)
    features = FEATURES["log-mel"]
    module = frontend(STRETCH, PITCH, T.RandomCrop(8000), T.Gain(), features=features)
    params = module.make_params(waveform, keys=keys(3))
    record = augspec.params_from_json(augspec.params_to_json(params))
    found = module.transform(waveform, params)
    assert torch.equal(module.transform(waveform, record), found)
    module.fuse = "never"
    unfused = module.transform(waveform, params)
    assert torch.equal(module.transform(waveform, record), unfused)
    assert (found - unfused)[unfused > unfused.max() - 30].abs().quantile(0.9) < 1.0


def test_chains_in_chains_are_opened():
    waveform = noise(3, 1, 6000)
    flat = frontend(*ALL)
    nested = frontend(T.Chain([ALL[0], T.Chain([ALL[1]])]), T.Chain(ALL[2:]))
    params = flat.make_params(waveform, keys=keys(3))
    first, second, third, fourth = params["waveform"]
    own = {"waveform": [[first, [second]], [third, fourth]], "specgram": []}
    assert torch.equal(nested.transform(waveform, own), flat.transform(waveform, params))
    assert nested.plan(waveform) == flat.plan(waveform)


class Reverse(T.WaveformTransform):
    """Play backwards; no spectrogram can do that by itself here."""

    def _draw(self, draw):
        return {}

    def _transform(self, waveform, params, lengths):
        return waveform.flip(-1)


def test_what_stands_before_the_run_is_computed_on_the_waveform():
    waveform = noise(3, 1, 6000)
    module = frontend(T.Gain(6.0), STRETCH, Reverse(), PITCH, T.Gain(), T.RandomCrop(4000))
    lines = module.plan(waveform).splitlines()
    assert lines == [
        "1. Gain: on the waveform",
        "2. TimeStretch: on the waveform",
        "3. Reverse: on the waveform",
        "4. Spectrogram, with PitchShift, Gain, RandomCrop fused into it",
    ]
    params = module.make_params(waveform, keys=keys(3))
    parts = list(module.waveform)
    early = T.Chain(parts[:3]).transform(waveform, params["waveform"][:3])
    late = frontend(*parts[3:])
    # The stretch says where sound ends, which a crop looks at.
    ends = T.Chain(parts[:3]).transform(waveform, params["waveform"][:3], torch.full((3,), 6000))[1]
    assert ends.tolist() != [6000] * 3
    own = {"waveform": params["waveform"][3:], "specgram": []}
    found = module.transform(waveform, params)
    count = 1 + 4000 // 128
    assert found.shape == (3, 1, 257, count)
    longest = ends == 6000
    assert longest.any()
    assert_equal(found[longest], late.transform(early, own)[longest])


def test_a_run_that_does_not_stand_last_is_not_fused():
    waveform = noise(3, 1, 6000)
    module = frontend(PITCH, Reverse())
    assert "nothing is fused" in module.plan(waveform)
    params = module.make_params(waveform, keys=keys(3))
    unfused = frontend(PITCH, Reverse(), fuse="never")
    assert torch.equal(module.transform(waveform, params), unfused.transform(waveform, params))


# Gradients and compilation.


@pytest.mark.parametrize("pad_mode", ["reflect", "constant", "replicate"])
@pytest.mark.parametrize("length", [180, 40])
def test_gradcheck(pad_mode, length):
    features = F.Spectrogram(32, hop_length=16, pad_mode=pad_mode)
    module = frontend(STRETCH, PITCH, T.RandomCrop(120), features=features)
    waveform = noise(1, 1, 180).double().requires_grad_()
    params = module.make_params(waveform, keys=keys(1))
    lengths = torch.tensor([length])
    assert torch.autograd.gradcheck(lambda w: module.transform(w, params, lengths)[0], waveform)


def test_the_path_with_gradients_gives_the_same():
    waveform = noise(3, 2, 6000)
    with_gradients = run(waveform.clone().requires_grad_()).detach()
    assert_equal(with_gradients, run(waveform))


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_it_compiles_whole(backend, ragged):
    torch._dynamo.reset()
    waveform, lengths = noise(6, 1, 6000), LENGTHS if ragged else None
    module = frontend(*ALL)
    compiled = torch.compile(module, fullgraph=releases.COMPILES_WHOLE, backend=backend)
    found = compiled(waveform, lengths, keys=keys(6))
    expected = module(waveform, lengths, keys=keys(6))
    if ragged:
        assert_equal_ragged(found, expected, 1e-4)
    else:
        assert_equal(found, expected, 1e-4)
