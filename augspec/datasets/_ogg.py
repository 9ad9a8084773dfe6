"""The first sample of the last page of an Ogg file."""

from __future__ import annotations

import struct
from pathlib import Path

_LARGEST_PAGE = 65_307  # bytes: a header of 27, 255 segments of 255 bytes and their sizes
_HEADER = struct.Struct("<4sBBqIIIB")  # capture, version, flags, position, serial, number, CRC, ...
_END_OF_STREAM = 4  # a flag


def last_page_start(path: Path) -> int:
    """Return the sample at which the last page begins, or 0 if it is not known.

    References:
        RFC 3533, "The Ogg Encapsulation Format Version 0", section 6.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 2 * _LARGEST_PAGE))
        tail = file.read()
    at = tail.find(b"OggS")
    position = 0
    while at >= 0 and at + _HEADER.size <= len(tail):
        capture, _, flags, end, _, _, _, segments = _HEADER.unpack_from(tail, at)
        if capture != b"OggS":  # the four bytes were data inside a page
            at, position = tail.find(b"OggS", at + 1), 0
            continue
        if flags & _END_OF_STREAM:
            return max(0, position)
        position = end if end >= 0 else position  # -1: no packet ends on this page
        at += _HEADER.size + segments
        at += sum(tail[at - segments : at])
    return 0
