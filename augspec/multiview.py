"""Several views of each example, for contrastive training."""

from __future__ import annotations

from torch import Tensor

from augspec.classes import as_count
from augspec.frontend import Frontend
from augspec.random import view_keys
from augspec.transforms.base import Result

__all__ = ["views"]


def views(
    frontend: Frontend, waveform: Tensor, n: int, lengths: Tensor | None = None, *, keys: Tensor
) -> list[Result]:
    """Compute several spectrograms of each example, each with different draws.

    View ``v`` uses the keys of ``example_keys(seed, epoch, index, view=v)``, and the first view
    uses ``keys``. So views depend neither on the batch nor on ``n``. In ``eval()`` all views are
    the plain features.

    Args:
        frontend: Computes the spectrograms, in its own mode.
        waveform: The batch.
        n: Number of views, 1 or more.
        lengths: Valid samples of each example.
        keys: Key of each example, ``(batch,)``, from `augspec.example_keys`.

    Shape:
        ``(batch, channel, time)`` to ``n`` times ``(batch, channel, freq, frame)``.

    Returns:
        The ``n`` results of ``frontend``: spectrograms, or ``(specgram, lengths)`` when ``lengths``
        was passed.

    Raises:
        TypeError: If ``n`` is not an integer.
        ValueError: If ``n`` is less than 1.

    Example:
        >>> from augspec import features as F, transforms as T
        >>> frontend = augspec.Frontend(T.Gain((-6.0, 6.0)), F.Spectrogram(n_fft=256))
        >>> keys = augspec.example_keys(seed=0, epoch=0, index=range(4))
        >>> first, second = augspec.views(frontend, torch.randn(4, 1, 1000), 2, keys=keys)
        >>> first.shape == second.shape, bool((first == second).all())
        (True, False)
    """
    n = as_count("n", n, 1)
    return [frontend(waveform, lengths, keys=view_keys(keys, view)) for view in range(n)]
