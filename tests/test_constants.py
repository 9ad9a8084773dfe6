"""Windows, filters and matrices: made once for their numbers, dtype and device, and no buffers."""

import copy
import pickle

import pytest
import releases
import torch
from torch._subclasses import FakeTensorMode

from augspec import _compile, functional
from augspec import features as F
from augspec import transforms as T
from augspec._constants import _made, constant, count_up

CPU = torch.device("cpu")
FEATURES = [getattr(F, name) for name in F.__all__ if hasattr(getattr(F, name), "example")]
FEATURES = [kind.example() for kind in FEATURES if kind not in (F.MagnitudeFeature, F.MelFeature)]
WAVEFORM_FEATURES = [f for f in FEATURES if hasattr(f, "frame_lengths")]
by_name = pytest.mark.parametrize("feature", FEATURES, ids=lambda f: type(f).__name__)
of_waveforms = pytest.mark.parametrize("feature", WAVEFORM_FEATURES, ids=lambda f: type(f).__name__)


def ramp(size, *, dtype):
    return torch.arange(size, dtype=dtype)


def get(size, dtype=torch.float32):
    return constant(ramp, size, dtype=dtype, device=CPU)


@pytest.fixture(autouse=True)
def empty_cache():
    _made.cache_clear()


def made():
    return _made.cache_info().misses


def test_a_constant_is_made_once_for_its_numbers_and_dtype():
    assert get(5) is get(5)
    assert get(5) is not get(6)
    assert get(5, torch.float64).dtype == torch.float64
    assert made() == 3


@pytest.mark.parametrize(
    "mode",
    [
        torch.inference_mode,
        torch.no_grad,
        lambda: torch.autocast("cpu", torch.bfloat16),
        lambda: torch.device("meta"),
    ],
    ids=["inference", "no_grad", "autocast", "default_device"],
)
def test_what_is_made_under_a_mode_serves_outside_of_it(mode):
    with mode():
        inside = get(5)
    assert inside is get(5)
    assert inside.device == CPU
    assert not inside.is_inference()
    x = torch.randn(5, requires_grad=True)
    (x * get(5)).sum().backward()
    assert torch.equal(x.grad, torch.arange(5.0))


def test_what_is_made_under_function_transforms_serves_outside_of_them():
    x = torch.randn(5)
    slope = torch.func.grad(lambda x: (x * get(5)).sum())(x)
    mapped = torch.func.vmap(lambda x: x * get(5))(x[None])
    assert torch.equal(slope, torch.arange(5.0))
    assert torch.equal(mapped[0], x * get(5))
    assert made() == 1


def test_no_fake_tensor_is_kept():
    with FakeTensorMode():
        fake = constant(ramp, 5, dtype=torch.float32, device=torch.device("cuda", 0))
        assert fake.is_cuda
        assert fake.shape == (5,)
        assert type(get(5)) is not torch.Tensor
    assert torch.equal(get(5), torch.arange(5.0))
    with FakeTensorMode():
        assert type(get(5)) is not torch.Tensor
    assert made() == 1


def test_an_error_is_that_of_the_function():
    with pytest.raises(ValueError, match="no ramp"):
        constant(no_ramp, 5, dtype=torch.float32, device=CPU)


def no_ramp(size, *, dtype):  # noqa: ARG001
    raise ValueError("no ramp")


@pytest.mark.filterwarnings("ignore:.*get_attr")  # torch 2.6 warns of constants that it exports
@pytest.mark.parametrize("strict", [False, True])
def test_a_constant_is_one_of_graphs_too(strict):
    class Scaled(torch.nn.Module):
        def forward(self, x):
            return x * get(5) * get(1) + get(7)[:5] * get(7)[2]

    x = torch.randn(5)
    whole = torch.compile(Scaled(), fullgraph=True, backend="aot_eager")
    assert torch.equal(whole(x), Scaled()(x))
    program = torch.export.export(Scaled(), (x,), strict=strict)
    assert torch.equal(program.module()(x), Scaled()(x))
    assert not any("arange" in str(node.target) for node in program.graph.nodes)
    assert made() == 3


def test_a_graph_takes_numbers_that_change_from_call_to_call():
    """Torch makes a number a symbol of the graph once it has changed."""
    torch.compiler.reset()
    whole = torch.compile(scaled_and_counted, fullgraph=True, backend="eager")
    for size in (5, 6, 9, 6):
        assert torch.equal(whole(torch.ones(size), size), torch.arange(size) ** 2.0)


def scaled_and_counted(x, size):
    # Arithmetic on it makes it a symbol for certain.
    return x * get(size + 1 - 1) * count_up(2 * size, 3 * size, CPU).sub(2 * size)


@by_name
def test_a_feature_holds_no_tensor(feature):
    assert not list(feature.buffers())
    assert not feature.state_dict()
    assert not any(isinstance(value, torch.Tensor) for value in vars(feature).values())
    assert len(pickle.dumps(feature)) < 4096


@releases.counts_launches
@of_waveforms
def test_a_feature_goes_where_the_audio_is(feature):
    waveform = torch.randn(2, 1, 4000)
    expected = feature(waveform)
    for same in (
        copy.deepcopy(feature).to("meta"),
        copy.deepcopy(feature).half(),
        pickle.loads(pickle.dumps(feature)),  # noqa: S301
    ):
        assert torch.equal(same(waveform), expected)
    with FakeTensorMode():
        assert feature(torch.empty(2, 1, 4000, device="cuda")).is_cuda


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@of_waveforms
def test_a_module_of_another_dtype_makes_its_filters_once(feature, dtype):
    cast, waveform = copy.deepcopy(feature).to(dtype), torch.randn(2, 1, 4000).to(dtype)
    first, count = cast(waveform), made()
    assert torch.equal(cast(waveform), first)
    assert made() == count


@of_waveforms
def test_features_of_the_same_settings_share_their_constants(feature):
    waveform = torch.randn(2, 1, 4000)
    feature(waveform)
    count = made()
    type(feature).example()(waveform)
    assert made() == count


def test_what_the_public_function_gives_is_the_callers_own():
    window = functional.spectrum.hann_window(400, 512)
    window.zero_()
    assert F.Spectrogram(512, 400)(torch.ones(1, 1, 4000)).any()


def test_loudness_and_tilt_make_nothing_at_the_second_call():
    chain = T.Chain(
        [T.LoudnessNormalize(-20.0, sample_rate=16_000), T.TiltEQ((-3.0, 3.0), sample_rate=16_000)]
    )
    waveform = torch.randn(2, 1, 16_000)
    chain(waveform)
    count = made()
    assert count > 0
    chain(waveform)
    assert made() == count


def test_making_a_constant_compiles_nothing():
    """A graph for one call takes seconds, and the threads that make constants cannot trace."""
    count = _compile._watch.graphs
    for new_rate in (8000, 11_025, 44_100):
        functional.resample_rate(torch.randn(1, 1, 500), 16_000, new_rate)
    T.Telephone()(torch.randn(2, 1, 4000))
    assert _compile._watch.graphs == count
