import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.plot.titles import describe_label, describe_params


def drawn(transform, **values):
    """Params of one example, with ``values`` in place of what was drawn."""
    params = transform.make_params(torch.zeros(1, 1, 100))
    return params | {name: torch.tensor([value]) for name, value in values.items()}


@pytest.mark.parametrize(
    ("label", "title"),
    [
        (2, "reed"),
        (torch.tensor(0), "bass"),
        (torch.tensor([0.0, 0.0, 1.0]), "reed"),
        (torch.tensor([0.25, 0.001, 0.75]), "0.75 reed + 0.25 bass"),
    ],
)
def test_a_label_is_named(label, title):
    assert describe_label(label, ["bass", "flute", "reed"]) == title


def test_a_label_without_names_is_a_number():
    assert describe_label(torch.tensor(7)) == "7"
    assert describe_label(torch.tensor([0.5, 0.5])) == "0.50 0 + 0.50 1"


def test_each_transform_has_a_line_with_its_values():
    chain = T.Chain([T.Gain((-6.0, 6.0)), T.PolarityInversion(), T.RandomCrop(50)])
    gain, polarity, crop = chain
    params = [drawn(gain, gain_db=-2.0451), drawn(polarity), drawn(crop, offset=0.25)]
    assert describe_params(chain, params).split("\n") == [
        "Gain: gain_db -2.05",
        "PolarityInversion: applied",
        "RandomCrop: offset 0.25",
    ]
    params[0]["applied"] = torch.tensor([False])
    assert describe_params(chain, params).startswith("Gain: not applied\n")


def test_a_front_end_names_both_chains():
    frontend = augspec.Frontend(T.Gain(3.0), F.Spectrogram(64), T.TimeMask(4))
    params = frontend.make_params(torch.zeros(1, 1, 100))
    mask = params["specgram"][0]
    mask["width"], mask["start"] = torch.tensor([0.5]), torch.tensor([0.125])
    assert describe_params(frontend, params) == "Gain: gain_db 3\nTimeMask: width 0.5, start 0.125"


def test_whole_numbers_are_named_and_keys_of_noise_left_out():
    params = drawn(T.Gain(3.0)) | {"noise": torch.tensor([-(2**61)]), "bits": torch.tensor([8])}
    assert describe_params(T.Gain(3.0), params) == "Gain: gain_db 3, bits 8"


def test_large_numbers_are_written_out():
    params = drawn(T.Gain(3.0)) | {"cutoff_freq": torch.tensor([3180.4])}
    assert describe_params(T.Gain(3.0), params) == "Gain: gain_db 3,\ncutoff_freq 3180"


def test_channels_have_a_value_each():
    gain = T.Gain((-6.0, 6.0), per_channel=True)
    params = drawn(gain, gain_db=[1.0, -2.0])
    assert describe_params(gain, params) == "Gain: gain_db 1, -2"


def test_of_a_choice_only_what_was_chosen_is_named():
    pick = T.OneOf([T.Gain(3.0), T.PolarityInversion()])
    params = pick.make_params(torch.zeros(1, 1, 100)) | {"choice": torch.tensor([1])}
    assert describe_params(pick, params) == "PolarityInversion: applied"
    params["applied"] = torch.tensor([False])
    assert describe_params(pick, params) == "OneOf: not applied"


def test_long_lines_are_broken_between_values():
    mask = T.FrequencyMask(4)
    params = mask.make_params(torch.zeros(1, 1, 9, 9))
    params |= {"width": torch.tensor([0.938]), "start": torch.tensor([0.227])}
    assert describe_params(mask, params) == "FrequencyMask: width 0.938,\nstart 0.227"


def test_a_choice_names_what_an_example_went_through():
    gain, mute, polarity = T.Gain(3.0), T.Mute(0.25), T.PolarityInversion()
    batch, keys = torch.zeros(1, 1, 100), augspec.example_keys(0, 0, [0])

    some = T.SomeOf([gain, mute, polarity], k=2)
    params = some.make_params(batch, keys=keys) | {"choice": torch.tensor([[1, 0, 1]])}
    assert describe_params(some, params) == "Gain: gain_db 3\nPolarityInversion: applied"

    order = T.RandomOrder([gain, polarity])
    params = order.make_params(batch, keys=keys) | {"choice": torch.tensor([[1, 0]])}
    assert describe_params(order, params) == "PolarityInversion: applied\nGain: gain_db 3"

    policy = T.RandAugment([gain, polarity], n=2, magnitude=1.0)
    params = policy.make_params(batch, keys=keys) | {"choice": torch.tensor([[0, 0]])}
    params["options"][1][0]["gain_db"] = torch.tensor([1.0])  # each step has draws of its own
    assert describe_params(policy, params) == "Gain: gain_db 3\nGain: gain_db 1"


def test_params_of_the_noise_itself_are_left_out():
    noisy = T.ShortNoises(3.0, 1, 0.1, sample_rate=8000, noise_transform=T.Chain([T.Gain()]))
    params = noisy.make_params(torch.zeros(1, 1, 9))
    assert describe_params(noisy, params).startswith("ShortNoises: count 1, snr_db 3,")
