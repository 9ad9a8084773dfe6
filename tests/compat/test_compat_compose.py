"""Compose, SomeOf, OneOf and configs of the convention."""

import pytest
import torch

from augspec import transforms as T
from augspec.compat import torch_audiomentations as compat

SAMPLES = torch.tensor([[[1.0, 0.5, -0.25, -0.125, 0.0]]])
FACTOR = -(10 ** (-6 / 20))


def parts():
    return [
        compat.Gain(min_gain_in_db=-6.000001, max_gain_in_db=-6, p=1.0),
        compat.PolarityInversion(p=1.0),
    ]


def test_the_tensor_is_the_default_output():
    made = compat.Compose(parts())(samples=SAMPLES, sample_rate=16_000)
    assert type(made) is torch.Tensor
    torch.testing.assert_close(made, FACTOR * SAMPLES)


def test_a_dictionary_comes_out_if_asked_for():
    made = compat.Compose(parts(), output_type="dict")(samples=SAMPLES, sample_rate=16_000)
    assert type(made) is compat.ObjectDict
    torch.testing.assert_close(made.samples, FACTOR * SAMPLES)


@pytest.mark.parametrize("other", [torch.nn.Identity(), T.Gain((-6.0, -6.0))])
def test_other_modules_take_the_samples(other):
    augment = compat.Compose([other, compat.PolarityInversion(p=1.0)], output_type="dict")
    factor = -1.0 if isinstance(other, torch.nn.Identity) else FACTOR
    torch.testing.assert_close(augment(SAMPLES).samples, factor * SAMPLES)


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match="`transforms` must be modules, got function"):
        compat.Compose([lambda samples: samples])


@pytest.mark.parametrize("make", [compat.Compose, compat.OneOf])
def test_with_p_zero_nothing_happens(make):
    assert torch.equal(make(parts(), p=0.0, output_type="dict")(SAMPLES).samples, SAMPLES)


def test_p_is_for_the_whole_batch():
    torch.manual_seed(0)
    augment = compat.Compose([compat.PolarityInversion(p=1.0)], p=0.5)
    done = [bool((augment(SAMPLES) == -SAMPLES).all()) for _ in range(200)]
    assert 60 < sum(done) < 140
    with pytest.raises(ValueError, match="`p_mode`"):
        compat.Compose(parts(), p_mode="per_example")


def test_eval_changes_nothing():
    assert torch.equal(compat.Compose(parts()).eval()(SAMPLES), SAMPLES)


def test_frozen_it_repeats():
    torch.manual_seed(42)
    augment = compat.Compose([compat.Gain(-16, -2, p=1.0), *parts()[1:]], output_type="dict")
    first = augment(SAMPLES).samples
    augment.freeze_parameters()
    assert torch.equal(augment(SAMPLES).samples, first)
    augment.unfreeze_parameters()
    assert augment(SAMPLES).samples[0, 0, 0] != first[0, 0, 0]


def test_a_frozen_choice_and_order_repeat():
    torch.manual_seed(0)
    augment = compat.Compose(
        [compat.Gain(-18.0, -16.0, p=1.0), compat.PeakNormalization(p=1.0)], shuffle=True, p=0.5
    )
    augment(SAMPLES)
    augment.freeze_parameters()
    kept = augment.transform_indexes
    assert all(augment(SAMPLES) is not None and augment.transform_indexes == kept for _ in range(9))


def test_shuffled_each_part_is_last_about_as_often():
    torch.manual_seed(0)
    augment = compat.Compose(
        [compat.Gain(-18.0, -16.0, p=1.0), compat.PeakNormalization(p=1.0)], shuffle=True
    )
    peaks = [augment(SAMPLES)[0, 0, 0].item() for _ in range(100)]
    assert all(peak < 0.2 or peak == 1.0 for peak in peaks)
    assert 25 < sum(peak == 1.0 for peak in peaks) < 75


def test_supported_modes_are_those_of_every_part():
    both = compat.Compose([compat.PeakNormalization(p=1.0)])
    assert both.supported_modes == {"per_batch", "per_example", "per_channel"}
    one = compat.Compose([compat.PeakNormalization(p=1.0), compat.ShuffleChannels(p=1.0)])
    assert one.supported_modes == {"per_example"}


def three():
    return [*parts(), compat.PeakNormalization(p=1.0)]


