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
