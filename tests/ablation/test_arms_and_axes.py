"""Arms that are asked for by name, and how a network is trained: averages, epochs, sampling."""

import json

import numpy as np
import pytest
import torch
from recipe_runs import records, small_arguments
from safetensors.torch import load_file
from torch import nn

import augspec
from augspec.ablation import arms, average, command, data, plan, train
from augspec.ablation.runs import make_plan
from augspec.ablation.study import Study
from augspec.conditions import trained_with


@pytest.fixture
def study(root, tmp_path, monkeypatch):
    def study(out, *words):
        words = small_arguments(root, tmp_path / out, "--arms", "none", "--seeds", "1", *words)
        monkeypatch.setattr("sys.argv", ["ablation.py", *words])
        return command.main(words)

    return study


@pytest.mark.parametrize("name", arms.BY_NAME)
def test_an_arm_by_name_changes_what_is_trained_on_and_nothing_else(name):
    chain = Study(chosen=name).chains[name]
    config = plan.arm_config(chain, name)
    assert json.loads(json.dumps(config)) == config  # so that a record can hold it
    frontend = plan.make_frontend(config, arms.FEATURES, name)
    waveform = 0.1 * torch.randn(24, 1, 16_000)
    frontend.set_epoch(4)
    plain = plan.make_frontend([], arms.FEATURES)(waveform)
    keys = augspec.example_keys(0, 4, torch.arange(len(waveform)))
    changed = (frontend(waveform, keys=keys) - plain).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert changed.sum() >= 4
    assert torch.equal(frontend.eval()(waveform), plain)
    assert name not in Study().chains


def test_the_noise_of_an_arm_rises_from_epoch_to_epoch():
    (rising,) = Study(chosen="noise-rising").chains["noise-rising"]
    shares = []
    for epoch in (0, 4, 8):
        rising.set_epoch(epoch)
        shares.append(rising.make_params(torch.zeros(2000, 1, 8))["applied"].float().mean())
    np.testing.assert_allclose(shares, [0.0, 0.5, 1.0], atol=0.05)


def test_what_an_arm_trained_with_is_known():
    every = {name: trained_with(plan.arm_config(own, name)) for name, own in arms.BY_NAME.items()}
    assert every["gain-eq"] == every["gain-eq-narrow"] == ["device", "quiet"]
    assert every["mix-style"] == ["device"]
    assert every["devices"] == every["devices-mix-style"] == ["room", "device"]
    for name in ("noise", "noise-mild", "noise-half", "noise-rising"):
        assert every[name] == ["noise"]


def test_axes_of_training_are_in_the_config_where_they_are_not_as_before():
    axes = {"epochs": [4, 12], "average": [None, "ema"], "sampling": ["plain", "balanced"]}
    planned = make_plan(Study(chosen="none", seeds=1, axes=axes))
    assert len(planned) == 8
    configs = [one.config for one in planned]
    assert {one["epochs"] for one in configs} == {4, 12}
    assert planned[-1].row == "none (epochs=12, average=ema, sampling=balanced)"
    plain = make_plan(Study(chosen="none", seeds=1))[0].config
    assert configs[0] == plain
    assert not {"average", "sampling"} & plain.keys()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"average": "mean"}, "--average must be ema, or last-K"),
        ({"average": "last-1"}, "--average must be ema, or last-K"),
        ({"axes": {"average": ["last"]}}, "average must be ema, or last-K"),
        ({"sampling": "fair"}, "--sampling must be among plain, balanced"),
        ({"sampling": "balanced", "task": "pitch"}, "--sampling balanced needs labels"),
    ],
)
def test_wrong_settings_are_said(words, said):
    with pytest.raises(ValueError, match=said):
        Study(**words)


def test_the_last_epochs_are_averaged():
    model = nn.BatchNorm1d(2)
    kept = average.Average("last-2", model, 4)
    for epoch in range(4):
        nn.init.constant_(model.weight, float(epoch))
        kept.after_step(model)
        kept.after_epoch(model, epoch)
    assert kept.model.weight.tolist() == [2.5, 2.5]


