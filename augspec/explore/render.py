"""The original and its draws as pictures, as sound and in words."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from augspec import example_keys, plot, select
from augspec._compile import eager_kernels
from augspec.batches import augmenting
from augspec.frontend import Frontend
from augspec.plot.axes import specgram_axes
from augspec.plot.drawing import color_limits, to_numpy
from augspec.plot.sound import wav
from augspec.plot.titles import describe_params

__all__ = ["Version", "render"]

_SIZE = (4.4, 3.5)  # inches
_DPI = 130
# Two tabs draw in two threads, and matplotlib is not made for that.
_DRAWING = threading.Lock()


@dataclass(frozen=True)
class Version:
    """One version of a sound.

    Args:
        about: What was drawn for it, a line a transform.
        picture: Waveform and spectrogram, a PNG file.
        sound: A wav file.
        gain_db: By how much the sound was turned down so as not to clip.
    """

    about: str
    picture: bytes
    sound: bytes
    gain_db: float


def render(
    frontend: Frontend, waveform: Tensor, sample_rates: tuple[int, int], seed: int, draws: int
) -> list[Version]:
    """Make the versions: the original, then draw after draw.

    The draws are those of ``augspec.example_keys(seed, 0, range(draws))``.

    Args:
        frontend: What they go through.
        waveform: The sound, ``(channel, time)``.
        sample_rates: In Hz, before and behind the transforms of the waveform.
        seed: Of the draws.
        draws: How many.

    Raises:
        ValueError: If the sound cannot go through, or does not come out as numbers.
    """
    copies = waveform.expand(draws, -1, -1)
    with torch.no_grad(), eager_kernels():
        with augmenting(frontend, False):
            plain = frontend(waveform[None])
        params: Any = frontend.make_params(copies, keys=example_keys(seed, 0, range(draws)))
        specgrams = frontend.transform(copies, params)
        sounds = frontend.waveform.transform(copies, params["waveform"])
    images = [to_numpy(plain[0, 0]), *(to_numpy(specgram[0]) for specgram in specgrams)]
    heard = [(waveform, sample_rates[0]), *((sound, sample_rates[1]) for sound in sounds)]
    players = [wav(*one) for one in heard]
    texts = ["", *(describe_params(frontend, select(params, i)) for i in range(draws))]
    with _DRAWING:
        pictures = _pictures(frontend, heard, images)
    return [
        Version(text, picture, sound, gain_db)
        for text, picture, (sound, gain_db) in zip(texts, pictures, players, strict=True)
    ]


def _pictures(
    frontend: Frontend, sounds: list[tuple[Tensor, int]], images: list[Any]
) -> list[bytes]:
    """Draw each version, all with the same axes and colours."""
    rate = sounds[-1][1]
    axes = [specgram_axes(frontend, image.shape, rate) for image in images]
    limits = color_limits(images, axes[0])
    seconds = max(sound.shape[-1] / own for sound, own in sounds)
    peak = max(float(sound[0].abs().max()) for sound, _ in sounds) or 1.0
    return [
        _picture(frontend, sound[:1], own, torch.from_numpy(image), rate, limits, seconds, peak)
        for (sound, own), image in zip(sounds, images, strict=True)
    ]


def _picture(
    frontend: Frontend,
    waveform: Tensor,
    sample_rate: int,
    specgram: Tensor,
    feature_rate: int,
    limits: tuple[float, float],
    seconds: float,
    peak: float,
) -> bytes:
    # Not pyplot, which keeps figures and is not made for threads.
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DPI)
    above, below = figure.subplots(2, 1, height_ratios=(2, 3))
    # Fixed margins: a layout engine draws everything twice.
    figure.subplots_adjust(left=0.15, right=0.98, top=0.98, bottom=0.13, hspace=0.08)
    plot.waveform(waveform, sample_rate, ax=above)
    above.set(xlim=(0.0, seconds), ylim=(-1.05 * peak, 1.05 * peak), xlabel="", ylabel="")
    plot.specgram(
        specgram, frontend, sample_rate=feature_rate, ax=below, colorbar=False, limits=limits
    )
    if below.get_xlabel().endswith("s"):
        below.set_xlim(0.0, seconds)
    above.tick_params(labelsize="small", labelbottom=False)
    below.tick_params(labelsize="small")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
