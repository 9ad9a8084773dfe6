"""Numbers of NumPy and torch are as good as Python's for every public class that takes numbers.

The classes are found: one that is added with an argument of its own check is asked, too.
"""

import inspect
import re

import lookalikes
import numpy as np
import pytest
import torch
import yaml
from public import classes

import augspec
from augspec import datasets, functional, samplers
from augspec import features as F
from augspec import transforms as T
from augspec.functional import checks

KINDS = {kind.__name__: kind for kind in classes(T) + classes(F)}
EXAMPLES = {name: kind.example() for name, kind in KINDS.items()}
N = np.int64
WHOLE = [np.int64, np.int32, np.uint16, torch.tensor]


def arguments_of(made):
    return {name: getattr(made, name) for name in inspect.signature(type(made)).parameters}


def wrapped(value, whole, real):
    """Make NumPy's of all numbers in an argument."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return whole(value) if value >= 0 else np.int64(value)
    if isinstance(value, float):
        return real(value)
    if isinstance(value, dict):
        return {name: wrapped(own, whole, real) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(wrapped(own, whole, real) for own in value)
    return value


def count(value):
    """Count the whole numbers in an argument."""
    if isinstance(value, dict):
        return sum(map(count, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(count, value))
    return int(isinstance(value, int) and not isinstance(value, bool))


@pytest.mark.parametrize("whole", WHOLE, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_transform_or_feature_takes_the_integers_of_numpy(name, whole):
    """It keeps Python's: configs are plain, and kernels never see another kind."""
    made = EXAMPLES[name]
    arguments = {key: wrapped(own, whole, np.float64) for key, own in arguments_of(made).items()}
    twin = type(made)(**arguments)
    expected = augspec.to_config(made)
    assert yaml.safe_load(yaml.safe_dump(augspec.to_config(twin))) == yaml.safe_load(
        yaml.safe_dump(expected)
    )
    for key in arguments_of(made):
        assert type(getattr(twin, key)) is type(getattr(made, key)), key
        assert repr(getattr(twin, key)) == repr(getattr(made, key)), key


def optional_counts(kind):
    """Name the arguments that may be a whole number and are None in the example."""
    made = EXAMPLES[kind.__name__]
    hints = {
        **getattr(kind.__init__, "__annotations__", {}),
        **{p.name: p.annotation for p in inspect.signature(kind).parameters.values()},
    }
    return [
        name
        for name, own in arguments_of(made).items()
        if own is None and "int" in str(hints.get(name, ""))
    ]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_an_argument_that_may_be_left_out_takes_them_too(name):
    kind = KINDS[name]
    for argument in optional_counts(kind):
        value = 512 if argument == "n_fft" else 16_000 if "rate" in argument else 64
        given = {**arguments_of(EXAMPLES[name]), argument: np.int64(value)}
        made = kind(**given)
        assert type(getattr(made, argument)) is int, argument
        assert augspec.to_config(made) == augspec.to_config(kind(**{**given, argument: value}))


def test_enough_is_asked():
    """Should the walk find nothing, the tests above would say nothing."""
    asked = sum(count(list(arguments_of(made).values())) for made in EXAMPLES.values())
    left_out = sum(len(optional_counts(kind)) for kind in KINDS.values())
    assert asked > 80
    assert left_out > 10


def test_values_of_float32_are_numbers():
    assert T.Gain((np.float32(-6.0), np.float32(6.0))).gain_db == (-6.0, 6.0)
    assert T.RandomCrop(np.int64(16_000)).size == 16_000
    assert T.Gain(p=np.float32(0.5)).p == 0.5
    assert F.Normalize(np.float32(-4.0), np.float32(2.0)).mean == [-4.0]
    assert F.LogMelSpectrogram(n_fft=np.int64(1024), top_db=np.float32(80.0)).top_db == 80.0


