"""Fuzz `augspec.datasets.AudioTable`: a file lists sounds with labels, or is refused by name."""

import io
import sys

import fuzzing
import numpy as np
import soundfile

from augspec.datasets import AudioTable

ALLOWED = (ValueError,)
SEEDS = [
    b"path,label\na.wav,wren\nb.wav,owl\n",
    b"path\tlabel\na.wav\twren\nb.wav\towl\n",
    b"\xef\xbb\xbfpath;label;fold;group\r\na.wav;wren|owl;1;x\r\nb.wav;;2;y\r\n",
    b'path,label,fold,group\n"a.wav","wren, grey",train,1\nb.wav,"o ""w"" l",test,2\n',
    b"path,label\n../one/a.wav,=1+1\n/dev/zero,@SUM(A1)\n",
    b"path,label,fold,group\na.wav,7,1.0,nan\nb.wav,10,2.0,inf\n",
]


def _sound():
    file = io.BytesIO()
    soundfile.write(file, np.linspace(-0.5, 0.5, 40), 8_000, format="WAV", subtype="PCM_16")
    return file.getvalue()


SOUND = _sound()
SETTINGS = [
    {},
    {"separator": "|", "fold": "fold", "group": "group", "on_error": "skip"},
    {"path": "{path}", "label": None, "segment": 0.001},
]


def target(data, folder):
    """Open the bytes as a table in three ways; what opens has an item and a label of each row."""
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(SOUND)
    path = folder / "sounds.csv"
    path.write_bytes(data)
    refused = []
    for settings in SETTINGS:
        try:
            found = AudioTable(path, **settings)
        except ValueError as error:
            if str(folder) not in str(error):
                raise RuntimeError(f"the message names no file: {error}") from error
            if len(str(error)) > 10_000 + len(data):
                raise RuntimeError("the message is longer than anybody reads") from error
            refused.append(error)
            continue
        if found.labels is not None and len(found.labels) != len(found):
            raise RuntimeError("labels and items differ in number")
        for index in range(len(found)):
            found[index]
    if refused:
        raise refused[0]


if __name__ == "__main__":
    sys.exit(fuzzing.main("tables", target, SEEDS, ALLOWED))
