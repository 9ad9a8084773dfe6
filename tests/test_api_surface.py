"""What users may rely on: a public name or signature does not go or change unseen.

``python tests/test_api_surface.py`` writes the list anew; its difference belongs in the changelog.
"""

import inspect
import json
from pathlib import Path

import pytest

import augspec
import augspec.testing
from augspec.compat import torch_audiomentations as compat

FILE = Path(__file__).parent / "api_surface.json"
MODULES = (
    augspec,
    augspec.transforms,
    augspec.features,
    augspec.functional,
    augspec.datasets,
    augspec.interop,
    augspec.plot,
    augspec.testing,
)
FOUND = ("transforms", "functional")
METHODS = {
    augspec.Frontend: ("make_params", "transform", "forward", "targets", "set_epoch", "plan"),
    augspec.DeviceLoader: ("set_epoch", "peek", "state_dict", "load_state_dict"),
    augspec.transforms.RandomTransform: (
        "make_params",
        "transform",
        "forward",
        "targets",
        "set_epoch",
        "example",
    ),
    augspec.Bank: ("from_folder", "from_files", "whole", "take"),
}


def describe(value):
    """Give the arguments with their defaults; types are mypy's affair."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return type(value).__name__
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    empty = inspect.Signature.empty
    return str(signature.replace(parameters=bare, return_annotation=empty))


def surface():
    found = {}
    for module in (*MODULES, compat):
        for name in module.__all__:
            value = getattr(module, name)
            if not inspect.ismodule(value):
                found[f"{module.__name__}.{name}"] = describe(value)
    for owner, names in METHODS.items():
        for name in names:
            found[f"{owner.__module__}.{owner.__name__}.{name}"] = describe(getattr(owner, name))
    return dict(sorted(found.items()))


@pytest.mark.usefixtures("torchaudio")  # some names of augspec.interop stand for its modules
def test_the_public_surface_is_the_recorded_one():
    recorded = json.loads(FILE.read_text(encoding="utf-8"))
    found = surface()
    gone = sorted(recorded.keys() - found.keys())
    assert not gone, f"public names are gone: {gone}"
    changed = {
        name: (recorded[name], found[name]) for name in recorded if recorded[name] != found[name]
    }
    assert not changed, f"signatures changed: {changed}"
    # A new transform or kernel is named in its module alone; the next release records it.
    new = {n for n in found.keys() - recorded.keys() if n.split(".")[1] not in FOUND}
    assert not new, f"not in {FILE.name}; run this file to add them: {sorted(new)}"


def test_the_record_holds_no_addresses():
    assert " at 0x" not in FILE.read_text(encoding="utf-8")


if __name__ == "__main__":
    FILE.write_text(json.dumps(surface(), indent=1) + "\n", encoding="utf-8")
