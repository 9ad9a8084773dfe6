import warnings

import numpy as np
import pytest
import soundfile
import torch
from matplotlib import pyplot as plt
from torch import nn

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.datasets._audio import SUFFIXES

with warnings.catch_warnings():
    # fastai's import calls torch.jit.script and sets an option of pandas that both deprecate.
    warnings.simplefilter("ignore")
    from fastai.data.all import (
        CategoryBlock,
        DataBlock,
        GrandparentSplitter,
        MultiCategoryBlock,
        get_files,
        parent_label,
    )
    from fastai.interpret import ClassificationInterpretation
    from fastai.metrics import accuracy
    from fastai.torch_core import set_seed

    from augspec.interop import fastai as interop_fastai
    from augspec.interop.fastai import (
        AudioBlock,
        FrontendTransform,
        TensorSpecgram,
        TensorWaveform,
        audio_learner,
        get_audio_files,
    )

RATE = 16_000


def make_frontend():
    log_mel = F.LogMelSpectrogram(RATE, n_fft=256, hop_length=160, n_mels=20)
    return augspec.Frontend(T.Gain((-6.0, 6.0)), nn.Sequential(log_mel, F.Normalize(-40.0, 40.0)))


@pytest.fixture
def notes(tmp_path):
    generator = np.random.default_rng(0)
    for split, count in (("train", 4), ("valid", 2)):
        for label in ("flute", "reed"):
            (tmp_path / split / label).mkdir(parents=True)
            for number in range(count):
                noise = 0.1 * generator.standard_normal(3000 + 100 * number).astype(np.float32)
                path = tmp_path / split / label / f"{number}.wav"
                soundfile.write(path, noise, RATE, subtype="FLOAT")
    (tmp_path / "train" / "readme.txt").write_text("no audio")
    return tmp_path


def make_loaders(notes, frontend, **arguments):
    block = DataBlock(
        blocks=(AudioBlock(RATE, size=3200), CategoryBlock),
        get_items=get_audio_files,
        splitter=GrandparentSplitter(),
        get_y=parent_label,
        batch_tfms=FrontendTransform(frontend),
    )
    return block.dataloaders(notes, bs=4, device="cpu", **{"num_workers": 0, **arguments})


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_files_become_waveforms_of_one_size(notes):
    assert len(get_audio_files(notes)) == 12
    loaders = make_loaders(notes, make_frontend())
    path = loaders.valid.items[0]
    samples, _ = soundfile.read(path, dtype="float32")
    waveform, label = loaders.valid_ds[0]
    assert type(waveform) is TensorWaveform
    assert waveform.sample_rate == RATE
    assert loaders.vocab[label] == path.parent.name
    size = min(len(samples), 3200)
    np.testing.assert_array_equal(waveform[0, :size], samples[:size])
    assert waveform.shape == (1, 3200)
    assert not waveform[0, size:].any()


def names(found, root):
    return [path.relative_to(root).as_posix() for path in found]


@pytest.mark.parametrize("target", [".", "..", "../..", "../../valid"])
def test_links_add_no_file_twice_and_none_from_beside(notes, target):
    """`loop -> ..` gave each file again at every depth, `-> ../..` the validation files too."""
    before = get_audio_files(notes / "train")
    (notes / "train" / "flute" / "loop").symlink_to(target)
    after = get_audio_files(notes / "train")
    inside = [path for path in after if "loop" not in path.parts]
    assert inside == list(before) == sorted(before)
    assert len(after) == len(before) + (4 if target.endswith("valid") else 0)
    assert type(after) is type(before)
    whole = get_audio_files(notes)
    assert len(whole) == len({path.resolve() for path in whole}) == 12


def test_folders_and_depth_are_those_of_fastai(notes):
    soundfile.write(notes / "top.wav", np.zeros(10), RATE)
    (notes / "train" / ".hidden").mkdir()
    soundfile.write(notes / "train" / ".hidden" / "x.wav", np.zeros(10), RATE)
    for options in (
        {},
        {"recurse": False},
        {"folders": ["valid"]},
        {"folders": "train"},
        {"folders": [".", "valid"]},
    ):
        expected = get_files(notes, extensions=SUFFIXES, **options)
        found = get_audio_files(notes, **options)
        assert names(found, notes) == sorted(names(expected, notes)), options


def test_sizes_and_rates_may_be_numpys(notes):
    block = AudioBlock(np.int64(RATE), size=np.int64(3200), part="center")
    (read,) = block.type_tfms
    assert read(notes / "train" / "flute" / "0.wav").shape == (1, 3200)


def test_another_rate_is_refused(notes):
    soundfile.write(notes / "valid" / "reed" / "0.wav", np.zeros(3000), 8000)
    with pytest.raises(ValueError, match=r"0\.wav must have a sampling rate of 16000 Hz"):
        list(make_loaders(notes, make_frontend()).valid)


