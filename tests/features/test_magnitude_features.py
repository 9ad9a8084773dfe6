"""What holds for every feature: ragged batches, gradients, compilation, dtypes, bounded memory."""

import copy
import pickle

import pytest
import releases
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from augspec import _chunks, features

SMALL = {"n_fft": 64, "hop_length": 20}
EMPTY_FILTERS = pytest.mark.filterwarnings("ignore:.*mel filters lie between")
MEL = {"sample_rate": 8000, "n_mels": 20, **SMALL}
FEATURES = {
    "Spectrogram": lambda **kwargs: features.Spectrogram(**SMALL, **kwargs),
    "MelSpectrogram": lambda **kwargs: features.MelSpectrogram(**MEL, power=1.0, **kwargs),
    "LogMelSpectrogram": lambda **kwargs: features.LogMelSpectrogram(**MEL, **kwargs),
    "LogMelSpectrogram-max": lambda **kwargs: features.LogMelSpectrogram(
        **MEL, ref="max", top_db=60.0, **kwargs
    ),
    "PCEN": lambda **kwargs: features.PCEN(**MEL, **kwargs),
    "MFCC": lambda **kwargs: features.MFCC(8000, 13, melkwargs={**SMALL, "n_mels": 20, **kwargs}),
}
each_feature = pytest.mark.parametrize("make", FEATURES.values(), ids=FEATURES)


