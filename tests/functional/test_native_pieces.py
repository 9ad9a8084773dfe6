"""Pieces that the native kernels copy are bit for bit those of torch, and of plain slices."""

import itertools

import pytest
import torch
from beside_torch import batch_of, both

from augspec import functional, native
from augspec import transforms as T
from augspec.compat import torch_audiomentations as compat
from augspec.functional import edit, repeat
from augspec.native import pieces

SHAPES = [(5, 1, 400), (3, 2, 777), (4, 3, 5), (1, 1, 1), (0, 2, 30)]
HAS_KERNELS = native.instruction_set() != "no"


def assert_same_bits(function):
    """Compare a function with the kernels and in torch alone."""
    ours, expected = both(function)
    assert torch.equal(ours, expected)
    return ours


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("rollover", "fade"), list(itertools.product([True, False], [0, 3, 80])))
@pytest.mark.parametrize("by_channel", [False, True])
def test_shifts(shape, rollover, fade, by_channel):
    waveform, lengths, generator = batch_of(shape)
    drawn = shape[:2] if by_channel else shape[:1]
    samples = torch.randint(-2 * shape[-1], 2 * shape[-1] + 1, drawn, generator=generator)
    for ends in (None, lengths):
        assert_same_bits(
            lambda ends=ends: edit.shift(
                waveform, samples, rollover=rollover, fade=fade, lengths=ends
            )
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_crops_pads_and_reversals(shape):
    waveform, lengths, generator = batch_of(shape)
    start = torch.randint(0, 2 * shape[-1], shape[:1], generator=generator)
    for size, ends in itertools.product([1, shape[-1], shape[-1] + 9], [None, lengths]):
        assert_same_bits(lambda n=size, ends=ends: functional.crop(waveform, start, n, ends))
        for where in ("start", "center", "end"):
            assert_same_bits(lambda n=size, ends=ends, at=where: edit.pad_to(waveform, n, at, ends))
    assert_same_bits(lambda: edit.time_reverse(waveform, lengths))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["insert", "replace"])