@pytest.mark.parametrize("output_type", [None, "dict"])
def test_some_of_takes_as_many_as_it_is_told(output_type):
    augment = compat.SomeOf(2, three(), output_type=output_type)
    assert augment.transform_indexes == []
    made = augment(SAMPLES, sample_rate=16_000)
    assert type(made) is (compat.ObjectDict if output_type else torch.Tensor)
    assert len(set(augment.transform_indexes)) == 2


def test_some_of_with_p_zero_takes_none():
    augment = compat.SomeOf(2, three(), p=0.0)
    augment(SAMPLES)
    assert augment.transform_indexes == []


@pytest.mark.parametrize(("number", "counts"), [((1, None), {1, 2, 3}), ((2, 3), {2, 3}), (3, {3})])
def test_some_of_takes_a_number_of_its_range(number, counts):
    torch.manual_seed(0)
    augment = compat.SomeOf(number, three())
    found = set()
    for _ in range(60):
        augment(SAMPLES)
        assert augment.transform_indexes == sorted(augment.transform_indexes)
        found.add(len(augment.transform_indexes))
    assert found == counts


def test_some_of_frozen_repeats_its_choice():
    augment = compat.SomeOf(2, three(), output_type="dict")
    first, chosen = augment(SAMPLES).samples, augment.transform_indexes
    augment.freeze_parameters()
    for _ in range(5):
        assert torch.equal(augment(SAMPLES).samples, first)
        assert augment.transform_indexes == chosen


@pytest.mark.parametrize("number", [0, 4, (0, 2), (2, 4), (3, 2)])
def test_some_of_refuses_numbers_out_of_range(number):
    with pytest.raises(ValueError, match="`num_transforms` must lie in"):
        compat.SomeOf(number, three())


def test_one_of_takes_each_part_about_as_often():
    torch.manual_seed(0)
    augment = compat.OneOf(three())
    chosen = []
    for _ in range(150):
        augment(SAMPLES)
        chosen += augment.transform_indexes
    assert len(chosen) == 150
    assert all(25 < chosen.count(i) < 80 for i in range(3))


def test_compositions_nest_and_targets_go_through():
    inner = compat.OneOf([compat.TimeInversion(p=1.0)])
    augment = compat.Compose([compat.Compose([inner]), compat.Identity()], output_type="dict")
    labels = torch.arange(4.0).reshape(1, 1, 4, 1)
    made = augment(torch.randn(1, 1, 16), sample_rate=16_000, targets=labels, target_rate=3)
    assert torch.equal(made.targets, labels.flip(2))
    assert made.target_rate == 3


GAIN = {"transform": "Gain", "params": {"min_gain_in_db": -12.0, "mode": "per_channel"}}


def test_from_dict_makes_a_transform():
    made = compat.from_dict(GAIN)
    assert isinstance(made, compat.Gain)
    assert (made.min_gain_in_db, made.max_gain_in_db, made.mode) == (-12.0, 6.0, "per_channel")


@pytest.mark.parametrize("name", ["Compose", "OneOf", "SomeOf"])
def test_from_dict_makes_compositions_and_leaves_the_dictionary(name):
    params = {"transforms": [GAIN, {"transform": "PolarityInversion"}]}
    params |= {"num_transforms": 1} if name == "SomeOf" else {}
    config = {"transform": name, "params": params}
    made = compat.from_dict(config)
    assert type(made) is getattr(compat, name)
    assert [type(part) for part in made.transforms] == [compat.Gain, compat.PolarityInversion]
    assert config["params"]["transforms"][0] is GAIN


def test_from_yaml_reads_a_file(tmp_path):
    file = tmp_path / "config.yml"
    file.write_text(
        "transform: Compose\nparams:\n  shuffle: True\n  transforms:\n"
        "    - transform: Gain\n      params: {min_gain_in_db: -12.0}\n"
        "    - transform: PolarityInversion\n"
    )
    made = compat.from_yaml(file)
    assert made.shuffle
    assert made.transforms[0].min_gain_in_db == -12.0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"params": {}}, "must have a `transform`"),
        ({"transform": "os.system"}, "name of a transform"),
        ({"transform": "from_yaml"}, "name of a transform"),
        ({"transform": "ObjectDict"}, "name of a transform"),
        ({"transform": "Gain", "params": [1]}, "`params` of Gain"),
    ],
)
def test_configs_that_name_no_transform_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        compat.from_dict(config)
