"""A name that is not there: the error says ours."""

import difflib
import re
from pathlib import Path

import pytest

import augspec
from augspec import features as F
from augspec import transforms as T
from augspec._names import PEERS

MIGRATION = (Path(__file__).parents[1] / "docs" / "migration.md").read_text(encoding="utf-8")
TABLES = re.findall(
    r"^## (?:audiomentations|torch-audiomentations|torchaudio\.transforms)\n(.*?)(?=^## )",
    MIGRATION,
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize("name", PEERS)
def test_a_peers_name_says_ours(name):
    for module in (T, F):
        if name not in module.__all__:
            with pytest.raises(AttributeError, match=f"no attribute '{name}': here it is [TF]"):
                getattr(module, name)
    for ours, called in re.findall(r"([TF])\.(\w+)", PEERS[name]):
        assert called in {"T": T, "F": F}[ours].__all__


def test_the_table_is_that_of_the_migration_page():
    assert len(TABLES) == 3
    for theirs, ours in re.findall(r"^\| `(\w+)` \| (.+?) \| .*\|$", "".join(TABLES), re.MULTILINE):
        called = re.findall(r"`([TF]\.\w+)", ours)
        if called and theirs not in T.__all__:
            assert all(one in PEERS[theirs] for one in called), theirs


def test_a_near_name_gets_the_nearest():
    with pytest.raises(AttributeError, match=r"no attribute 'PitchShft'; nearest: PitchShift"):
        T.PitchShft  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'logmelspectrogram'; nearest: LogMel"):
        F.logmelspectrogram  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'Xyzzy'$"):
        T.Xyzzy  # noqa: B018
    assert not hasattr(T, "__path__x__")
    assert difflib.get_close_matches("Xyzzy", T.__all__) == []


def test_a_class_is_named_where_an_argument_is_missing():
    for kind in (T.LowPass, T.HighPass, T.BandPass, T.PeakingEQ):
        with pytest.raises(TypeError, match=rf"^{kind.__name__}\b.*missing .*argument"):
            kind()


@pytest.mark.parametrize("kind", [T.Chain, T.Repeat])
def test_a_composite_says_how_it_is_made_random(kind):
    with pytest.raises(TypeError, match=rf"^{kind.__name__} takes no `p`: .*T\.OneOf\("):
        kind([T.Gain()], p=0.5)
    by_half = T.OneOf([T.Chain([T.Gain(-6.0)]), T.Chain()], weights=[0.5, 0.5])
    assert isinstance(by_half, T.OneOf)


def test_versions_are_said_in_lines():
    said = augspec.show_versions()
    assert repr(said) == str(said)
    found = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in said.splitlines())
    assert found["augspec"] == __import__("importlib.metadata").metadata.version("augspec")
    assert {"python", "torch", "numpy", "devices", "threads", "compiler"} <= found.keys()
    assert found["devices"].startswith("cpu")
