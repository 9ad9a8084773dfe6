"""Every setting of every transform has a control, and no position of a slider is refused."""

import inspect

import pytest

from augspec import from_config
from augspec import transforms as T
from augspec.explore.chain import new_step, windows
from augspec.explore.controls import Control, Window, controls_of, families, hint_of, offered
from augspec.explore.sounds import Notes, open_sounds

NOTES = Notes()
STAGES = ("waveform", "specgram")
OFFERED = [(kind, stage) for stage in STAGES for kind in offered(stage, files=False)]


def test_all_that_takes_one_sound_is_offered():
    public = {kind for name in T.__all__ if not inspect.isabstract(kind := getattr(T, name))}
    found = {kind for stage in STAGES for kind in offered(stage, files=True)}
    mixing = {T.Mixup, T.CutMix, T.MixBackground, T.FreqMixStyle}
    assert public - found == mixing | {T.AmbisonicsRotation}  # which takes four channels
    assert found <= public
    without_files = {kind for stage in STAGES for kind in offered(stage, files=False)}
    assert found - without_files == {T.BackgroundNoise, T.ImpulseResponse}


def test_each_stage_has_its_own():
    waveform, specgram = (set(offered(stage, files=True)) for stage in STAGES)
    assert T.PitchShift in waveform - specgram
    assert T.TimeMask in specgram - waveform
    assert T.OneOf in waveform & specgram


def test_every_family_has_a_name():
    for stage in STAGES:
        for family, kinds in families(offered(stage, files=True)).items():
            assert family[0].isupper(), (family, kinds)


def test_hints_are_plain_sentences():
    for kind, _ in OFFERED:
        for text in (hint_of(kind), *(control.hint for control in controls_of(kind))):
            assert text, kind
            assert "`" not in text


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (T.PitchShift, "semitones", ("range", False)),
        (T.PitchShift, "preserve_formants", ("switch", False)),
        (T.PitchShift, "n_fft", ("number", True)),
        (T.PitchShift, "p", ("number", False)),
        (T.BitCrush, "bit_depth", ("range", True)),
        (T.PadTo, "where", ("choice", False)),
        (T.SpecAugment, "policy", ("choice", False)),
        (T.SpecAugment, "max_warp", ("number", True)),
        (T.TimeMask, "mask_value", ("text", False)),
        (T.Codec, "formats", ("text", False)),
        (T.Schedule, "settings", ("text", False)),
        (T.OneOf, "transforms", ("steps", False)),
        (T.Repeat, "body", ("steps", False)),
        (T.BackgroundNoise, "bank", ("bank", False)),
        (T.BackgroundNoise, "noise_transform", ("steps", False)),
        (T.ShortNoises, "bank", ("bank", False)),
        (T.Resample, "orig_freq", ("rate", True)),
        (T.LowPass, "sample_rate", ("rate", True)),
    ],
)
def test_the_kind_of_control(kind, name, expected):
    (control,) = [control for control in controls_of(kind) if control.name == name]
    assert (control.kind, control.whole) == expected


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_what_is_added_is_right_as_it_is(rate):
    sounds = Notes(rate)
    for kind, stage in OFFERED:
        assert new_step(kind, stage, sounds, rate).faults(rate, sounds) == {}, kind


def test_what_needs_a_bank_gets_the_first_sound(folder):
    sounds = open_sounds(folder)
    for kind in (T.BackgroundNoise, T.ImpulseResponse, T.ShortNoises):
        assert new_step(kind, "waveform", sounds, 8_000).faults(8_000, sounds) == {}


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_no_position_of_a_slider_is_refused(rate):
    sounds = Notes(rate)
    ranges = 0
    for kind, stage in OFFERED:
        step = new_step(kind, stage, sounds, rate)
        config = step.config(rate, sounds)[step.name]
        for name, window in windows(step, rate, sounds).items():
            low, high = step.values[name]
            assert window.low <= low <= high <= window.high, (kind, name)
            assert window.low < window.high, (kind, name)
            for position in (0, 1, Window.POSITIONS // 2, Window.POSITIONS):
                value = window.value(position)
                from_config({step.name: {**config, name: [value, value]}})
            ranges += 1
    assert ranges > 50


@pytest.mark.parametrize(
    "window", [Window(-12.0, 12.0), Window(20.0, 7990.0), Window(1, 20, whole=True), Window(0, 1)]
)
def test_positions_and_values_agree(window):
    values = [window.value(position) for position in range(Window.POSITIONS + 1)]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (window.low, window.high)
    for value in values:
        assert window.value(window.position(value)) == value
    assert window.position(window.low - 5) == 0
    assert window.position(window.high + 5) == Window.POSITIONS


def test_frequencies_are_spaced_by_ratios():
    window = Window(20.0, 8000.0)
    assert window.value(Window.POSITIONS / 2) == pytest.approx(400.0, rel=0.01)
    assert Window(-12.0, 12.0).value(Window.POSITIONS / 2) == 0.0


def test_a_class_of_ones_own_has_controls():
    class Own(T.Gain):
        """Do as gain does."""

    assert [control.kind for control in controls_of(Own)] == ["range", "number", "switch"]
    assert controls_of(Own)[0] == Control(
        "gain_db",
        "range",
        (-12.0, 6.0),
        hint=controls_of(Own)[0].hint,
        unit="dB",
        limits=(-200.0, 200.0),
    )
    assert hint_of(Own) == "Do as gain does."


def test_typed_text_cannot_name_a_class(folder):
    """A bank in it would read any file."""
    sounds = open_sounds(folder)
    step = new_step(T.OneOf, "waveform", sounds, 8_000)
    for value in ({"Bank": {"sounds": ["x"]}}, [{"Bank": {}}], {"a": {"Gain": {}}}):
        step.values["weights"] = value
        assert step.faults(8_000, sounds)[step].startswith("`weights` must be numbers and words")


def test_a_bank_takes_sounds_of_the_list_only(folder):
    sounds = open_sounds(folder)
    for name in ("../secret.wav", "link.wav", str(folder / "tone.wav")):
        step = new_step(T.ImpulseResponse, "waveform", sounds, 8_000)
        step.values["bank"] = [name]
        assert "must be one of the sounds of the list" in step.faults(8_000, sounds)[step]


def test_typed_text_is_read_as_yaml_or_stays_text():
    from augspec.explore.cards import _read

    assert _read("mean") == "mean"
    assert _read("-3.5") == -3.5
    assert _read("[mp3, opus]") == ["mp3", "opus"]
    assert _read("") is None
    for broken in ("[1, 2", "!!python/name:os.system", '!!int ""', "*a"):
        assert _read(broken) == broken
    assert _read("[" * 10_000) == "[" * 2000
