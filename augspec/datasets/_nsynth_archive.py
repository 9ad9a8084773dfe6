"""One pass over an archive of NSynth that stores its notes for random access."""

from __future__ import annotations

import gzip
import io
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from augspec.datasets._audio import is_cut
from augspec.datasets._nsynth_examples import SAMPLE_RATE
from augspec.datasets._pack_writer import PackWriter
from augspec.datasets._progress import progress_bar

# The official train split has notes of 128,044 bytes, 37 GB of them, and an index of some 150 MB.
_MAX_NOTE = 1 << 20
_MAX_EXAMPLES = 1 << 30
_MAX_ALL = 64 << 30
_MAX_HEADERS = 1 << 21  # bytes before a member: headers state how much to read and may be wrong
_MAX_END = 1 << 20


def unpack(archive: Path, folder: Path, split: str, progress: bool = True) -> None:
    """Write the notes of an archive to ``folder/audio.packed``, with examples.json beside it.

    The archive is read once, from its beginning to its end. No other file is written, even if the
    archive holds other names. The result is put in place only if the whole archive is good. A pass
    that was killed resumes with the notes decoded so far.

    Raises:
        ValueError: If the archive is damaged or cut, or holds members that an archive of NSynth
            must not have: links, devices, sparse members, names outside of the folder, members that
            are too large.
        BlockingIOError: If another process is unpacking it.
    """
    folder.mkdir(exist_ok=True)
    size = archive.stat().st_size
    about = {"dtype": "int16", "sample_rate": SAMPLE_RATE, "classes": None}
    examples = folder / "examples.json.partial"
    with (
        PackWriter(folder / "audio.packed", {**about, "source": [archive.name, size]}) as writer,
        _naming(archive),
        archive.open("rb") as raw,
        progress_bar(f"indexing {archive.name}", size, 0, progress, unit="B") as bar,
    ):
        seen: set[str] = set()
        position = 0
        for name, data in _members(archive, raw, split):
            if name == "":
                with examples.open("wb") as file:
                    shutil.copyfileobj(data, file)
                continue
            if name in seen:
                raise ValueError(f"{archive} holds {name}.wav twice")
            seen.add(name)
            if len(seen) > writer.count:
                samples = _decode(archive, name, data.read())
                writer.add({"waveform": samples, "name": name})
            bar.update(raw.tell() - position)
            position = raw.tell()
        if not seen or not examples.is_file():
            raise ValueError(f"{archive} must hold nsynth-{split}/examples.json and notes")
        examples.replace(folder / "examples.json")
        writer.finish()


def _members(archive: Path, raw: IO[bytes], split: str) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the notes, by name, and examples.json as ``""``; raise for unsafe members."""
    pattern = re.compile(rf"(?:\./)?nsynth-{split}/(?:audio/([^/\\]+)\.wav|examples\.json)")
    with gzip.open(raw) as stream:
        bounded = _Bounded(stream)
        with _open(bounded) as tar:
            total = 0
            while (member := _next(tar)) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # or it would keep 300,000
                match = pattern.fullmatch(member.name)
                limit = _MAX_NOTE if match and match[1] else _MAX_EXAMPLES
                total += member.size
                _check(archive, member, limit, total)
                if match and member.isreg():
                    bounded.left = member.size
                    yield match[1] or "", cast("IO[bytes]", tar.extractfile(member))
                bounded.left = _MAX_HEADERS
        # The checksum of the gzip stream is at its end, after the padding.
        if len(stream.read(_MAX_END)) == _MAX_END:
            raise ValueError(f"{archive} has data after its end and is not safe; download it again")


def _open(stream: _Bounded) -> tarfile.TarFile:
    with _of_headers():  # it reads the first one
        return tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:", errorlevel=2)


def _next(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    with _of_headers():
        return tar.next()


@contextmanager
def _of_headers() -> Iterator[None]:
    """Turn what Python says of the numbers and names in a forged header into tarfile's error."""
    try:
        yield
    except (ValueError, ArithmeticError, LookupError) as error:
        raise tarfile.ReadError(f"a header that is none: {error}") from error


@contextmanager
def _naming(archive: Path) -> Iterator[None]:
    """Name the archive in errors of reading it."""
    try:
        yield
    # tarfile calls itself for each header that is about the next header.
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, RecursionError) as error:
        raise ValueError(f"{archive} is damaged or cut ({error}); download it again") from error


def _check(archive: Path, member: tarfile.TarInfo, limit: int, total: int) -> None:
    name = member.name
    if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or ":" in name:
        reason = "a name outside of its folder"
    elif member.issparse():
        reason = "a sparse member"
    elif not (member.isreg() or member.isdir()):
        reason = "a link or device"
    elif member.size > limit:
        reason = f"a member of {member.size:,} bytes"
    elif total > _MAX_ALL:
        reason = f"more than {_MAX_ALL:,} bytes up to"
    else:
        return
    raise ValueError(f"{archive} is not safe and was refused: {reason}, {name!r}")


class _Bounded(io.RawIOBase):
    """A stream of which at most ``left`` more bytes are read.

    One read is no bound: tarfile keeps all parts of a header in memory, and newer releases of
    Python read a large one in many parts.
    """

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self.left = _MAX_HEADERS

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self.left:
            raise tarfile.ReadError(f"a header asks for more than {_MAX_HEADERS:,} bytes")
        data = self._stream.read(size)
        self.left -= len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _decode(archive: Path, name: str, data: bytes) -> NDArray[Any]:
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            fine = (file.samplerate, file.subtype) == (SAMPLE_RATE, "PCM_16")
            samples = file.read(dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{archive}: {name}.wav cannot be decoded ({error})") from error
    if not fine or len(samples) == 0 or is_cut(io.BytesIO(data), len(data)):
        raise ValueError(
            f"{archive}: {name}.wav must be 16 bit audio at {SAMPLE_RATE} Hz, whole and not empty"
        )
    return np.ascontiguousarray(samples.T)
