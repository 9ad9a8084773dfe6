"""Native kernels of spectrograms give what torch gives in float64, within rounding."""

import pytest
import torch

import augspec
from augspec import features as F
from augspec import functional, native
from augspec import transforms as T
from augspec.functional.pcen import pcen_by_bin
from augspec.native import bins

pytestmark = pytest.mark.skipif(
    native.instruction_set() == "no", reason="there is no C++ compiler here"
)

KEYS = augspec.example_keys(3, 0, torch.arange(6))
LENGTHS = torch.tensor([37, 0, 1, 20, 36, 5])
IN_DECIBEL = {
    "Normalize": F.Normalize(),
    "Normalize of bins": F.Normalize(per_bin=True),
    "Normalize the mean": F.Normalize(mean_only=True),
    "Normalize the mean of bins": F.Normalize(mean_only=True, per_bin=True),
    "Normalize by given": F.Normalize(-40.0, 20.0),
    "Normalize by given of bins": F.Normalize([float(-i) for i in range(12)], 20.0),
    "Delta": F.Delta(order=(0, 1, 2)),
    "Delta of the nearest": F.Delta(width=5, mode="nearest"),
    "FrequencyMask": T.FrequencyMask(8),
    "FrequencyMask of channels": T.FrequencyMask(8, per_channel=True, mask_value="min"),
    "TimeMask": T.TimeMask(30),
    "TimeMask with a number": T.TimeMask(30, mask_value=0.0, per_channel=True),
    "Cutout": T.Cutout(6, 20, n_masks=3),
    "SpecAugment": T.SpecAugment("LD", max_warp=5),
    "SpecAugment of the lowest": T.SpecAugment("SM", max_warp=0, mask_value="min"),
    "FilterAugment": T.FilterAugment(),
    "FilterAugment in steps": T.FilterAugment(mode="step", stype="power"),
    "LinearFade": T.LinearFade(),
    "LinearFade of magnitudes": T.LinearFade(stype="magnitude", per_channel=True),
    "FreqMixStyle": T.FreqMixStyle(),
    "FrequencyShift": T.FrequencyShift(9),
    "FrequencyShift with a number": T.FrequencyShift(20, mask_value=-80.0),
    "RandomResizeCrop": T.RandomResizeCrop(),
    "RandomResizeCrop of all": T.RandomResizeCrop(mask_value=3.0, virtual_crop_scale=(2.0, 4.0)),
    "TimeWarp": T.TimeWarp(8),
}
OF_POWER = {
    "AmplitudeToDB": F.AmplitudeToDB(),
    "AmplitudeToDB of magnitudes": F.AmplitudeToDB("magnitude", ref=0.1),
    "AmplitudeToDB in a range": F.AmplitudeToDB(top_db=30.0),
    "AmplitudeToDB to the peak": F.AmplitudeToDB(ref="max"),
    "AmplitudeToDB below the peak": F.AmplitudeToDB(ref="max", top_db=60.0),
}
EVERY = IN_DECIBEL | OF_POWER


def specgram(frames=37, channels=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return -40.0 + 20.0 * torch.randn(6, channels, 12, frames, generator=generator)


def given(name, *args):
    values = specgram(*args)
    return torch.pow(10.0, values / 10.0) if name in OF_POWER else values


def run(name, values, lengths=None, **options):
    """Call a class, and leave out the lengths that it returns."""
    module = EVERY[name]
    if isinstance(module, T.RandomTransform):
        options = {"keys": KEYS[: len(values)], **options}
    made = module(values, **options) if lengths is None else module(values, lengths, **options)[0]
    assert made.dtype == values.dtype
    return made


def torch_in_double(name, values, lengths=None):
    with native.in_torch():
        return run(name, values.double(), lengths)


def assert_close(found, expected, tolerance=3e-6):
    """Errors of rounding, relative to the largest value of an example."""
    assert found.shape == expected.shape
    assert torch.equal(found.isfinite(), expected.isfinite())
    errors = (found.double() - expected).nan_to_num(0.0, 0.0, 0.0).abs().flatten(1)
    scale = expected.nan_to_num(0.0, 0.0, 0.0).abs().flatten(1).amax(1, keepdim=True)
    assert (errors <= tolerance * scale.clamp(min=1.0)).all()


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("frames", [1, 3, 37])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("known", [False, True])
def test_every_class_is_that_of_torch(name, frames, channels, known):
    values = given(name, frames, channels)
    lengths = LENGTHS.clamp(max=frames) if known else None
    before = values.clone()
    found = run(name, values, lengths)
    assert torch.equal(values, before)
    # A place between two frames is rounded in float32, and neighbours differ by the whole range.
    places = name.startswith(("RandomResizeCrop", "TimeWarp", "SpecAugment"))
    assert_close(found, torch_in_double(name, values, lengths), 1e-4 if places else 3e-6)


@pytest.mark.parametrize("name", EVERY)
def test_padding_has_no_influence(name):
    values = given(name)
    padded = values.masked_fill(torch.arange(37) >= LENGTHS[:, None, None, None], torch.nan)
    found, expected = run(name, padded, LENGTHS), run(name, values, LENGTHS)
    valid = (torch.arange(37) < LENGTHS[:, None, None, None]).expand(found.shape)
    assert torch.equal(found[valid], expected[valid])


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e-42, 1e30])
def test_a_number_that_is_no_level_stays_in_its_example(name, value):
    values = given(name)
    strange = values.clone()
    strange[2, :, 3, 4:] = value
    alone = [0, 1, 3, 4, 5]
    if EVERY[name] is not IN_DECIBEL["FreqMixStyle"]:
        assert torch.equal(run(name, strange)[alone], run(name, values)[alone])
    if value < 1.0:
        assert_close(run(name, strange), torch_in_double(name, strange), 1e-4)


