"""What every transform keeps: one suite over all of them."""

import copy
import pickle

import pytest
import torch

import augspec
from augspec import transforms as T

WAVEFORM = [
    T.Gain((-6.0, 6.0), p=0.5),
    T.PolarityInversion(p=0.5),
    T.RandomCrop(2000),
    T.CenterCrop(2000),
    T.TimeStretch((0.8, 1.25), n_fft=256, p=0.5),
    T.TimeStretch((0.8, 1.25), keep_length=False, n_fft=256, p=0.5),
    T.PitchShift((-3.0, 3.0), n_fft=256, p=0.5),
    T.PitchShift((-3.0, 3.0), preserve_formants=True, n_fft=256, p=0.5),
    T.PitchAndTempo((-3.0, 3.0), (0.8, 1.25), n_fft=256, p=0.5),
    T.PitchAndTempo((-3.0, 3.0), (0.8, 1.25), keep_length=False, n_fft=256, p=0.5),
    T.FormantShift((-3.0, 3.0), n_fft=256, p=0.5),
    T.VTLP((0.85, 1.2), n_fft=256, p=0.5),
    T.Speed((0.8, 1.25), p=0.5),
    T.Speed((0.8, 1.25), keep_length=False, p=0.5),
    T.Resample(16_000, 11_025),
    T.Chain([T.TimeStretch((0.8, 1.25), n_fft=256), T.RandomCrop(2000), T.Gain((-6.0, 6.0))]),
]
SPECGRAM = [
    T.TimeMask(20, p=0.5),
    T.FrequencyMask(8, p=0.5),
    T.Chain([T.TimeMask(9), T.TimeMask(9)]),
]
KEYS = augspec.example_keys(seed=1, epoch=2, index=torch.arange(6))


def names(transforms):
    return [f"{type(t).__name__}{i}" for i, t in enumerate(transforms)]


@pytest.fixture(params=WAVEFORM + SPECGRAM, ids=names(WAVEFORM + SPECGRAM))
def transform(request):
    return request.param


PICKING = [t for t in WAVEFORM + SPECGRAM if not isinstance(t, T.Chain) and not t.sets_shape]


def make_batch(transform):
    generator = torch.Generator().manual_seed(0)
    shape = (6, 2, 16, 60) if transform in SPECGRAM else (6, 2, 3000)
    return torch.randn(shape, generator=generator)


@pytest.fixture
def batch(transform):
    return make_batch(transform)


@pytest.fixture
def lengths(batch):
    return torch.tensor([3000, 1, 700, 2999, 1024, 2100]) * batch.shape[-1] // 3000 + (
        batch.ndim == 4
    )


def test_input_and_random_state_are_untouched(transform, batch):
    before, state = batch.clone(), torch.random.get_rng_state()
    transform(batch, keys=KEYS)
    assert torch.equal(batch, before)
    assert torch.equal(state, torch.random.get_rng_state())


def test_same_keys_give_the_same_output(transform, batch):
    assert torch.equal(transform(batch, keys=KEYS), transform(batch, keys=KEYS))


def test_manual_seed_and_generator_reproduce(transform, batch):
    torch.manual_seed(5)
    first = transform(batch)
    torch.manual_seed(5)
    assert torch.equal(first, transform(batch))
    generator = torch.Generator().manual_seed(5)
    assert torch.equal(first, transform(batch, generator=generator))


def test_each_example_comes_out_as_if_it_were_alone(transform, batch):
    whole = transform(batch, keys=KEYS)
    for i in range(len(batch)):
        alone = transform(batch[i : i + 1], keys=KEYS[i : i + 1])
        torch.testing.assert_close(alone[0], whole[i], rtol=1e-5, atol=1e-5)


def test_padding_and_neighbours_change_no_valid_sample(transform, batch, lengths):
    out, ends = transform(batch, lengths, keys=KEYS)
    noise = torch.arange(batch.shape[-1]) >= lengths[:, None]
    noise = noise[(slice(None), *[None] * (batch.ndim - 2))]
    other, again = transform(torch.where(noise, 7.0, batch), lengths, keys=KEYS)
    assert torch.equal(ends, again)
    for i, end in enumerate(ends.tolist()):
        torch.testing.assert_close(out[i, ..., :end], other[i, ..., :end], rtol=1e-5, atol=1e-5)