def noise(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@each_feature
@pytest.mark.parametrize("pad_mode", ["reflect", "constant", "replicate"])
@pytest.mark.parametrize("center", [True, False])
def test_each_example_comes_out_as_if_it_were_alone(make, center, pad_mode):
    feature = make(center=center, pad_mode=pad_mode)
    lengths = torch.tensor([300, 1, 32, 33, 34, 64, 199, 200, 0])
    waveform = noise(9, 2, 300)
    behind = torch.arange(300) >= lengths[:, None, None]
    waveform = waveform.where(~behind, torch.tensor([torch.nan, torch.inf, 1e9]).repeat(100))
    specgram, frame_lengths = feature(waveform, lengths)
    assert not specgram.isnan().any()
    for i, (length, count) in enumerate(zip(lengths, frame_lengths, strict=True)):
        if count > 0 and length > 0:
            alone = feature(waveform[i : i + 1, :, :length])
            assert alone.shape[-1] == count
            torch.testing.assert_close(specgram[i : i + 1, ..., :count], alone)


@each_feature
def test_frames_behind_the_length_are_those_of_digital_silence(make):
    feature = make()
    waveform = noise(2, 1, 400)
    specgram, frame_lengths = feature(waveform, torch.tensor([400, 120]))
    assert frame_lengths.tolist() == [21, 7]
    # Silence beside sound of the same peak: by hand, as zeros in the place of frames.
    frames = feature.frame(waveform[1:, :, :120])
    silent = torch.cat([frames, torch.zeros(1, 1, 14, 64, dtype=torch.float64)], dim=2)
    torch.testing.assert_close(specgram[1:], feature.from_frames(silent))


@each_feature
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("pad_mode", ["reflect", "constant", "replicate"])
@pytest.mark.parametrize("time", [64, 401])
def test_full_lengths_change_nothing(make, center, pad_mode, time):
    feature = make(center=center, pad_mode=pad_mode)
    waveform = noise(3, 1, time)
    specgram, frame_lengths = feature(waveform, torch.full((3,), time))
    assert torch.equal(specgram, feature(waveform))
    assert torch.equal(frame_lengths, torch.full((3,), specgram.shape[-1]))


@each_feature
def test_neighbours_and_channels_change_nothing(make):
    feature = make()
    waveform = noise(5, 1, 500)
    batch = feature(waveform)
    for i in range(5):
        torch.testing.assert_close(feature(waveform[i : i + 1]), batch[i : i + 1])
    if feature.__class__ is features.Spectrogram:
        stereo = feature(waveform[:4].reshape(2, 2, 500))
        torch.testing.assert_close(stereo, batch[:4].reshape(2, 2, *batch.shape[-2:]))


@pytest.mark.xfail(
    (2, 9) <= releases.RELEASE < (2, 12),
    reason="torch 2.9 to 2.11: compiled, the gradient of an empty batch fails inside of MKL's FFT",
)
@each_feature
def test_empty_batch(make):
    torch._dynamo.reset()  # or the graphs of all features count as variants of one
    waveform = torch.zeros(0, 2, 300)
    expected = (0, *make()(torch.zeros(1, 2, 300)).shape[1:])
    assert make()(waveform).shape == expected
    waveform.requires_grad_()
    compiled = torch.compile(make(), fullgraph=True, backend="aot_eager")
    for feature in (make(), compiled):
        feature(waveform).sum().backward()
        assert waveform.grad.shape == waveform.shape
    specgram, frame_lengths = make()(waveform, torch.zeros(0, dtype=torch.int64))
    assert specgram.shape == expected
    assert frame_lengths.shape == (0,)


@each_feature
def test_work_in_blocks_is_the_work_in_one(make, monkeypatch):
    feature = make()
    waveform, lengths = noise(4, 2, 200), torch.tensor([200, 3, 40, 199])
    whole, whole_ragged = feature(waveform), feature(waveform, lengths)[0]
    for block in (1, 2 * 3 * 64, 2 * 3 * 11 * 64):
        monkeypatch.setattr(_chunks, "_CPU_VALUES", block)
        torch.testing.assert_close(feature(waveform), whole)
        torch.testing.assert_close(feature(waveform, lengths)[0], whole_ragged)


@EMPTY_FILTERS
@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize(
    "mels", [{"n_mels": 70}, {"n_mels": 128, "f_min": 100.0}, {"n_mels": 33, "f_max": 900.0}]
)
def test_bands_of_filters_are_one_filter_bank(mels, power):
    feature = features.MelSpectrogram(n_fft=256, power=power, **mels)
    waveform = noise(2, 1, 700)
    banded = feature(waveform)
    feature._bands = feature._whole  # what other devices than a CPU use
    torch.testing.assert_close(feature(waveform), banded)


@each_feature
def test_parts_of_a_batch_and_of_its_frames_may_be_joined(make):
    feature = make()
    waveform, gain = noise(3, 2, 500), torch.tensor([0.1, 4.0, 1.0])
    frames, frame_lengths = feature.frame(waveform), torch.tensor([26, 3, 11])
    rows = [feature.project(part) for part in frames.split(2)]
    columns = [feature.project(part) for part in frames.split(7, dim=2)]
    expected = feature.from_frames(frames, frame_lengths=frame_lengths, gain=gain)
    for magnitudes in (torch.cat(rows), torch.cat(columns, dim=2)):
        specgram = feature.finish(magnitudes, torch.float64, frame_lengths=frame_lengths, gain=gain)
        torch.testing.assert_close(specgram, expected)


@each_feature
def test_gain_is_the_gain_of_the_waveform(make):
    feature = make()
    waveform = noise(3, 2, 500)
    for gain in (torch.tensor([0.5, -3.0, 1.0]), torch.tensor([[0.5, 2.0]] * 3)):
        louder = waveform * gain.reshape(3, -1, 1)
        from_frames = feature.from_frames(feature.frame(waveform), gain=gain)
        torch.testing.assert_close(from_frames, feature(louder), rtol=1e-6, atol=1e-6)


@each_feature
def test_gradient_is_that_of_the_function(make):
    feature = make()
    waveform = noise(2, 1, 90).requires_grad_()
    lengths = torch.tensor([90, 50])
    torch.autograd.gradcheck(feature, waveform, fast_mode=True)
    torch.autograd.gradcheck(lambda x: feature(x, lengths)[0], waveform, fast_mode=True)


@each_feature
def test_gradient_is_finite_on_silence_and_zero_behind_the_length(make):
    waveform = torch.zeros(2, 1, 300)
    waveform[1, :, 100:] = torch.nan
    waveform.requires_grad_()
    specgram, _ = make()(waveform, torch.tensor([300, 100]))
    specgram.sum().backward()
    assert waveform.grad.isfinite().all()
    assert not waveform.grad[1, :, 100:].any()


@each_feature
def test_input_stays_and_no_state_is_kept(make):
    feature = make()
    assert not feature.state_dict()
    assert not list(feature.parameters())
    waveform, lengths = noise(2, 1, 300, dtype=torch.float32), torch.tensor([300, 100])
    before, buffers = waveform.clone(), copy.deepcopy(dict(feature.named_buffers()))
    assert all(buffer.dtype == torch.float32 for buffer in buffers.values())
    specgram, _ = feature(waveform, lengths)
    assert torch.equal(waveform, before)
    assert lengths.tolist() == [300, 100]
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in feature.named_buffers())
    assert torch.equal(pickle.loads(pickle.dumps(feature))(waveform, lengths)[0], specgram)  # noqa: S301


