"""The server of the page, with sounds and pictures by address."""

from __future__ import annotations

import copy
import hashlib
import re
import socket
import sys
import warnings
from collections import OrderedDict
from typing import Any

from augspec.explore.chain import Setup
from augspec.explore.guard import Guard
from augspec.explore.recorder import most_bytes, waveform_of
from augspec.explore.sounds import Sounds
from augspec.plot.sound import wav

__all__ = ["Session", "Store", "listen", "make_app", "serve"]

_TYPES = {"png": "image/png", "wav": "audio/wav"}


class Store:
    """Keep the last pictures and sounds, by a hash of their content.

    Args:
        most: Number of files to keep.
    """

    def __init__(self, most: int = 128) -> None:
        self._most = most
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def put(self, content: bytes, suffix: str) -> str:
        """Store a file and return its name, which is the same for the same content."""
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.{suffix}"
        self._kept[name] = content
        self._kept.move_to_end(name)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return name

    def get(self, name: str) -> bytes | None:
        """Return a file that is still stored."""
        return self._kept.get(name)


class Session:
    """The state that all pages of a server share.

    Args:
        sounds: The sounds that can be selected.
        setup: Initial state of the first page.
    """

    def __init__(self, sounds: Sounds, setup: Setup) -> None:
        self.sounds = sounds
        self.store = Store()
        self._setup = setup

    def begin(self) -> Setup:
        """Give a new page the state of the last one, so that reloading loses nothing."""
        return copy.deepcopy(self._setup)

    def keep(self, setup: Setup) -> None:
        """Store the state of a page."""
        self._setup = copy.deepcopy(setup)


def make_app(session: Session) -> Guard:
    """Make the application: the page, its computed files, and the sounds.

    Raises:
        ImportError: If NiceGUI is not installed.
    """
    try:
        from fastapi import FastAPI
        from nicegui import ui
        from starlette.responses import Response
        from starlette.routing import Route
    except ImportError as error:
        raise ImportError(
            'augspec.explore needs NiceGUI: pip install "augspec[explore]", or nicegui'
        ) from error
    from augspec.explore.page import Page

    def sound(request: Any) -> Any:
        name = request.path_params["name"]
        try:
            start = float(request.query_params.get("start", 0.0))
            content, _ = wav(session.sounds.read(name, start), session.sounds.sample_rate)
        except (ImportError, ValueError, OSError) as error:
            return Response(f"{error}\n", status_code=404, media_type="text/plain")
        return _answer(request, content, "audio/wav")

    def made(request: Any) -> Any:
        name = request.path_params["name"]
        content = session.store.get(name)
        if content is None:
            text = "This is not kept any more: load the page again.\n"
            return Response(text, status_code=404, media_type="text/plain")
        return _answer(request, content, _TYPES[name.rpartition(".")[2]])

    async def recording(request: Any) -> Any:
        rate, content = session.sounds.sample_rate, bytearray()
        async for part in request.stream():
            content += part
            if len(content) > most_bytes(rate):
                break
        try:
            name = session.sounds.record(waveform_of(bytes(content), rate))
        except ValueError as error:
            return Response(f"{error}\n", status_code=400, media_type="text/plain")
        return Response(name, media_type="text/plain")

    routes: list[Any] = [
        Route("/sound/{name:path}", sound),
        Route("/made/{name}", made),
        Route("/recording", recording, methods=["POST"]),
    ]
    app = FastAPI(openapi_url=None, routes=routes)

    @ui.page("/", title="augspec explorer")
    def index() -> None:
        Page(session)

    # A minute, so that a machine that is busy or wakes up does not lose the page.
    ui.run_with(app, title="augspec explorer", reconnect_timeout=60.0, show_welcome_message=False)
    return Guard(app)


def _answer(request: Any, content: bytes, media_type: str) -> Any:
    """Answer with a file or the requested part of it, which players use for seeking."""
    from starlette.responses import Response

    headers = {"accept-ranges": "bytes"}
    asked = re.fullmatch(r"bytes=(\d{1,12})-(\d{0,12})", request.headers.get("range", ""))
    if not asked or int(asked[1]) >= len(content):
        return Response(content, media_type=media_type, headers=headers)
    first = int(asked[1])
    last = min(int(asked[2] or len(content)), len(content) - 1)
    headers["content-range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], 206, headers, media_type)


def listen(port: int) -> socket.socket:
    """Open a port that only this machine can reach.

    Args:
        port: Its number; 0 takes any that is free.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there it would share the port with other programs
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        opened.close()
        raise ValueError(f"port {port} cannot be opened ({error}); try --port 0") from error
    opened.listen(128)
    return opened


def serve(app: Guard, opened: socket.socket) -> None:
    """Serve until the process is interrupted."""
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", access_log=False)
    with warnings.catch_warnings():
        # NiceGUI searches all objects for its server, and so touches a deprecated one of torch.
        warnings.filterwarnings("ignore", "`torch.distributed.reduce_op`", FutureWarning)
        uvicorn.Server(config).run(sockets=[opened])
