"""Hard numbers: silence, DC, square waves, denormals, 1e-30 and 1e30, NaN and infinity."""

import pytest
import torch
from strategies import EXAMPLES, OF_SPECGRAMS

from augspec.testing.case import close, make_case, require

NAMES = sorted(EXAMPLES)
pytestmark = pytest.mark.usefixtures("eager_kernels")


def square(like):
    """Full scale, up for 40 samples and down for 40."""
    places = torch.arange(like.shape[-1], device=like.device) // 40 % 2
    return torch.where(places == 0, 1.0, -1.0).to(like.dtype).expand_as(like)


SIGNALS = {
    "silence": torch.zeros_like,
    "DC": lambda like: torch.full_like(like, 0.5),
    "full-scale square wave": square,
    "denormals": lambda like: like * (1e-40 if like.dtype == torch.float32 else 1e-310),
    "1e-30": lambda like: like * 1e-30,
    # Powers of it just fit into float32.
    "1e30": lambda like: like * (1e15 if like.dtype == torch.float32 else 1e30),
}


def hard_case(name, signal, dtype, device):
    """Give a module's case with hard values; a spectrogram has no negative ones."""
    case = make_case(EXAMPLES[name], device=device)
    batch = SIGNALS[signal](case.batch.to(dtype))
    return case.on(batch=batch.abs() if name in OF_SPECGRAMS else batch)


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("name", NAMES)
def test_hard_signals_give_finite_values(name, signal, device):
    for dtype in (torch.float32, torch.float64):
        case = hard_case(name, signal, dtype, device)
        for out in (case.run(), case.run_ragged()[0]):
            require(out.isfinite().all(), f"{signal} in {dtype} gives values that are not finite")


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("name", [n for n in NAMES if getattr(EXAMPLES[n], "differentiable", True)])
def test_gradients_of_hard_signals_are_finite(name, signal, device):
    for dtype in (torch.float32, torch.float64):
        case = hard_case(name, signal, dtype, device)
        batch = case.batch.clone().requires_grad_()
        out, _ = case.on(batch=batch).run_ragged()
        (gradient,) = torch.autograd.grad(out.sum(), batch)
        require(gradient.isfinite().all(), f"the gradient of {signal} in {dtype} is not finite")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e30])
@pytest.mark.parametrize(
    "name", [n for n in NAMES if not getattr(EXAMPLES[n], "mixes_examples", False)]
)
def test_a_broken_example_spoils_no_other(name, bad, device):
    case = make_case(EXAMPLES[name], device=device)
    others = [0, 2, 3]
    for where in (slice(None), slice(7, 8)):
        spoilt = case.batch.clone()
        spoilt[1, ..., where] = bad
        broken = case.on(batch=spoilt, lengths=torch.full_like(case.lengths, spoilt.shape[-1]))
        whole = case.on(lengths=broken.lengths)
        close(broken.run()[others], case.run()[others], f"{bad} in one example reaches another")
        out, ends = broken.run_ragged()
        expected, expected_ends = whole.run_ragged()
        close(out[others], expected[others], f"{bad} reaches another example")
        assert torch.equal(ends[others], expected_ends[others])
