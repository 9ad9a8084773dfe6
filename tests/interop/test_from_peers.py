"""Peers' transforms inside our chains."""

import random
import subprocess
import sys

import audiomentations
import numpy as np
import pytest
import torch
from peers import import_or_skip

import augspec
import augspec.testing
from augspec import interop
from augspec import transforms as T
from augspec.interop._peer import import_peer

torchaudio = import_or_skip("torchaudio")
torch_audiomentations = import_or_skip("torch_audiomentations")

RATE = 16_000
KEYS = augspec.example_keys(seed=3, epoch=1, index=torch.arange(6))


def am(name, **arguments):
    return interop.from_audiomentations(
        getattr(audiomentations, name)(p=1.0, **arguments), sample_rate=RATE, p=0.7
    )


def ta(name, **arguments):
    peer = getattr(torch_audiomentations, name)(p=1.0, output_type="dict", **arguments)
    return interop.from_torch_audiomentations(peer, sample_rate=RATE, p=0.7)


WAVEFORM = {
    "audiomentations noise (numpy)": am("AddGaussianNoise"),
    "audiomentations clipping (random)": am("ClippingDistortion"),
    "audiomentations compose": interop.from_audiomentations(
        audiomentations.Compose(
            [audiomentations.Gain(p=0.5), audiomentations.Shift(p=0.5)], shuffle=True
        ),
        sample_rate=RATE,
    ),
    "torch-audiomentations gain (torch)": ta("Gain"),
    "torch-audiomentations pitch (random)": ta("PitchShift", sample_rate=RATE),
    "torch-audiomentations channels": ta("ShuffleChannels"),
    "torch-audiomentations OneOf": interop.from_torch_audiomentations(
        torch_audiomentations.OneOf(
            [
                torch_audiomentations.PolarityInversion(p=1.0, output_type="dict"),
                torch_audiomentations.AddColoredNoise(p=1.0, output_type="dict"),
            ],
            output_type="dict",
        ),
        sample_rate=RATE,
    ),
    "torchaudio fade": interop.from_torchaudio(torchaudio.transforms.Fade(50, 70), p=0.7),
    "torchaudio volume, preemphasis": interop.from_torchaudio(
        torch.nn.Sequential(
            torchaudio.transforms.Vol(-6.0, "db"), torchaudio.transforms.Preemphasis()
        ),
        p=0.7,
    ),
}
SPECGRAM = {
    "torchaudio SpecAugment": interop.from_torchaudio(
        torchaudio.transforms.SpecAugment(2, 9, 2, 5, p=0.5), p=0.7
    ),
    "torchaudio TimeMasking": interop.from_torchaudio(
        torchaudio.transforms.TimeMasking(9, iid_masks=True), p=0.7
    ),
    "torchaudio AmplitudeToDB": interop.from_torchaudio(
        torchaudio.transforms.AmplitudeToDB(top_db=40.0), p=0.7
    ),
}
BOTH = {**WAVEFORM, **SPECGRAM}


# What a peer itself does not keep: these refuse an example shorter than a frame or a fade, and a
# shuffle of two channels may leave them as they are.
SHORT = "one_sample_is_enough"
LIMITS = {
    "torch-audiomentations pitch (random)": {
        SHORT,
        "padding_changes_no_valid_sample",
        "an_example_ends_at_its_own_end",
        "padding_stays_silent",
        "input_is_not_modified",
        "global_random_state_is_untouched",
        "params_round_trip_as_json",
        "autocast_changes_nothing",
    },
    "torchaudio fade": {SHORT},
    "torch-audiomentations channels": {"unpicked_examples_come_out_bit_for_bit"},
}


@pytest.fixture(params=BOTH)
def name(request):
    return request.param


@pytest.fixture
def transform(name):
    return BOTH[name]


@pytest.fixture
def batch(name):
    shape = (6, 2, 3000) if name in WAVEFORM else (6, 2, 16, 60)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return 0.1 * noise if name in WAVEFORM else noise.square()


@pytest.fixture
def lengths(batch):
    return torch.tensor([3000, 0, 1700, 2999, 2024, 2100]) * batch.shape[-1] // 3000


