import importlib

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec.interop.lightning import FrontendMixin

pytestmark = [
    pytest.mark.parametrize("package", ["lightning", "pytorch_lightning"]),
    # Advice of the trainer's: a loader without workers, a fit without a validation.
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
]

GENERATOR = torch.Generator().manual_seed(0)
NOTES = [
    {"waveform": torch.randn(1, 2000, generator=GENERATOR), "label": i % 2, "index": i}
    for i in range(4)
]


def make_frontend():
    gain = T.Schedule(T.Gain((-6.0, 6.0)), {"magnitude": [(0, 0.2), (1, 1.0)]})
    return augspec.Frontend(gain, F.LogMelSpectrogram(n_fft=256, n_mels=20))


def make_model():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))


def batches(frontend, epoch):
    loader = augspec.DeviceLoader(DataLoader(NOTES, batch_size=2), frontend, "cpu", seed=4)
    loader.set_epoch(epoch)
    return [batch["specgram"] for batch in loader]


def make_trainer(package, epochs=1):
    return importlib.import_module(package).Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def make_classifier(package, *mixins):
    class Classifier(*mixins, importlib.import_module(package).LightningModule):
        def __init__(self):
            super().__init__()
            self.model = make_model()
            self.seen = {"train": [], "valid": []}

        def training_step(self, batch, _):
            self.seen["train"].append(batch["specgram"])
            return nn.functional.cross_entropy(self.model(batch["specgram"]), batch["label"])

        def validation_step(self, batch, _):
            self.seen["valid"].append(batch["specgram"])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    return Classifier()


def assert_all_equal(found, expected):
    assert len(found) == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_module_augments_in_training_only(package):
    classifier = make_classifier(package, FrontendMixin)
    classifier.frontend, classifier.seed = make_frontend(), 4
    before = classifier.model[2].weight.detach().clone()
    loader = DataLoader(NOTES, batch_size=2)
    make_trainer(package, epochs=2).fit(classifier, loader, loader)
    plain = batches(make_frontend().eval(), 0)
    # Two batches of the check before training, then two an epoch.
    assert_all_equal(classifier.seen["valid"], 3 * plain)
    assert_all_equal(
        classifier.seen["train"], batches(make_frontend(), 0) + batches(make_frontend(), 1)
    )
    assert not torch.equal(classifier.model[2].weight, before)
    assert not any(name.startswith("frontend") for name in classifier.state_dict())


def test_a_data_module_does_it_for_any_module(package):
    class Notes(FrontendMixin, importlib.import_module(package).LightningDataModule):
        def __init__(self):
            super().__init__()
            self.frontend, self.seed = make_frontend(), 4

        def train_dataloader(self):
            return DataLoader(NOTES, batch_size=2)

        val_dataloader = train_dataloader

    classifier = make_classifier(package)
    notes = Notes()
    make_trainer(package).fit(classifier, datamodule=notes)
    assert_all_equal(classifier.seen["train"], batches(make_frontend(), 0))
    assert_all_equal(classifier.seen["valid"], 2 * batches(make_frontend().eval(), 0))
    assert notes.frontend.training


@pytest.mark.filterwarnings("ignore:Found . module.s. in eval mode at the start of training")
def test_a_front_end_in_eval_is_a_baseline(package):
    classifier = make_classifier(package, FrontendMixin)
    classifier.frontend = make_frontend().eval()
    make_trainer(package).fit(classifier, DataLoader(NOTES, batch_size=2))
    assert_all_equal(classifier.seen["train"], batches(make_frontend().eval(), 0))


def test_a_batch_must_be_a_dictionary_with_an_index(package):
    classifier = make_classifier(package, FrontendMixin)
    classifier.frontend = make_frontend()
    with pytest.raises(TypeError, match="`dataloader` must yield dictionaries, got list"):
        make_trainer(package).fit(classifier, DataLoader([(torch.zeros(1, 2000), 0)]))
    with pytest.raises(KeyError, match="`dataloader` must yield `index`"):
        make_trainer(package).fit(classifier, DataLoader([{"waveform": torch.zeros(1, 2000)}]))