@each_feature
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(make, dtype):
    waveform = (0.1 * noise(2, 1, 300)).to(dtype)
    specgram = make()(waveform)
    assert specgram.dtype == dtype
    assert torch.equal(specgram, make()(waveform.float()).to(dtype))


@each_feature
def test_autocast_changes_nothing(make):
    waveform = noise(2, 1, 300, dtype=torch.float32)
    expected = make()(waveform)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(make()(waveform), expected)


@each_feature
def test_compiled_is_eager(make):
    feature = make()
    compiled = torch.compile(feature, fullgraph=True, backend="aot_eager")
    assert_compiled_is_eager(feature, compiled)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex")
@pytest.mark.parametrize("name", ["Spectrogram", "LogMelSpectrogram-max"])
def test_compiled_by_inductor_is_eager(name):
    feature = FEATURES[name]()
    assert_compiled_is_eager(feature, torch.compile(feature, fullgraph=True))


def assert_compiled_is_eager(feature: nn.Module, compiled: nn.Module) -> None:
    torch._dynamo.reset()
    waveform, lengths = noise(3, 1, 300), torch.tensor([300, 20, 111])
    torch.testing.assert_close(compiled(waveform), feature(waveform))
    torch.testing.assert_close(compiled(waveform.float()), feature(waveform.float()))
    gradients = []
    for function in (feature, compiled):
        leaf = waveform.clone().requires_grad_()
        specgram, frame_lengths = function(leaf, lengths)
        assert frame_lengths.tolist() == [16, 2, 6]
        specgram.square().sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)