def global_states():
    numpy = np.random.get_state()  # noqa: NPY002
    return random.getstate(), numpy[1].tolist(), torch.get_rng_state().tolist()


def test_params_are_applied_and_a_seed_and_survive_json(transform, batch):
    params = transform.make_params(batch, keys=KEYS)
    assert {name: value.dtype for name, value in params.items()} == {
        "applied": torch.bool,
        "seed": torch.int64,
    }
    again = augspec.params_from_json(augspec.params_to_json(params))
    assert torch.equal(transform.transform(batch, params), transform.transform(batch, again))


def test_replay_is_bit_for_bit_and_global_states_and_input_stay(transform, batch):
    before, states = batch.clone(), global_states()
    first = transform(batch, keys=KEYS)
    assert global_states() == states
    for draw in (random.random, np.random.rand, torch.seed):
        draw()
    assert torch.equal(transform(batch, keys=KEYS), first)
    assert torch.equal(batch, before)
    assert not torch.equal(first, batch)


def test_examples_that_are_not_picked_come_out_bit_for_bit(transform, batch):
    params = transform.make_params(batch, keys=KEYS)
    params["applied"][:3] = False
    out = transform.transform(batch, params)
    assert torch.equal(out[:3], batch[:3])
    params["applied"][:] = False
    assert torch.equal(transform.transform(batch, params), batch)


def test_only_the_valid_part_is_passed_and_examples_come_out_as_if_alone(transform, batch, lengths):
    out, ends = transform(batch, lengths, keys=KEYS)
    assert torch.equal(ends, lengths)
    for i, end in enumerate(lengths.tolist()):
        assert torch.equal(out[i, ..., end:], batch[i, ..., end:])
        if end:
            alone = transform(batch[i : i + 1, ..., :end], keys=KEYS[i : i + 1])
            torch.testing.assert_close(out[i, ..., :end], alone[0], rtol=1e-5, atol=1e-5)


CHECKS = [
    (name, check)
    for name in BOTH
    for check in augspec.testing.checks_for(BOTH[name])
    if check not in LIMITS.get(name, ())
]


@pytest.mark.filterwarnings("ignore:Multichannel audio must have channels first")
@pytest.mark.parametrize(("name", "check"), CHECKS)
def test_a_wrapped_peer_keeps_the_contract(name, check):
    augspec.testing.run_check(check, BOTH[name])


def test_a_compiled_chain_breaks_its_graph_around_it(transform, batch):
    chain = T.Chain([transform])
    torch._dynamo.reset()
    compiled = torch.compile(chain, backend="aot_eager")
    torch.testing.assert_close(compiled(batch, keys=KEYS), chain(batch, keys=KEYS))


def test_the_result_is_the_peers():
    waveform = 0.1 * torch.randn(6, 1, 3000)
    chain = T.Chain([interop.from_audiomentations(audiomentations.AddGaussianNoise(p=1.0), RATE)])
    params = chain.make_params(waveform, keys=KEYS)
    out = chain.transform(waveform, params)
    state, python = np.random.get_state(), random.getstate()  # noqa: NPY002
    for example, seed, ours in zip(waveform, params[0]["seed"].tolist(), out, strict=True):
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        theirs = audiomentations.AddGaussianNoise(p=1.0)(example[0].numpy(), RATE)
        assert torch.equal(ours[0], torch.from_numpy(theirs))
    np.random.set_state(state)  # noqa: NPY002
    random.setstate(python)
    modules = torchaudio.transforms.Fade(500, 700, fade_shape="logarithmic")
    assert torch.equal(interop.from_torchaudio(modules)(waveform), modules(waveform))


def test_the_users_module_is_left_alone():
    peer = torch_audiomentations.Gain(p=1.0, output_type="tensor_or_dict").eval()
    wrapped = interop.from_torch_audiomentations(peer, RATE)
    out = wrapped(torch.ones(6, 1, 100), keys=KEYS)
    assert len(out[:, 0, 0].unique()) == 6
    assert not peer.training
    assert peer.transform_parameters == {}


def test_gradients_flow_through_torchaudio():
    fade = interop.from_torchaudio(torchaudio.transforms.Fade(5, 5))
    waveform = torch.randn(2, 1, 20, dtype=torch.float64, requires_grad=True)
    keys = KEYS[:2]
    assert torch.autograd.gradcheck(lambda x: fade(x, keys=keys), waveform)


