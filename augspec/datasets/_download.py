"""Downloads that survive lost connections and damaged bytes."""

from __future__ import annotations

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from augspec.datasets._locks import only_writer
from augspec.datasets._progress import progress_bar

_CHUNK = 1 << 18
_TIMEOUT = 60.0  # seconds without a byte
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)  # HTTP codes worth a retry


def download(
    url: str,
    path: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    attempts: int = 8,
    progress: bool = True,
) -> Path:
    """Fetch a file over HTTP and put it in place when it is complete and checked.

    Received bytes are kept in ``path.part``. After a lost connection or a kill, the download
    resumes there with an HTTP range request. If the server's file has changed in between, or the
    server cannot send ranges, it starts from the beginning. Without ``sha256`` only the size is
    checked.

    Args:
        url: Address of the file, ``http`` or ``https``.
        path: Destination. An existing file is kept as it is.
        sha256: Checksum that the file must have, in hexadecimal.
        attempts: Number of consecutive connections without a new byte, and of downloads with a
            wrong checksum, after which it gives up.
        progress: Show a progress bar.

    Returns:
        ``path``.

    Raises:
        ValueError: If the address is neither http nor https, or the checksum still differs after
            all attempts.
        BlockingIOError: If another process is downloading to the same path.
        OSError: If the server refuses the file, or cannot be reached in all attempts.
    """
    path = Path(path)
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"`url` must begin with http:// or https://, got {url!r}")
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    tag = path.with_name(path.name + ".part.tag")  # entity tag of this version of the file
    transfer = _Transfer(url, part, tag, attempts, progress)
    with only_writer(part):
        if path.exists():  # another process has finished meanwhile
            return path
        part.touch()
        for _ in range(attempts):
            transfer.run()
            found = None if sha256 is None else _digest(part)
            if sha256 is None or found == sha256.lower():
                break
            os.truncate(part, 0)  # the damage may be anywhere, so nothing can be kept
        else:
            raise ValueError(
                f"{url} must have the SHA-256 checksum {sha256}, got {found} in {attempts} "
                "downloads"
            )
        tag.unlink(missing_ok=True)
        part.replace(path)
    return path


class _Transfer:
    """One download: it connects until the whole file is in ``part``."""

    def __init__(self, url: str, part: Path, tag: Path, attempts: int, progress: bool) -> None:
        self.url, self.part, self.tag = url, part, tag
        self.attempts, self.progress = attempts, progress

    def run(self) -> None:
        failures = 0
        while True:
            before = self.part.stat().st_size
            try:
                if self._connect():
                    return
                error: Exception = http.client.IncompleteRead(b"")
            except urllib.error.HTTPError as refused:
                refused.close()
                if refused.code not in _TRANSIENT:
                    raise OSError(f"{self.url} cannot be downloaded: {refused}") from refused
                error = refused
            except (OSError, http.client.HTTPException) as lost:
                error = lost
            failures = 0 if self.part.stat().st_size > before else failures + 1
            if failures >= self.attempts:
                raise OSError(
                    f"{self.url} cannot be downloaded: the last of {failures} attempts without a "
                    f"new "
                    f"byte ended with {error!r}"
                ) from error
            time.sleep(min(0.1 * 2**failures, 30.0) if failures else 0.0)

    def _connect(self) -> bool:
        """Request the missing bytes, append them, and return whether the file is complete."""
        have = self.part.stat().st_size
        version = self.tag.read_text(encoding="utf-8") if self.tag.is_file() else ""
        request = urllib.request.Request(self.url)  # noqa: S310 (the scheme is checked)
        if have and version:
            request.add_header("Range", f"bytes={have}-")
            request.add_header("If-Range", version)
        try:
            answer = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310
        except urllib.error.HTTPError as refused:
            if refused.code != 416:
                raise
            refused.close()
            # No bytes follow: either the file is complete, or it has shrunk on the server.
            if refused.headers.get("Content-Range", "") == f"bytes */{have}":
                return True
            os.truncate(self.part, 0)
            return False
        with answer:
            if answer.status == 206:
                if not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                    os.truncate(self.part, 0)
                    return False
            else:
                have = 0
                etag = answer.headers.get("ETag", "")
                # A weak tag does not guarantee the same bytes, so it cannot be used to resume.
                strong = "" if etag.startswith("W/") else etag
                version = strong or answer.headers.get("Last-Modified", "")
                self.tag.write_text(version, encoding="utf-8")
            length = answer.headers.get("Content-Length")
            total = None if length is None else have + int(length)
            self._receive(answer, have, total)
        return total is None or self.part.stat().st_size == total

    def _receive(self, answer: http.client.HTTPResponse, have: int, total: int | None) -> None:
        title = f"downloading {self.part.stem}"
        with (
            self.part.open("r+b") as file,
            progress_bar(title, total, have, self.progress, unit="B") as bar,
        ):
            file.truncate(have)
            file.seek(have)
            while chunk := answer.read1(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
