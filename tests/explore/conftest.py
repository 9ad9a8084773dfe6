import numpy as np
import pytest
import soundfile

RATE = 16_000


@pytest.fixture(autouse=True)
def _eager(monkeypatch):
    # Code that is copied runs here as it stands: kernels would compile for minutes.
    monkeypatch.setenv("AUGSPEC_COMPILE", "0")


@pytest.fixture
def folder(tmp_path):
    """Sounds in a folder, with a stranger's file outside and what leads to it."""
    root = tmp_path / "sounds"
    (root / "deep" / "deeper").mkdir(parents=True)
    time = np.arange(RATE) / RATE
    soundfile.write(root / "tone.wav", 0.5 * np.sin(2 * np.pi * 440 * time), RATE)
    soundfile.write(root / "deep" / "deeper" / "low.flac", 0.5 * np.sin(700 * time), RATE)
    stereo = np.stack([np.sin(2 * np.pi * 440 * time), np.cos(500 * time)], axis=1)
    soundfile.write(root / "<script>alert(1)<&>.wav", 0.25 * stereo, 8_000)
    (root / "notes.txt").write_text("no sound")
    soundfile.write(root / ".hidden.wav", np.zeros(100), RATE)
    secret = tmp_path / "secret.wav"
    soundfile.write(secret, np.zeros(100), RATE)
    (root / "link.wav").symlink_to(secret)
    (root / "loop.wav").symlink_to(root / "loop.wav")
    (root / "inside.wav").symlink_to(root / "tone.wav")
    return root
