"""The original and its draws as pictures, sound and text."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
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

__all__ = ["Rendering", "Version", "render"]

_SIZE = (4.4, 3.5)  # inches
_DPI = 130
# Two tabs draw in two threads, and matplotlib is not thread-safe.
_DRAWING = threading.Lock()


@dataclass(frozen=True)
class Version:
    """One version of a sound.

    Args:
        about: Its drawn parameters, one line per transform.
        sound: A wav file.
        gain_db: Reduction of the level in dB that avoids clipping.
        picture: Waveform and spectrogram, a PNG file; empty until it is drawn.
    """

    about: str
    sound: bytes
    gain_db: float
    picture: bytes = b""


class Rendering:
    """The original and its draws: sounds first, pictures later.

    The constructor computes the sounds. Pictures take several times as long, so `draw` makes them
    later. The draws are those of ``augspec.example_keys(seed, 0, range(draws))``.

    Args:
        frontend: The front end to apply.
        waveform: The sound, ``(channel, time)``.
        sample_rates: Sample rates in Hz before and after the transforms of the waveform.
        seed: Seed of the draws.
        draws: Number of draws.

    Raises:
        ValueError: If the front end fails for the sound, or the result is not finite.
    """

    def __init__(
        self,
        frontend: Frontend,
        waveform: Tensor,
        sample_rates: tuple[int, int],
        seed: int,
        draws: int,
    ) -> None:
        self._frontend = frontend
        self._copies = waveform.expand(draws, -1, -1)
        keys = example_keys(seed, 0, range(draws))
        with torch.no_grad(), eager_kernels():
            params: Any = frontend.make_params(self._copies, keys=keys)
            sounds = frontend.waveform.transform(self._copies, params["waveform"])
        self._params = params
        self._heard = [(waveform, sample_rates[0]), *((one, sample_rates[1]) for one in sounds)]
        texts = ["", *(describe_params(frontend, select(params, i)) for i in range(draws))]
        players = [wav(*one) for one in self._heard]
        #: The original and the draws.
        self.versions = [
            Version(text, *player) for text, player in zip(texts, players, strict=True)
        ]

    def draw(self) -> Iterator[bytes]:
        """Draw waveform and spectrogram of each version, as PNG files, one at a time."""
        frontend = self._frontend
        with torch.no_grad(), eager_kernels():
            with augmenting(frontend, False):
                plain = frontend(self._copies[:1])
            specgrams = frontend.transform(self._copies, self._params)
        images = [to_numpy(plain[0, 0]), *(to_numpy(specgram[0]) for specgram in specgrams)]
        # All have the same axes and colours.
        rate = self._heard[-1][1]
        limits = color_limits(images, specgram_axes(frontend, images[0].shape, rate))
        seconds = max(sound.shape[-1] / own for sound, own in self._heard)
        peak = max(float(sound[0].abs().max()) for sound, _ in self._heard) or 1.0
        for (sound, own), image in zip(self._heard, images, strict=True):
            specgram = torch.from_numpy(image)
            with _DRAWING:
                picture = _picture(frontend, sound[:1], own, specgram, rate, limits, seconds, peak)
            yield picture


def render(
    frontend: Frontend, waveform: Tensor, sample_rates: tuple[int, int], seed: int, draws: int
) -> list[Version]:
    """Make the original and the draws with their pictures; see `Rendering`."""
    made = Rendering(frontend, waveform, sample_rates, seed, draws)
    return [replace(own, picture=one) for own, one in zip(made.versions, made.draw(), strict=True)]


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
    # Do not use pyplot, which keeps figures and is not thread-safe.
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DPI)
    above, below = figure.subplots(2, 1, height_ratios=(2, 3))
    # Fixed margins, because a layout engine draws everything twice.
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
