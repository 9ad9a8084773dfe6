"""Only this machine's own pages are served: no rebinding of names, no requests of other sites."""

import asyncio

import pytest

from augspec.explore.guard import Guard


def headers(host="127.0.0.1:8365", origin=None):
    found = [(b"host", host.encode())] if host is not None else []
    return found + ([(b"origin", origin.encode())] if origin is not None else [])


@pytest.mark.parametrize("host", ["127.0.0.1:8365", "localhost:9000", "localhost"])
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_this_machine_is_served(kind, host):
    assert ask(kind, headers(host))[1] == [kind]
    assert ask(kind, headers(host, f"http://{host}"))[1] == [kind]


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example:8365", None),
        ("evil.example", "http://evil.example"),
        ("127.0.0.1.evil.example:8365", None),
        ("localhost.evil.example", None),
        ("evil.example@127.0.0.1.x", None),
        ("192.168.1.2:8365", None),
        ("0.0.0.0:8365", None),
        ("", None),
        (None, None),
        ("[::1", None),
        ("127.0.0.1:8365", "http://evil.example"),
        ("127.0.0.1:8365", "https://127.0.0.1:8365"),
        ("127.0.0.1:8365", "http://127.0.0.1:3000"),
        ("127.0.0.1:8365", "http://localhost:8365"),
        ("127.0.0.1:8365", "null"),
        ("127.0.0.1:8365", ""),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_others_are_not(kind, host, origin):
    sent, seen = ask(kind, headers(host, origin))
    assert seen == []
    assert sent[0].get("status", 403) in (400, 403)
    assert sent[0]["type"] != "websocket.accept"


def test_two_hosts_are_none():
    assert ask("http", [*headers("127.0.0.1"), *headers("127.0.0.1")])[1] == []


def ask(kind, given):
    """Send a request through the guard; give what comes back, and whether the app saw it."""
    sent, seen = [], []

    async def app(scope, _, send):
        seen.append(scope["type"])
        start = {"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]}
        await send(start)
        await send({"type": "http.response.body", "body": b"hello"})

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "headers": given, "extensions": {}}
    asyncio.run(Guard(app)(scope, None, send))
    return sent, seen


def test_a_stranger_gets_no_page_and_no_socket():
    stranger = headers("evil.example")
    sent, seen = ask("http", stranger)
    assert (sent[0]["status"], seen) == (400, [])
    sent, seen = ask("websocket", stranger)
    assert (sent[0]["type"], seen) == ("websocket.http.response.start", [])


def test_pages_fetch_nothing_from_elsewhere_and_are_in_no_frame():
    sent, seen = ask("http", headers())
    assert seen == ["http"]
    answered = dict(sent[0]["headers"])
    assert answered[b"x-own"] == b"1"
    policy = answered[b"content-security-policy"].decode()
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert "*" not in policy
    assert answered[b"x-content-type-options"] == b"nosniff"
