"""The format of an audio file by its first bytes, because the suffix of a name may be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

HEAD = 12  # bytes to read


class Container(NamedTuple):
    """A kind of audio file.

    Args:
        name: Common name of the format.
        suffix: Suffix that its files should have.
    """

    name: str
    suffix: str


# Formats that libsndfile does not read: the bytes that identify them and their offset.
_FOREIGN = [
    (4, b"ftyp", Container("an MPEG-4 file (m4a)", ".m4a")),
    (0, b"\x1a\x45\xdf\xa3", Container("a Matroska or WebM file", ".mka")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Container("a Windows Media file (wma)", ".wma")),
    (0, b"wvpk", Container("a WavPack file", ".wv")),
    (0, b"\x0b\x77", Container("an AC-3 file", ".ac3")),
]
# Formats that libsndfile reads; MP3 without a tag begins like ADTS except for its layer bits.
_KNOWN = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b".snd", b"caff")


def foreign(head: bytes) -> Container | None:
    """Return the format of a file that libsndfile does not read, by its first bytes.

    Returns:
        None if libsndfile reads the format, or the bytes are not known.
    """
    for place, mark, container in _FOREIGN:
        if head[place : place + len(mark)] == mark:
            return container
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return Container("an AAC stream (adts)", ".aac")
    return None


def is_known(head: bytes) -> bool:
    """Return whether the first bytes are those of a file that libsndfile reads."""
    layer = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0
    return head[:4] in _KNOWN or layer


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file."""
    with path.open("rb") as file:
        return file.read(HEAD)