@pytest.mark.parametrize(
    "value",
    [True, np.True_, torch.tensor(True), 1.0, np.float64(1.0), np.array([1]), torch.ones(1), "1"],
    ids=repr,
)
def test_what_is_no_whole_number_is_refused(value):
    for check in (
        lambda: checks.check_count("n", value),
        lambda: checks.check_size("n", value),
        lambda: checks.check_sample_rate(value),
        lambda: checks.check_integer_range("n", value, at_least=0, at_most=9),
        lambda: T.Repeat(T.Gain(), value),
        lambda: T.SomeOf([T.Gain()], k=value),
        lambda: T.RandAugment([T.Gain()], n=value),
        lambda: T.Schedule(T.Gain(), {"p": [(value, 0.5)]}),
        lambda: T.RandomEQ(bands=value, sample_rate=16_000),
        lambda: F.Delta(order=value),
    ):
        with pytest.raises(ValueError, match=r"`(n|sample_rate|times|k|settings|bands|order)` "):
            check()


@pytest.mark.parametrize("value", [np.int64(3), np.float32(3.0), np.uint8(3), np.float64(3)])
def test_a_positive_number_of_numpy_is_one(value):
    assert type(checks.check_positive("x", value)) is float
    assert checks.check_range("x", value) == (3.0, 3.0)
    assert checks.check_range("x", (value, np.int64(4))) == (3.0, 4.0)
    with pytest.raises(ValueError, match="`x` must be positive"):
        checks.check_positive("x", -value.astype(np.float64))
    with pytest.raises(ValueError, match="`x` must be positive"):
        checks.check_positive("x", np.float64("nan"))


@pytest.mark.usefixtures("eager_kernels")
def test_kernels_take_them():
    waveform, values = torch.randn(2, 1, 4_000), torch.tensor([500.0, 900.0])

    def made(n):
        yield functional.low_pass(waveform, values, sample_rate=n(16_000), order=n(4))
        yield functional.resample_rate(waveform, n(8_000), n(16_000))
        yield functional.pitch_shift(waveform, values / 500.0, n_fft=n(512))
        yield functional.convolve(waveform, torch.ones(9), delay=n(4))

    for one, expected in zip(made(N), made(int), strict=True):
        torch.testing.assert_close(one, expected, rtol=0.0, atol=0.0)


# --- All other classes and functions: made here, one for each that takes a whole number -----------


@pytest.fixture
def root(tmp_path):
    for number in range(4):
        lookalikes.sound(tmp_path / "ab"[number % 2] / f"{number}.wav", 0.3)
    return tmp_path


@pytest.fixture
def frontend():
    return augspec.Frontend(T.Gain(), F.LogMelSpectrogram(n_fft=256, n_mels=16))


def read(items):
    return torch.stack([item["waveform"] for item in items])


def predicted(root, frontend, n):
    model = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten())
    items = datasets.AudioFolder(root)
    found = augspec.predict(model, frontend, items, n(2), batch_size=n(3), seed=n(5))
    return found.scores


def loaded(root, frontend, n):
    loader = torch.utils.data.DataLoader(datasets.AudioFolder(root), 2)
    batches = augspec.DeviceLoader(loader, frontend, device="cpu", seed=n(2**40), num_classes=n(2))
    batches.set_epoch(n(3))
    state = batches.state_dict()
    torch.save(state, root / "state.pt")
    assert torch.load(root / "state.pt", weights_only=True) == state
    return torch.cat([batch["specgram"] for batch in batches])


def sharded(root, _, n):
    folder = datasets.AudioFolder(root)
    out = root / f"shards-{n.__name__}"
    urls = datasets.write_shards(folder, out, shards=n(2), sample_rate=n(16_000), progress=False)
    shards = datasets.Shards(urls, shuffle=n(2), seed=n(5), counts=[n(2), n(2)])
    shards.set_epoch(n(1))
    loader = shards.loader(n(2), num_workers=n(0))
    assert len(loader) == 2
    return torch.cat([batch["waveform"] for batch in loader])