@pytest.mark.parametrize("kind", ["ema", "last-3"])
def test_an_average_has_the_batch_norm_statistics_of_its_own_weights(kind):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    kept = average.Average(kind, model, 3)
    for epoch in range(3):
        nn.init.normal_(model[0].weight)  # statistics of other weights say nothing of the average
        model(torch.randn(16, 3))
        kept.after_step(model)
        kept.after_epoch(model, epoch)
    inputs = [torch.randn(16, 3) for _ in range(5)]
    kept.settle(inputs)
    kept.model.eval()
    with torch.no_grad():
        outputs = torch.cat([kept.model[0](one) for one in inputs]).unflatten(0, (5, 16))
    norm = kept.model[1]
    torch.testing.assert_close(norm.running_mean, outputs.mean((0, 1)))
    torch.testing.assert_close(norm.running_var, outputs.var(1).mean(0))
    assert norm.momentum == model[1].momentum


def test_steps_are_averaged_exponentially():
    model = nn.Linear(1, 1, bias=False)
    kept, expected = average.Average("ema", model, 4), None
    for step in range(5):
        nn.init.constant_(model.weight, float(step))
        kept.after_step(model)
        kept.after_epoch(model, step)
        expected = (
            0.0 if expected is None else average.DECAY * expected + (1 - average.DECAY) * step
        )
    assert float(kept.model.weight.detach()) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["ema", "last-2"])
def test_an_average_is_scored_and_kept_and_goes_on_after_a_stop(study, tmp_path, monkeypatch, kind):
    words = ("--epochs", "3", "--average", kind)
    assert study("plain", "--epochs", "3") == 0
    assert study("whole", *words) == 0
    held = [load_file(next(tmp_path.glob(f"{out}/runs/*/model.safetensors"))) for out in
            ("plain", "whole")]  # fmt: skip
    assert held[0].keys() == held[1].keys()
    assert any(not torch.equal(held[0][name], held[1][name]) for name in held[0])

    epoch_of = train._train_epoch

    def stopping(config, epoch, *rest):
        if epoch == 2:
            raise KeyboardInterrupt
        return epoch_of(config, epoch, *rest)

    with monkeypatch.context() as context:
        context.setattr(train, "_train_epoch", stopping)
        assert study("stopped", *words) == 130
    assert study("stopped", *words) == 0
    again = load_file(next(tmp_path.glob("stopped/runs/*/model.safetensors")))
    assert all(torch.equal(held[1][name], again[name]) for name in again)


@pytest.mark.parametrize("kind", ["ema", "last-2"])
def test_statistics_of_an_average_are_those_of_one_more_pass(study, tmp_path, kind):
    assert study("out", "--backbone", "test_resnet", "--epochs", "2", "--average", kind) == 0
    assert study("plain", "--backbone", "test_resnet", "--epochs", "2") == 0
    held, plain = (load_file(next(tmp_path.glob(f"{out}/runs/*/model.safetensors"))) for out in
                   ("out", "plain"))  # fmt: skip
    counts = [name for name in held if name.endswith("num_batches_tracked")]
    assert counts
    assert all(2 * held[name] == plain[name] for name in counts)


def test_balanced_classes_come_equally_often(study, tmp_path):
    labels = np.array([0] * 90 + [1] * 10)
    notes = torch.utils.data.TensorDataset(torch.arange(100))
    loader = data.make_loader(notes, 20, 0, whole=20, labels=labels)
    drawn = np.concatenate([labels[batch[0].numpy()] for batch in loader])
    assert len(drawn) == 100
    assert 30 < drawn.sum() < 70
    assert study("balanced", "--sampling", "balanced") == 0
    (record,) = records(tmp_path / "balanced").values()
    assert record["config"]["sampling"] == "balanced"
