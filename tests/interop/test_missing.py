import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "library"),
    [
        ("augspec.interop.fastai", "fastai"),
        ("augspec.interop.huggingface", "datasets"),
        ("augspec.interop.huggingface", "transformers"),
    ],
)
def test_without_the_library_it_says_what_to_install(module, library, monkeypatch):
    monkeypatch.delitem(sys.modules, module, raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf'{module} needs .*pip install "augspec\[frameworks\]"'):
        importlib.import_module(module)
