"""The migration page names every transform of the installed peers, and only what exists here."""

import inspect
import re
from pathlib import Path

import audiomentations
import pytest
from peers import import_or_skip

from augspec import features as F
from augspec import transforms as T

torchaudio = import_or_skip("torchaudio")
torch_audiomentations = import_or_skip("torch_audiomentations")

PAGE = (Path(__file__).parents[1] / "docs" / "migration.md").read_text(encoding="utf-8")
OURS = re.compile(r"`([TF])\.(\w+)(?:\(([^)`]*)\))?`")


def public_classes(module):
    return {
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and not name.startswith("_")
    }


PEERS = {
    "audiomentations": public_classes(audiomentations),
    "torch-audiomentations": public_classes(torch_audiomentations),
    "torchaudio.transforms": set(torchaudio.transforms.__all__),
    "torchaudio.functional": set(torchaudio.functional.__all__),
}


def rows(section):
    """Give ``(theirs, ours, note)`` of each row of a section's table."""
    (body,) = re.findall(
        rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE
    )
    lines = [line for line in body.splitlines() if line.startswith("| `")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


@pytest.mark.parametrize("peer", PEERS)
def test_every_transform_of_the_installed_peer_has_one_row(peer):
    names = [theirs.strip("`") for theirs, _, _ in rows(peer)]
    assert len(names) == len(set(names))
    assert set(names) == PEERS[peer]


@pytest.mark.parametrize("peer", PEERS)
def test_a_row_names_what_exists_here_or_a_reason(peer):
    for theirs, ours, note in rows(peer):
        if ours == "-":
            assert len(note) > 5, f"{theirs} has no reason"
            continue
        assert OURS.sub("", ours).strip(", ") == "", f"{theirs}: {ours}"
        for space, name, arguments in OURS.findall(ours):
            module = T if space == "T" else F
            assert name in module.__all__, f"{theirs}: {space}.{name} does not exist"
            known = inspect.signature(getattr(module, name)).parameters
            for argument in filter(None, arguments.split(", ")):
                assert argument in known, f"{space}.{name} has no argument {argument}"