def test_torchaudios_parameters_do_not_reach_an_optimiser():
    shift = interop.from_torchaudio(torchaudio.transforms.PitchShift(RATE, 12))
    tone = torch.sin(torch.arange(8000) * (2 * torch.pi * 440 / RATE))[None, None]
    spectrum = torch.fft.rfft(shift(tone)[0, 0]).abs()
    assert spectrum.argmax().item() * 2 == pytest.approx(880, abs=3)
    assert not list(shift.parameters())
    assert not shift.state_dict()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: interop.from_audiomentations(
                audiomentations.AdjustDuration(duration_samples=300, p=1.0), RATE
            ),
            ValueError,
            "a wrapped AdjustDuration must keep the shape of its input",
        ),
        (
            lambda: interop.from_torchaudio(torchaudio.transforms.Resample(16_000, 8000)),
            ValueError,
            r"a wrapped Resample must keep .* but made \(2, 1, 400\) of \(2, 1, 800\); use",
        ),
        (
            lambda: interop.from_torchaudio(torchaudio.transforms.SpeedPerturbation(RATE, [0.5])),
            TypeError,
            "a wrapped SpeedPerturbation must return one tensor, got tuple",
        ),
        (
            lambda: interop.from_torchaudio(torchaudio.transforms.MuLawEncoding()),
            TypeError,
            "a wrapped MuLawEncoding must return floating point, got torch.int64",
        ),
        (
            lambda: interop.from_torchaudio(torchaudio.transforms.AddNoise()),
            TypeError,
            "`module` must take one tensor, but AddNoise also needs noise, snr",
        ),
        (
            lambda: interop.from_torchaudio(torchaudio.transforms.SlidingWindowCmn()),
            ValueError,
            r"`module` must take .freq, time. spectrograms",
        ),
        (
            lambda: interop.from_torchaudio(torchaudio.transforms.TimeMasking(5)),
            ValueError,
            r"`specgram` must be \(batch, channel, freq, frame\)",
        ),
        (
            lambda: interop.from_audiomentations("Gain", RATE),
            TypeError,
            "`t` must be an audiomentations transform, got str",
        ),
        (
            lambda: interop.from_torch_audiomentations(len, RATE),
            TypeError,
            "`t` must be a torch-audiomentations module, got builtin",
        ),
        (lambda: interop.from_torchaudio(len), TypeError, "`module` must be a torchaudio module"),
    ],
)
def test_what_cannot_be_wrapped_is_named(make, error, message):
    waveform = torch.cat([torch.zeros(1, 400), 0.1 * torch.ones(1, 400)], dim=-1).expand(2, 1, -1)
    with pytest.raises(error, match=message):
        make()(waveform)


@pytest.mark.parametrize("peer", ["audiomentations", "torch_audiomentations", "torchaudio"])
def test_a_peer_that_is_not_installed_is_named(monkeypatch, peer):
    monkeypatch.delitem(sys.modules, f"augspec.interop.{peer}", raising=False)
    monkeypatch.setitem(sys.modules, peer, None)
    package = peer.replace("_", "-")
    with pytest.raises(ImportError, match=f"needs {package}, .*`pip install {package}`"):
        getattr(interop, f"from_{peer}")


@pytest.mark.parametrize("error", ["OSError('libc10_cuda.so: missing')", "RuntimeError('CUDA')"])
def test_a_peer_whose_import_fails_is_named(monkeypatch, tmp_path, error):
    (tmp_path / "broken_peer.py").write_text(f"raise {error}")
    monkeypatch.syspath_prepend(tmp_path)
    message = r"needs broken-peer, whose import failed \(.*\); .* that suits torch"
    with pytest.raises(ImportError, match=message):
        import_peer("broken_peer")


def test_importing_interop_brings_no_peer():
    program = (
        "import sys, augspec; augspec.interop.to_torchvision; "
        "print(sorted({'torchaudio', 'audiomentations', 'torch_audiomentations'} & "
        "{name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="has no attribute 'from_librosa'"):
        _ = interop.from_librosa
