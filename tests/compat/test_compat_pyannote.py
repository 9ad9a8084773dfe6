"""pyannote.audio's tasks call `augmentation=` in their own way.

`tests/long/pyannote_task.py` runs a task of the package itself. A task switches the transform's
mode, calls it by name with labels of one channel, and reads ``samples`` and ``targets`` of what
comes out.
"""

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
