"""The native kernels draw bit for bit what torch draws, in one call for each name."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import augspec
from augspec import features as F
from augspec import native
from augspec import transforms as T
from augspec.params import params_to_json
from augspec.random import Draw

EXTREMES = torch.tensor([0, 1, -1, 2**63 - 1, -(2**63), 1 << 40, -(1 << 33)])
DRAWS = {
    "uniform": lambda draw: draw.uniform("a", -3.0, 5.0),
    "normal": lambda draw: draw.normal("a"),
    "integers": lambda draw: draw.integers("a", -7, 1 << 20),
    "bernoulli": lambda draw: draw.bernoulli("a", 0.3),
    "beta": lambda draw: draw.beta("a", 0.4),
    "choice": lambda draw: draw.choice("a", [1.0, 2.0, 0.5]),
    "key": lambda draw: draw.key("a"),
    "together": lambda draw: draw.together(["a", "b"]).key("b"),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("keys", [EXTREMES, EXTREMES[:1], EXTREMES[:0], EXTREMES.repeat(300)[::3]])
def test_every_draw(name, channels, keys):
    draw = Draw(keys, "Chain/Gain#0", channels or 1, by_channel=channels is not None)
    ours = DRAWS[name](draw)
    with native.in_torch():
        reference = DRAWS[name](draw)
    assert ours.dtype == reference.dtype
    assert ours.shape == reference.shape
    assert torch.equal(ours, reference)


@pytest.mark.parametrize("per_channel", [False, True])
def test_params_of_a_front_end(per_channel):
    chain = [
        T.PitchShift(p=0.5, per_channel=per_channel),
        T.OneOf([T.Mute(), T.RepeatPart(), T.Shift()]),
        T.WhiteNoise(),
        T.RandomCrop(700),
        T.Gain(p=0.7),
    ]
    frontend = augspec.Frontend(T.Chain(chain), F.LogMelSpectrogram(n_mels=8), T.TimeMask(3))
    waveform, keys = torch.zeros(9, 2, 900), augspec.example_keys(1, 2, range(9))
    ours = params_to_json(frontend.make_params(waveform, keys=keys))
    with native.in_torch():
        assert params_to_json(frontend.make_params(waveform, keys=keys)) == ours


class _Counter(TorchDispatchMode):
    """Counts what torch computes, and lets the kernels run as if nobody watched."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **kwargs or {})


def test_a_draw_is_one_call(monkeypatch):
    """Some thirty small operations drew a gain and the place of a crop."""
    if native.instruction_set() == "no":
        return
    chain = T.Chain([T.RandomCrop(700), T.Gain()])
    draw = Draw(torch.arange(64), "Chain")
    monkeypatch.setattr(native, "nobody_watches", lambda: True)
    with _Counter() as counter:
        chain.draw_params(draw)
    # Two results, two that are always picked, and the range of the gain.
    assert counter.count <= 6
