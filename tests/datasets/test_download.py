import hashlib
import http.server
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from augspec.datasets import download

DATA = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serve `data`, and misbehave as told: each connection pops what is to go wrong with it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.etag = DATA, '"one"'
        self.faults: list[str] = []
        self.ranges = True
        self.pause = 0.0
        self.requests: list[tuple[str | None, int, int]] = []  # Range, status, bytes sent
        self.url = f"http://127.0.0.1:{self.server_address[1]}/notes.tar.gz"

    def handle_error(self, request, client_address):
        """Lost connections are what is tested."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        fault = server.faults.pop(0) if server.faults else ""
        wanted = self.headers.get("Range")
        if fault.isdigit():
            server.requests.append((wanted, int(fault), 0))
            self.send_error(int(fault))
            return
        body, start = server.data, 0
        if wanted and server.ranges and self.headers.get("If-Range") == server.etag:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(body):
                server.requests.append((wanted, 416, 0))
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        body = body[start:]
        self.send_response(206 if start else 200)
        if start:
            end = len(server.data)
            told = start - 7 if fault == "elsewhere" else start
            self.send_header("Content-Range", f"bytes {told}-{end - 1}/{end}")
        self.send_header("Content-Length", str(len(body)))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        if fault == "corrupt":
            body = body[:1000] + bytes([body[1000] ^ 1]) + body[1001:]
        if fault == "drop":
            body = body[:700_000]
        if fault == "hang up":
            body = b""
        server.requests.append((wanted, 206 if start else 200, len(body)))
        for place in range(0, len(body), 50_000):
            self.wfile.write(body[place : place + 50_000])
            time.sleep(server.pause)

    def log_message(self, *args):
        """Be quiet."""


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def get(server, path, **options):
    return download(server.url, path, progress=False, **{"sha256": SHA256, **options})


def test_file_arrives_whole_and_leaves_nothing_beside_it(server, tmp_path):
    path = tmp_path / "new" / "notes.tar.gz"
    assert get(server, path) == path
    assert path.read_bytes() == DATA
    assert [file.name for file in path.parent.iterdir()] == ["notes.tar.gz"]


def test_file_that_is_there_is_left_alone(server, tmp_path):
    (tmp_path / "f").write_bytes(b"mine")
    get(server, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == b"mine"
    assert server.requests == []


def test_dropped_connections_are_taken_up_where_they_broke(server, tmp_path):
    server.faults = ["drop", "hang up", "503", "drop"]
    assert get(server, tmp_path / "f").read_bytes() == DATA
    assert server.requests == [
        (None, 200, 700_000),
        ("bytes=700000-", 206, 0),
        ("bytes=700000-", 503, 0),
        ("bytes=700000-", 206, 700_000),
        ("bytes=1400000-", 206, 1_600_000),
    ]


def test_corrupt_bytes_are_found_and_all_is_fetched_again(server, tmp_path):
    server.faults = ["corrupt"]
    assert get(server, tmp_path / "f").read_bytes() == DATA
    assert [sent for _, _, sent in server.requests] == [3_000_000, 3_000_000]


def test_corruption_in_a_resumed_part_is_found(server, tmp_path):
    server.faults = ["drop", "corrupt"]
    assert get(server, tmp_path / "f").read_bytes() == DATA


def test_lasting_corruption_is_an_error_and_leaves_no_file(server, tmp_path):
    server.faults = ["corrupt"] * 3
    with pytest.raises(ValueError, match=rf"must have the SHA-256 checksum {SHA256}, got"):
        get(server, tmp_path / "f", attempts=3)
    assert not (tmp_path / "f").exists()


def test_file_that_changes_on_the_server_is_begun_anew(server, tmp_path):
    server.faults = ["drop", "404"]
    with pytest.raises(OSError, match="404"):
        get(server, tmp_path / "f")
    server.data, server.etag = DATA[::-1], '"two"'
    assert get(server, tmp_path / "f", sha256=None).read_bytes() == DATA[::-1]
    assert server.requests[-1] == ("bytes=700000-", 200, 3_000_000)


@pytest.mark.parametrize(("ranges", "etag"), [(False, '"one"'), (True, 'W/"weak"'), (True, "")])
def test_server_that_cannot_resume_sends_all_again(server, tmp_path, ranges, etag):
    server.ranges, server.etag, server.faults = ranges, etag, ["drop", "drop"]
    assert get(server, tmp_path / "f").read_bytes() == DATA
    assert server.requests[-1][1:] == (200, 3_000_000)


def test_a_file_that_has_shrunk_under_its_tag_is_asked_for_anew(server, tmp_path):
    server.faults = ["drop", "404"]
    with pytest.raises(OSError, match="404"):
        get(server, tmp_path / "f")
    server.data = DATA[:1000]
    assert get(server, tmp_path / "f", sha256=None).read_bytes() == DATA[:1000]
    assert server.requests[-2:] == [("bytes=700000-", 416, 0), (None, 200, 1000)]


def test_a_part_from_elsewhere_is_not_taken_and_all_is_asked_for_again(server, tmp_path):
    server.faults = ["drop", "elsewhere"]
    assert get(server, tmp_path / "f").read_bytes() == DATA
    assert server.requests[-1] == (None, 200, 3_000_000)


def test_file_that_is_refused_is_an_error_at_once(server, tmp_path):
    server.faults = ["403"]
    with pytest.raises(OSError, match=r"notes\.tar\.gz cannot be downloaded: .*403"):
        get(server, tmp_path / "f")
    assert len(server.requests) == 1


def test_server_that_gives_nothing_is_given_up(server, tmp_path):
    server.faults = ["hang up"] * 9
    with pytest.raises(OSError, match="the last of 3 attempts without a new byte"):
        get(server, tmp_path / "f", attempts=3)
    assert len(server.requests) == 3


def test_server_that_is_not_there_is_given_up(server, tmp_path):
    url = server.url.replace(str(server.server_address[1]), "9")
    with pytest.raises(OSError, match="cannot be downloaded"):
        download(url, tmp_path / "f", attempts=2, progress=False)


@pytest.mark.parametrize("url", ["file:///etc/hosts", "ftp://host/f", "notes.tar.gz"])
def test_other_schemes_are_refused(tmp_path, url):
    with pytest.raises(ValueError, match="`url` must begin with http:// or https://"):
        download(url, tmp_path / "f")


PROGRAM = """
import sys
from augspec.datasets import download
download(sys.argv[1], sys.argv[2], sha256=sys.argv[3], progress=False)
"""


def test_killed_download_resumes_to_the_same_bytes(server, tmp_path):
    server.pause = 0.05
    path, part = tmp_path / "f", tmp_path / "f.part"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, server.url, str(path), SHA256])
    while process.poll() is None and not (part.exists() and part.stat().st_size > 500_000):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    have = part.stat().st_size
    assert not path.exists()
    assert 500_000 < have < 3_000_000
    server.pause = 0.0
    assert get(server, path).read_bytes() == DATA
    assert server.requests[-1] == (f"bytes={have}-", 206, 3_000_000 - have)


def test_download_killed_before_the_renaming_is_finished(server, tmp_path):
    (tmp_path / "f.part").write_bytes(DATA)
    (tmp_path / "f.part.tag").write_text('"one"')
    assert get(server, tmp_path / "f").read_bytes() == DATA
    assert [status for _, status, _ in server.requests] == [416]


def test_two_downloads_to_one_path_are_refused(server, tmp_path):
    server.pause = 0.02
    thread = threading.Thread(target=get, args=(server, tmp_path / "f"))
    thread.start()
    while not (tmp_path / "f.part").exists() or not server.requests:
        time.sleep(0.005)
    with pytest.raises(BlockingIOError, match="another process is writing"):
        get(server, tmp_path / "f")
    thread.join()
    assert (tmp_path / "f").read_bytes() == DATA
