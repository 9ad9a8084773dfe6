"""Sound in a notebook."""

from __future__ import annotations

import base64
import html
import io
import math

import soundfile
import torch
from torch import Tensor

__all__ = ["Player", "player"]


class Player:
    """Audio that a notebook shows as a player; the result of `player`.

    Args:
        markup: The piece of HTML.

    Attributes:
        html: A self-contained piece of HTML with the audio inside.
    """

    def __init__(self, markup: str) -> None:
        self.html = markup

    def _repr_html_(self) -> str:
        return self.html


def player(waveform: Tensor, sample_rate: int, title: str = "") -> Player:
    """Make a player of a waveform, for a notebook or an HTML page.

    The sound is a 16-bit wav file inside the HTML, 43 kB for a second of 16 kHz. Its level is kept,
    so that versions can be compared. Only a waveform that exceeds 1 is reduced, and the title
    states the reduction.

    Args:
        waveform: ``(time,)`` or ``(channel, time)``.
        sample_rate: Sample rate in Hz; browsers play 3 to 384 kHz.
        title: Text above the player; it is escaped.

    Returns:
        An object that notebooks display; use its ``html`` in pages.

    Raises:
        ValueError: If ``waveform`` has another rank, is empty or not finite.

    Example:
        >>> from augspec import plot
        >>> tone = torch.sin(torch.arange(8000) * 0.2)
        >>> plot.player(tone, 16_000, title="tone <1>").html[:54]
        '<figure><figcaption>tone &lt;1&gt;</figcaption><audio '
    """
    data, gain_db = wav(waveform, sample_rate)
    if gain_db:
        title = f"{title} ({gain_db:.1f} dB)".lstrip()
    encoded = base64.b64encode(data).decode("ascii")
    caption = f"<figcaption>{html.escape(title)}</figcaption>" if title else ""
    return Player(
        f'<figure>{caption}<audio controls preload="metadata" '
        f'src="data:audio/wav;base64,{encoded}"></audio></figure>'
    )


def wav(waveform: Tensor, sample_rate: int) -> tuple[bytes, float]:
    """Write a 16-bit wav file; a waveform that exceeds 1 is reduced by the returned dB."""
    if waveform.ndim not in (1, 2) or waveform.numel() == 0:
        raise ValueError(
            f"`waveform` must be (time,) or (channel, time), got shape {tuple(waveform.shape)}"
        )
    samples = waveform.detach().to("cpu", torch.float32).reshape(-1, waveform.shape[-1])
    if not bool(samples.isfinite().all()):
        raise ValueError("`waveform` must be finite, got NaN or infinity")
    peak = float(samples.abs().max())
    samples = samples / peak if peak > 1.0 else samples
    file = io.BytesIO()
    soundfile.write(file, samples.T.numpy(), sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue(), -20.0 * math.log10(peak) if peak > 1.0 else 0.0
