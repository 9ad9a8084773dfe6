"""What a first script gets wrong is answered by what to write."""

import inspect

import numpy as np
import pytest
import soundfile
import torch

import augspec
from augspec import datasets, functional, testing
from augspec import features as F
from augspec import transforms as T


class Half(torch.nn.Module):
    """Not a transform of augspec."""

    def forward(self, waveform):
        return 0.5 * waveform


def halve(waveform, amount, lengths):
    """A kernel whose argument is not called as what is declared."""
    return 0.5 * waveform if lengths is None else amount * waveform


class Unregistered(T.WaveformTransform):
    """A transform that no config knows."""

    def _transform(self, waveform, params, lengths):
        return waveform


def frontend(*waveform):
    return augspec.Frontend(T.Chain(waveform), F.Spectrogram(n_fft=256))


@pytest.mark.parametrize(
    ("mistake", "kind", "message"),
    [
        (lambda: augspec.Chain, AttributeError, "it is augspec.transforms.Chain"),
        (lambda: augspec.AudioFolder, AttributeError, "it is augspec.datasets.AudioFolder"),
        (lambda: augspec.Frontent, AttributeError, "nearest: Frontend"),
        (lambda: functional.pitchshift, AttributeError, "nearest: pitch_shift"),
        (lambda: datasets.Folder, AttributeError, "nearest: AudioFolder"),
        (lambda: T.Gain(gain=3.0), TypeError, "it takes gain_db, p, per_channel"),
        (lambda: T.Gain(-15.0, 5.0), TypeError, r"a range is one argument, \(low, high\)"),
        (lambda: T.Gain(min_gain_in_db=-15.0), TypeError, r"a range is one argument"),
        (lambda: T.Chain(T.Gain(), T.Gain()), TypeError, r"one list of transforms.*T.Chain\("),
        (lambda: T.OneOf(T.Gain(), T.Gain()), TypeError, r"one list of transforms.*T.OneOf\("),
        (lambda: T.Chain([T.Gain]), TypeError, r"the class Gain at place 0; .*Gain\(...\)"),
        (lambda: T.Chain([[T.Gain()]]), TypeError, r"T.Chain\(\[...\]\)"),
        (lambda: T.Chain([Half()]), TypeError, "derive from T.WaveformTransform"),
        (lambda: augspec.Frontend(T.Gain, F.Spectrogram()), TypeError, "got the class Gain"),
        (lambda: augspec.Frontend(F.Spectrogram(), T.Gain()), TypeError, "give it as `features`"),
        (
            lambda: augspec.collate([(torch.zeros(1, 9), 0)]),
            TypeError,
            r"datasets.Indexed\(pairs, names=\('waveform', 'label'\)\)",
        ),
        (lambda: T.BackgroundNoise("sounds"), TypeError, r"augspec.Bank\(sounds, sample_rate\)"),
        (lambda: T.Gain()(np.zeros((1, 1, 9))), TypeError, "torch.from_numpy"),
        (lambda: testing.check_transform(T.Gain), TypeError, "must be an object such as T.Gain"),
        (
            lambda: augspec.to_config(T.Chain([Unregistered()])),
            TypeError,
            "@augspec.config.register above class Unregistered",
        ),
        (lambda: augspec.collate(["a.wav"]), TypeError, "AudioFolder read files"),
    ],
)
def test_a_mistake_is_answered_by_what_to_write(mistake, kind, message):
    with pytest.raises(kind, match=message):
        mistake()


@pytest.mark.parametrize("items", [["a.wav"], torch.zeros(3, 1, 800), [torch.zeros(1, 800)]])
def test_predict_says_what_an_item_is(items):
    model = torch.nn.Conv2d(1, 2, 3)
    with pytest.raises(TypeError, match="must be dictionaries with `waveform`"):
        augspec.predict(model, frontend(), items)


def test_a_loader_of_single_examples_is_told_to_batch_them():
    items = [{"waveform": torch.zeros(1, 800), "index": 0}]
    with pytest.raises(TypeError, match="put the data set into a torch.utils.data.DataLoader"):
        next(iter(augspec.DeviceLoader(items, frontend(T.Gain()), device="cpu")))


def test_a_gpu_that_is_not_there_is_said_at_once(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="'cuda' and no GPU"):
        augspec.DeviceLoader([], frontend(), device="cuda")


def test_a_class_number_beyond_num_classes_is_named():
    items = [{"waveform": torch.zeros(1, 800), "index": i, "label": i} for i in range(4)]
    loader = torch.utils.data.DataLoader(items, batch_size=4)
    batches = augspec.DeviceLoader(loader, frontend(T.Mixup()), device="cpu", num_classes=3)
    with pytest.raises(ValueError, match="from 0 to num_classes - 1 = 2"):
        next(iter(batches))


def test_frames_of_another_rank_are_refused():
    stretch = T.TimeStretch()
    params = stretch.make_params(torch.zeros(4, 1, 800))
    with pytest.raises(ValueError, match=r"must be \(batch, classes, frame\), got shape \(4, 50\)"):
        stretch.targets({"frames": torch.zeros(4, 50)}, params, time=800)


def test_a_kernel_that_lacks_a_declared_name_is_told_what_it_takes():
    from augspec.transforms.declare import Uniform

    with pytest.raises(TypeError, match="must take depth, as declared; it takes amount, lengths"):

        class Wrong(T.WaveformTransform, kernel=halve):
            """The kernel has another name for what is drawn."""

            depth: Uniform = Uniform(default=(0.0, 1.0), neutral=0.0)


def test_events_of_an_unknown_table_can_be_given_as_tuples(tmp_path):
    table = tmp_path / "events.csv"
    table.write_text("file,start,end,label\na.wav,0,1,bark\n")
    with pytest.raises(ValueError, match=r"list of tuples \(file, onset, offset, label\)"):
        datasets.read_events(table)


def test_a_folder_without_labels_can_be_opened_as_the_error_says(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 16_000)
    with pytest.raises(ValueError, match="`lambda path: 'all'`"):
        datasets.AudioFolder(tmp_path)
    assert datasets.AudioFolder(tmp_path, label_from=lambda _: "all").classes == ["all"]


def test_the_mixin_must_come_before_lightnings_class():
    lightning = pytest.importorskip("lightning")
    from augspec.interop.lightning import FrontendMixin

    with pytest.raises(TypeError, match="must name FrontendMixin first among its bases"):

        class Wrong(lightning.LightningModule, FrontendMixin):
            """Lightning's methods would hide those of the mixin."""

    class Right(FrontendMixin, lightning.LightningModule):
        """A method of one's own may stand in front of both."""

        def on_after_batch_transfer(self, batch, dataloader_idx):
            return super().on_after_batch_transfer(batch, dataloader_idx)

    assert issubclass(Right, FrontendMixin)


@pytest.mark.parametrize(
    "name", [name for name in F.__all__ if hasattr(getattr(F, name), "example")]
)
def test_a_feature_shows_its_settings(name):
    feature = getattr(F, name).example()
    for argument in inspect.signature(type(feature)).parameters:
        value = getattr(feature, argument)
        value = dict(sorted(value.items())) if isinstance(value, dict) else value
        if not isinstance(value, torch.Tensor):
            assert f"{argument}={value!r}" in repr(feature)
