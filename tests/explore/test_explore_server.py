"""The server as a program sees it, and as a hostile page would."""

import http.client
import io
import socket
import sys
import urllib.parse

import numpy as np
import pytest
import soundfile

from augspec.explore.__main__ import main

SECRETS = [
    "/sound/../secret.wav",
    "/sound/%2e%2e/secret.wav",
    "/sound/..%2fsecret.wav",
    "/sound/deep/../../secret.wav",
    "/sound/%2e%2e%5csecret.wav",
    "/sound/{outside}",
    "/sound//{outside}",
    "/sound/file://{outside}",
    "/sound/link.wav",
    "/sound/.hidden.wav",
    "/sound/notes.txt",
    "/sound/tone.wav%00",
    "/sound/",
    "/made/../secret.wav",
    "/made/{outside}",
    "/secret.wav",
]


def ask(server, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server[0], timeout=300)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_a_sound_of_the_folder_is_served(server):
    name = urllib.parse.quote("deep/deeper/low.flac")
    answer, content = ask(server, f"/sound/{name}")
    assert (answer.status, answer.headers["content-type"]) == (200, "audio/wav")
    samples, rate = soundfile.read(io.BytesIO(content))
    assert (samples.shape, rate) == ((16_000,), 16_000)


@pytest.mark.parametrize("path", SECRETS)
def test_nothing_else_is(server, path):
    _, root = server
    answer, content = ask(server, path.format(outside=root.parent / "secret.wav"))
    assert answer.status == 404
    assert b"RIFF" not in content


def test_a_start_that_is_no_number_is_an_error(server):
    assert ask(server, "/sound/tone.wav?start=x")[0].status == 404


def test_players_can_seek(server):
    whole = ask(server, "/sound/tone.wav")[1]
    for asked, part in {"100-199": whole[100:200], "100-": whole[100:]}.items():
        answer, content = ask(server, "/sound/tone.wav", Range=f"bytes={asked}")
        assert answer.status == 206
        assert content == part
        assert answer.headers["content-range"].endswith(f"/{len(whole)}")
    assert ask(server, "/sound/tone.wav", Range="bytes=99999999-")[1] == whole


def record(server, content, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server[0], timeout=300)
    connection.request("POST", "/recording", body=content, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_a_recording_is_taken_and_played(server):
    samples = np.linspace(-0.5, 0.5, 8_000, dtype="<f4")
    status, name = record(server, samples.tobytes())
    assert status == 200
    answer, content = ask(server, f"/sound/{name}")
    assert answer.status == 200
    heard, rate = soundfile.read(io.BytesIO(content))
    assert rate == 16_000
    np.testing.assert_allclose(heard, samples, atol=1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must hold up to 10 s, got 0 bytes"),
        (b"123", "must hold up to 10 s"),
        (bytes(4 * 16_000 * 10 + 4), "must hold up to 10 s"),
        (np.full(4, np.nan, dtype="<f4").tobytes(), "must be finite"),
    ],
)
def test_a_recording_that_is_none_is_refused(server, content, message):
    status, text = record(server, content)
    assert status == 400
    assert message in text


def test_a_recording_of_another_site_is_refused(server):
    assert record(server, bytes(400), Origin="http://evil.example")[0] == 403


@pytest.mark.parametrize("path", ["/", "/sound/tone.wav", "/_nicegui_ws/socket.io/?EIO=4"])
def test_other_sites_get_nothing(server, path):
    assert ask(server, path, Host="evil.example")[0].status == 400
    assert ask(server, path, Origin="http://evil.example")[0].status == 403


def test_a_socket_of_another_site_is_refused(server):
    path = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    upgrade |= {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert ask(server, path, **upgrade, Origin="http://evil.example")[0].status == 403


def test_only_this_machine_can_connect(server):
    """Linux routes all of 127/8 to itself: a server on every interface would answer there."""
    for address in ("127.0.0.2", socket.gethostbyname(socket.gethostname())):
        if address != "127.0.0.1":
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((address, server[0]), timeout=30).close()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing"], "there is no file or folder 'missing'"),
        (["--config", "missing.yaml"], "missing.yaml"),
        (["--port", "70000"], "port 70000 cannot be opened"),
        (["--sample-rate", "0"], "`sample_rate` must be a positive number of Hz"),
    ],
)
def test_a_command_line_that_is_wrong(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--no-browser"]) == 1
    assert message in capsys.readouterr().err


def test_without_nicegui_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nicegui", None)
    assert main(["--no-browser"]) == 1
    assert 'pip install "augspec[explore]"' in capsys.readouterr().err