def packed(root, _, n):
    path = root / f"packed-{n.__name__}"
    folder = datasets.AudioFolder(root)
    return read(datasets.pack(folder, path, sample_rate=n(16_000), workers=n(0), progress=False))


def backbone(*_):
    n = _[-1]
    torch.manual_seed(0)
    model = augspec.create_backbone(
        "test_vit_relpos", num_classes=n(3), in_chans=n(1), img_size=(n(64), n(96))
    )
    model = augspec.adapt_input(model, n(2))
    return model.eval()(torch.ones(1, 2, 60, 90)).detach()


GROUPS = np.array([0, 1, 2, 3, 1])
MAKERS = {
    "AudioFolder": lambda root, _, n: read(
        datasets.AudioFolder(root, sample_rate=n(8_000), segment=n(1), seed=n(3))
    ),
    "AudioTable": lambda root, _, n: read(
        datasets.AudioTable(
            [{"path": "a/0.wav", "label": n(1)}], root, sample_rate=n(8_000), seed=n(3)
        )
    ),
    "Shards": sharded,
    "write_shards": sharded,
    "pack": packed,
    "Bank": lambda _, __, n: (
        augspec.Bank([torch.ones(400)], n(16_000), max_duration=n(1)).sample_rate
    ),
    "DeviceLoader": loaded,
    "predict": predicted,
    "views": lambda _, frontend, n: augspec.views(
        frontend, torch.ones(2, 1, 900), n(2), keys=augspec.example_keys(n(0), n(1), [n(0), n(1)])
    )[1],
    "example_keys": lambda _, __, n: augspec.example_keys(n(2**62), n(1), n(7), n(2)),
    "collate": lambda _, __, n: augspec.collate([{"waveform": torch.ones(1, 5)}], n(8))["waveform"],
    "select": lambda _, __, n: augspec.select(T.Gain().make_params(torch.ones(3, 1, 9)), n(1))[
        "applied"
    ],
    "create_backbone": backbone,
    "adapt_input": backbone,
    "folds_by_group": lambda _, __, n: datasets.folds_by_group(GROUPS, folds=n(2), seed=n(1))[1][0],
    "split_by_group": lambda _, __, n: datasets.split_by_group(GROUPS, seed=n(1))[1],
    "mean_std": lambda root, _, n: datasets.mean_std(
        datasets.AudioFolder(root), F.Spectrogram(n_fft=256), batch_size=n(2), workers=n(0)
    ),
    "WeightedSampler": lambda _, __, n: list(
        samplers.WeightedSampler([1.0, 2.0], n(4), num_replicas=n(2), rank=n(1), seed=n(2**62))
    ),
    "BalancedSampler": lambda _, __, n: list(
        samplers.BalancedSampler(
            np.array([0, 0, 1]), n(4), num_replicas=n(1), rank=n(0), seed=n(2**62)
        )
    ),
    "class_weights": lambda _, __, n: samplers.class_weights([n(0), n(1)], num_classes=n(3)),
}
# What none of the arguments of which is asked here: a server, and what JSON is written with.
ELSEWHERE = {"download", "params_to_json"}


def names_with_counts():
    """Find the public names, transforms and features apart, that take a whole number."""
    found = set()
    for module in (augspec, datasets, samplers):
        for name in module.__all__:
            one = getattr(module, name)
            if callable(one) and name not in KINDS:
                hints = [str(own.annotation) for own in inspect.signature(one).parameters.values()]
                if any(re.search(r"\bint\b", hint) for hint in hints):
                    found.add(name)
    return found - ELSEWHERE


def test_every_public_name_that_takes_a_whole_number_is_asked():
    assert names_with_counts() == set(MAKERS)


@pytest.mark.usefixtures("eager_kernels")
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_others_take_the_integers_of_numpy(root, frontend, name):
    expected = MAKERS[name](root, frontend, int)
    torch.manual_seed(0)
    found = MAKERS[name](root, frontend, N)
    if isinstance(expected, torch.Tensor):
        torch.testing.assert_close(found, expected, rtol=0.0, atol=0.0)
    else:
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
