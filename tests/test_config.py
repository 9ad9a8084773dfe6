"""Configs: data that a reader can edit, and errors that say what to mend."""

import contextlib
import inspect
import json

import pytest
import torch
import yaml

import augspec
from augspec import config
from augspec import features as F
from augspec import transforms as T

YAML = """
Frontend:
  waveform:
    - TimeStretch: {rate: [0.8, 1.25], n_fft: 256}
    - PitchShift:
        semitones: [-2, 2]
        n_fft: 256
        p: 0.8
    - PolarityInversion
    - RandomCrop: {size: 2000}
  features:
    - LogMelSpectrogram: {sample_rate: 16000, n_fft: 256, n_mels: 16}
    - Normalize
  specgram:
    TimeMask: {max_width: 4}
"""


def frontend():
    return augspec.Frontend(
        waveform=T.Chain(
            [
                T.TimeStretch((0.8, 1.25), n_fft=256),
                T.PitchShift((-2.0, 2.0), n_fft=256, p=0.8),
                T.PolarityInversion(),
                T.RandomCrop(2000),
            ]
        ),
        features=torch.nn.Sequential(
            F.LogMelSpectrogram(16_000, n_fft=256, n_mels=16), F.Normalize()
        ),
        specgram=T.TimeMask(4),
    )


def classes(module):
    found = (getattr(module, name) for name in module.__all__)
    return [kind for kind in found if inspect.isclass(kind) and not inspect.isabstract(kind)]


@pytest.mark.parametrize("kind", classes(T) + classes(F), ids=lambda kind: kind.__name__)
def test_every_class_round_trips_through_json_and_yaml(kind):
    made = kind.example()
    described = augspec.to_config(made)
    assert list(described) == ["version", kind.__name__]
    for again in (json.loads(json.dumps(described)), yaml.safe_load(yaml.safe_dump(described))):
        assert again == described
        second = augspec.from_config(again)
        assert type(second) is kind
        assert repr(second) == repr(made)
        assert augspec.to_config(second) == described


def test_a_file_makes_the_front_end_that_code_makes(tmp_path):
    (tmp_path / "frontend.yaml").write_text(YAML)
    (tmp_path / "frontend.json").write_text(json.dumps(augspec.to_config(frontend())))
    waveform, keys = torch.randn(3, 1, 3000), augspec.example_keys(0, 0, range(3))
    expected = frontend()(waveform, keys=keys)
    for name in ("frontend.yaml", "frontend.json"):
        loaded = augspec.load(tmp_path / name)
        assert torch.equal(loaded(waveform, keys=keys), expected)
        assert augspec.to_config(loaded) == augspec.to_config(frontend())


def arguments_of(obj):
    """Say what a constructor takes."""
    return list(inspect.signature(type(obj)).parameters)


def test_a_config_holds_every_value_and_the_version():
    made = frontend()
    described = augspec.to_config(made)
    assert described.pop("version") == config.VERSION == 1
    front = described.pop("Frontend")
    assert not described
    assert list(front) == arguments_of(made)
    for part, written in zip(made.waveform, front["waveform"], strict=True):
        ((name, values),) = written.items()
        assert name == type(part).__name__
        assert list(values) == arguments_of(part)
    assert front["waveform"][1]["PitchShift"]["semitones"] == [-2.0, 2.0]
    assert front["features"][0]["LogMelSpectrogram"]["power"] == 2.0
    assert front["fuse"] == "auto"


def test_a_default_that_changes_does_not_change_what_a_config_means(monkeypatch):
    monkeypatch.setattr(config, "_registered", {})

    def release(default):
        class Louder(T.PolarityInversion):
            def __init__(self, gain_db=default, *, p=1.0):
                super().__init__(p=p)
                self.gain_db = gain_db

        Louder.__qualname__ = "Louder"
        return Louder

    written = augspec.to_config(config.register(release(3.0))())
    config.register(release(9.0))
    assert augspec.from_config(written).gain_db == 3.0
    assert augspec.from_config("Louder").gain_db == 9.0


def test_a_config_without_a_version_is_read():
    assert augspec.from_config({"Gain": {"p": 0.5}}).p == 0.5
    parts = augspec.from_config([augspec.to_config(T.Gain(p=0.5)), {"version": 1, "Gain": {}}])
    assert [part.p for part in parts] == [0.5, 1.0]


