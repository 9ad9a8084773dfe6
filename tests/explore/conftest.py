import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import augspec

RATE = 16_000


@pytest.fixture(autouse=True)
def _eager(eager_kernels):
    """Code that is copied runs here as it stands: kernels would compile for minutes."""


@pytest.fixture
def folder(tmp_path):
    """Sounds in a folder, with a file outside that is nobody's business, and links to it."""
    return fill(tmp_path / "sounds")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The explorer of such a folder, as the command line starts it: its port and the folder."""
    root = fill(tmp_path_factory.mktemp("served") / "sounds")
    words = [str(root), "--port", "0", "--no-browser", "--sample-rate", str(RATE)]
    command = [sys.executable, "-m", "augspec.explore", *words]
    # Elsewhere, to see that nothing is left in the folder that it is started from.
    here = tmp_path_factory.mktemp("started")
    env = {**os.environ, "PYTHONPATH": str(Path(augspec.__file__).parents[1])}
    env.pop("PYTEST_CURRENT_TEST", None)  # NiceGUI behaves differently in tests
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=here, env=env) as process:
        try:
            said = process.stdout.readline()
            yield int(re.search(r"http://127\.0\.0\.1:(\d+)/", said)[1]), root
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0
    assert not list(here.iterdir())


def fill(root):
    (root / "deep" / "deeper").mkdir(parents=True)
    time = np.arange(RATE) / RATE
    soundfile.write(root / "tone.wav", 0.5 * np.sin(2 * np.pi * 440 * time), RATE)
    soundfile.write(root / "deep" / "deeper" / "low.flac", 0.5 * np.sin(700 * time), RATE)
    stereo = np.stack([np.sin(2 * np.pi * 440 * time), np.cos(500 * time)], axis=1)
    soundfile.write(root / "<script>alert(1)<&>.wav", 0.25 * stereo, 8_000)
    (root / "notes.txt").write_text("no sound")
    soundfile.write(root / ".hidden.wav", np.zeros(100), RATE)
    secret = root.parent / "secret.wav"
    soundfile.write(secret, np.zeros(100), RATE)
    (root / "link.wav").symlink_to(secret)
    (root / "loop.wav").symlink_to(root / "loop.wav")
    (root / "inside.wav").symlink_to(root / "tone.wav")
    return root
