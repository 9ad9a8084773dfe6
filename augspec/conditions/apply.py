"""Corrupting examples: each alone, in float64, rounded to 16 bits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from augspec._compile import eager_kernels
from augspec._described import Described
from augspec.conditions.kinds import CONDITIONS, SEVERITIES, Draws
from augspec.functional.checks import check_waveform
from augspec.random import example_keys

_STEPS = 32_768  # full scale of 16 bits


def parse_names(names: str | Sequence[str]) -> list[tuple[str, int]]:
    """List conditions with their severities.

    Args:
        names: Comma-separated names or a list: ``"noise"`` has all five severities, ``"noise-3"``
            one, ``"all"`` and ``"all-3"`` stand for every condition.

    Returns:
        Pairs of name and severity, each once, in the order of ``CONDITIONS``.

    Raises:
        ValueError: If a name is not known.

    Example:
        >>> parse_names("quiet-3,noise-1,noise-5")
        [('noise', 1), ('noise', 5), ('quiet', 3)]
    """
    asked = names.split(",") if isinstance(names, str) else list(names)
    found: set[tuple[str, int]] = set()
    for text in filter(None, map(str.strip, asked)):
        match = re.fullmatch(r"(.+?)(?:-([1-5]))?", text)
        name, severity = match.groups() if match else (text, None)
        if name != "all" and name not in CONDITIONS:
            raise ValueError(
                f"a condition must be among {', '.join(CONDITIONS)}, perhaps with a severity such "
                f"as noise-3, or all or all-3, got {text!r}"
            )
        chosen = list(CONDITIONS) if name == "all" else [name]
        severities = SEVERITIES if severity is None else (int(severity),)
        found |= {(one, level) for one in chosen for level in severities}
    return [(name, level) for name in CONDITIONS for level in SEVERITIES if (name, level) in found]


def keys_of_names(names: Sequence[str]) -> Tensor:
    """Return the keys of examples that are identified by names, such as paths.

    Returns:
        ``(name,)`` int64.
    """
    hashes = [
        hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for name in names
    ]
    values = [int.from_bytes(one, "big", signed=True) for one in hashes]
    return torch.tensor(values, dtype=torch.int64)


@torch.no_grad()
def corrupt(
    waveform: Tensor,
    keys: Tensor,
    condition: str,
    severity: int,
    *,
    sample_rate: int,
    lengths: Tensor | None = None,
) -> Tensor:
    """Corrupt each example with a condition in one of its severities.

    The same key gives the same result, bit for bit, in any batch, on any machine. An example that
    exceeds full scale is scaled down to it, as on a recorder; a silent example stays silent.

    Args:
        waveform: Audio, nominally in [-1, 1].
        keys: ``(batch,)`` int64, a different one for each example, such as
            ``augspec.example_keys(0, 0, index)`` or `keys_of_names`.
        condition: Name of one of ``CONDITIONS``.
        severity: 1 to 5.
        sample_rate: Sample rate in Hz.
        lengths: Valid samples of each example; later samples stay as they are.

    Shape:
        ``(batch, channel, time)`` in and out.

    Raises:
        ValueError: If a shape is wrong, or the condition or the severity is not known.

    Example:
        >>> import augspec
        >>> tone = 0.5 * torch.sin(0.1 * torch.arange(16_000.0))[None, None]
        >>> keys = augspec.example_keys(0, 0, [7])
        >>> noisy = corrupt(tone, keys, "noise", 3, sample_rate=16_000)
        >>> snr_db = 10 * torch.log10(tone.square().mean() / (noisy - tone).square().mean())
        >>> round(float(snr_db))
        20
    """
    check_waveform(waveform, lengths)
    if condition not in CONDITIONS:
        raise ValueError(f"`condition` must be among {', '.join(CONDITIONS)}, got {condition!r}")
    if severity not in SEVERITIES:
        raise ValueError(f"`severity` must be among {SEVERITIES}, got {severity!r}")
    if keys.shape != waveform.shape[:1] or keys.dtype != torch.int64:
        got = f"{tuple(keys.shape)} {keys.dtype}"
        raise ValueError(f"`keys` must be ({len(waveform)},) int64, got {got}")
    kind, result = CONDITIONS[condition], waveform.detach().clone()
    ends = [waveform.shape[-1]] * len(waveform) if lengths is None else lengths.tolist()
    with eager_kernels():  # examples have many lengths, and each would compile again
        for place, (key, end) in enumerate(zip(keys.cpu(), ends, strict=True)):
            example = waveform[place : place + 1, :, :end].cpu().double()
            if end == 0 or not bool(example.any()):
                continue
            draws = Draws(key[None], f"conditions/{condition}/{severity}")
            found = kind.apply(example, kind.strengths[severity - 1], draws, sample_rate)
            result[place : place + 1, :, :end] = _to_16_bits(found).to(result)
    return result


def _to_16_bits(sound: Tensor) -> Tensor:
    """Round to the steps of a 16-bit file, and scale down if it exceeds full scale."""
    highest = (_STEPS - 1) / _STEPS
    peak = float(sound.abs().max())
    sound = sound * (highest / peak) if peak > highest else sound
    return torch.round(sound * _STEPS) / _STEPS


class Corrupted(Described, Dataset[dict[str, Any]]):
    """A data set under a condition: the same items, with corrupted waveforms.

    Args:
        dataset: Its items are dictionaries with ``waveform (channel, time)`` and ``index``.
        condition: Name of one of ``CONDITIONS``.
        severity: 1 to 5.
        sample_rate: Sample rate in Hz; by default that of the data set.

    Raises:
        ValueError: If neither the data set nor the argument gives the sample rate.

    Example:
        >>> import augspec
        >>> notes = Corrupted(augspec.datasets.GMNotes("valid"), "phone", 2)
        >>> len(notes), notes[0]["waveform"].shape
        (240, torch.Size([1, 64000]))
    """

    def __init__(
        self, dataset: Any, condition: str, severity: int, *, sample_rate: int | None = None
    ) -> None:
        rate = getattr(dataset, "sample_rate", None) if sample_rate is None else sample_rate
        if rate is None:
            raise ValueError(
                "`sample_rate` must be given, because the data set has no `sample_rate`"
            )
        self.dataset, self.condition, self.severity = dataset, condition, severity
        self.sample_rate = int(rate)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = dict(self.dataset[index])
        keys = example_keys(0, 0, [int(item["index"])])
        item["waveform"] = corrupt(
            item["waveform"][None],
            keys,
            self.condition,
            self.severity,
            sample_rate=self.sample_rate,
        )[0]
        return item