@pytest.mark.parametrize("version", [2, 99, "2", True, None, 1.5, [], [[1]], {}, {"a": 1}])
def test_another_version_is_refused(version):
    with pytest.raises(ValueError, match="`version` must be at most 1, the format of this release"):
        augspec.from_config({"version": version, "Gain": {}})


@pytest.mark.filterwarnings("ignore:.*has no:UserWarning", "ignore:.*empty:UserWarning")
@pytest.mark.parametrize("kind", classes(T) + classes(F), ids=lambda kind: kind.__name__)
def test_lists_and_mappings_in_the_place_of_any_argument(kind):
    """No table can be asked for them: they are taken, or refused by name."""
    described = config.describe(kind.example())[kind.__name__]
    own = described if isinstance(described, dict) else {}  # that of a chain is its list
    for name in [*inspect.signature(kind).parameters, "version"]:
        for value in ([], [[1]], [{}], {}, {"a": [1]}):
            with contextlib.suppress(ValueError):
                augspec.from_config({kind.__name__: {**own, name: value}})


def test_an_earlier_version_is_translated(monkeypatch):
    monkeypatch.setattr(config, "VERSION", 3)
    rename = {"level": "gain_db"}

    def second(mapping):
        return {k: {rename.get(n, n): v for n, v in own.items()} for k, own in mapping.items()}

    def third(mapping):
        return {("Gain" if name == "Volume" else name): own for name, own in mapping.items()}

    monkeypatch.setattr(config, "_TRANSLATIONS", {1: second, 2: third})
    assert augspec.from_config({"version": 1, "Volume": {"level": 3.0}}).gain_db == (3.0, 3.0)
    assert augspec.from_config({"version": 2, "Volume": {"gain_db": 3.0}}).gain_db == (3.0, 3.0)
    assert augspec.from_config({"version": 3, "Gain": {"gain_db": 3.0}}).gain_db == (3.0, 3.0)


def test_a_list_alone_is_a_chain_or_features_in_a_row():
    chain = augspec.from_config([{"Gain": {"gain_db": 3}}, "PolarityInversion", ["Gain"]])
    assert isinstance(chain, T.Chain)
    assert [type(part) for part in chain] == [T.Gain, T.PolarityInversion, T.Chain]
    features = augspec.from_config([{"Spectrogram": None}, "AmplitudeToDB"])
    assert isinstance(features, torch.nn.Sequential)
    assert list(augspec.to_config(features)["Sequential"][1]) == ["AmplitudeToDB"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PitchShft: {}", "there is no class 'PitchShft'; nearest: PitchShift"),
        ("Frontend: {waveform: [Gain, {pitchshift: {}}], features: Spectrogram}",
         r"Frontend.waveform\[1\]: there is no class 'pitchshift'; nearest: PitchShift"),
        ("Frontend: {waveform: [Gain, {PitchShift: {semitone: 2}}]}",
         r"Frontend.waveform\[1\].PitchShift has no argument `semitone`; nearest: semitones"),
        ("Chain: [Gain, {Chain: [{Gain: {db: 2}}]}]",
         r"Chain.transforms\[1\].Chain.transforms\[0\].Gain has no argument `db`; near.*: gain_db"),
        ("Gain: {gain_db: [3, -3]}", r"Gain: `gain_db` must be \(low, high\) with low <= high"),
        ("Gain: {gain_db: loud}", "Gain: `gain_db` must be a number or .low, high., got 'loud'"),
        ("Normalize: {eps: 1e-5}", "Normalize: .*; `eps` is text: YAML needs a point and a sign"),
        ("Gain: {p: 2}", r"Gain: `p` must be a probability in \[0, 1\], got 2"),
        ("Gain: [1, 2]", "Gain must have a mapping of arguments by name, got a list"),
        ("Sequential: {}", "Sequential must be a list, got a dict"),
        ("Chain: {transforms: Gain}", "Chain.transforms must be a list, got 'Gain'"),
        ("Chain: [Normalize]", "Chain: `transforms` must hold augspec transforms, got Normalize"),
        ("RandomCrop: {}", "RandomCrop needs the argument `size`"),
        ("{Gain: {}, PolarityInversion: {}}", "`config` must be a mapping of one class to its"),
        ("[Gain, 3]", r"\[1\] must be a mapping of one class to its arguments, got 3"),
        ("", "`config` must be a mapping of one class to its arguments, got None"),
        ("MFCC: {melkwargs: {n_ftt: 3}}", "MFCC: `melkwargs` must have .*'n_ftt'; it takes n_fft"),
        ("MFCC: {melkwargs: {Gian: {}}}", "MFCC.melkwargs: there is no class 'Gian'; nearest"),
        ("{1: {}}", "there is no class 1"),
        ("Gain: {1: {}}", "Gain has no argument `1`"),
        ("!!python/object/apply:os.getcwd []", "cannot be read: could not determine a constructor"),
        ("Gain: {gain_db: !!python/tuple [1, 2]}", "cannot be read: could not determine a cons"),
        ("Gain: [", "cannot be read: while parsing"),
        ("&a [*a]", "must not be nested more than 50 deep"),
        ("[" * 3000, "cannot be read"),
        # What yaml makes of a tag on a value of another kind.
        ("Gain: {gain_db: !!int ''}", "bad.yaml cannot be read"),
        ("Gain: {gain_db: !!float ''}", "bad.yaml cannot be read"),
        ("Gain: {p: !!bool maybe}", "bad.yaml cannot be read"),
        ("Gain: {p: !!timestamp now}", "bad.yaml cannot be read"),
        ("Gain: {p: 2001-99-99}", "bad.yaml cannot be read"),
        ("Gain: {gain_db: 1" + "0" * 400 + "}", "`gain_db` must be a finite number, got 1000"),
        ("LowPass: {cutoff_freq: 9, sample_rate: 1" + "0" * 400 + "}", "`sample_rate` must be"),
        ("Spectrogram: {n_fft: 1000000000000}", "`n_fft` must be at most 1048576, got 1000000000"),
        ("BackgroundNoise: {bank: {Bank: {sounds: nowhere, sample_rate: 9}}}", "Bank: .*nowhere"),
    ],
)  # fmt: skip
def test_errors_say_where_and_what(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        augspec.load(path)


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "bad.yaml").write_bytes(b"Gain: \xff")
    with pytest.raises(ValueError, match=r"bad\.yaml cannot be read: .*utf-8"):
        augspec.load(tmp_path / "bad.yaml")


