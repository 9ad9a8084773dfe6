"""Fuzz `augspec.datasets.read_events`: a table becomes labels of frames, or is refused."""

import sys

import fuzzing
import torch

from augspec.datasets import Events, read_events

ALLOWED = (ValueError,)
RAVEN = b"Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tSpecies"
SEEDS = [
    b"filename\tonset\toffset\tevent_label\nrec.wav\t0.1\t0.25\twren\nrec.wav\t\t\t\n",
    b"filename,onset,offset,event_label\nrec.wav,0,0.5,owl\nrec.wav,1e-3,1.5e308,owl\n",
    RAVEN + b"\n1\tSpectrogram 1\t1\t0.10\t0.90\towl\n1\tWaveform 1\t1\t0.10\t0.90\towl\n",
    RAVEN + b"\tBegin File\tFile Offset (s)\n1\tS\t1\t60.5\t61\towl\trec.wav\t0.5\n",
]


class Recordings(list):
    """A data set of one item."""

    sample_rate = 1_000


ITEMS = Recordings([{"waveform": torch.zeros(1, 800), "path": "a/rec.wav", "start": 0.1}])


def target(data, folder):
    """Read the bytes as events, and as labels of the frames of an item."""
    path = folder / "rec.Table.1.selections.txt"
    path.write_bytes(data)
    try:
        events = read_events(path)
    except ValueError as error:
        if str(path) not in str(error):
            raise RuntimeError(f"the message names no file: {error}") from error
        raise
    item = Events(ITEMS, events)[0]
    if not ((item["frames"] == 0.0) | (item["frames"] == 1.0)).all():
        raise RuntimeError("a frame is neither 0 nor 1")
    if item["frames"].shape[0] != item["label"].shape[0]:
        raise RuntimeError("frames and labels differ in number")


if __name__ == "__main__":
    sys.exit(fuzzing.main("events", target, SEEDS, ALLOWED))
