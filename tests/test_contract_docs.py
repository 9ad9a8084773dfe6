"""The pages on composition and on the contract say what is so."""

import inspect
import re
import sys
import types

import torch
from guides import DOCS, code_of

from augspec import features as F
from augspec import transforms as T
from augspec.testing.case import CHECKS


def run(blocks):
    # A module that can be found, so that its classes can be pickled.
    names = vars(sys.modules.setdefault("guide", types.ModuleType("guide")))
    for block in blocks:
        exec(compile(block, "guide", "exec"), names)  # noqa: S102
    return names


def test_the_page_on_composition_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run(code_of("composition.md"))
    assert [type(part) for part in names["loaded"]] == [T.OneOf, T.Gain]
    assert names["moved"]["frames"].shape == (8, 3, 40)
    assert torch.isfinite(names["augmented"]).all()


def test_the_contract_names_every_check_and_its_example_passes():
    page = (DOCS / "contract.md").read_text(encoding="utf-8")
    table = page.split("## Exemptions")[0]
    listed = re.findall(r"^\|([^|]*)\|", table, flags=re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(listed))) == set(CHECKS)
    run(code_of("contract.md"))


def test_the_contract_lists_every_exemption():
    page = (DOCS / "contract.md").read_text(encoding="utf-8").split("## Exemptions")[1]
    kinds = [
        kind
        for module in (T, F)
        for name in module.__all__
        if inspect.isclass(kind := getattr(module, name)) and not inspect.isabstract(kind)
    ]
    examples = {kind.__name__: kind.example() for kind in kinds}
    exempt = {
        "mixes_examples": lambda it: getattr(it, "mixes_examples", False),
        "in_feature_only": lambda it: getattr(it, "in_feature_only", False),
        "compilable": lambda it: not getattr(it, "compilable", True),
        "differentiable": lambda it: not getattr(it, "differentiable", True),
        "no `p`": lambda it: (
            isinstance(it, T.RandomTransform)
            and (not hasattr(it, "p") or getattr(it, "sets_shape", False))
        ),
    }
    for name, is_exempt in exempt.items():
        (row,) = re.findall(rf"^\| `?{name}.*\|([^|]*)\|$", page, flags=re.MULTILINE)
        classes = {name for name, it in examples.items() if is_exempt(it)}
        assert set(re.findall(r"`(\w+)`", row)) == classes
