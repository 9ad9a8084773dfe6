"""Transforms that declare their parameters: constructor, checks, draws, kernel, pages."""

import inspect
import pickle
import sys
from pathlib import Path

import pytest
import torch

import augspec
from augspec import transforms as T
from augspec.transforms import filter as filters
from augspec.transforms.declare import (
    Frequency,
    Integers,
    Key,
    LogUniform,
    Number,
    Place,
    Uniform,
    Whole,
    Words,
    check_rate,
    setting,
)

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
from found import complete_catalogue, expand_reference, more_examples


def scale(waveform, factor, offset, bias=0.0):
    """Multiply and add."""
    return waveform * factor[:, None, None] + offset[:, None, None] + bias


class Scale(T.WaveformTransform, kernel=scale):
    """Scale and move each example."""

    factor: Uniform = Uniform(default=(0.5, 2.0), at_least=0.0, at_most=4.0, neutral=1.0)
    offset: Uniform = Uniform(default=0.0, at_least=-1.0, at_most=1.0, neutral=0.0, kw_only=True)
    bias: float = setting(default=0.0, check=Number(-1.0, 1.0), kw_only=True)


class EveryKind(T.WaveformTransform):
    """Draw one value of every kind."""

    rate: LogUniform = LogUniform(default=(1.0, 8.0), at_least=0.1, at_most=100.0)
    freq: Frequency = Frequency(default=(100.0, 400.0))
    count: Integers = Integers(default=(1, 3), at_least=0, at_most=9)
    sample_rate: int = setting(check=check_rate, kw_only=True)
    mode: str = setting(default="up", check=Words("up", "down"), kw_only=True)
    place = Place()
    noise = Key()

    def _transform(self, signal, params, lengths):
        return signal


def test_the_signature_is_the_declaration():
    bare = [
        (name, one.kind.name, one.default)
        for name, one in inspect.signature(Scale).parameters.items()
    ]
    assert bare == [
        ("factor", "POSITIONAL_OR_KEYWORD", (0.5, 2.0)),
        ("offset", "KEYWORD_ONLY", 0.0),
        ("bias", "KEYWORD_ONLY", 0.0),
        ("p", "KEYWORD_ONLY", 1.0),
        ("per_channel", "KEYWORD_ONLY", False),
    ]


def test_the_kernel_gets_params_and_settings_by_name():
    transform = Scale(3.0, offset=0.5, bias=0.25)
    out = transform(torch.ones(2, 1, 4))
    torch.testing.assert_close(out, torch.full((2, 1, 4), 3.75))


def test_ranges_are_read_as_pairs():
    transform = Scale(2)
    assert transform.factor == (2.0, 2.0)
    assert Scale.factor.at_most == 4.0
    assert Scale.neutral == {"factor": 1.0, "offset": 0.0}


def test_every_kind_is_drawn_within_its_range():
    waveform = torch.zeros(512, 1, 8)
    params = EveryKind(sample_rate=8000).make_params(waveform, keys=torch.arange(512))
    assert 1.0 <= params["rate"].min() < 1.2 < 6.5 < params["rate"].max() <= 8.0
    # As many in the lower octave of two as in the higher.
    assert 0.4 < (params["freq"] < 200.0).float().mean() < 0.6
    assert params["count"].unique().tolist() == [1, 2, 3]
    assert params["noise"].dtype == torch.int64
    assert 0.0 <= params["place"].min() < params["place"].max() < 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Scale(5.0), r"`factor` must lie in \[0, 4\], got 5.0"),
        (lambda: Scale((2.0, 1.0)), "`factor` must be .low, high. with low <= high"),
        (lambda: Scale(bias=2.0), r"`bias` must lie in \[-1, 1\], got 2.0"),
        (lambda: Scale(p=1.5), "`p` must be a probability"),
        (lambda: EveryKind(freq=9000.0, sample_rate=16_000), "`freq` must lie above 0 and below"),
        (lambda: EveryKind(count=1.5, sample_rate=16_000), "`count` must be an integer"),
        (lambda: EveryKind(mode="left", sample_rate=16_000), "`mode` must be 'up' or 'down'"),
    ],
)
def test_values_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_wrong_arguments_name_the_class():
    # Python 3.12 and later say that it is keyword-only.
    said = "LowPass: missing a required (keyword-only )?argument: 'sample_rate'"
    with pytest.raises(TypeError, match=said):
        T.LowPass(100.0)
    with pytest.raises(TypeError, match="Scale: got an unexpected keyword argument 'factr'"):
        Scale(factr=1.0)


def test_a_kernel_has_to_take_what_is_drawn():
    with pytest.raises(TypeError, match="the kernel of Lost must take speed"):

        class Lost(T.WaveformTransform, kernel=scale):
            speed: Uniform = Uniform(default=1.0)


def test_a_class_without_a_kernel_is_abstract():
    class Nothing(T.WaveformTransform):
        pass

    with pytest.raises(TypeError, match="_transform"):
        Nothing()


def test_a_subclass_inherits_fields_and_may_write_its_constructor():
    class Doubled(Scale):
        def __init__(self, times=2.0, *, p=1.0):
            super().__init__(times, p=p)
            self.times = times

    class Wider(Scale):
        width: int = setting(default=3, check=Whole(1, 5), kw_only=True)

    assert Doubled(3.0).factor == (3.0, 3.0)
    assert list(inspect.signature(Doubled).parameters) == ["times", "p"]
    assert list(inspect.signature(Wider).parameters) == [
        "factor", "width", "offset", "bias", "p", "per_channel",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="`width` must be an integer from 1 to 5, got 6"):
        Wider(width=6)


def test_an_old_fashioned_class_goes_on_working():
    class Old(T.WaveformTransform):
        neutral = {"depth": 0.0}

        def __init__(self, depth=0.5, *, p=1.0):
            super().__init__(p=p)
            self.depth = depth

        def _draw(self, draw):
            return {"depth": draw.uniform("depth", 0.0, self.depth)}

        def _transform(self, waveform, params, lengths):
            return waveform * (1.0 - params["depth"][:, None, None])

    old = Old(p=0.5)
    waveform = torch.ones(64, 1, 3)
    params = old.make_params(waveform, keys=torch.arange(64))
    out = old.transform(waveform, params)
    assert torch.equal(out == 1.0, ~params["applied"][:, None, None].expand(-1, 1, 3))


def test_declared_transforms_pickle_and_configure():
    again = pickle.loads(pickle.dumps(Scale(3.0, p=0.5)))  # noqa: S301
    assert (again.factor, again.p) == ((3.0, 3.0), 0.5)
    low = T.LowPass((300.0, 7000.0), sample_rate=16_000)
    assert repr(augspec.from_config(augspec.to_config(low))) == repr(low)


def test_a_new_transform_of_a_family_is_found_everywhere(monkeypatch):
    monkeypatch.setattr(filters, "__all__", [*filters.__all__, "Comb"])
    assert ".. autoclass:: augspec.transforms.Comb" in expand_reference(".. every transform")
    assert "   Comb" in expand_reference(".. every transform in short")
    assert "`T.Comb` |" in complete_catalogue("\ntorchaudio's filters")
    monkeypatch.setattr(T, "Comb", T.LowPass, raising=False)
    assert "T.Comb.example()" in more_examples(["Comb"])


def test_every_public_transform_is_in_a_family():
    listed = [name for _, names in T.families.members() for name in names]
    assert len(listed) == len(set(listed))
    bases = {"RandomTransform", "WaveformTransform", "SpecgramTransform"}
    assert set(T.__all__) == {*listed, *bases}
