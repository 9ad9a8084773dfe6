"""The state of the page as a front end, as Python and as YAML, and back."""

import json

import pytest
import torch

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.explore.__main__ import open_session
from augspec.explore.chain import Setup, new_step, opening
from augspec.explore.code import python_of, yaml_of
from augspec.explore.controls import offered
from augspec.explore.reading import read_file, sample_rate_of, setup_of
from augspec.explore.render import render
from augspec.explore.sounds import Notes, open_sounds
from augspec.plot.sound import wav

NOTES = Notes()
RATE = 16_000


def setup(*waveform, specgram=(), sounds=NOTES):
    made = Setup(sounds.names[0])
    for kind in waveform:
        rate = made.rates(sounds.sample_rate)[-1]
        made.waveform.append(new_step(kind, "waveform", sounds, rate))
    for kind in specgram:
        made.specgram.append(new_step(kind, "specgram", sounds, sounds.sample_rate))
    return made


def run(code):
    names = {}
    exec(compile(code, "copied", "exec"), names)  # noqa: S102
    return names


def test_every_transform_is_the_same_as_code_and_as_yaml(tmp_path):
    everything = {stage: offered(stage, files=False) for stage in ("waveform", "specgram")}
    # Without what sets the rate: what follows would have another one.
    kinds = [kind for kind in everything["waveform"] if kind is not T.Resample]
    made = setup(*kinds, specgram=everything["specgram"])
    frontend = made.build(NOTES)
    expected = augspec.to_config(frontend)
    (tmp_path / "copied.yaml").write_text(yaml_of(frontend), encoding="utf-8")
    assert augspec.to_config(augspec.load(tmp_path / "copied.yaml")) == expected
    code = python_of(frontend, made, NOTES).partition("# The draws")[0]
    assert augspec.to_config(run(code)["frontend"]) == expected


def test_the_code_makes_the_very_draws():
    made = setup(T.PitchShift, T.WhiteNoise, T.RandomCrop, specgram=[T.TimeMask])
    made.waveform[2].values["size"] = 8_000
    made.seed, made.draws = 7, 2
    names = run(python_of(made.build(NOTES), made, NOTES))
    versions = render(made.build(NOTES), NOTES.read(made.sound), (RATE, RATE), 7, 2)
    assert [wav(sound, RATE)[0] for sound in names["sounds"]] == [v.sound for v in versions[1:]]
    assert names["specgrams"].shape == (2, 1, 80, 32)


def test_sounds_of_a_folder_are_in_the_code(folder):
    sounds = open_sounds(folder, 16_000)
    made = setup(T.BackgroundNoise, sounds=sounds)
    made.waveform[0].values["bank"] = ["tone.wav", "deep/deeper/low.flac"]
    names = run(python_of(made.build(sounds), made, sounds))
    assert len(names["frontend"].waveform.transforms[0].bank) == 2
    assert torch.equal(names["waveform"], sounds.read(sounds.names[0]))


def test_a_fault_is_told_in_the_librarys_words_at_its_step():
    made = setup(T.PitchShift, T.OneOf, T.Gain)
    inner = made.waveform[1].values["transforms"][0]
    made.waveform[0].values["semitones"] = [3.0, -3.0]
    inner.values["semitones"] = [0.0, 99.0]
    with pytest.raises(ValueError, match="semitones") as wrong:
        T.PitchShift((3.0, -3.0))
    found = made.faults(NOTES)
    assert set(found) == {made.waveform[0], inner}
    assert found[made.waveform[0]] == str(wrong.value).replace("(3.0, -3.0)", "[3.0, -3.0]")
    with pytest.raises(ValueError, match="semitones"):
        made.build(NOTES)


def test_resampling_changes_the_rate_of_what_follows():
    made = setup(T.Resample, T.LowPass)
    made.waveform[0].values["new_freq"] = 8_000
    made.waveform[1].values["cutoff_freq"] = [500.0, 3_000.0]
    frontend = made.build(NOTES)
    assert frontend.waveform.transforms[0].orig_freq == 16_000
    assert frontend.waveform.transforms[1].sample_rate == 8_000
    assert frontend.features.sample_rate == 8_000


