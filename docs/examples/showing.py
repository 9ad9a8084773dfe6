"""What the pages of the gallery share: notes, pictures, players, and what is known of a class."""

import html
import inspect
import re
from pathlib import Path

import torch
from matplotlib import pyplot as plt

import augspec
from augspec import features as F
from augspec import plot
from augspec import transforms as T

SAMPLE_RATE = 16_000
COSTS = (Path(__file__).parents[1] / "catalogue.md").read_text(encoding="utf-8")
FEATURE = F.LogMelSpectrogram(SAMPLE_RATE, n_fft=1024, hop_length=256, n_mels=80)


class Page(plot.Player):
    """HTML that the gallery and notebooks show; all that it needs is inside."""


def note(family, pitch=60, seconds=1.5):
    """Give the beginning of an embedded note of a family: ``(1, time)`` at 16 kHz."""
    notes = augspec.datasets.GMNotes("train")
    distance = torch.from_numpy(notes.pitches - pitch).abs()
    distance += 1000 * torch.from_numpy(notes.labels != notes.classes.index(family))
    waveform = notes[int(distance.argmin())]["waveform"][:, : int(seconds * SAMPLE_RATE)]
    fade = torch.linspace(1.0, 0.0, 400)  # 25 ms: no click at the end
    waveform = torch.cat([waveform[:, :-400], waveform[:, -400:] * fade], dim=-1)
    return 0.5 * waveform / waveform.abs().max()


def show(waveform, transform, n=2):
    """Draw and play one example and ``n`` random versions of it; say what there is to set."""
    of_specgrams = any(isinstance(module, T.SpecgramTransform) for module in transform.modules())
    if transform.mixes_examples:
        return show_mixed(waveform, transform, of_specgrams)
    example = FEATURE(waveform[None]) if of_specgrams else waveform[None]
    keys = keys_apart(example, transform, n)
    plot.compare(waveform, transform, n=n, sample_rate=SAMPLE_RATE, features=FEATURE, keys=keys)
    if of_specgrams:
        return Page(about(transform))
    versions = transform(waveform.expand(n, -1, -1), keys=keys)
    sounds = {"original": waveform}
    sounds |= {f"version {place}": sound for place, sound in enumerate(versions, start=1)}
    return Page(players(sounds) + about(transform))


def show_mixed(waveform, transform, of_specgrams):
    """Draw an example and a bass, and what a transform that mixes the two makes of them."""
    bass = note("bass", pitch=40, seconds=waveform.shape[-1] / SAMPLE_RATE)
    batch = torch.stack([waveform, bass])
    keys = augspec.example_keys(0, 0, range(2))
    names = ["first", "second", "first, mixed", "second, mixed"]
    if not of_specgrams:
        sounds = [*batch, *transform(batch, keys=keys)]
        return show_sounds(dict(zip(names, sounds, strict=True)), transform)
    specgram = FEATURE(batch)
    both = {"specgram": torch.cat([specgram, transform(specgram, keys=keys)])}
    both["label"] = torch.arange(4)
    plot.show_batch(both, FEATURE, classes=names)
    return Page(about(transform))


def keys_apart(example, transform, n):
    """Give keys of draws that differ: of many, those whose first parameter is lowest and highest.

    Two random draws rarely show what a range does; its ends do.
    """
    keys = augspec.example_keys(0, 0, range(64))
    params = transform.make_params(example.expand(64, *example.shape[1:]), keys=keys)
    if n == 2 and isinstance(params, dict):
        for name, value in params.items():
            if name == "mix" or not isinstance(value, torch.Tensor):
                continue
            if value.is_floating_point() and value.ndim == 1 and value.min() < value.max():
                return keys[torch.stack([value.argmin(), value.argmax()])]
    return keys[:n]


def show_sounds(sounds, transform, sample_rates=None):
    """Draw and play sounds by their titles, every channel of them, each at its own sample rate."""
    rates = [SAMPLE_RATE] * len(sounds) if sample_rates is None else sample_rates
    size = (2.9 * len(sounds), 4.2)
    _, grid = plt.subplots(2, len(sounds), figsize=size, layout="constrained", squeeze=False)
    seconds = [sound.shape[-1] / rate for sound, rate in zip(sounds.values(), rates, strict=True)]
    peak = max(float(sound.abs().max()) for sound in sounds.values())
    for place, ((title, sound), rate) in enumerate(zip(sounds.items(), rates, strict=True)):
        feature = F.LogMelSpectrogram(rate, n_fft=1024, hop_length=256, n_mels=80)
        plot.waveform(sound, rate, ax=grid[0, place], title=title)
        grid[0, place].set(xlim=(0.0, max(seconds)), ylim=(-peak, peak))
        specgram = feature(sound.mean(0)[None, None])[0]
        plot.specgram(specgram, feature, ax=grid[1, place], colorbar=False, limits=(-40.0, 40.0))
        grid[1, place].set_xlim(0.0, max(seconds))
    return Page(players(sounds, rates) + about(transform))


def players(sounds, sample_rates=None):
    rates = [SAMPLE_RATE] * len(sounds) if sample_rates is None else sample_rates
    made = [
        plot.player(sound, rate, title).html
        for (title, sound), rate in zip(sounds.items(), rates, strict=True)
    ]
    return f'<div class="players">{"".join(made)}</div>'


def about(module):
    """Say what a class costs and takes, from the catalogue and its docstring."""
    cls = type(module)
    name = f"{'T' if isinstance(module, T.RandomTransform) else 'F'}.{cls.__name__}"
    cost = re.search(rf"^\| `{re.escape(name)}` \| ([\d.]+) \|$", COSTS, re.MULTILINE)
    rows = "".join(
        f"<tr><td><code>{argument}</code></td><td>{default}</td><td>{text}</td></tr>"
        for argument, default, text in arguments(cls)
    )
    table = f"<details><summary>Parameters</summary><table>{rows}</table></details>" if rows else ""
    said = f"<p>Cost: {cost[1]} times a plain log-mel of the same batch.</p>" if cost else ""
    return f'<div class="about">{said}{table}</div>'


def arguments(cls):
    """Give name, default and description of each argument, ready for HTML."""
    block = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", inspect.getdoc(cls), re.DOTALL | re.MULTILINE)
    found = re.findall(
        r"^    (\w+): (.*?)(?=^    \w+: |\Z)", block[1] if block else "", re.DOTALL | re.MULTILINE
    )
    parameters = inspect.signature(cls).parameters
    for name, text in found:
        default = parameters[name].default
        shown = (
            ""
            if default is inspect.Parameter.empty
            else f"<code>{html.escape(str(default))}</code>"
        )
        words = html.escape(" ".join(text.split()), quote=False)
        words = re.sub(r"``(.*?)``", r"<code>\1</code>", words)
        yield name, shown, re.sub(r"`(.*?)`", r"<code>\1</code>", words)
