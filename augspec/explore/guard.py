"""Requests from this machine's own pages only.

Other machines cannot reach a server on 127.0.0.1, but web pages in a browser on this machine can. A
page of another site can send requests to it, open a web socket to it or embed it in a frame. It can
also read answers if its own name resolves to 127.0.0.1 (DNS rebinding). Such requests carry the
other site's name in ``Origin`` or ``Host``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

__all__ = ["Guard", "is_local"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

_NAMES = ("127.0.0.1", "localhost", "::1")
# Load nothing from other sites, and let no other page embed this one. `unsafe-eval` is needed
# because Vue, NiceGUI's framework, compiles its templates to functions.
_HEADERS = {
    b"content-security-policy": b"default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; "
    b"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}


class Guard:
    """Pass only requests of this machine to an ASGI application.

    Args:
        app: The application.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or reject it."""
        if scope["type"] == "lifespan" or is_local(scope["headers"]):
            await self.app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"text/plain")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            text = b"This page is for this machine alone: open it as 127.0.0.1 or localhost.\n"
            await send({"type": "http.response.body", "body": text})


def is_local(headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether a request names this machine and comes from its page or from no page."""
    hosts = [value.decode("latin-1") for name, value in headers if name.lower() == b"host"]
    origins = [value.decode("latin-1") for name, value in headers if name.lower() == b"origin"]
    if len(hosts) != 1 or _name_of(f"//{hosts[0]}") not in _NAMES:
        return False
    return all(origin == f"http://{hosts[0]}" for origin in origins)


def _name_of(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _with_headers(send: Send) -> Send:
    async def send_more(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            message = {**message, "headers": [*headers, *_HEADERS.items()]}
        await send(message)

    return send_more
