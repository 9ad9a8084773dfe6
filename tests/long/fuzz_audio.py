"""Fuzz the reader of audio files: wav in many codings, flac, ogg, aiff, au, caf, w64."""

import contextlib
import io
import os
import sys

import fuzzing
import numpy as np
import soundfile

from augspec.datasets import AudioFolder

os.environ["AUGSPEC_COMPILE"] = "0"  # every file has another length

ALLOWED = (ValueError,)
CODINGS = [("WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "IMA_ADPCM")]
CODINGS += [("WAV", "MS_ADPCM"), ("WAV", "ULAW"), ("WAVEX", "PCM_16"), ("FLAC", "PCM_16")]
CODINGS += [("OGG", "VORBIS"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16")]
CODINGS += [("W64", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("RF64", "PCM_16")]


def _seeds():
    found = []
    for form, subtype in CODINGS:
        for channels in (1, 2):
            file = io.BytesIO()
            samples = np.random.default_rng(0).uniform(-0.5, 0.5, (400, channels))
            soundfile.write(file, samples, 16_000, format=form, subtype=subtype)
            found.append(file.getvalue())
    return found


SEEDS = _seeds()


def target(data, folder):
    """Read a file whole, and a segment of it at another rate."""
    (folder / "a").mkdir()
    (folder / "a" / "x.wav").write_bytes(data)
    item = AudioFolder(folder)[0]
    if not item["waveform"].shape[1]:
        raise RuntimeError("an item without samples")
    AudioFolder(folder, segment=0.01, sample_rate=8000, mono=True)[0]


if __name__ == "__main__":
    with contextlib.suppress(ImportError):
        import torchcodec  # noqa: F401  # its import makes a folder for torch, which is no fault
    sys.exit(fuzzing.main("audio files", target, SEEDS, ALLOWED))
