import io

import datasets
import numpy as np
import pytest
import soundfile
import torch
from peers import import_or_skip
from torch import nn

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.interop.huggingface import AudioClassifier, Collator, EpochCallback, with_waveform

# It imports torchaudio, if that is there.
transformers = import_or_skip("transformers.trainer")
Trainer, TrainingArguments = transformers.Trainer, transformers.TrainingArguments

RATE = 16_000
SIZES = (3000, 2000, 2500, 3000)


def tone(size, rate=RATE):
    return np.sin(2 * np.pi * 440.0 * np.arange(size) / rate).astype(np.float32)


@pytest.fixture
def notes(tmp_path):
    paths = []
    for number, size in enumerate(SIZES):
        paths.append(str(tmp_path / f"{number}.wav"))
        soundfile.write(paths[-1], tone(size), RATE, subtype="FLOAT")
    rows = {"audio": paths, "label": [0, 1, 0, 1], "pitch": [60, 61, 62, 63]}
    return datasets.Dataset.from_dict(rows)


def make_frontend():
    gain = T.Schedule(T.Gain((-6.0, 6.0)), {"magnitude": [(0, 0.2), (1, 1.0)]})
    return augspec.Frontend(
        gain, nn.Sequential(F.LogMelSpectrogram(n_fft=256, n_mels=20), F.Normalize())
    )


def test_rows_have_waveforms_and_keep_their_index(notes):
    made = with_waveform(notes, RATE)
    for number, size in enumerate(SIZES):
        row = made[number]
        assert set(row) == {"waveform", "label", "pitch", "index"}
        np.testing.assert_array_equal(row["waveform"], tone(size)[None])
        assert row["index"] == number
    assert made.shuffle(seed=1)["index"] == with_waveform(notes, RATE).shuffle(seed=1)["index"]
    shuffled = made.shuffle(seed=1)
    assert sorted(row["index"] for row in shuffled) == [0, 1, 2, 3]
    assert all(row["pitch"] == 60 + row["index"] for row in shuffled)


def test_an_audio_column_is_decoded_from_its_bytes():
    file = io.BytesIO()
    soundfile.write(file, tone(500), RATE, format="FLAC", subtype="PCM_24")
    rows = {"sound": [{"bytes": file.getvalue(), "path": None}], "index": [7]}
    # As a Parquet file of the hub holds it.
    made = with_waveform(datasets.Dataset.from_dict(rows), RATE, audio="sound")
    np.testing.assert_allclose(made[0]["waveform"], tone(500)[None], atol=1e-6)
    assert made[0]["index"] == 7