def test_an_example_that_comes_again_has_draws_of_its_own(package):
    classifier = make_classifier(package, FrontendMixin)
    classifier.frontend, classifier.seed = make_frontend(), 4
    loader = DataLoader(NOTES, batch_size=2, sampler=[1, 1, 0, 1])
    make_trainer(package, epochs=2).fit(classifier, loader, loader)
    waveform = torch.stack([NOTES[index]["waveform"] for index in (1, 1, 0, 1)])
    frontend = make_frontend()
    for epoch in range(2):
        frontend.set_epoch(epoch)
        keys = augspec.example_keys(4, epoch, [1, 1, 0, 1], view=[0, 1, 0, 2])
        found = torch.cat(classifier.seen["train"][2 * epoch : 2 * epoch + 2])
        torch.testing.assert_close(found, frontend(waveform, keys=keys), rtol=1e-4, atol=1e-4)


class Named(torch.utils.data.Dataset):
    def __init__(self, *classes):
        self.classes = list(classes)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return NOTES[index]


def test_other_classes_in_validation_are_an_error(package):
    classifier = make_classifier(package, FrontendMixin)
    classifier.frontend = make_frontend()
    train, valid = (DataLoader(Named(*own), batch_size=2) for own in ("abc", "ac"))
    with pytest.raises(ValueError, match="number 1 is 'b' in train and 'c' in valid; .*classes="):
        make_trainer(package).fit(classifier, train, valid)


def test_validation_needs_no_index(package):
    classifier = make_classifier(package, FrontendMixin)
    classifier.frontend = make_frontend()
    plain = [{"waveform": note["waveform"], "label": note["label"]} for note in NOTES]
    make_trainer(package).validate(classifier, DataLoader(plain, batch_size=2), verbose=False)
    assert_all_equal(classifier.seen["valid"], batches(make_frontend().eval(), 0))


def test_a_combined_loader_is_told_what_to_do(package):
    classifier = make_classifier(package, FrontendMixin)
    classifier.frontend = make_frontend()
    loaders = {"a": DataLoader(NOTES, batch_size=2), "b": DataLoader(NOTES, batch_size=2)}
    utilities = {"lightning": "lightning.pytorch.utilities"}.get(package, f"{package}.utilities")
    combined = importlib.import_module(utilities).CombinedLoader(loaders)
    with pytest.raises(KeyError, match="CombinedLoader .*in an augspec.DeviceLoader"):
        make_trainer(package).fit(classifier, combined)


def test_labels_of_several_classes_are_mixed_and_reach_the_step(package):
    """As from `AudioTable` with a separator: rows of ones and zeros, mixed in training alone."""
    notes = [{**note, "label": torch.tensor([1.0, float(note["index"] % 2)])} for note in NOTES]
    labels = {"train": [], "valid": []}

    class Tagger(type(make_classifier(package, FrontendMixin))):
        frontend = augspec.Frontend(T.Mixup(), F.LogMelSpectrogram(n_fft=256, n_mels=20))
        num_classes = 2

        def training_step(self, batch, batch_idx):
            labels["train"].append(batch["label"])
            scores = self.model(batch["specgram"])
            return nn.functional.binary_cross_entropy_with_logits(scores, batch["label"])

        def validation_step(self, batch, batch_idx):
            labels["valid"].append(batch["label"])

    classifier = Tagger()
    trainer = make_trainer(package)
    trainer.fit(classifier, DataLoader(notes, batch_size=4), DataLoader(notes, batch_size=4))
    mixed, plain = torch.cat(labels["train"]), labels["valid"][-1]
    assert torch.equal(plain, torch.stack([note["label"] for note in notes]))
    assert mixed.shape == (4, 2)
    torch.testing.assert_close(mixed[:, 0], torch.ones(4))
    assert ((mixed[:, 1] > 0.0) & (mixed[:, 1] < 1.0)).any()
