"""Every example in a docstring, and the README's, runs as it stands."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
import torch
from peers import import_or_skip
from releases import counts_launches

import augspec

OF_PEERS = {"augspec.interop.torchaudio", "augspec.interop.torch_audiomentations"}
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(augspec.__path__, "augspec.")
    if module.name != "augspec.interop.fastai"  # fastai warns when it is imported
)


COUNTING = "augspec.testing.counting"


@pytest.mark.usefixtures("eager_kernels")
@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=counts_launches if one == COUNTING else ()) for one in MODULES],
)
def test_docstring_examples(name):
    module = (import_or_skip if name in OF_PEERS else importlib.import_module)(name)
    names = {"torch": torch, "augspec": augspec}
    results = doctest.testmod(module, extraglobs=names, verbose=False)
    assert results.failed == 0


def test_readme_example():
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    # The loop of the README on fewer notes: the rest is as it stands.
    block = block.replace("batch_size=64", "batch_size=4")
    names = {}
    exec(compile(block, "README.md", "exec"), names)  # noqa: S102
    assert torch.isfinite(names["loss"])
    for name, shape in re.findall(r"^(\w+) = frontend.*# \((\d[\d, ]+)\):", block, re.MULTILINE):
        assert tuple(names[name].shape) == tuple(map(int, shape.split(", "))), name
