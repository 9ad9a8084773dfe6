"""Folds, shares and tasks."""

import numpy as np
import pytest
import torch
from recipe_runs import config_of_notes

from augspec.ablation import data


def instruments(notes):
    return {notes[i]["instrument"] for i in range(len(notes))}


def test_folds_part_the_training_instruments_one_of_each_family_in_turn(root):
    seen = []
    for fold in range(3):
        opened = data.open_data(config_of_notes(fold=[fold, 3]), str(root))
        scored, trained = instruments(opened.valid), instruments(opened.train)
        assert not scored & trained
        assert len(scored | trained) == 9
        assert sorted(name.split("_")[0] for name in scored) == ["bass", "guitar", "vocal"]
        seen += scored
    assert len(seen) == len(set(seen)) == 9


def test_a_share_keeps_every_instrument(root):
    whole = data.open_data(config_of_notes(), str(root)).train
    part = data.open_data(config_of_notes(share=0.34), str(root)).train
    assert instruments(part) == instruments(whole)
    assert len(part) == 9  # one of three notes of each of nine
    assert set(part.chosen) <= set(whole.chosen)


def test_tasks_have_their_classes(root):
    pitch = data.open_data(config_of_notes(task="pitch"), str(root))
    assert len(pitch.classes) == 128
    velocity = data.open_data(config_of_notes(task="velocity"), str(root))
    assert velocity.classes[velocity.train[0]["label"]] == "100"
    family = data.open_data(config_of_notes(), str(root))
    assert family.classes[family.train[0]["label"]] == "bass"


@pytest.mark.parametrize("world", [1, 2, 4])
def test_processes_share_each_batch(root, world):
    """Taken together, the batches of all processes are those of one."""
    notes = data.open_data(config_of_notes(), str(root)).train
    batches = []
    for rank in range(world):
        loader = data.make_loader(notes, 8 // world, 5, whole=8, rank=rank, world=world)
        loader.sampler.set_epoch(2)
        batches.append([set(batch["index"].tolist()) for batch in loader])
    together = [set.union(*parts) for parts in zip(*batches, strict=True)]
    loader = data.make_loader(notes, 8, 5, whole=8)
    loader.sampler.set_epoch(2)
    alone = [set(batch["index"].tolist()) for batch in loader]
    assert together == alone
    assert len(alone) == len(notes) // 8
    assert all(len(batch) == 8 for batch in alone)


def test_the_order_follows_from_seed_and_epoch(root):
    notes = data.open_data(config_of_notes(), str(root)).train

    def order(seed, epoch):
        loader = data.make_loader(notes, 8, seed, whole=8)
        loader.sampler.set_epoch(epoch)
        return torch.cat([batch["index"] for batch in loader]).tolist()

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    assert len(set(order(0, 0))) == len(notes) // 8 * 8


def test_take_share_spreads_over_an_instruments_notes():
    names = np.repeat(["a", "b"], [10, 2])
    assert data.take_share(names.tolist(), list(range(100, 112)), 0.3) == [100, 104, 109, 110]
