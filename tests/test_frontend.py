import pytest
import releases
import torch

import augspec
from augspec import features as F
from augspec import transforms as T


@pytest.fixture
def frontend():
    return augspec.Frontend(
        waveform=T.Chain([T.Gain((-6.0, 6.0)), T.RandomCrop(4000)]),
        features=F.LogMelSpectrogram(sample_rate=16_000, n_fft=512, hop_length=250, n_mels=40),
        specgram=T.Chain([T.TimeMask(8), T.FrequencyMask(8)]),
    )


KEYS = augspec.example_keys(seed=0, epoch=3, index=torch.arange(3))
WAVEFORM = torch.randn(3, 2, 6000, generator=torch.Generator().manual_seed(0))


def test_the_design_documents_example_runs_as_it_stands():
    import augspec
    from augspec import features as F
    from augspec import transforms as T

    waveform, index = torch.randn(2, 1, 64_000), torch.arange(2)
    frontend = augspec.Frontend(
        waveform=T.Chain(
            [
                T.TimeStretch(rate=(0.8, 1.25)),
                T.PitchShift(semitones=(-2.0, 2.0), p=0.8),
                T.RandomCrop(48_000),
                T.Gain(gain_db=(-12.0, 6.0)),
            ]
        ),
        features=F.LogMelSpectrogram(sample_rate=16_000, n_fft=1024, hop_length=256, n_mels=64),
        specgram=T.Chain([T.TimeMask(40), T.FrequencyMask(12)]),
    )
    specgram = frontend(waveform)  # (batch, channel, time) -> (batch, channel, n_mels, frame)
    assert specgram.shape == (2, 1, 64, 188)
    params = frontend.make_params(waveform, keys=augspec.example_keys(seed=0, epoch=3, index=index))
    again = frontend.transform(waveform, params)
    assert torch.equal(again, frontend.transform(waveform, params))
    keys = augspec.example_keys(seed=0, epoch=3, index=index)
    assert torch.equal(again, frontend(waveform, keys=keys))
    frontend.eval()
    assert torch.equal(frontend(waveform), frontend.features(waveform))


def test_it_is_its_stages_one_after_the_other(frontend):
    frontend.fuse = "never"
    params = frontend.make_params(WAVEFORM, keys=KEYS)
    waveform = frontend.waveform.transform(WAVEFORM, params["waveform"])
    specgram = frontend.specgram.transform(frontend.features(waveform), params["specgram"])
    assert torch.equal(frontend.transform(WAVEFORM, params), specgram)


def test_lengths_go_in_as_samples_and_come_out_as_frames(frontend):
    lengths = torch.tensor([6000, 2000, 100])
    specgram, frames = frontend(WAVEFORM, lengths, keys=KEYS)
    assert specgram.shape == (3, 2, 40, 17)
    assert frames.tolist() == [17, 9, 1]
    alone, _ = frontend(WAVEFORM[1:2, :, :2500], lengths[1:2], keys=KEYS[1:2])
    torch.testing.assert_close(alone[0, ..., :9], specgram[1, ..., :9], rtol=1e-4, atol=1e-3)


def test_eval_gives_the_plain_features_and_leaves_the_random_state(frontend):
    frontend.eval()
    state = torch.random.get_rng_state()
    assert torch.equal(frontend(WAVEFORM), frontend.features(WAVEFORM))
    assert torch.equal(state, torch.random.get_rng_state())


def test_center_crop_acts_in_eval():
    frontend = augspec.Frontend(
        T.Chain([T.CenterCrop(2000), T.Gain(6.0)]), F.Spectrogram(256)
    ).eval()
    assert torch.equal(frontend(WAVEFORM), frontend.features(WAVEFORM[..., 2000:4000]))