def test_what_is_nested_or_large_beyond_reason_is_refused(tmp_path):
    deep = "Gain"
    for _ in range(60):
        deep = [deep]
    with pytest.raises(ValueError, match="must not be nested more than 50 deep"):
        augspec.from_config(deep)
    with pytest.raises(ValueError, match="must not hold more than 100000 values"):
        augspec.from_config(["Gain"] * 100_001)
    laughs = "a0: &a0 [Gain, Gain]\n"
    laughs += "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    (tmp_path / "laughs.yaml").write_text(laughs)
    with pytest.raises(ValueError, match="must not hold more than"):
        augspec.load(tmp_path / "laughs.yaml")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="cannot be read"):
        augspec.load(tmp_path / "deep.json")
    with pytest.raises(ValueError, match="`path` must end in .yaml, .yml or .json"):
        augspec.load(tmp_path / "frontend.toml")


def test_only_known_classes_are_described():
    with pytest.raises(TypeError, match="a Linear, which was not passed to `config.register`"):
        augspec.to_config(torch.nn.Sequential(F.Spectrogram(), torch.nn.Linear(2, 2)))
    gain = T.Gain()
    gain.gain_db = torch.zeros(2)
    with pytest.raises(TypeError, match="must hold plain data, got Tensor at Gain.gain_db"):
        augspec.to_config(gain)


def test_a_class_of_the_user_is_named_once_it_is_registered(monkeypatch):
    monkeypatch.setattr(config, "_registered", {})

    class Louder(T.Gain):
        pass

    class Store:  # as a bank is: an argument that is an object
        def __init__(self, names):
            self.names = list(names)

    class Reads(T.PolarityInversion):
        def __init__(self, bank, *, p=1.0):
            super().__init__(p=p)
            self.bank = bank

    with pytest.raises(ValueError, match="there is no class 'Louder'"):
        augspec.from_config({"Louder": {}})
    for kind in (Louder, Store, Reads):
        assert config.register(kind) is kind
    assert isinstance(augspec.from_config("Louder"), Louder)
    described = augspec.to_config(Reads(Store(["a", "b"]), p=0.5))
    reads = {"Reads": {"bank": {"Store": {"names": ["a", "b"]}}, "p": 0.5}}
    assert described == {"version": 1, **reads}
    assert augspec.from_config(described).bank.names == ["a", "b"]

    class Gain(T.Gain):
        pass

    with pytest.raises(ValueError, match="`kind` must have a unique name"):
        config.register(Gain)
