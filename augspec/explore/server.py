"""The server of the page: sounds and pictures by address, and what a page begins with."""

from __future__ import annotations

import copy
import hashlib
import re
import socket
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
    """Keep the last pictures and sounds that were made, by what they hold.

    Args:
        most: How many are kept.
    """

    def __init__(self, most: int = 128) -> None:
        self._most = most
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def put(self, content: bytes, suffix: str) -> str:
        """Keep a file and give its name: the same for the same content."""
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.{suffix}"
        self._kept[name] = content
        self._kept.move_to_end(name)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return name

    def get(self, name: str) -> bytes | None:
        """Give a file that is still kept."""
        return self._kept.get(name)


class Session:
    """What the pages of one server share.

    Args:
        sounds: What can be picked.
        setup: What the first page begins with.
    """

    def __init__(self, sounds: Sounds, setup: Setup) -> None:
        self.sounds = sounds
        self.store = Store()
        self._setup = setup

    def begin(self) -> Setup:
        """Give a new page the state of the last one, so that to load it anew loses nothing."""
        return copy.deepcopy(self._setup)

    def keep(self, setup: Setup) -> None:
        """Take note of the state of a page."""
        self._setup = copy.deepcopy(setup)


def make_app(session: Session) -> Guard:
    """Make the application: the page, what is made for it, and the sounds themselves.

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

    # A minute: a machine that is busy or wakes up must not lose the page.
    ui.run_with(app, title="augspec explorer", reconnect_timeout=60.0, show_welcome_message=False)
    return Guard(app)


def _answer(request: Any, content: bytes, media_type: str) -> Any:
    """Answer with a file or the part of it that was asked for: players seek by parts."""
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
    """Open a port of this machine, reachable from this machine alone.

    Args:
        port: Its number; 0 takes any that is free.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
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
        # NiceGUI looks for its server among all objects, and so touches one that torch deprecated.
        warnings.filterwarnings("ignore", "`torch.distributed.reduce_op`", FutureWarning)
        uvicorn.Server(config).run(sockets=[opened])