@pytest.mark.parametrize("name", EVERY)
def test_the_number_of_threads_changes_no_bit(name):
    # Fewer cells are not shared between threads.
    values, before, made = given(name, 30_000), torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            made.append(run(name, values))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])


@pytest.mark.parametrize("name", EVERY)
def test_a_batch_that_lies_otherwise_in_memory(name):
    values = given(name)
    turned = values.transpose(-1, -2).contiguous().transpose(-1, -2)
    assert torch.equal(run(name, turned), run(name, values))
    assert run(name, values[:0]).shape[0] == 0


@pytest.mark.parametrize("name", [n for n in EVERY if isinstance(EVERY[n], T.RandomTransform)])
def test_what_is_not_picked_comes_out_bit_for_bit(name):
    values, module = specgram(), EVERY[name]
    params = module.make_params(values, keys=KEYS)
    params["applied"] = torch.tensor([True, False] * 3)
    found = module.transform(values, params)
    assert torch.equal(found[1::2], values[1::2])
    assert not torch.equal(found[::2], values[::2])


@pytest.mark.parametrize("options", [{}, {"initial": 1.0}, {"gain": 0.3, "bias": 1e-4}])
@pytest.mark.parametrize("coefficient", [0.03, 0.5, 1.0, 1e-4])
@pytest.mark.parametrize("frames", [1, 16, 203])
def test_pcen(options, coefficient, frames):
    energies = torch.rand(3, 2, 5, frames) ** 6
    energies[0, 0, 1] = 0.0
    with native.in_torch():
        expected = functional.pcen(energies.double(), coefficient, **options)
    found = functional.pcen(energies, coefficient, **options)
    torch.testing.assert_close(found.double(), expected, rtol=5e-6, atol=0.0)


@pytest.mark.parametrize("bias", [1e-5, 1.0, 1e4])
@pytest.mark.parametrize("exponent", [0.05, 1.0, 2.5])
def test_pcen_over_the_whole_range_of_float32(bias, exponent):
    energies = torch.logspace(-44, 12, 300).repeat(1, 1, 2, 1)
    options = {"bias": bias, "exponent": exponent, "gain": 0.5, "eps": 1e-30}
    with native.in_torch():
        expected = functional.pcen(energies.double(), 0.9, **options)
    found = functional.pcen(energies, 0.9, **options)
    torch.testing.assert_close(found.double(), expected, rtol=2e-5, atol=1e-37)


def test_pcen_with_settings_of_bins():
    energies = torch.rand(3, 2, 5, 50)
    settings = [0.1 + 0.8 * torch.rand(5) for _ in range(4)]
    with native.in_torch():
        expected = pcen_by_bin(energies.double(), *[one.double() for one in settings], scale=3.0)
    found = pcen_by_bin(energies, *settings, scale=3.0)
    torch.testing.assert_close(found.double(), expected, rtol=5e-6, atol=0.0)


@pytest.mark.parametrize("options", [{}, {"log_mels": True}, {"top_db": None}, {"top_db": 20.0}])
@pytest.mark.parametrize("n_mfcc", [1, 7, 13])
@pytest.mark.parametrize("known", [False, True])
def test_cepstral_coefficients(options, n_mfcc, known):
    waveform = torch.randn(4, 2, 3000, generator=torch.Generator().manual_seed(0))
    waveform[1] = 0.0
    lengths = (torch.tensor([3000, 2000, 500, 0]),) if known else ()
    melkwargs = {"n_fft": 256, "hop_length": 64, "n_mels": 16}
    mfcc = F.MFCC(n_mfcc=n_mfcc, melkwargs=melkwargs, **options)
    with native.in_torch():
        expected = mfcc(waveform.double(), *lengths)
    found = mfcc(waveform, *lengths)
    if known:
        found, expected = found[0], expected[0]
    assert_close(found, expected)


def test_decibel_of_round_numbers_is_round():
    powers = torch.tensor([1.0, 0.1, 0.01, 1e-3, 1e-10, 0.0, 100.0]).reshape(1, 1, 7, 1)
    wanted = torch.tensor([0.0, -10.0, -20.0, -30.0, -100.0, -100.0, 20.0])
    torch.testing.assert_close(
        functional.amplitude_to_db(powers).flatten(), wanted, rtol=2e-7, atol=0
    )


def test_masks_are_cut_to_the_spectrogram():
    values = specgram()
    start, width = torch.tensor([-5, 30, 40, 0, 3, 11]), torch.tensor([8, 50, 3, 0, -4, 1])
    for dim in (-1, -2):
        found = functional.mask_span(values, start, width, dim, 7.0)
        with native.in_torch():
            assert torch.equal(found, functional.mask_span(values, start, width, dim, 7.0))


def test_a_frequency_shift_copies_its_cells():
    values, shift = specgram(), torch.tensor([0, 1, -1, 5, -11, 12])
    fill = torch.full((1, 1, 1, 1), -80.0)
    with native.in_torch():
        expected = functional.frequency_shift(values, shift, fill)
    assert torch.equal(functional.frequency_shift(values, shift, fill), expected)


def test_kernels_are_for_float32_without_gradients():
    values = specgram()
    assert bins.can_compute(values)
    assert not bins.can_compute(values.double())
    assert not bins.can_compute(values.half())
    assert not bins.can_compute(values, torch.ones(6).requires_grad_())
    for name, module in EVERY.items():
        leaf = given(name).requires_grad_()
        options = {"keys": KEYS} if isinstance(module, T.RandomTransform) else {}
        module(leaf, **options).sum().backward()
        assert leaf.grad is not None, name