def test_other_rates_are_resampled_without_compiling_for_each_length(notes):
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    waveform = with_waveform(notes, RATE // 2)[0]["waveform"]
    assert waveform.shape == (1, 1500)
    inner = slice(50, -50)
    np.testing.assert_allclose(waveform[0, inner], tone(1500, RATE // 2)[inner], atol=1e-3)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == before


def test_streamed_rows_have_numbers_that_stay_with_them(notes):
    rows = {}
    for made in (
        with_waveform(notes.to_iterable_dataset(), RATE),
        with_waveform(notes.to_iterable_dataset(num_shards=4), RATE).shuffle(seed=1),
        with_waveform(notes.cast_column("audio", datasets.Audio()).to_iterable_dataset(), RATE),
    ):
        for row in made:
            assert set(row) == {"waveform", "label", "pitch", "index"}
            expected = tone(SIZES[row["pitch"] - 60])[None]
            np.testing.assert_array_equal(np.asarray(row["waveform"], np.float32), expected)
            assert rows.setdefault(row["pitch"], row["index"]) == row["index"]
    assert len(set(rows.values())) == 4
    own = notes.add_column("index", [9, 8, 7, 6]).to_iterable_dataset()
    assert [row["index"] for row in with_waveform(own, RATE)] == [9, 8, 7, 6]


def test_a_streamed_data_set_goes_through_a_loader(notes):
    stream = with_waveform(notes.to_iterable_dataset(), RATE)
    loader = torch.utils.data.DataLoader(stream, batch_size=4, collate_fn=augspec.collate)
    (batch,) = augspec.DeviceLoader(loader, make_frontend(), "cpu")
    assert batch["lengths"].tolist() == list(SIZES)
    assert torch.isfinite(batch["specgram"]).all()


def test_the_splits_of_a_dictionary_are_done_each(notes):
    splits = with_waveform(datasets.DatasetDict(train=notes, test=notes.select([2])), RATE)
    assert isinstance(splits, datasets.DatasetDict)
    assert splits["train"][3]["index"] == 3
    assert splits["test"][0]["waveform"].shape == (1, SIZES[2])
    streams = datasets.IterableDatasetDict({"train": notes.to_iterable_dataset()})
    assert len(list(with_waveform(streams, RATE)["train"])) == 4


def test_an_m4a_of_another_name_is_told(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"\0\0\0 ftypM4A " + bytes(100))
    content = {"bytes": (tmp_path / "a.mp3").read_bytes(), "path": None}
    for item in (str(tmp_path / "a.mp3"), content):
        made = with_waveform(datasets.Dataset.from_dict({"audio": [item]}), RATE)
        with pytest.raises(ValueError, match="it is an MPEG-4 file .m4a., which soundfile"):
            made[0]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file .wma."),
        (b"\xff\xf1", "an AAC stream .adts."),
    ],
)
def test_what_soundfile_does_not_read_is_told(tmp_path, head, name):
    (tmp_path / "a.mp3").write_bytes(head + bytes(100))
    made = with_waveform(datasets.Dataset.from_dict({"audio": [str(tmp_path / "a.mp3")]}), RATE)
    with pytest.raises(ValueError, match=f"it is {name}, which soundfile does not read"):
        made[0]


def test_numbers_may_be_numpys(notes, tmp_path):
    n = np.int64
    backbone = augspec.create_backbone("test_resnet", num_classes=n(2))
    label2id = {"a": n(0), "b": n(1)}
    model = AudioClassifier(
        make_frontend(), backbone, seed=n(3), num_classes=n(2), label2id=label2id
    )
    model.save_pretrained(tmp_path / "m")
    again = AudioClassifier.from_pretrained(tmp_path / "m", backbone)
    assert (again.seed, again.config.label2id) == (3, {"a": 0, "b": 1})
    row = with_waveform(notes, n(RATE))[0]
    assert Collator(size=n(4_000), label2id=label2id)([row])["waveform"].shape == (1, 1, 4_000)


def test_bad_data_sets_are_named(notes, tmp_path):
    with pytest.raises(TypeError, match=r"`dataset` must be a datasets.Dataset, got list"):
        with_waveform([], RATE)
    with pytest.raises(ValueError, match=r"`audio` must be one of .*, got 'sound'"):
        with_waveform(notes, RATE, audio="sound")
    (tmp_path / "0.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=str(tmp_path / "0.wav")):
        with_waveform(notes, RATE)[0]
    with pytest.raises(KeyError, match="remove_unused_columns=False"):
        with_waveform(notes, RATE).remove_columns("audio")[0]


def test_the_collator_pads_and_keeps_what_the_model_takes(notes):
    made = with_waveform(notes, RATE)
    batch = Collator()([made[0], made[1]])
    assert set(batch) == {"waveform", "lengths", "index", "labels"}
    assert batch["lengths"].tolist() == [3000, 2000]
    assert batch["labels"].tolist() == [0, 1]
    batch = Collator(label="pitch", size=4000)([made[0], made[1]])
    assert batch["waveform"].shape == (2, 1, 4000)
    assert batch["labels"].tolist() == [60, 61]
    assert "labels" not in Collator(label="family")([made[0]])


def test_the_model_augments_by_seed_epoch_and_index_in_training_only(notes):
    made = with_waveform(notes, RATE)
    batch = Collator()([made[0], made[1]])
    model = AudioClassifier(make_frontend(), nn.Identity(), seed=4)
    model.epoch = 3
    keys = augspec.example_keys(seed=4, epoch=3, index=[0, 1])
    frontend = make_frontend()
    frontend.set_epoch(3)
    expected, _ = frontend(batch["waveform"], batch["lengths"], keys=keys)
    inputs = {name: batch[name] for name in ("waveform", "lengths", "index")}
    assert torch.equal(model(**inputs)["logits"], expected)
    plain, _ = make_frontend().eval()(batch["waveform"], batch["lengths"])
    assert torch.equal(model.eval()(**inputs)["logits"], plain)
    assert not torch.equal(plain, expected)


class Spy(nn.Module):
    def __init__(self):
        super().__init__()
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16, 2))
        self.seen = []

    def forward(self, specgram):
        self.seen.append(specgram.detach())
        return self.classifier(specgram)