class LargestResult(TorchDispatchMode):
    """Note the bytes of the largest tensor that any operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(result):
            if isinstance(tensor, Tensor):
                self.bytes = max(self.bytes, tensor.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize("shape", [(64, 1, 64_000), (1, 1, 4_096_000)])
def test_memory_is_bounded_by_the_block(shape):
    waveform = torch.zeros(shape)
    feature = features.LogMelSpectrogram(16_000, n_fft=1024, hop_length=256, n_mels=64)
    with LargestResult() as largest:
        feature(waveform)
    frames_bytes = 4 * 1024 * (waveform.numel() // 256)
    block_bytes = 4 * _chunks._CPU_VALUES
    # The audio itself, padded, is all that may be larger than a block.
    assert largest.bytes <= max(1.01 * waveform.nbytes, 1.01 * block_bytes) < frames_bytes / 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_fft": 0}, "`n_fft` must be a whole number, 1 or more, got 0"),
        ({"win_length": 401}, r"`win_length` must be in \[1, n_fft = 400\], got 401"),
        ({"hop_length": 0}, "`hop_length` must be a whole number, 1 or more, got 0"),
        ({"power": 0.0}, "`power` must be positive, got 0.0"),
        ({"power": float("nan")}, "`power` must be positive, got nan"),
        ({"pad_mode": "circular"}, "`pad_mode` must be one of .*, got 'circular'"),
    ],
)
def test_bad_framing(arguments, message):
    with pytest.raises(ValueError, match=message):
        features.Spectrogram(**arguments)


@EMPTY_FILTERS
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_rate": 0}, "`sample_rate` must be a positive number of Hz, got 0"),
        ({"n_mels": 0}, "`n_mels` must be a whole number, 1 or more, got 0"),
        ({"norm": "area"}, "`norm` must be None or 'slaney', got 'area'"),
        ({"mel_scale": "bark"}, "`mel_scale` must be 'htk' or 'slaney', got 'bark'"),
        ({"f_min": -1.0}, r"`f_min` must be in \[0, f_max = 8000.0\), got -1.0"),
        ({"f_min": 900.0, "f_max": 800.0}, r"`f_min` must be in \[0, f_max = 800.0\), got 900.0"),
        ({"f_max": 8001.0}, "`f_max` must be at most sample_rate / 2, got 8001.0"),
        ({"ref": 0.0}, "`ref` must be positive or 'max', got 0.0"),
        ({"ref": "mean"}, "`ref` must be positive or 'max', got 'mean'"),
        ({"top_db": -1.0}, "`top_db` must be positive or None, got -1.0"),
    ],
)
def test_bad_log_mel(arguments, message):
    with pytest.raises(ValueError, match=message):
        features.LogMelSpectrogram(**arguments)


@EMPTY_FILTERS
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_mfcc": 129}, r"`n_mfcc` must be in \[1, n_mels = 128\], got 129"),
        ({"norm": "slaney"}, "`norm` must be None or 'ortho', got 'slaney'"),
        ({"top_db": 0.0}, "`top_db` must be positive or None, got 0.0"),
    ],
)
def test_bad_mfcc(arguments, message):
    with pytest.raises(ValueError, match=message):
        features.MFCC(**arguments)


def test_bad_waveform_names_the_argument():
    with pytest.raises(ValueError, match=r"`waveform.unsqueeze\(1\)`"):
        features.LogMelSpectrogram(n_mels=40)(torch.zeros(4, 16_000))


@pytest.mark.parametrize(
    "make",
    [
        features.MelSpectrogram,
        features.LogMelSpectrogram,
        features.PCEN,
        lambda n_fft=400: features.MFCC(melkwargs={"n_fft": n_fft}),
    ],
)
def test_empty_mel_filters_are_a_warning_that_says_what_to_set(make):
    with pytest.warns(
        UserWarning, match="4 of 128 mel filters .* constant: 0, 3, 6, 13. Set"
    ) as told:
        make()
    assert len(told) == 1
    assert "Set `n_fft` to 574 or more (it is 400)" in str(told[0].message)
    make(n_fft=574)  # warnings are errors here


def test_the_rows_that_a_warning_names_are_constant_and_it_points_to_the_caller():
    with pytest.warns(UserWarning, match="mel filters") as told:
        log_mel = features.LogMelSpectrogram()
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match="mel filters") as told:
        features.MelSpectrogram()
    assert told[0].filename == __file__
    rows = log_mel(torch.randn(1, 1, 16_000))[0, 0]
    constant = (rows == rows[:, :1]).all(1).nonzero().flatten().tolist()
    assert constant == [0, 3, 6, 13]


@pytest.mark.parametrize("mel_scale", ["htk", "slaney"])
@pytest.mark.parametrize(("sample_rate", "n_mels"), [(8000, 200), (44_100, 128), (96_000, 64)])
def test_the_frame_that_a_warning_names_leaves_no_filter_empty(sample_rate, n_mels, mel_scale):
    settings = {"n_mels": n_mels, "mel_scale": mel_scale, "f_min": 20.0}
    with pytest.warns(UserWarning, match="mel filters") as told:
        features.MelSpectrogram(sample_rate, n_fft=64, **settings)
    enough = int(str(told[0].message).split("`n_fft` to ")[1].split()[0])
    features.MelSpectrogram(sample_rate, n_fft=enough, **settings)


@pytest.mark.parametrize(
    ("f_min", "f_max"), [(0.0, 1e-178), (4000.0, 4000.0000000000005), (4000.0, 4000.0 + 1e-11)]
)
def test_corners_that_are_one_are_refused(f_min, f_max):
    """Filters between equal corners would be NaN."""
    with pytest.raises(
        ValueError, match=r"`f_max` must be farther above f_min = .* for 16 filters"
    ):
        features.MelSpectrogram(f_min=f_min, f_max=f_max, n_mels=16)