def test_features_may_be_a_sequence_that_passes_lengths_on():
    log_mel, normalize = F.LogMelSpectrogram(n_fft=256, n_mels=20), F.Normalize()
    frontend = augspec.Frontend(T.Gain(), torch.nn.Sequential(log_mel, normalize)).eval()
    lengths = torch.tensor([6000, 2000, 600])
    specgram, frames = frontend(WAVEFORM, lengths)
    expected, _ = normalize(*log_mel(WAVEFORM, lengths))
    assert torch.equal(specgram, expected)
    assert frames.tolist() == [1 + n // 128 for n in (6000, 2000, 600)]
    assert torch.equal(frontend(WAVEFORM), normalize(log_mel(WAVEFORM)))


def test_draws_are_named_by_their_path(frontend):
    params = frontend.make_params(WAVEFORM, keys=KEYS)
    draw = augspec.random.Draw(KEYS, "Frontend.waveform/Gain#0")
    assert torch.equal(params["waveform"][0]["gain_db"], draw.uniform("gain_db", -6.0, 6.0))
    draw = augspec.random.Draw(KEYS, "Frontend.specgram/TimeMask#0")
    assert torch.equal(params["specgram"][0]["width"], draw.uniform("width"))


def test_a_single_transform_stands_for_a_chain_of_it():
    single = augspec.Frontend(T.Gain((-6.0, 6.0)), F.Spectrogram(256))
    chain = augspec.Frontend(T.Chain([T.Gain((-6.0, 6.0))]), F.Spectrogram(256))
    assert torch.equal(single(WAVEFORM, keys=KEYS), chain(WAVEFORM, keys=KEYS))


def test_replay_from_json_and_select(frontend):
    params = frontend.make_params(WAVEFORM, keys=KEYS)
    record = augspec.params_from_json(augspec.params_to_json(params))
    specgram = frontend.transform(WAVEFORM, params)
    assert torch.equal(frontend.transform(WAVEFORM, record), specgram)
    one = frontend.transform(WAVEFORM[1:2], augspec.select(record, 1))
    torch.testing.assert_close(one[0], specgram[1], rtol=1e-5, atol=1e-4)


def test_targets_follow_the_waveform_transforms():
    frontend = augspec.Frontend(T.PitchShift(2.0), F.Spectrogram(256), T.TimeMask(3))
    params = frontend.make_params(WAVEFORM, keys=KEYS)
    assert frontend.targets({"pitch": torch.tensor([60, 61, 62])}, params)["pitch"].tolist() == [
        62,
        63,
        64,
    ]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_dtype_is_kept(frontend, dtype):
    assert frontend(WAVEFORM.to(dtype), keys=KEYS).dtype == dtype


def test_autocast_changes_nothing(frontend):
    expected = frontend(WAVEFORM, keys=KEYS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(frontend(WAVEFORM, keys=KEYS), expected)


def test_it_compiles_whole(frontend):
    torch._dynamo.reset()
    compiled = torch.compile(frontend, fullgraph=releases.COMPILES_WHOLE, backend="aot_eager")
    expected = frontend(WAVEFORM, keys=KEYS)
    torch.testing.assert_close(compiled(WAVEFORM, keys=KEYS), expected, rtol=1e-4, atol=1e-3)


def test_an_empty_batch_gives_an_empty_result(frontend):
    assert frontend(WAVEFORM[:0]).shape == (0, 2, 40, 17)


def test_the_plan_names_each_stage(frontend):
    frontend.fuse = "never"
    plan = frontend.plan(WAVEFORM)
    for stage in ("Gain", "RandomCrop", "LogMelSpectrogram", "TimeMask", "FrequencyMask"):
        assert stage in plan
    assert "nothing is fused" in plan


def test_it_has_no_state_and_no_parameters(frontend):
    assert not frontend.state_dict()
    assert not list(frontend.parameters())


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: augspec.Frontend(T.Gain()), TypeError, "`features` must be a module"),
        (lambda: augspec.Frontend([T.Gain()], F.Spectrogram()), TypeError, "`waveform` must be"),
        (lambda: augspec.Frontend(None, F.Spectrogram(), 3), TypeError, "`specgram` must be"),
        (lambda: augspec.Frontend(None, F.Spectrogram(), fuse="yes"), ValueError, "`fuse` must be"),
        (
            lambda: augspec.Frontend(None, F.Spectrogram()).transform(WAVEFORM, []),
            ValueError,
            "`params` must be",
        ),
        (
            lambda: augspec.Frontend(None, F.Spectrogram())(WAVEFORM[0]),
            ValueError,
            "`waveform` must be",
        ),
    ],
)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


class Levels(torch.nn.Module):
    """A feature of one's own: the level of every 100 samples."""

    def forward(self, waveform, lengths=None):
        specgram = waveform.unfold(-1, 100, 100).square().mean(-1)[:, :, None].sqrt()
        return specgram if lengths is None else (specgram, self.frame_lengths(lengths))

    def frame_lengths(self, lengths):
        return lengths // 100


def test_labels_of_frames_follow_through_a_feature_of_ones_own():
    frames = torch.randn(3, 2, 60)
    mask = T.TimeWarp(10)
    own = augspec.Frontend(features=Levels(), specgram=mask)
    params = own.make_params(WAVEFORM, keys=KEYS)
    moved = own.targets({"frames": frames}, params, time=6000)["frames"]
    # The feature has 60 frames, as the labels have: these are warped by whole steps.
    alone = mask.targets({"frames": frames}, params["specgram"][0], time=60)["frames"]
    assert torch.equal(moved, alone)
    assert not torch.equal(moved, frames)