def make_trainer(model, made, tmp_path, valid=None, cls=Trainer, collator=None, **arguments):
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "out"),
        per_device_train_batch_size=4,
        per_device_eval_batch_size=4,
        learning_rate=0.1,
        remove_unused_columns=False,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        **{"num_train_epochs": 1, **arguments},
    )
    return cls(
        model=model,
        args=arguments,
        data_collator=collator or Collator(),
        train_dataset=made,
        eval_dataset=valid or made,
        callbacks=[EpochCallback()],
    )


class Weighted(Trainer):
    def _get_train_sampler(self, *_):
        return [1, 1, 0, 1]


def test_an_example_that_comes_again_has_draws_of_its_own(notes, tmp_path):
    spy, made = Spy(), with_waveform(notes, RATE)
    model = AudioClassifier(make_frontend(), spy, seed=4)
    make_trainer(model, made, tmp_path, cls=Weighted, num_train_epochs=2).train()
    batch = Collator()([made[index] for index in (1, 1, 0, 1)])
    frontend = make_frontend()
    for epoch in range(2):
        frontend.set_epoch(epoch)
        keys = augspec.example_keys(4, epoch, batch["index"], view=[0, 1, 0, 2])
        expected, _ = frontend(batch["waveform"], batch["lengths"], keys=keys)
        assert torch.equal(spy.seen[epoch], expected)


def test_rows_of_several_data_sets_must_have_numbers_of_their_own(notes):
    both = datasets.concatenate_datasets([notes.add_column("index", list(range(4)))] * 2)
    with pytest.raises(ValueError, match="`index` 0 belongs to several rows"):
        with_waveform(both, RATE)
    assert with_waveform(both.remove_columns("index"), RATE)[5]["index"] == 5


@pytest.mark.parametrize("kind", [int, float])
def test_labels_of_several_classes_survive_and_train_by_binary_cross_entropy(notes, tmp_path, kind):
    rows = [[kind(value) for value in row] for row in ((1, 1), (0, 1), (0, 0), (1, 0))]
    made = with_waveform(notes.remove_columns("label").add_column("label", rows), RATE)
    batch = Collator()([made[index] for index in range(4)])
    assert batch["labels"].tolist() == rows
    spy = Spy()
    with pytest.raises(ValueError, match="`labels` are .*problem_type='multi_label"):
        AudioClassifier(make_frontend(), spy)(**batch)
    model = AudioClassifier(make_frontend(), spy, problem_type="multi_label_classification")
    trainer = make_trainer(model, made, tmp_path)
    trainer.train()
    found = trainer.evaluate()["eval_loss"]
    logits = spy.classifier(spy.seen[-1])
    expected = nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor(rows).float())
    assert found == pytest.approx(expected.item(), rel=1e-5)


def test_names_as_labels_are_numbered_by_label2id(notes, tmp_path):
    made = with_waveform(
        notes.remove_columns("label").add_column("label", ["b", "a", "b", "a"]), RATE
    )
    with pytest.raises(ValueError, match="`label` must hold numbers, got 'b': .*label2id"):
        Collator()([made[0]])
    label2id = {"a": 0, "b": 1}
    model = AudioClassifier(make_frontend(), Spy(), label2id=label2id)
    assert model.config.id2label == {0: "a", 1: "b"}
    assert model.num_classes == 2
    collator = Collator(label2id=label2id)
    assert collator([made[0], made[1]])["labels"].tolist() == [1, 0]
    assert make_trainer(model, made, tmp_path, collator=collator).train().global_step == 1


