"""Corrupted copies of a folder of sounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import soundfile

from augspec.conditions.apply import corrupt, keys_of_names
from augspec.datasets import AudioFolder
from augspec.datasets._audio import audio_info, read_audio


def write_copies(
    folder: Path, out: Path, wanted: Sequence[tuple[str, int]]
) -> Iterator[tuple[Path, int, int]]:
    """Write each sound of a folder under each condition to ``OUT/CONDITION-SEVERITY/PATH.wav``.

    Paths, rates and channels stay, and so do labels from folders or names. Files are 16-bit WAV.
    Existing files are kept, so that a stopped call can be resumed. The draws of a file are hashes
    of its path in the folder.

    Yields:
        Each file, its number and the total number.

    Raises:
        ValueError: If there is no sound, a file cannot be read, or ``out`` lies in ``folder``.
        FileNotFoundError: If there is no such folder.
    """
    if out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"--out must not lie in the folder that is read, got {out}")
    sounds = AudioFolder(folder, label_from=lambda _: "", sample_rate=1)  # only to find the files
    paths = [Path(path) for path in sounds.paths]
    total = len(paths) * len(wanted)
    for number, path in enumerate(paths):
        inner = path.relative_to(folder)
        try:
            rate = audio_info(path).sample_rate
            waveform = read_audio(path, rate).double()[None]
        except ImportError as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
        keys = keys_of_names([inner.as_posix()])
        for place, (condition, severity) in enumerate(wanted, start=1):
            target = out / f"{condition}-{severity}" / f"{inner}.wav"
            if inner.suffix.lower() == ".wav":
                target = target.with_suffix("")
            if not target.exists():
                found = corrupt(waveform, keys, condition, severity, sample_rate=rate)
                target.parent.mkdir(parents=True, exist_ok=True)
                part = target.with_name(target.name + ".part")
                samples = found[0].T.numpy()
                with part.open("wb") as file:  # soundfile takes no name that is not UTF-8
                    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
                part.replace(target)
            yield target, number * len(wanted) + place, total
