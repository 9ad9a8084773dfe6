"""pyannote.audio's tasks call `augmentation=` in their own way; the package itself if it is there.

A task switches the transform's mode, calls it by name with labels of one channel and reads
``samples`` and ``targets`` of what comes out.
"""

import numpy as np
import pytest
import torch

from augspec.compat import torch_audiomentations as compat

RATE = 16_000


# Compiling takes longer than all of these.
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


@pytest.mark.parametrize("stage", ["train", "val"])
def test_a_batch_is_collated_as_its_segmentation_tasks_do(stage):
    sounds, labels = torch.randn(6, 1, 8000), torch.randint(0, 2, (6, 50, 3))
    augment = augmentation()
    augment.train(mode=stage == "train")
    made = augment(samples=sounds, sample_rate=RATE, targets=labels.unsqueeze(1))
    heard = made.targets.squeeze(1)
    assert made.samples.shape == sounds.shape
    assert heard.shape == labels.shape
    assert heard.dtype == labels.dtype
    if stage == "val":
        assert torch.equal(made.samples, sounds)
        assert torch.equal(heard, labels)
    else:
        # Turned round, and joined with those of another example.
        assert (heard.flip(1) >= labels).all()
        assert heard.sum() > labels.sum()


def test_it_may_be_the_input_hook_of_a_model():
    augment = compat.PolarityInversion(p=1.0, output_type="dict")
    made = augment(samples=torch.ones(2, 1, 8), sample_rate=RATE).samples
    assert torch.equal(made, -torch.ones(2, 1, 8))


def test_its_own_task_collates_made_up_audio_and_takes_a_step(monkeypatch):
    tasks = pytest.importorskip("pyannote.audio.tasks")
    models = pytest.importorskip("pyannote.audio.models.segmentation")
    core = pytest.importorskip("pyannote.audio.core.task")

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
    from pyannote.core import SlidingWindow, SlidingWindowFeature

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