@pytest.mark.parametrize(("widest", "most", "longest"), [(1, 3, 0), (3, 9, 40), (20, 1000, 2000)])
def test_repeated_parts(shape, mode, widest, most, longest):
    for seed in range(5):
        waveform, lengths, generator = batch_of(shape, seed)

        def draw(low, high, generator=generator):
            return torch.randint(low, max(low + 1, high), shape[:1], generator=generator)

        start, width = draw(0, shape[-1]), draw(1, shape[-1] // widest)
        repeats, fade = draw(0, most), draw(0, longest)
        for ends in (None, lengths):
            assert_same_bits(
                lambda given=(waveform, start, width, repeats, fade), ends=ends: repeat.repeat_part(
                    *given, mode=mode, lengths=ends
                )
            )


@pytest.mark.parametrize("mode", ["per_example", "per_batch"])
@pytest.mark.parametrize("shape", [*SHAPES[:4], (2, 1, 64_001)])
@pytest.mark.parametrize("rate", [100, 16_000, 44_100])
def test_spliced_sound(shape, mode, rate):
    waveform, _, _ = batch_of(shape)
    targets = torch.arange(20.0).expand(*shape[:2], 20).unsqueeze(-1)
    augment = compat.SpliceOut(p=1.0, mode=mode, output_type="dict")

    def run():
        torch.manual_seed(3)
        made = augment(waveform, sample_rate=rate, targets=targets)
        return torch.cat([made.samples.flatten(), made.targets.flatten()])

    ours = run()
    with native.in_torch():
        # A crossfade is torch.lerp, which rounds as the processor's instructions do.
        torch.testing.assert_close(ours, run(), rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_a_splice_joins_slices(seed):
    """The oracle: one row and one place after the other, cut and joined in float64."""
    torch.manual_seed(seed)
    samples = torch.randn(6, 2, 9000)
    augment = compat.SpliceOut(5, 200, p=1.0)
    made = augment(samples, sample_rate=8000)
    drawn = augment.transform_parameters
    for row, sound in enumerate(samples.double()):
        for half, place in zip(
            drawn["splice_lengths"][row].tolist(), drawn["splice_starts"][row].tolist(), strict=True
        ):
            room = sound.shape[-1] - 2 * half
            first = int(place * (room + 1))
            middle, last = first + half, first + 2 * half
            rising = 0.5 - 0.5 * torch.cos(torch.pi * torch.arange(half).double() / half)
            joined = sound[:, first:middle] * (1 - rising) + sound[:, middle:last] * rising
            sound = torch.cat([sound[:, :first], joined, sound[:, last:]], dim=-1)
        left = sound.shape[-1]
        torch.testing.assert_close(made[row, :, :left].double(), sound, rtol=0.0, atol=2e-6)
        assert not made[row, :, left:].any()


def test_pieces_are_slices():
    waveform, _, _ = batch_of((3, 2, 20))
    source = torch.tensor([[0, 5, 9], [-3, 18, 0], [4, 4, 4]])
    until = torch.tensor([[4, 8, 9], [2, 30, 0], [9, 6, 2**40]])
    target = torch.tensor([[2, 10, 20], [0, 8, 9], [-2, 6, 14]])
    if not HAS_KERNELS:
        return
    out = pieces.move(waveform, source, until, target, 16, value=-2.5)
    expected = torch.full((3, 2, 16), -2.5)
    for row, (sources, untils, targets) in enumerate(zip(source, until, target, strict=True)):
        for first, end, at in zip(sources.tolist(), untils.tolist(), targets.tolist(), strict=True):
            for place in range(max(0, -at, -first), min(20, end) - first):
                if at + place < 16:
                    expected[row, :, at + place] = waveform[row, :, first + place]
    assert torch.equal(out, expected)


MOVES = {
    "shift": lambda x, n: edit.shift(x, n, fade=0),
    "shift with a fade": lambda x, n: edit.shift(x, n, fade=4),
    "shift into silence": lambda x, n: edit.shift(x, n, rollover=False, lengths=n),
    "crop": lambda x, n: functional.crop(x, n, 50),
    "pad": lambda x, n: edit.pad_to(x, 130, "center", n),
    "reverse": lambda x, n: edit.time_reverse(x, n),
    "repeat": lambda x, n: repeat.repeat_part(x, n, n, n // 10, n // 4),
}


@pytest.mark.parametrize("name", MOVES)
def test_whole_pieces_are_copied(name, monkeypatch):
    """By a kernel, in every function that moves sound: never sample by sample."""
    if not HAS_KERNELS:
        return
    called, call = [], native.call
    monkeypatch.setattr(
        native,
        "call",
        lambda kernel, *args, **out: (called.append(kernel), call(kernel, *args, **out)),
    )
    MOVES[name](torch.randn(2, 1, 100), torch.tensor([30, 40]))
    assert called == [f"augspec_{name}" if name in ("reverse", "repeat") else "augspec_move"]


@pytest.mark.parametrize("name", MOVES)
def test_gradients_and_float64_are_those_of_torch(name):
    samples = torch.tensor([30, 40])
    leaf = torch.randn(2, 2, 100, requires_grad=True)
    out = MOVES[name](leaf, samples)
    weights = torch.randn_like(out)
    (out * weights).sum().backward()
    # A move is linear: its gradient moves the weights back.
    other = torch.randn_like(leaf)
    with torch.no_grad():
        moved = MOVES[name](other, samples)
    torch.testing.assert_close(
        (leaf.grad * other).sum(), (moved * weights).sum(), rtol=1e-4, atol=1e-4
    )
    double = MOVES[name](leaf.detach().double(), samples)
    torch.testing.assert_close(double.float(), out.detach())


@pytest.mark.parametrize("make", [compat.Shift, compat.SpliceOut, compat.TimeInversion])
@pytest.mark.parametrize("mode", ["per_batch", "per_example"])
def test_the_input_of_the_drop_in_stays_and_is_not_the_output(make, mode):
    samples = torch.randn(3, 1, 900)
    before = samples.clone()
    made = make(p=1.0, mode=mode)(samples, sample_rate=1000)
    assert torch.equal(samples, before)
    made.fill_(7.0)
    assert torch.equal(samples, before)


def test_a_subclass_may_write_into_its_input():
    class Muted(compat.Shift):
        def apply_transform(self, samples, **rest):
            return super().apply_transform(samples.zero_(), **rest)

    samples = torch.ones(2, 1, 50)
    assert not Muted(p=1.0)(samples, sample_rate=1000).any()
    assert samples.all()


def test_a_splice_has_gradients():
    torch.manual_seed(0)
    leaf = torch.randn(2, 1, 4000, requires_grad=True)
    made = compat.SpliceOut(3, 100, p=1.0)(leaf, sample_rate=4000)
    made.sum().backward()
    silent = int((made[0] == 0.0).sum())
    # Each crossfade sums to 1, so that the parts add up to what is heard.
    torch.testing.assert_close(leaf.grad[0].sum(), torch.tensor(4000.0 - silent), rtol=1e-4, atol=0)


def test_a_splice_spreads_no_infinity_that_is_behind_its_crossfade():
    samples = torch.zeros(1, 1, 4000)
    samples[..., 3000] = torch.inf
    augment, apart = compat.SpliceOut(1, 200, p=1.0), 0
    for seed in range(20):
        torch.manual_seed(seed)
        ours = augment(samples, sample_rate=16_000)
        half = int(augment.transform_parameters["splice_lengths"])
        first = int(augment.transform_parameters["splice_starts"] * (4000 - 2 * half + 1))
        if first <= 3000 < first + 2 * half:
            continue
        torch.manual_seed(seed)
        with native.in_torch():
            reference = augment(samples, sample_rate=16_000)
        apart += 1
        for made in (ours, reference):
            assert not made.isnan().any()
            assert int(made.isinf().sum()) == 1
    assert apart > 5


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_the_number_of_threads_changes_no_bit(rows):
    waveform, lengths, _ = batch_of((rows, 2, 5000))
    before, made = torch.get_num_threads(), []
    try:
        for count in (1, 2, 7):
            torch.set_num_threads(count)
            torch.manual_seed(0)
            splice = compat.SpliceOut(p=1.0)(waveform, sample_rate=16_000)
            made.append(torch.cat([splice, edit.shift(waveform, lengths)]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])


def test_what_is_moved_may_lie_anyhow_in_memory():
    waveform = torch.randn(300, 4).T[:, None].expand(-1, 3, -1)
    samples = torch.tensor([3]).expand(4)
    apart = edit.shift(waveform.contiguous(), samples.contiguous())
    assert torch.equal(edit.shift(waveform, samples), apart)


def test_a_transform_moves_half_precision_as_float32_does():
    waveform = torch.randn(2, 1, 500).bfloat16()
    keys = torch.tensor([1, 2])
    for augment in (T.Shift(), T.RepeatPart(), T.RandomCrop(300)):
        made = augment(waveform, keys=keys)
        assert made.dtype == torch.bfloat16
        assert torch.equal(made, augment(waveform.float(), keys=keys).bfloat16())
