"""Mean and standard deviation for normalisation, measured if a config requests it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from augspec.ablation.data import Notes, Progress
from augspec.ablation.plan import AUTO, make_feature

MOST = 2_000  # notes, spread over all: the mean is accurate to 0.01 deviations


@torch.no_grad()
def measured(features: Mapping[str, Any], notes: Notes, progress: Progress) -> dict[str, Any]:
    """Replace ``auto`` by the mean or standard deviation over all values of plain training notes.

    Numbers have four digits, so that devices and threads do not change them.
    """
    if AUTO not in (features["mean"], features["std"]):
        return dict(features)
    feature = make_feature(features)
    places = np.unique(np.linspace(0, len(notes) - 1, min(MOST, len(notes))).round().astype(int))
    count, total, squares = 0, 0.0, 0.0
    for done, place in enumerate(places, start=1):
        values = feature(notes[place]["waveform"][None]).double()
        count += values.numel()
        total += float(values.sum())
        squares += float(values.square().sum())
        progress("measuring features", done, len(places))
    mean = total / count
    found = {"mean": mean, "std": (squares / count - mean**2) ** 0.5}
    return {
        name: float(f"{found[name]:.4g}") if name in found and value == AUTO else value
        for name, value in features.items()
    }
