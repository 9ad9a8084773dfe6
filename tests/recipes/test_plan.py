"""From a study to its runs."""

import pytest

import augspec
from augspec import transforms as T
from augspec.ablation import plan

PARTS = [T.Gain((-6.0, 6.0)), T.PolarityInversion(p=0.5), T.TimeMask(4)]


def test_every_transform_alone_or_left_out_or_every_subset():
    names = ["Gain", "PolarityInversion", "TimeMask"]
    one = plan.leave_one_in(PARTS)
    assert list(one) == ["none", *(f"only {name}" for name in names), "all"]
    assert [len(chain) for chain in one.values()] == [0, 1, 1, 1, 3]
    out = plan.leave_one_out(PARTS)
    assert out["without PolarityInversion"] == [PARTS[0], PARTS[2]]
    every = plan.factorial(PARTS)
    assert len(every) == 2**3
    assert every["Gain+TimeMask"] == [PARTS[0], PARTS[2]]


def test_two_of_a_class_have_names_of_their_own():
    arms = plan.leave_one_in([T.Gain(1.0), T.Gain(2.0)])
    assert list(arms) == ["none", "only Gain1", "only Gain2", "all"]


def test_axes_make_every_cell_and_name_it_by_what_differs():
    axes = {"backbone": ["resnet10t", "resnet18"], "share": [0.5, 1.0], "task": ["family"]}
    cells = plan.cells(axes)
    assert len(cells) == 4
    assert plan.name_cells(cells)[1] == "backbone=resnet10t, share=1.0"
    assert plan.name_cells(cells[:1]) == [""]
    with pytest.raises(ValueError, match="`axes` must be among backbone, .*, got 'colour'"):
        plan.cells({"colour": [1]})
    with pytest.raises(ValueError, match="backbone must be a list of values, got 'resnet18'"):
        plan.cells({"backbone": "resnet18"})


def test_an_arm_is_plain_data_that_makes_the_same_transforms():
    config = plan.arm_config({"waveform": PARTS[:2], "specgram": PARTS[2:]}, "arm")
    features = {"kind": "LogMelSpectrogram", "n_mels": 32, "mean": -30.0, "std": 20.0}
    frontend = plan.make_frontend(config, features)
    assert repr(list(frontend.waveform)) == repr(PARTS[:2])
    assert repr(list(frontend.specgram)) == repr(PARTS[2:])
    assert isinstance(frontend.features[1], augspec.features.Normalize)
    unfused = plan.arm_config({"waveform": PARTS[:1], "fuse": "never"}, "arm")
    assert plan.make_frontend(unfused, features).fuse == "never"
    with pytest.raises(ValueError, match="arm 'loud' must be a list of transforms"):
        plan.arm_config({"wave": []}, "loud")


def test_the_name_of_a_run_is_that_of_its_config():
    config = {"arm": "a/b <c>", "seed": 3, "epochs": 4}
    name = plan.run_name(config)
    assert name.startswith("a_b__c_-3-")
    assert plan.run_name(dict(reversed(config.items()))) == name
    assert plan.run_name({**config, "epochs": 5}) != name


def test_weights_are_named_by_what_they_hold(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"abc")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.bin").write_bytes(b"abc")
    here = plan.weights_of(str(tmp_path / "a.bin"))
    assert here == plan.weights_of(str(tmp_path / "b" / "a.bin"))
    assert here["sha256"].startswith("ba7816bf8f01cfea")  # FIPS 180-2's example
    with pytest.raises(FileNotFoundError, match="there is no file nowhere"):
        plan.weights_of("nowhere")
