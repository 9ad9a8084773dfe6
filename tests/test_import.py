import os
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


TIMES = """
import sys, time
start = time.perf_counter()
import torch
middle = time.perf_counter()
# An installed package has bytecode, as torch here. A checkout has none if Python writes none.
sys.dont_write_bytecode, sys.pycache_prefix = False, sys.argv[1]
ready = time.perf_counter()
import augspec
augspec.transforms, augspec.features, augspec.functional, augspec.datasets, augspec.plot
print((time.perf_counter() - ready) / (middle - start))
late = {"torch._dynamo", "torch._inductor", "timm", "torchvision", "torchaudio", "sympy", "yaml"}
print(sorted(late & sys.modules.keys()))
"""


def test_import_takes_at_most_a_quarter_of_that_of_torch(tmp_path):
    ratios = []
    for _ in range(3):  # the best: the first writes the bytecode, and others may be at work beside
        done = subprocess.run(
            [sys.executable, "-c", TIMES, tmp_path], capture_output=True, text=True, check=True
        )
        ratio, late = done.stdout.split("\n", 1)
        assert late.strip() == "[]"
        ratios.append(float(ratio))
        if ratios[-1] <= 0.25:
            break
    assert any(tmp_path.rglob("__init__.*.pyc"))
    assert min(ratios) <= 0.25


def test_import_does_not_bring_the_peers():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_documented():
    for module in (augspec, augspec.transforms, augspec.features, augspec.functional, augspec.plot):
        for name in module.__all__:
            assert getattr(module, name).__doc__


ALONE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"timm", "torchvision", "matplotlib", "scipy", "tqdm"}:
            raise ImportError(name)

sys.meta_path.insert(0, Refuse())
import torch, augspec
from augspec import features as F, transforms as T
front = augspec.Frontend(
    T.Chain([T.PitchShift(), T.WhiteNoise()]), F.LogMelSpectrogram(), T.Chain([T.TimeMask(4)])
)
notes = augspec.datasets.GMNotes("train")
batch = torch.utils.data.default_collate([notes[0], notes[1]])
print(augspec.load, front(batch["waveform"]).shape)
"""


def test_transforms_need_torch_numpy_soundfile_and_pyyaml_alone():
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "AUGSPEC_COMPILE": "0"},
    )
    assert "torch.Size([2, 1, " in done.stdout
