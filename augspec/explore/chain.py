"""The state of the page: steps with settings, and conversion to front ends and configs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import Parameter
from typing import Any

from augspec import Frontend, features, from_config
from augspec import transforms as T
from augspec.explore.controls import Control, Stage, Window, controls_of, window_of
from augspec.explore.sounds import Folder, Sounds

__all__ = ["FEATURES", "Setup", "Step", "new_step", "opening", "to_data", "windows"]

FEATURES = {"LogMelSpectrogram": {"n_fft": 1024, "hop_length": 256, "n_mels": 80}}


@dataclass(eq=False)
class Step:
    """A transform of the chain with its settings, valid or not.

    Args:
        name: Its class.
        values: An entry for each argument except rates, in the form of configs; transforms inside
            are steps, and a bank is a list of names of sounds, or the value of a config.
    """

    name: str
    values: dict[str, Any]

    @property
    def kind(self) -> type[T.RandomTransform]:
        """The class."""
        found: type[T.RandomTransform] = getattr(T, self.name)
        return found

    def config(self, rate: int, sounds: Sounds) -> dict[str, Any]:
        """Write the step as `augspec.from_config` reads it.

        Args:
            rate: Sample rate in Hz at this step.
            sounds: Source of the files of banks.
        """
        arguments: dict[str, Any] = {}
        for control in controls_of(self.kind):
            value: Any = rate if control.kind == "rate" else self.values[control.name]
            if control.kind == "steps":
                value = [step.config(rate, sounds) for step in value]
                if control.name == "body" and len(value) == 1:
                    value = value[0]
                elif control.optional and not value:
                    value = None
            elif control.kind == "bank":
                value = _bank(value, rate, sounds)
            elif control.kind == "text":
                _check_plain(control.name, value)
            arguments[control.name] = value
        return {self.name: arguments}

    def faults(self, rate: int, sounds: Sounds) -> dict[Step, str]:
        """List the errors of constructors for wrong settings, here or inside."""
        inside = [step for value in self.values.values() for step in _steps_in(value)]
        found: dict[Step, str] = {}
        for step in inside:
            found |= step.faults(rate, sounds)
        if found:
            return found
        try:
            made = from_config(self.config(rate, sounds))
        except ValueError as error:
            return {self: str(error).removeprefix(f"{self.name}: ")}
        if made.mixes_examples:
            return {self: f"{self.name} mixes the examples of a batch: here is only one"}
        return {}


def _steps_in(value: Any) -> list[Step]:
    return [one for one in value if isinstance(one, Step)] if isinstance(value, list) else []


def _check_plain(name: str, value: Any) -> None:
    """Raise for classes in typed text, because a bank in it could read any file."""
    if isinstance(value, Mapping):
        if any(not isinstance(key, str) or not key[:1].islower() for key in value):
            raise ValueError(f"`{name}` must be numbers and words, got {value!r:.60}")
        value = list(value.values())
    for own in value if isinstance(value, list) else []:
        _check_plain(name, own)


def _bank(value: Any, rate: int, sounds: Sounds) -> Any:
    if not isinstance(value, list):
        return value  # a bank of a config, or None
    if not value:
        return None
    if not isinstance(sounds, Folder):
        raise ValueError("`bank` needs a folder of sounds: start the explorer with one")
    paths = [str(sounds.path_of(name)) for name in value]
    return {"Bank": {"sounds": paths, "sample_rate": rate, "max_duration": 30.0}}


@dataclass
class Setup:
    """All values that determine the content of the page.

    Args:
        waveform: Transforms of the waveform.
        specgram: Transforms of the spectrogram.
        features: Configs of the features, in order.
        fuse: As in `augspec.Frontend`.
        seed: Seed of the draws.
        draws: Number of draws.
        sound: Name of the sound.
        start: Start in seconds of the part of a long sound.
    """

    sound: str
    waveform: list[Step] = field(default_factory=list)
    specgram: list[Step] = field(default_factory=list)
    features: list[dict[str, Any]] = field(
        default_factory=lambda: [{name: dict(own)} for name, own in FEATURES.items()]
    )
    fuse: str = "auto"
    seed: int = 0
    draws: int = 3
    start: float = 0.0

    def rates(self, rate: int) -> list[int]:
        """Return the sample rate before each transform of the waveform, and after the last.

        A `augspec.transforms.Resample` changes it.
        """
        found = [rate]
        for step in self.waveform:
            after = step.values.get("new_freq") if step.name == "Resample" else None
            found.append(after if isinstance(after, int) and after > 0 else found[-1])
        return found

    def feature_settings(self) -> dict[str, Any]:
        """Return the arguments of the first feature: changing them changes the setup."""
        (arguments,) = self.features[0].values()
        own: dict[str, Any] = arguments
        return own

    def config(self, sounds: Sounds) -> dict[str, Any]:
        """Write the front end as `augspec.from_config` reads it."""
        rates = self.rates(sounds.sample_rate)
        ((name, arguments), *_) = self.features[0].items()
        if "sample_rate" in {control.name for control in controls_of(getattr(features, name))}:
            arguments = {"sample_rate": rates[-1], **arguments}
        first = {name: arguments}
        steps = zip(self.waveform, rates, strict=False)
        return {
            "Frontend": {
                "waveform": [step.config(rate, sounds) for step, rate in steps],
                "features": first if len(self.features) == 1 else [first, *self.features[1:]],
                "specgram": [step.config(rates[-1], sounds) for step in self.specgram],
                "fuse": self.fuse,
            }
        }

    def faults(self, sounds: Sounds) -> dict[Step, str]:
        """List the steps with errors, and the errors."""
        rates = self.rates(sounds.sample_rate)
        found: dict[Step, str] = {}
        for step, rate in zip(self.waveform, rates, strict=False):
            found |= step.faults(rate, sounds)
        for step in self.specgram:
            found |= step.faults(rates[-1], sounds)
        return found

    def build(self, sounds: Sounds) -> Frontend:
        """Make the front end.

        Raises:
            ValueError: If a setting is not valid.
        """
        made: Frontend = from_config(self.config(sounds))
        return made


def opening(sounds: Sounds) -> Setup:
    """Make the first state of a page: a chain with an effect that is heard and seen."""
    setup = Setup(sounds.first)
    rate = sounds.sample_rate
    pitch = new_step(T.PitchShift, "waveform", sounds, rate)
    noise = new_step(T.WhiteNoise, "waveform", sounds, rate)
    pitch.values["semitones"], noise.values["snr_db"] = [-5.0, 5.0], [15.0, 25.0]
    setup.waveform += [pitch, noise]
    setup.specgram.append(new_step(T.TimeMask, "specgram", sounds, rate))
    return setup


def new_step(kind: type[T.RandomTransform], stage: Stage, sounds: Sounds, rate: int) -> Step:
    """Make a step of a class with default settings, or typical ones without a default."""
    controls = controls_of(kind)
    others = [c for c in controls if c.kind not in ("rate", "bank", "steps")]
    needs_example = any(c.default is Parameter.empty for c in others)
    example = kind.example() if needs_example else None
    values: dict[str, Any] = {}
    for control in controls:
        if control.kind == "rate":
            continue
        if control.kind == "steps":
            values[control.name] = _first_steps(control, stage, sounds, rate)
        elif control.kind == "bank":
            values[control.name] = [] if control.optional else [sounds.first]
        elif control.default is not Parameter.empty:
            values[control.name] = to_data(control, control.default)
        elif control.name == "size":
            values["size"] = rate * (5 if kind is T.PadTo else 2)
        else:
            value = to_data(control, getattr(example, control.name))
            values[control.name] = _below_nyquist(control, value, rate)
    return Step(kind.__name__, values)


def _first_steps(control: Control, stage: Stage, sounds: Sounds, rate: int) -> list[Step]:
    if control.optional:
        return []
    kinds: list[type[T.RandomTransform]] = [T.TimeMask, T.FrequencyMask]
    if stage == "waveform":
        kinds = [T.PitchShift, T.WhiteNoise]
    if control.name == "body":
        kinds = kinds[:1]
    return [new_step(kind, stage, sounds, rate) for kind in kinds]


def _below_nyquist(control: Control, value: Any, rate: int) -> Any:
    if control.kind != "range" or not control.name.endswith("_freq"):
        return value
    highest = float(math.floor(0.4 * rate))
    return [min(bound, highest) for bound in value]


def to_data(control: Control, value: Any) -> Any:
    """Convert a value to the form of configs; a constant range to its two ends."""
    if control.kind == "range" and isinstance(value, int | float):
        return [value, value] if control.whole else [float(value), float(value)]
    if isinstance(value, Mapping):
        return {name: to_data(control, own) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [to_data(control, own) if isinstance(own, list | tuple) else own for own in value]
    return value


def windows(step: Step, rate: int, sounds: Sounds) -> dict[str, Window]:
    """Choose the sliders of a step's ranges, from its present settings."""
    found = {}
    for control in controls_of(step.kind):
        value: Any = step.values.get(control.name)
        if control.kind == "range" and _is_range(value):
            found[control.name] = window_of(control, value, _acceptor(step, control, rate, sounds))
    return found


def _acceptor(step: Step, control: Control, rate: int, sounds: Sounds) -> Any:
    def accepts(value: Any) -> bool:
        try:
            config = step.config(rate, sounds)
            from_config({step.name: {**config[step.name], control.name: [value, value]}})
        except ValueError:
            return False
        return True

    return accepts


def _is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
