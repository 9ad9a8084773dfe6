"""Native work on samples gives what torch gives: bit for bit where samples are only copied."""

import itertools

import pytest
import torch
from beside_torch import batch_of, both, needs_kernels

import augspec
from augspec import functional, native
from augspec import transforms as T
from augspec.functional import level, reference, shapes
from augspec.native import samples
from augspec.native.samples import Part

pytestmark = needs_kernels

SHAPES = [(5, 1, 400), (3, 2, 777), (2, 3, 5), (1, 1, 1), (2, 2, 70_001), (0, 2, 30)]
COPIED = 40_000  # samples of a batch that is large enough for copies by the kernel


def assert_near(function, **tolerance):
    ours, expected = both(function)
    tolerance = {"rtol": 2e-6, "atol": 1e-6} | tolerance
    torch.testing.assert_close(ours, expected, equal_nan=True, **tolerance)
    assert ours.is_contiguous()


def assert_same_bits(function):
    ours, expected = both(function)
    assert torch.equal(ours.nan_to_num(7.0), expected.nan_to_num(7.0))
    assert torch.equal(ours.isnan(), expected.isnan())


#: Functions of a batch, numbers in [0, 1] and lengths.
MAPS = {
    "gain": lambda x, n, _: functional.gain(x, 40.0 * n - 20.0),
    "polarity": lambda x, n, _: functional.polarity_inversion(x, n > 0.5),
    "peak": lambda x, n, ends: functional.peak_normalize(x, -20.0 * n, ends),
    "rms": lambda x, n, ends: functional.rms_normalize(x, -20.0 * n, ends),
    "clip": lambda x, n, _: functional.clip(x, -20.0 * n),
    "clip by peak": lambda x, n, ends: functional.clip(x, -20.0 * n, relative=True, lengths=ends),
    "clipping": lambda x, n, ends: functional.clipping_distortion(x, 100.0 * n, ends),
    "tanh": lambda x, n, ends: functional.tanh_distortion(x, n, ends),
    "bits": lambda x, n, _: functional.bit_crush(x, (23.0 * n).long() + 1),
    "A-law": lambda x, *_: functional.a_law(x),
    "mix": lambda x, n, _: shapes.blend(x, x.sin(), n),
}
#: Those whose arithmetic is exact, or the same operation for each sample.
EXACT = ["gain", "polarity", "clip", "bits", "A-law"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("by_channel", [False, True])
def test_maps(name, shape, by_channel):
    waveform, lengths, generator = batch_of(shape)
    numbers = torch.rand(shape[:2] if by_channel else shape[:1], generator=generator)
    before = waveform.clone()
    for ends in (None, lengths):
        check = assert_same_bits if name in EXACT else assert_near
        check(lambda ends=ends: MAPS[name](waveform, numbers, ends))
    assert torch.equal(waveform, before)


HARD = [torch.nan, torch.inf, -torch.inf, 0.0, -0.0, 1e-40, 1e-30, 1e15, 1e30]


@pytest.mark.parametrize("value", HARD)
@pytest.mark.parametrize("name", [name for name in MAPS if name != "mix"])
def test_hard_numbers(name, value):
    """One sample of an example, and all of another."""
    waveform, _, generator = batch_of((4, 1, 300))
    waveform[1, 0, 7], waveform[2] = value, value
    numbers = torch.rand(4, generator=generator)
    assert_near(lambda: MAPS[name](waveform, numbers, None), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_levels(shape):
    waveform, lengths, _ = batch_of(shape)
    for parameter, ends in itertools.product(
        (torch.zeros(shape[:1]), torch.zeros(shape[:2])), (None, lengths)
    ):
        assert_near(lambda p=parameter, e=ends: level.rms(waveform, p, e))
        assert_same_bits(lambda p=parameter, e=ends: level.peak(waveform, p, e))
        assert_near(lambda p=parameter: reference.norm(waveform, p), atol=1e-4)


def test_what_is_behind_an_end_is_never_read():
    waveform, lengths = torch.ones(2, 1, 500), torch.tensor([100, 0])
    waveform[0, :, 100:], waveform[1] = torch.nan, torch.inf
    number = torch.zeros(2)
    assert level.peak(waveform, number, lengths).flatten().tolist() == [1.0, 0.0]
    assert level.rms(waveform, number, lengths).flatten().tolist() == pytest.approx([1.0, 0.0])
    silent = shapes.silence_after(waveform, lengths)
    assert silent.sum((1, 2)).tolist() == [100.0, 0.0]


#: Functions of a batch, partners, numbers in [0, 1] and lengths.
MIXTURES = {
    "mixup": lambda x, i, n, ends: functional.mixup(x, i, n, ends),
    "mixup of three": lambda x, i, n, ends: functional.mixup(
        x, torch.stack([i, i.flip(0)], 1), n, ends, torch.stack([n, 1.0 - n], 1)
    ),
    "background": lambda x, i, n, ends: functional.mix_background(x, i, 40.0 * n, ends),
    "backgrounds": lambda x, i, n, ends: functional.mix_background(
        x, torch.stack([i, i.flip(0)], 1), torch.stack([n, 20.0 * n], 1), ends
    ),
    "cutmix": lambda x, i, n, ends: functional.cutmix(x, i, n, 0.9 * n, ends),
    "noise": lambda x, i, n, ends: functional.add_noise(x, x[i].flip(-1), 40.0 * n, ends),
    "one noise for all channels": lambda x, i, n, ends: functional.add_noise(
        x, x[i, :1].expand_as(x), 40.0 * n, ends
    ),
    "a part of noise": lambda x, i, n, ends: functional.add_noise(
        x, torch.cat([x, x], -1)[i][..., 1 : x.shape[-1] + 1], 40.0 * n, ends
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MIXTURES)
def test_mixtures(name, shape):
    waveform, lengths, generator = batch_of(shape)
    partner = torch.randperm(shape[0], generator=generator)
    numbers = torch.rand(shape[0], generator=generator)
    mix = MIXTURES[name]
    for ends in (None, lengths):
        ours = mix(waveform, partner, numbers, ends)
        # In float64, because torch's sums of squares in float32 are less exact than the kernel's.
        expected = mix(waveform.double(), partner, numbers.double(), ends)
        torch.testing.assert_close(ours.double(), expected, rtol=2e-6, atol=2e-6)
        if name == "cutmix":
            assert_same_bits(lambda ends=ends: mix(waveform, partner, numbers, ends))


def test_a_mixture_of_nothing_else_is_the_input_bit_for_bit():
    dry, wet = torch.randn(2, 3, 2, 5000)
    mixed = shapes.blend(dry, wet, torch.tensor([0.0, 0.5, 1.0]))
    assert torch.equal(mixed[0], dry[0])
    assert torch.equal(mixed[2], wet[2])
    torch.testing.assert_close(mixed[1], (dry[1] + wet[1]) / 2)
    wet[0] = torch.nan
    assert torch.equal(shapes.blend(dry, wet, torch.tensor([0.0, 0.5, 1.0]))[0], dry[0])


def test_parts_are_slices():
    """The oracle: each part is a slice that is added to zeros."""
    first, second = torch.randn(3, 2, 9000), torch.randn(4, 1, 7000).expand(4, 2, 7000)
    index, weight = torch.tensor([3, -4, 1]), torch.tensor([[0.5, 0.0], [2.0, 1.0], [1.0, 3.0]])
    begin, end = torch.tensor([-5, 4000, 8000]), torch.tensor([100, 99_999, 2000])
    out = samples.mix(
        (3, 2, 8500),
        Part(first, end=torch.tensor([2000, 0, 9000])),
        Part(second, weight, index, begin, end),
    )
    expected = torch.zeros(3, 2, 8500)
    for row, until in enumerate([2000, 0, 8500]):
        expected[row, :, :until] = first[row, :, :until]
        span = slice(max(0, int(begin[row])), min(7000, int(end[row])))
        added = second[int(index[row]), :, span] * weight[row][:, None]
        expected[row, :, span] += added
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("index", [[0, 3], [-4, 0]])
def test_an_example_that_is_not_there_is_an_error(index):
    with pytest.raises(IndexError, match="within 3 examples"):
        samples.take(torch.ones(3, 1, 9), torch.tensor(index))


@pytest.mark.parametrize("shape", [(2, 1, 9), (1, 3, 9), (4, 3, 9)])
def test_a_part_of_another_shape_is_an_error(shape):
    with pytest.raises(ValueError, match="a part must fit"):
        samples.mix((2, 3, 9), Part(torch.ones(shape)))


def test_a_choice_of_other_channels_is_broadcast_as_in_torch():
    values, picked = torch.randn(2, 2, COPIED), torch.tensor([True, False])
    assert_same_bits(lambda: shapes.choose(picked, values, values[:, :1]))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_channels(channels):
    waveform, _, generator = batch_of((5, channels, 9000))
    order = torch.rand(5, channels, generator=generator)
    count = torch.randint(0, channels + 1, (5,), generator=generator)
    assert_same_bits(lambda: functional.channel_shuffle(waveform, order))
    assert_same_bits(lambda: functional.channel_drop(waveform, order, count))
    assert_near(lambda: functional.to_mono(waveform))
    if channels < 3:
        width = torch.tensor([0.0, 0.5, 1.0, 2.0, 10.0])
        assert_near(lambda: functional.stereo_width(waveform, width), atol=5e-6)
        out = functional.stereo_width(waveform, width)
        assert torch.equal(out[0, 0], out[0, -1]) or channels == 1
        assert torch.equal(out[2], waveform[2])


def test_a_dropped_channel_is_silent_whatever_it_held():
    waveform = torch.full((1, 2, 500), torch.nan)
    waveform[:, 1] = 1.0
    out = functional.channel_drop(waveform, torch.tensor([[0.0, 1.0]]), torch.tensor([1]))
    assert out[0].sum(-1).tolist() == [0.0, 500.0]


@pytest.mark.parametrize("shape", [(6, 1, COPIED), (6, 2, 300, 70), (6, 1, 9)])
def test_examples_are_chosen_taken_and_joined_bit_for_bit(shape):
    values, _, generator = batch_of(shape)
    picked = torch.rand(6, generator=generator) > 0.5
    for size in (shape[-1], shape[-1] + 5, shape[-1] - 5):
        others = torch.randn(*shape[:-1], size, generator=generator)
        assert_same_bits(lambda others=others: shapes.choose(picked, values, others))
    index = torch.tensor([3, 3, 0, 5, -1])
    assert_same_bits(lambda: shapes.take_examples(values, index))
    groups = [torch.tensor([4, 0]), torch.tensor([], dtype=torch.int64), torch.tensor([1, 5, 2, 3])]
    parts = [values[:2], values[:0], values[2:]]
    assert_same_bits(lambda: shapes.join_examples(parts, groups))


COPIES = {
    "choose": lambda x: shapes.choose(torch.tensor([True, False]), x, -x),
    "take": lambda x: shapes.take_examples(x, torch.tensor([1, 1])),
    "join": lambda x: shapes.join_examples([x[1:], x[:1]], [torch.tensor([0]), torch.tensor([1])]),
}
ALL = {
    **{name: (lambda x, f=f: f(x, torch.tensor([0.1, 0.9]), None)) for name, f in MAPS.items()},
    **{
        name: (lambda x, f=f: f(x, torch.tensor([1, 0]), torch.tensor([0.1, 0.9]), None))
        for name, f in MIXTURES.items()
    },
    **COPIES,
    "reverse": functional.time_reverse,
    "mono": functional.to_mono,
    "width": lambda x: functional.stereo_width(x, torch.tensor([0.1, 0.9])),
    "shuffle": lambda x: functional.channel_shuffle(x, torch.tensor([[0.0, 1.0], [1.0, 0.0]])),
}


@pytest.mark.parametrize("name", ALL)
def test_a_kernel_is_used_for_float32_without_a_gradient_only(name, monkeypatch):
    called, call = [], native.call
    monkeypatch.setattr(
        native,
        "call",
        lambda kernel, *args, **out: (called.append(kernel), call(kernel, *args, **out)),
    )
    # The halves of a joined batch are large enough too.
    waveform = torch.randn(2, 2, COPIED)
    ALL[name](waveform)
    assert called
    called.clear()
    for other in (waveform.double(), waveform.clone().requires_grad_()):
        ALL[name](other)
    assert not called


@pytest.mark.parametrize("name", ALL)
def test_audio_that_is_not_contiguous_and_any_number_of_threads(name):
    waveform = torch.randn(COPIED, 2, 2, generator=torch.Generator().manual_seed(0)).permute(
        1, 2, 0
    )
    before, made = torch.get_num_threads(), []
    try:
        for count in (1, 2, 7):
            torch.set_num_threads(count)
            made += [ALL[name](waveform), ALL[name](waveform.contiguous())]
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(made[0], one) for one in made[1:])


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("size", [1, 64, 1000, 5000])
def test_cuts_of_a_bank(smooth, size):
    generator = torch.Generator().manual_seed(0)
    bank = augspec.Bank([torch.randn(n, generator=generator) for n in (7, 300, 2000)], 16_000)
    sound = torch.randint(0, 3, (40, 2), generator=generator)
    start = torch.randint(-50, 3000, (40, 2), generator=generator)
    used = torch.randint(0, size + 1, (40, 2), generator=generator)
    for given in (None, used):
        assert_same_bits(lambda used=given: bank.take(sound, start, size, smooth=smooth, used=used))


def test_examples_that_are_not_picked_come_out_bit_for_bit():
    waveform, keys = torch.randn(16, 1, 9000), augspec.example_keys(0, 0, torch.arange(16))
    for transform in (T.BitCrush(p=0.5), T.WhiteNoise(p=0.5), T.TanhDistortion(mix=0.5, p=0.5)):
        params = transform.make_params(waveform, keys=keys)
        kept = ~params["applied"]
        assert 0 < kept.sum() < 16
        assert torch.equal(transform.transform(waveform, params)[kept], waveform[kept])


@pytest.mark.parametrize(("channels", "size", "fade"), [(1, 300, 0), (2, 300, 20), (2, 900, 400)])
@pytest.mark.parametrize("known", [False, True])
def test_short_noises(channels, size, fade, known):
    waveform, lengths, generator = batch_of((4, channels, 800))

    def whole(high):
        return torch.randint(0, high, (4, 3), generator=generator)

    noise = torch.randn(4, 3, channels, size, generator=generator)
    snr_db, ends = 20.0 * torch.rand(4, 3, generator=generator), lengths if known else None
    start, width = whole(800), whole(size + 1)
    out = functional.short_noises(waveform, noise, start, width, snr_db, fade=fade, lengths=ends)
    expected = functional.short_noises(
        waveform.double(), noise.double(), start, width, snr_db.double(), fade=fade, lengths=ends
    )
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=2e-6)
    assert torch.equal(out == waveform, expected == waveform.double())
