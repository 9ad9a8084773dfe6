"""A task of pyannote.audio itself takes a training step with `augmentation=`.

By itself, for the package draws in a hundred others: in an environment that has it,
``python -m pytest tests/long/pyannote_task.py``.
"""

import numpy as np
import pytest
import torch
from pyannote.audio import tasks
from pyannote.audio.core import task as core
from pyannote.audio.models import segmentation as models
from pyannote.core import SlidingWindow, SlidingWindowFeature

from augspec.compat import torch_audiomentations as compat

RATE = 16_000

pytestmark = pytest.mark.usefixtures("eager_kernels")


def augmentation():
    return compat.Compose(
        [
            compat.Gain(-12.0, 6.0, p=0.5, output_type="dict"),
            compat.OneOf([compat.AddColoredNoise(p=1.0), compat.LowPassFilter(p=1.0)]),
            compat.Mix(p=1.0),
            compat.TimeInversion(p=1.0),
        ],
        output_type="dict",
    )


def test_its_own_task_collates_made_up_audio_and_takes_a_step(monkeypatch):
    class Protocol:
        name = "Made.SpeakerDiarization.Up"

        def train(self):
            return iter(())

        def development(self):
            return iter(())

    checks = {"has_validation": False, "has_scope": True, "has_classes": False}
    monkeypatch.setattr(core, "check_protocol", lambda protocol: (protocol, checks))
    task = tasks.VoiceActivityDetection(
        Protocol(), duration=0.5, batch_size=4, augmentation=augmentation()
    )
    model = models.PyanNet(sample_rate=RATE, sincnet={"stride": 20}, lstm={"num_layers": 1})
    task.model, model.task = model, task
    model.build()
    frames = model.num_frames(RATE // 2)
    step = SlidingWindow(start=0.0, duration=0.5 / frames, step=0.5 / frames)

    def one(seed):
        generator = np.random.default_rng(seed)
        labels = SlidingWindowFeature(generator.integers(0, 2, (frames, 1)), step, labels=["a"])
        return {"X": torch.randn(1, RATE // 2), "y": labels, "meta": {"file": seed}}

    batch = task.collate_fn([one(seed) for seed in range(4)], stage="train")
    assert batch["X"].shape == (4, 1, RATE // 2)
    monkeypatch.setattr(type(model), "log", lambda *_, **__: None)
    loss = task.training_step(batch, 0)["loss"]
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