CONFIGS = {
    "front end": augspec.Frontend(
        T.Chain([T.OneOf([T.Chain([T.Gain(-3.0), T.Speed()]), T.PolarityInversion()]), T.ToMono()]),
        torch.nn.Sequential(F.MelSpectrogram(22_050, n_mels=40), F.PCEN(22_050, n_mels=40)),
        T.Chain([T.Repeat(T.Chain([T.TimeMask(9), T.FrequencyMask(3)]), 2)]),
        fuse="never",
    ),
    "waveform chain": T.Chain([T.LowPass((900.0, 2_000.0), sample_rate=8_000), T.Gain()]),
    "specgram": T.SpecAugment("LB", n_time_masks=3),
    "nothing but features": F.MFCC(16_000, melkwargs={"n_mels": 40}),
    "no rate": T.Schedule(T.Gain(), {"p": [(0, 0.0), (5, 1.0)]}),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_comes_out_as_it_went_in(name, tmp_path):
    obj = CONFIGS[name]
    file = tmp_path / "given.json"
    file.write_text(json.dumps(augspec.to_config(obj)))
    session = open_session(None, file, None)
    assert session.sounds.sample_rate == (sample_rate_of(obj) or 16_000)
    config = augspec.to_config(session.begin().build(session.sounds))["Frontend"]
    if isinstance(obj, T.RandomTransform):
        stage = "specgram" if name == "specgram" else "waveform"
        single = T.Chain([obj]) if not isinstance(obj, T.Chain) else obj
        assert config[stage] == augspec.to_config(single)["Chain"]
    else:
        whole = obj if isinstance(obj, augspec.Frontend) else augspec.Frontend(features=obj)
        assert config == augspec.to_config(whole)["Frontend"]


def test_a_config_that_mixes_examples_is_refused(tmp_path):
    file = tmp_path / "given.yaml"
    file.write_text("[Gain, Mixup]")
    with pytest.raises(ValueError, match="Mixup mixes the examples of a batch"):
        open_session(None, file, None)


def test_a_config_of_another_rate_is_refused(tmp_path):
    file = tmp_path / "given.yaml"
    file.write_text("Frontend: {features: {MFCC: {sample_rate: 8000}}}")
    with pytest.raises(ValueError, match="--sample-rate must be that of the config, 8000"):
        open_session(None, file, 16_000)
    assert open_session(None, file, None).sounds.sample_rate == 8_000


def test_a_config_keeps_its_bank(folder):
    bank = augspec.Bank(str(folder / "deep"), 16_000)
    made = setup_of(T.BackgroundNoise(bank, (3.0, 6.0)), "guitar")
    assert len(made.build(NOTES).waveform.transforms[0].bank) == 1


def test_a_config_keeps_what_the_noise_goes_through(folder):
    bank = augspec.Bank(str(folder / "deep"), 16_000)
    noisy = T.BackgroundNoise(bank, noise_transform=T.Chain([T.Gain(), T.TimeReverse()]))
    for given in (noisy, T.BackgroundNoise(bank)):
        made = setup_of(given, "guitar").build(NOTES).waveform.transforms[0]
        (own,), (expected,) = (
            [args for args in augspec.to_config(one).values() if isinstance(args, dict)]
            for one in (made, given)
        )
        assert own["noise_transform"] == expected["noise_transform"]


def test_what_is_no_transform_is_refused():
    with pytest.raises(ValueError, match="a config must be a front end or transforms, got str"):
        setup_of("x", "guitar")
    with pytest.raises(ValueError, match="only augspec's own features"):
        setup_of(
            torch.nn.Sequential(torch.nn.Sequential(F.MFCC(melkwargs={"n_mels": 40}))), "guitar"
        )


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_the_page_opens_with_what_can_be_heard(rate):
    notes = Notes(rate)
    setup = opening(notes)
    versions = render(setup.build(notes), notes.read(setup.sound), (rate, rate), 0, 3)
    assert len({version.sound for version in versions}) == 4
    assert len({version.picture for version in versions}) == 4
    assert all("PitchShift" in version.about for version in versions[1:])


def test_without_a_folder_the_page_offers_the_embedded_notes():
    session = open_session(None, None, None)
    assert len(session.sounds.choices) == 10
    assert session.begin().sound == session.sounds.choices[0]


def test_a_file_that_was_saved_brings_the_chain_back(folder):
    sounds = open_sounds(folder, RATE)
    made = setup(T.PitchShift, T.BackgroundNoise, specgram=[T.TimeMask], sounds=sounds)
    made.waveform[1].values["bank"] = ["tone.wav", "deep/deeper/low.flac"]
    frontend = made.build(sounds)
    again = read_file(yaml_of(frontend).encode(), sounds, "tone.wav").build(sounds)
    assert augspec.to_config(again) == augspec.to_config(frontend)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("BackgroundNoise: {bank: {Bank: {sounds: [SECRET], sample_rate: 16000}}}", "of the list"),
        ("BackgroundNoise: {bank: {Bank: {sounds: SECRET, sample_rate: 16000}}}", "of the list"),
        ("BackgroundNoise: {bank: {Bank: {sounds: [link.wav]}}}", "of the list"),
        (
            "ShortNoises: {noise_transform: {ImpulseResponse: {bank: {Bank: {sounds: SECRET}}}}}",
            "of the list",
        ),
        ("OneOf: {transforms: [{ImpulseResponse: {bank: {Bank: {sounds: [3]}}}}]}", "list of path"),
        ("FromAudiomentations: {peer: {AddBackgroundNoise: {sounds_path: /}}}", "augspec's own"),
        ("Gain: {gain_db: [3, -3]}", "low <= high"),
        ("Gian", "nearest: Gain"),
        ("!!python/object/apply:os.getcwd []", "cannot be read"),
        ("\xff", "there is no class"),
        ("a: &a [*a]", "nested"),
        ("3", "must be a mapping"),
    ],
)
def test_a_file_of_another_person_reads_nothing_else(folder, text, message):
    sounds = open_sounds(folder, RATE)
    content = text.replace("SECRET", str(folder.parent / "secret.wav")).encode()
    with pytest.raises(ValueError, match=message):
        read_file(content, sounds, "tone.wav").build(sounds)
    with pytest.raises(ValueError, match="cannot be read"):
        read_file(b"\xff\xfe", sounds, "tone.wav")
