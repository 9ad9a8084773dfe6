"""Requests from this machine's own pages only.

Other machines cannot reach a server on 127.0.0.1, but web pages in a browser on this machine can. A
page of another site can send requests to it, open a web socket to it or embed it in a frame. It can
also read answers if its own name resolves to 127.0.0.1 (DNS rebinding). Such requests carry the
other site's name in ``Origin`` or ``Host``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

__all__ = ["Guard"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

_NAMES = ("127.0.0.1", "localhost")
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

    Starlette's ``TrustedHostMiddleware`` checks ``Host``; the class adds the check of ``Origin``,
    which starlette does not have, and headers.

    Args:
        app: The application.
    """

    def __init__(self, app: App) -> None:
        from starlette.middleware.trustedhost import TrustedHostMiddleware

        self.app: Any = TrustedHostMiddleware(_SameOrigin(app), list(_NAMES), www_redirect=False)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or reject it."""
        await self.app(scope, receive, _with_headers(send))


class _SameOrigin:
    """Reject what pages of other sites send."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_own(scope["headers"]):
            await self.app(scope, receive, send)
        else:
            from starlette.responses import PlainTextResponse

            text = "This page takes requests of its own alone: open it in a new tab.\n"
            await PlainTextResponse(text, 403)(scope, receive, send)


def _is_own(headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether a request comes from the page of the host that it names, or from no page."""
    hosts = [value.decode("latin-1") for name, value in headers if name.lower() == b"host"]
    origins = [value.decode("latin-1") for name, value in headers if name.lower() == b"origin"]
    return len(hosts) == 1 and all(origin == f"http://{hosts[0]}" for origin in origins)


def _with_headers(send: Send) -> Send:
    async def send_more(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            message = {**message, "headers": [*headers, *_HEADERS.items()]}
        await send(message)

    return send_more
