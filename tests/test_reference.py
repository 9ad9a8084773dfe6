"""The reference has every public name, and what it says of each is complete."""

import inspect
import re
import sys
from pathlib import Path

import pytest
from peers import import_or_skip
from test_api_surface import MODULES

import augspec
from augspec import conditions
from augspec import transforms as T
from augspec.compat import torch_audiomentations as compat

import_or_skip("torchaudio")  # which some of the names wrap

DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS))
from found import expand_reference, limits_of  # noqa: E402

PAGES = DOCS / "reference"
PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in MODULES
    for name in module.__all__
    if not inspect.ismodule(getattr(module, name))
}
CLASSES = {
    name: value
    for name, value in PUBLIC.items()
    if name.startswith(("augspec.transforms.", "augspec.features."))
}
# What the name of an argument says of its unit, and what its text has to say. Where an argument has
# a choice of units the text names them, too.
UNITS = {
    r".*_db": "dB|decibel",
    r".*_freq|f_min|f_max": "Hz",
    r"semitones": "semitones",
    r"lufs": "LUFS",
    r"attack|release|time_constant|rt60": "second|ms",
    r"n_fft|win_length|hop_length": "amples",
    r"temperature": "degrees|°C|Celsius",
    r"distance": "met",
    r"humidity": "%|percent",
}


def sections(value):
    """Split a docstring at its headings."""
    parts = re.split(r"^(\w+):\n", inspect.getdoc(value) or "", flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def arguments(value):
    """Give the text of each argument that a docstring describes."""
    text = sections(value).get("Args", "")
    found = re.findall(
        r"^    \*{0,2}(\w+): (.*?)(?=^    \*{0,2}\w+: |\Z)", text, re.DOTALL | re.MULTILINE
    )
    return {name: " ".join(words.split()) for name, words in found}


def parameters(value):
    # The root of all transforms takes what torch.nn.Module takes, which is nothing.
    return [] if value is T.RandomTransform else list(inspect.signature(value).parameters)


def entries():
    pages = (expand_reference(page.read_text(encoding="utf-8")) for page in PAGES.glob("*.rst"))
    text = "".join(pages)
    return re.findall(r"^\.\. auto(?:class|function):: (\S+)$", text, re.MULTILINE)


def test_every_public_name_has_one_entry():
    listed = entries()
    assert len(listed) == len(set(listed))
    # Public in modules of their own.
    more = {"augspec.config.register"}
    functions = (name for name, value in vars(conditions).items() if callable(value))
    more |= {f"augspec.conditions.{name}" for name in functions if name in conditions.__all__}
    more |= {f"{compat.__name__}.{name}" for name in compat.__all__}
    assert set(listed) == PUBLIC.keys() | more


def overview():
    """Give what the overview lists: pages, and public names by their modules."""
    text = expand_reference((PAGES / "index.rst").read_text(encoding="utf-8"))
    pages, *parts = re.split(r"^\.\. currentmodule:: (\S+)$", text, flags=re.MULTILINE)
    modules = zip(parts[::2], parts[1::2], strict=True)
    entry = re.compile(r"^   (\w+)$", re.MULTILINE)
    names = [f"{module}.{name}" for module, part in modules for name in entry.findall(part)]
    return entry.findall(pages), names


def test_the_overview_has_every_public_name():
    _, listed = overview()
    assert len(listed) == len(set(listed))
    assert set(listed) == PUBLIC.keys()


def test_every_page_is_in_the_contents():
    pages, _ = overview()
    assert set(pages) == {page.stem for page in PAGES.glob("*.rst")} - {"index"}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_argument_is_described(name):
    value = PUBLIC[name]
    assert list(arguments(value)) == parameters(value)
    for argument, text in arguments(value).items():
        assert len(text) > 5, argument
        assert text.endswith((".", "?")), f"{argument} is no sentence: {text}"


@pytest.mark.parametrize("name", PUBLIC)
def test_arguments_say_their_units(name):
    for argument, text in arguments(PUBLIC[name]).items():
        for pattern, unit in UNITS.items():
            if re.fullmatch(pattern, argument):
                assert re.search(unit, text), f"{argument}: {text}"


@pytest.mark.parametrize("name", CLASSES)
def test_transforms_and_features_say_shapes_and_errors_and_show_themselves(name):
    said = sections(CLASSES[name])
    abstract = inspect.isabstract(CLASSES[name])
    if CLASSES[name] is not T.RandomTransform:
        assert re.search(r"\(batch, |\bAs (the|``body``)", said["Shape"])
    if not abstract:
        assert re.search(r"^    >>> ", said["Example"], re.MULTILINE)
        if parameters(CLASSES[name]):
            assert "Error: If" in said["Raises"]


@pytest.mark.parametrize("name", [name for name in PUBLIC if ".functional." in name])
def test_kernels_of_batches_say_shapes(name):
    if {"waveform", "specgram"} & set(parameters(PUBLIC[name])):
        assert "Shape" in sections(PUBLIC[name])


# What no paper and no standard defines: a gain is a gain.
PLAIN = {
    *("Chain", "Repeat", "OneOf", "SomeOf", "RandomOrder", "Schedule"),
    *("Gain", "GainTransition", "PolarityInversion", "PeakNormalize", "RMSNormalize"),
    *("Clip", "ClippingDistortion", "TanhDistortion", "BitCrush", "Aliasing"),
    *("RandomCrop", "CenterCrop", "PadTo", "Shift", "TimeReverse", "Mute", "RepeatPart"),
    *("Resample", "WhiteNoise", "ColoredNoise", "BackgroundNoise", "ShortNoises"),
    *("ChannelShuffle", "ChannelDrop", "ToMono", "StereoWidth", "MixBackground"),
    *("FrequencyShift", "Spectrogram", "AmplitudeToDB", "Normalize", "ToMultiple"),
}


@pytest.mark.parametrize("name", CLASSES)
def test_what_has_a_source_names_it(name):
    if name.rpartition(".")[2] in PLAIN or inspect.isabstract(CLASSES[name]):
        return
    source = sections(CLASSES[name])["References"]
    assert re.search(r"\b(19|20)\d\d\b|arXiv:\d{4}|https://", source)


def test_limits_are_those_that_are_declared():
    assert limits_of(T.Gain) == ["- ``gain_db``: -200 to 200 dB; 0 changes nothing"]
    assert limits_of(T.LowPass) == ["- ``cutoff_freq``: Hz", "- ``mix``: 0 to 1; 0 changes nothing"]


def test_first_lines_are_sentences():
    for name, value in PUBLIC.items():
        first = inspect.getdoc(value).splitlines()[0]
        assert first.endswith("."), name
        assert len(first) <= 100, name


def test_names_of_the_package_are_importable_as_written():
    for name in entries():
        module, _, attribute = name.rpartition(".")
        where = augspec
        for part in module.split(".")[1:]:
            where = getattr(where, part)
        assert hasattr(where, attribute), name
