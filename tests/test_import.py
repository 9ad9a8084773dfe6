import subprocess
import sys

import augspec

PROGRAM = """
import sys, augspec
augspec.transforms, augspec.features, augspec.functional, augspec.datasets, augspec.plot
peers = {"torchaudio", "librosa", "audiomentations", "torch_audiomentations", "lightning", "scipy"}
peers |= {"fastai", "pytorch_lightning", "datasets", "transformers", "matplotlib", "IPython"}
print(sorted(peers & {name.partition(".")[0] for name in sys.modules}))
"""


def test_import_does_not_bring_the_peers():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_documented():
    for module in (augspec, augspec.transforms, augspec.features, augspec.functional, augspec.plot):
        for name in module.__all__:
            assert getattr(module, name).__doc__