def test_the_training_set_is_augmented_and_no_other():
    frontend = make_frontend()
    transform = FrontendTransform(frontend)
    waveform = TensorWaveform(torch.randn(3, 1, 2000), sample_rate=RATE)
    plain = make_frontend().eval()(waveform.as_subclass(torch.Tensor))
    for split in (1, None):
        assert torch.equal(transform(waveform, split_idx=split), plain)
    torch.manual_seed(0)
    augmented = transform(waveform, split_idx=0)
    assert type(augmented) is TensorSpecgram
    torch.manual_seed(0)
    assert torch.equal(augmented, frontend(waveform.as_subclass(torch.Tensor)))
    assert not torch.equal(augmented, plain)
    frontend.eval()
    assert torch.equal(transform(waveform, split_idx=0), plain), "a baseline stays one"


def test_batches_of_the_validation_set_are_plain(notes):
    loaders = make_loaders(notes, make_frontend())
    specgram, label = loaders.valid.one_batch()
    waveforms = torch.stack([loaders.valid_ds[i][0].as_subclass(torch.Tensor) for i in range(4)])
    assert torch.equal(specgram, make_frontend().eval()(waveforms))
    assert label.tolist() == [loaders.valid_ds[i][1] for i in range(4)]


def test_set_seed_repeats_a_run_whatever_the_number_of_workers(notes):
    seen = []
    for workers in (0, 2, 0):
        set_seed(3 + len(seen) // 2)
        loaders = make_loaders(notes, make_frontend(), num_workers=workers)
        set_seed(3 + len(seen) // 2)
        seen.append(torch.cat([specgram for specgram, _ in loaders.train]))
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


def test_an_example_that_is_drawn_again_has_draws_of_its_own(notes):
    """fastai's weighted loader draws one example 20 times: as many spectrograms."""
    block = DataBlock(
        blocks=(AudioBlock(RATE, size=3200), CategoryBlock),
        get_items=get_audio_files,
        splitter=GrandparentSplitter(),
        get_y=parent_label,
        batch_tfms=FrontendTransform(make_frontend()),
    )
    weights = [1.0] + 7 * [0.0]
    loaders = block.datasets(notes).weighted_dataloaders(
        weights, bs=8, device="cpu", num_workers=0, after_batch=[FrontendTransform(make_frontend())]
    )
    specgrams = torch.cat([specgram for specgram, _ in loaders.train]).as_subclass(torch.Tensor)
    assert len(specgrams) == 8
    assert len({round(level, 3) for level in specgrams.mean((1, 2, 3)).tolist()}) == 8


def test_show_batch_has_seconds_hertz_and_labels(notes):
    loaders = make_loaders(notes, make_frontend())
    loaders.show_batch(max_n=4)
    axes = plt.gcf().axes
    assert len(axes) == 4
    for ax in axes:
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time in s", "Hz (mel scale)")
        assert ax.get_title() in ("flute", "reed")
        assert ax.get_xlim()[1] == pytest.approx((3200 + 80) / RATE)
    ax = loaders.valid_ds[0][0].show()
    assert ax.get_xlim() == (0.0, 0.2)


def test_a_learner_trains_and_is_interpreted(notes):
    loaders = make_loaders(notes, make_frontend())
    learner = audio_learner(
        loaders, "test_resnet", head_arguments={"lin_ftrs": [8]}, metrics=accuracy
    )
    body, head = learner.model
    assert body.model.conv1[0].in_channels == 1
    assert len(learner.splitter(learner.model)) == 2
    assert head[-1].out_features == 2
    before = [parameter.detach().clone() for parameter in learner.model.parameters()]
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(1, 0.1)
        changed = [
            not torch.equal(old, new)
            for old, new in zip(before, learner.model.parameters(), strict=True)
        ]
        assert all(changed), "one step moves every weight"
        interpretation = ClassificationInterpretation.from_learner(learner)
        matrix = interpretation.confusion_matrix()
        assert matrix.sum(axis=1).tolist() == [2, 2]
        loss, score = learner.validate()
        assert score == pytest.approx(np.trace(matrix) / 4)
        assert loss == pytest.approx(float(interpretation.losses.mean()), rel=1e-4)
        interpretation.plot_top_losses(2)
        assert [ax.get_ylabel() for ax in plt.gcf().axes] == ["Hz (mel scale)"] * 2
        name, place, _ = learner.predict(loaders.valid.items[0])
    assert loaders.vocab[place] == name


def test_a_checkpoint_fills_the_body_and_freezes_it(notes, tmp_path):
    rgb = augspec.create_backbone("test_resnet", num_classes=3, in_chans=3)
    torch.save(rgb.state_dict(), tmp_path / "rgb.pt")
    loaders = make_loaders(notes, make_frontend())
    learner = audio_learner(loaders, "test_resnet", checkpoint=tmp_path / "rgb.pt", n_out=5)
    found = dict(learner.model[0].model.named_parameters())
    first, *others = [name for name, _ in rgb.named_parameters() if name in found]
    expected = dict(rgb.named_parameters())
    torch.testing.assert_close(found[first], expected[first].sum(1, keepdim=True))
    assert all(torch.equal(found[name], expected[name]) for name in others)
    frozen = {name: not parameter.requires_grad for name, parameter in found.items()}
    assert frozen[first]
    assert learner.model[1][-1].out_features == 5


def test_a_path_as_a_string_is_predicted_too(notes):
    loaders = make_loaders(notes, make_frontend())
    learner = audio_learner(loaders, "test_resnet", head_arguments={"lin_ftrs": [8]})
    path = loaders.valid.items[0]
    with learner.no_bar(), learner.no_logging():
        name, _, shares = learner.predict(str(path))
        expected = learner.predict(path)
    assert name == expected[0]
    torch.testing.assert_close(shares, expected[2])


def test_the_block_resamples_and_mixes_down(notes):
    tone = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    path = notes / "long.wav"
    soundfile.write(path, np.stack([tone, 0 * tone], 1), 44_100, subtype="FLOAT")
    read = AudioBlock(RATE, size=8000, resample=True, mono=True).type_tfms[0]
    waveform = read(path)
    assert waveform.shape == (1, 8000)
    ideal = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / RATE)
    np.testing.assert_allclose(waveform[0, 100:-100], ideal[100:-100], atol=1e-3)


def test_no_more_of_a_file_is_decoded_than_is_used(notes, monkeypatch):
    ramp = np.arange(50_000) / 50_000
    soundfile.write(notes / "long.wav", ramp, RATE, subtype="FLOAT")
    decoded = []
    real = interop_fastai.read_audio

    def spy(*arguments):
        waveform = real(*arguments)
        decoded.append(waveform.shape[-1])
        return waveform

    monkeypatch.setattr(interop_fastai, "read_audio", spy)
    starts = {}
    for part in ("start", "center", "random"):
        read = AudioBlock(RATE, size=1000, part=part).type_tfms[0]
        starts[part] = [float(read(notes / "long.wav", split_idx=split)[0, 0]) for split in (0, 1)]
    assert set(decoded) == {1000}
    assert starts["start"] == [0.0, 0.0]
    assert starts["center"] == pytest.approx([0.49, 0.49])
    assert starts["random"][0] not in (0.0, starts["random"][1])
    assert starts["random"][1] == pytest.approx(0.49)
    with pytest.raises(ValueError, match="`part` must be"):
        AudioBlock(part="end")


def test_classes_weigh_in_the_loss(notes):
    loaders = make_loaders(notes, make_frontend())
    weights = torch.tensor([3.0, 1.0])
    learner = audio_learner(loaders, "test_resnet", class_weights=weights)
    logits, label = torch.randn(4, 2), torch.tensor([0, 1, 1, 0])
    expected = nn.functional.cross_entropy(logits, label, weights)
    torch.testing.assert_close(learner.loss_func(logits, label), expected)


def test_several_classes_at_once_train_and_are_predicted(notes):
    block = DataBlock(
        blocks=(AudioBlock(RATE, size=3200), MultiCategoryBlock),
        get_items=get_audio_files,
        splitter=GrandparentSplitter(),
        get_y=lambda path: [parent_label(path), "loud"] if path.stem == "0" else [],
        batch_tfms=FrontendTransform(make_frontend()),
    )
    loaders = block.dataloaders(notes, bs=4, device="cpu", num_workers=0)
    weights = torch.tensor([3.0, 1.0, 1.0])
    learner = audio_learner(
        loaders, "test_resnet", head_arguments={"lin_ftrs": [8]}, class_weights=weights
    )
    logits, label = torch.randn(4, 3), torch.tensor([[1.0, 0.0, 1.0]] * 4)
    expected = nn.functional.binary_cross_entropy_with_logits(logits, label, weights)
    torch.testing.assert_close(learner.loss_func(logits, label), expected)
    learner = audio_learner(loaders, "test_resnet", head_arguments={"lin_ftrs": [8]})
    with learner.no_bar(), learner.no_logging():
        learner.fit(1, 1e-3)
        _, _, shares = learner.predict(str(loaders.valid.items[0]))
    assert shares.shape == (3,)
    assert loaders.vocab == ["flute", "loud", "reed"]


def test_a_body_of_one_picture_size_takes_spectrograms(notes):
    loaders = make_loaders(notes, make_frontend())
    learner = audio_learner(loaders, "test_vit_relpos", head_arguments={"lin_ftrs": [8]})
    with learner.no_bar(), learner.no_logging():
        assert np.isfinite(learner.validate()[0])


class Swap(T.Gain):
    mixes_examples = True


def test_a_front_end_that_mixes_is_refused():
    frontend = augspec.Frontend(Swap(), F.Spectrogram(256))
    with pytest.raises(ValueError, match="`frontend` must not mix examples, got Swap"):
        FrontendTransform(frontend)


def test_outputs_must_be_known():
    class Loaders:
        train_ds = None

    with pytest.raises(ValueError, match="`n_out` must be given"):
        audio_learner(Loaders(), "test_resnet")