def test_the_order_of_the_batch_is_irrelevant(transform, batch):
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    whole = transform(batch, keys=KEYS)
    shuffled = transform(batch[order], keys=KEYS[order])
    torch.testing.assert_close(shuffled, whole[order], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("transform", PICKING, ids=names(PICKING))
def test_an_example_that_is_not_picked_comes_out_bit_for_bit(transform):
    batch = make_batch(transform)
    params = transform.make_params(batch, keys=KEYS)
    picked = params["applied"]
    assert 0 < picked.sum() < len(picked)
    out = transform.transform(batch, params)[..., : batch.shape[-1]]
    assert torch.equal(out[~picked], batch[~picked])
    assert not torch.equal(out[picked], batch[picked])


def test_replay_from_json_is_bit_for_bit(transform, batch, lengths):
    params = transform.make_params(batch, keys=KEYS)
    record = augspec.params_from_json(augspec.params_to_json(params))
    for first, second in zip(
        transform(batch, lengths, keys=KEYS),
        transform.transform(batch, record, lengths),
        strict=True,
    ):
        assert torch.equal(first, second)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_dtype_is_kept_and_half_is_computed_in_float32(transform, batch, dtype):
    out = transform(batch.to(dtype), keys=KEYS)
    assert out.dtype == dtype
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    expected = transform(batch.to(dtype).to(wide), keys=KEYS).to(dtype)
    torch.testing.assert_close(out, expected)


def test_an_empty_batch_gives_an_empty_result(transform, batch):
    out = transform(batch[:0])
    assert out.shape == (0, *transform(batch).shape[1:])


def test_one_sample_or_frame_and_silence_give_finite_values(transform, batch):
    assert transform(batch[..., :1]).isfinite().all()
    silence = torch.zeros_like(batch, requires_grad=True)
    out = transform(silence, keys=KEYS)
    (gradient,) = torch.autograd.grad(out.sum(), silence)
    assert not out.any()
    assert gradient.isfinite().all()


def test_nan_in_one_example_stays_there(transform, batch):
    spoilt = batch.clone()
    spoilt[2] = torch.nan
    out, clean = transform(spoilt, keys=KEYS), transform(batch, keys=KEYS)
    others = [0, 1, 3, 4, 5]
    torch.testing.assert_close(out[others], clean[others], rtol=1e-5, atol=1e-5)


def test_strided_and_expanded_input_is_fine(transform, batch):
    strided = batch.flip(0).transpose(1, 2).contiguous().transpose(1, 2).flip(0)
    expected = transform(batch, keys=KEYS)
    torch.testing.assert_close(transform(strided, keys=KEYS), expected, rtol=1e-5, atol=1e-5)
    expanded = batch[:1, :1].expand(6, 2, *batch.shape[2:])
    out = transform(expanded, keys=KEYS)
    torch.testing.assert_close(out, transform(expanded.clone(), keys=KEYS))


def test_eval_is_the_identity_unless_the_class_acts_there(transform, batch):
    module = copy.deepcopy(transform).eval()
    state = torch.random.get_rng_state()
    out = module(batch)
    assert torch.equal(out, batch) == (not getattr(module, "in_eval", False))
    if not getattr(module, "in_eval", False):
        assert torch.equal(state, torch.random.get_rng_state())
    # `transform` and `make_params` do not look at the mode.
    params = module.make_params(batch, keys=KEYS)
    assert torch.equal(module.transform(batch, params), transform(batch, keys=KEYS))


def test_modules_are_stateless_and_pickle(transform, batch):
    assert not transform.state_dict()
    assert not list(transform.parameters())
    again = pickle.loads(pickle.dumps(transform))  # noqa: S301
    assert torch.equal(again(batch, keys=KEYS), transform(batch, keys=KEYS))
    assert type(transform).__name__ in repr(transform)


def test_forward_compiles_whole_and_equals_eager(transform, batch, lengths):
    torch._dynamo.reset()
    compiled = torch.compile(transform, fullgraph=True, backend="aot_eager")
    ours, theirs = transform(batch, lengths, keys=KEYS), compiled(batch, lengths, keys=KEYS)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("transform", PICKING, ids=names(PICKING))
def test_probability_is_per_example(transform):
    shape = (2000, 1, 4, 4) if transform in SPECGRAM else (2000, 1, 4)
    applied = transform.make_params(torch.zeros(shape))["applied"]
    assert abs(applied.float().mean() - 0.5) < 5 * (0.25 / 2000) ** 0.5


# Chains.


def test_removing_a_transform_leaves_the_draws_of_the_others():
    waveform = torch.zeros(6, 1, 100)
    long = T.Chain([T.Gain((-6.0, 6.0)), T.PolarityInversion(p=0.5), T.RandomCrop(50)])
    short = T.Chain([T.Gain((-6.0, 6.0)), T.RandomCrop(50)])
    a, b = long.make_params(waveform, keys=KEYS), short.make_params(waveform, keys=KEYS)
    assert torch.equal(a[0]["gain_db"], b[0]["gain_db"])
    assert torch.equal(a[2]["offset"], b[1]["offset"])


def test_two_of_a_class_draw_apart():
    params = T.Chain([T.Gain(), T.Gain()]).make_params(torch.zeros(6, 1, 100), keys=KEYS)
    assert (params[0]["gain_db"] != params[1]["gain_db"]).all()


def test_an_empty_chain_is_the_identity():
    waveform = torch.randn(2, 1, 10)
    assert torch.equal(T.Chain()(waveform), waveform)


def test_pitch_labels_follow_the_shift_of_picked_examples():
    shift = T.PitchShift(3.0, p=0.5)
    waveform = torch.zeros(6, 1, 100)
    params = shift.make_params(waveform, keys=KEYS)
    targets = {"pitch": torch.full((6,), 60), "label": torch.arange(6)}
    new = shift.targets(targets, params)
    assert torch.equal(new["pitch"], 60 + 3.0 * params["applied"])
    assert torch.equal(new["label"], torch.arange(6))
    assert targets["pitch"].dtype == torch.int64


# Bad input.


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: t(torch.zeros(2, 100)), ValueError, r"waveform.unsqueeze\(1\)"),
        (lambda t: t(torch.zeros(100)), ValueError, r"waveform\[None, None\]"),
        (lambda t: t(torch.zeros(2, 1, 100).short()), TypeError, r"waveform.float\(\) / 32768"),
        (lambda t: t([[0.0]]), TypeError, "`waveform` must be a torch.Tensor, got list"),
        (lambda t: t(torch.zeros(2, 1, 0)), ValueError, "at least one channel and one sample"),
        (lambda t: t(torch.zeros(2, 0, 9)), ValueError, "at least one channel"),
        (
            lambda t: t(torch.zeros(2, 1, 9), torch.tensor([9.0, 9.0])),
            TypeError,
            "`lengths` must be int64",
        ),
        (
            lambda t: t(torch.zeros(2, 1, 9), torch.tensor([9])),
            ValueError,
            r"`lengths` must be .batch,., here .2,.",
        ),
        (
            lambda t: t(torch.zeros(2, 1, 9), keys=torch.zeros(2)),
            TypeError,
            "`keys` must be int64 from augspec.example_keys",
        ),
        (
            lambda t: t(torch.zeros(2, 1, 9), keys=torch.zeros(3).long()),
            ValueError,
            r"`keys` must have shape \(2,\)",
        ),
        (
            lambda t: t(torch.zeros(2, 1, 9), keys=KEYS[:2], generator=torch.Generator()),
            ValueError,
            "`keys` and `generator` must not both",
        ),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(T.Gain())


def test_chains_refuse_what_is_no_transform_and_params_that_do_not_fit():
    with pytest.raises(TypeError, match="got Linear at place 1"):
        T.Chain([T.Gain(), torch.nn.Linear(1, 1)])
    with pytest.raises(ValueError, match="`params` must be a list of 1 transforms' params, got 2"):
        T.Chain([T.Gain()]).transform(torch.zeros(1, 1, 9), [{}, {}])
