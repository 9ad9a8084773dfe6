"""Side by side with torch-audiomentations itself, where it runs."""

import inspect
import warnings

import pytest
import torch

from augspec.compat import torch_audiomentations as compat
from tests.peers import import_or_skip

peer = import_or_skip("torch_audiomentations")
mix = import_or_skip("torch_audiomentations.augmentations.mix")
padding = import_or_skip("torch_audiomentations.augmentations.padding")
crops = import_or_skip("torch_audiomentations.augmentations.random_crop")
RATE = 16_000
ELSEWHERE = {"Mix": mix.Mix, "Padding": padding.Padding, "RandomCrop": crops.RandomCrop}
THEIRS = {
    name: ELSEWHERE.get(name) or getattr(peer, name)
    for name in compat.__all__
    if name in ELSEWHERE or hasattr(peer, name)
}


pytestmark = pytest.mark.usefixtures("eager_kernels")


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_every_public_name_of_theirs_is_there():
    public = {
        name
        for name, value in vars(peer).items()
        if inspect.isclass(value) or inspect.isfunction(value)
    }
    # A helper of theirs: `augspec.functional.convolve` is ours.
    assert public - {"convolve"} <= set(compat.__all__)


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_arguments_have_their_names_order_and_defaults(name):
    def arguments(one):
        return [(p.name, p.default) for p in inspect.signature(one).parameters.values()]

    ours = getattr(compat, name)
    assert arguments(ours) == arguments(THEIRS[name])
    if inspect.isclass(ours):
        assert set(dir(THEIRS[name])) - set(dir(ours)) <= {
            "serialize_parameters",  # raises an error there
            "bernoulli_distribution",
            "random_background",
            "_forward_unimplemented",
            "p",  # an attribute of the instance here
        }


TRANSFORMS = sorted(name for name in THEIRS if hasattr(THEIRS[name], "requires_sample_rate"))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_classes_say_the_same_of_modes_rates_and_targets(name):
    ours, theirs = getattr(compat, name), THEIRS[name]
    assert set(ours.supported_modes) == set(theirs.supported_modes)
    assert ours.requires_target == theirs.requires_target
    assert ours.supports_multichannel == theirs.supports_multichannel
    # Shift needs one for seconds alone, there as here.
    assert name == "Shift" or ours.requires_sample_rate == theirs.requires_sample_rate


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("LowPassFilter", (1000, 1000)),
        ("HighPassFilter", (700, 700)),
        ("BandPassFilter", (2000, 2000.001, 0.7, 0.7001)),
        ("BandStopFilter", (1000, 1000.001, 1.2, 1.2001)),
        ("PeakNormalization", ()),
        ("PolarityInversion", ()),
        ("TimeInversion", ()),
        ("Gain", (-6.0001, -6.0)),
        ("Shift", (137, 137, "samples", False)),
        ("Shift", (-0.25, -0.25)),
        ("Shift", (0.01, 0.01, "seconds")),
        ("Identity", ()),
    ],
)
@pytest.mark.parametrize("mode", ["per_batch", "per_example", "per_channel"])
def test_what_leaves_nothing_to_chance_is_equal(name, arguments, mode):
    samples = torch.randn(3, 2, 3000)
    made = [
        one(*arguments, mode=mode, p=1.0, output_type="dict")(samples.clone(), RATE).samples
        for one in (getattr(compat, name), THEIRS[name])
    ]
    torch.testing.assert_close(made[0], made[1], atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("Gain", lambda samples, made: (made / samples)[..., 7]),
        ("PolarityInversion", lambda samples, made: (made / samples)[..., 7]),
        ("Padding", lambda _, made: (made == 0).float().mean(-1)),
        ("PeakNormalization", lambda _, made: made.abs().amax(-1)),
        ("AddColoredNoise", lambda samples, made: (made - samples).square().mean(-1)),
        ("Mix", lambda samples, made: (made - samples).square().mean(-1)),
    ],
)
@pytest.mark.parametrize("mode", ["per_example", "per_channel"])
def test_what_is_drawn_is_distributed_alike(name, measure, mode):
    samples = torch.randn(600, 2, 60) + 0.01
    found = []
    for one in (getattr(compat, name), THEIRS[name]):
        torch.manual_seed(0)
        made = one(p=0.5, mode=mode, output_type="dict")(samples.clone(), 100).samples
        found.append(measure(samples, made).flatten().sort().values)
    # The largest distance of two distributions (Kolmogorov and Smirnov) of 1200 values.
    places = torch.cat(found)
    ours, theirs = (torch.searchsorted(values, places, right=True) / 1200 for values in found)
    assert (ours - theirs).abs().max() < 0.08


# Their Shift raises TypeError when it has frames of labels to move.
@pytest.mark.parametrize("name", ["TimeInversion", "Gain", "Identity", "Padding"])
def test_labels_are_handled_alike(name):
    labels = torch.randn(1, 2, 8, 3)
    made = [
        one(p=1.0, output_type="dict")(
            torch.randn(1, 2, 1600), RATE, labels.clone(), target_rate=80
        )
        for one in (getattr(compat, name), THEIRS[name])
    ]
    torch.testing.assert_close(made[0].targets, made[1].targets)
    assert (made[0].sample_rate, made[0].target_rate) == (made[1].sample_rate, made[1].target_rate)


def test_their_transforms_run_in_our_compose():
    augment = compat.Compose(
        [peer.PolarityInversion(p=1.0, output_type="dict"), compat.TimeInversion(p=1.0)],
        output_type="dict",
    )
    samples, labels = torch.randn(2, 1, 8), torch.randn(2, 1, 4, 1)
    made = augment(samples, RATE, labels)
    assert torch.equal(made.samples, -samples.flip(-1))
    assert torch.equal(made.targets, labels.flip(-2))