def test_label_smoothing_of_the_trainer_is_that_of_the_loss(notes, tmp_path):
    made = with_waveform(notes, RATE)
    batch = Collator()([made[index] for index in range(4)])
    losses = []
    for loss, factor in ((None, 0.2), (nn.CrossEntropyLoss(label_smoothing=0.2), 0.0)):
        torch.manual_seed(0)
        model = AudioClassifier(make_frontend(), Spy(), loss=loss)
        trainer = make_trainer(model, made, tmp_path, label_smoothing_factor=factor)
        losses.append(trainer.evaluate()["eval_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    mixing = augspec.Frontend(T.Mixup(), F.LogMelSpectrogram(n_fft=256, n_mels=20))
    model = AudioClassifier(mixing, Spy(), num_classes=2)
    with pytest.raises(ValueError, match="`labels` must reach the model .*label_smoothing="):
        make_trainer(model, made, tmp_path, label_smoothing_factor=0.2).train()
    model = AudioClassifier(
        mixing, Spy(), num_classes=np.int64(2), loss=nn.CrossEntropyLoss(label_smoothing=0.2)
    )
    assert torch.isfinite(model(**batch)["loss"])


def test_classes_weigh_in_the_loss(notes):
    made = with_waveform(notes, RATE)
    batch = Collator()([made[index] for index in range(4)])
    weights = torch.tensor([3.0, 1.0])
    model = AudioClassifier(make_frontend(), Spy(), class_weights=weights).eval()
    found = model(**batch)
    expected = nn.functional.cross_entropy(found["logits"], batch["labels"], weights)
    assert torch.equal(found["loss"], expected)
    assert "class_weights" not in model.state_dict()
    with pytest.raises(ValueError, match="`class_weights` must be None if `loss`"):
        AudioClassifier(make_frontend(), Spy(), class_weights=weights, loss=nn.CrossEntropyLoss())


def test_what_is_saved_is_loaded_and_computes_the_same(notes, tmp_path):
    made = with_waveform(notes, RATE)
    batch = Collator()([made[index] for index in range(4)])
    model = AudioClassifier(
        make_frontend(),
        augspec.create_backbone("test_resnet", num_classes=2),
        seed=7,
        label2id={"a": 0, "b": 1},
        problem_type="single_label_classification",
    )
    model.save_pretrained(tmp_path / "saved")
    other = augspec.create_backbone("test_resnet", num_classes=2)
    again = AudioClassifier.from_pretrained(tmp_path / "saved", other)
    assert again.seed == 7
    assert again.config.label2id == {"a": 0, "b": 1}
    assert again.config.problem_type == "single_label_classification"
    assert augspec.to_config(again.frontend) == augspec.to_config(model.frontend)
    found, expected = again.eval()(**batch), model.eval()(**batch)
    assert torch.equal(found["logits"], expected["logits"])
    (tmp_path / "saved" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="must hold the files of AudioClassifier"):
        AudioClassifier.from_pretrained(tmp_path / "saved", other)


def test_other_classes_in_evaluation_are_an_error(notes, tmp_path):
    train = notes.cast_column("label", datasets.ClassLabel(names=["a", "b", "c"]))
    valid = notes.cast_column("label", datasets.ClassLabel(names=["a", "c"]))
    made = [with_waveform(own, RATE) for own in (train, valid)]
    trainer = make_trainer(
        AudioClassifier(make_frontend(), Spy()), made[0], tmp_path, made[1], eval_strategy="epoch"
    )
    with pytest.raises(ValueError, match="number 1 is 'b' in train and 'c' in valid"):
        trainer.train()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"problem_type": "tags"}, "`problem_type` must be"),
        ({"label2id": {"a": 0, "b": 2}}, "`label2id` must number 2 classes from 0"),
        ({"label2id": {"a": 0}, "num_classes": 2}, "`label2id` must number 2 classes"),
    ],
)
def test_settings_of_the_model_that_make_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        AudioClassifier(make_frontend(), nn.Identity(), **arguments)


def test_a_trainer_trains_evaluates_and_tells_the_epoch(notes, tmp_path):
    torch.manual_seed(0)
    spy = Spy()
    model = AudioClassifier(make_frontend(), spy, seed=4, num_classes=2)
    before = spy.classifier[2].weight.detach().clone()
    epochs = []
    spy.register_forward_pre_hook(lambda *_: epochs.append((model.training, model.epoch)))
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "out"),
        num_train_epochs=2,
        per_device_train_batch_size=4,
        per_device_eval_batch_size=4,
        learning_rate=0.1,
        remove_unused_columns=False,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    made = with_waveform(notes, RATE)
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=Collator(),
        train_dataset=made,
        eval_dataset=made,
        callbacks=[EpochCallback()],
        compute_metrics=lambda found: {"labels": found.label_ids.tolist()},
    )
    trainer.train()
    assert epochs == [(True, 0), (True, 1)]
    assert not torch.equal(spy.classifier[2].weight, before)
    trainer.save_model(str(tmp_path / "saved"))
    assert (tmp_path / "saved" / "model.safetensors").is_file()
    metrics = trainer.evaluate()
    assert metrics["eval_labels"] == [0, 1, 0, 1]
    batch = Collator()([made[i] for i in range(4)])
    plain, _ = make_frontend().eval()(batch["waveform"], batch["lengths"])
    torch.testing.assert_close(spy.seen[-1], plain)
    logits = spy.classifier(plain)
    expected = nn.functional.cross_entropy(logits, batch["labels"]).item()
    assert metrics["eval_loss"] == pytest.approx(expected, rel=1e-5)
