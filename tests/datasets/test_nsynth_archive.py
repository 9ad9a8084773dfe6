import contextlib
import gzip
import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_download import Server
from test_nsynth import NAMES, REAL, record, write_split

from augspec.datasets import NSynth, Packed
from augspec.datasets import _nsynth_archive as archive_module


def make_archive(root: Path, split: str = "train", names=tuple(NAMES), extra=()) -> Path:
    """Make an archive as the official ones are; ``extra`` are members that come last."""
    folder = write_split(root / "plain", split, list(names))
    path = root / f"nsynth-{split}.jsonwav.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, f"nsynth-{split}", recursive=False)
        archive.add(folder / "audio", f"nsynth-{split}/audio", recursive=False)
        for name in names:  # in no order of their names
            archive.add(folder / "audio" / f"{name}.wav", f"nsynth-{split}/audio/{name}.wav")
        archive.add(folder / "examples.json", f"nsynth-{split}/examples.json")
        for member, data in extra:
            archive.addfile(member, io.BytesIO(data))
    return path


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def read(root: Path, split: str = "train", **options) -> NSynth:
    return NSynth(root, split, progress=False, **options)


def assert_equal_notes(one: NSynth, other: NSynth) -> None:
    for a, b in zip(one, other, strict=True):
        assert a.pop("waveform").equal(b.pop("waveform"))
        assert Path(a.pop("path")).name == Path(b.pop("path")).name
        assert a == b


def assert_finished(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"audio.packed", "examples.json"}


def test_archive_gives_what_the_unpacked_folder_gives(tmp_path):
    make_archive(tmp_path)
    notes = read(tmp_path)
    assert_equal_notes(notes, read(tmp_path / "plain"))
    assert notes[0]["path"] == str(tmp_path / "nsynth-train" / "audio.packed" / f"{min(NAMES)}.wav")
    assert_finished(tmp_path / "nsynth-train")


def test_archive_is_read_once(tmp_path):
    path = make_archive(tmp_path)
    read(tmp_path)
    path.unlink()
    assert len(read(tmp_path)) == 3
    Packed(tmp_path / "nsynth-train" / "audio.packed", verify=True)


def test_filters_find_the_right_audio_in_an_archive(tmp_path):
    make_archive(tmp_path)
    notes = read(tmp_path, sources=["acoustic", "electronic"])
    assert_equal_notes(notes, read(tmp_path / "plain", sources=["acoustic", "electronic"]))
    assert_equal_notes(notes.select([1]), read(tmp_path / "plain", sources="acoustic"))


def test_unpacked_audio_comes_before_the_archive(tmp_path):
    make_archive(tmp_path)
    (tmp_path / "plain" / "nsynth-train").rename(tmp_path / "nsynth-train")
    assert "audio.packed" not in read(tmp_path)[0]["path"]


PROGRAM = """
import sys, time
from augspec.datasets import NSynth, _nsynth_archive
decode = _nsynth_archive._decode
def slowly(*arguments):
    time.sleep(0.05)
    return decode(*arguments)
_nsynth_archive._decode = slowly
NSynth(sys.argv[1], "train", progress=False)
"""


def test_killed_pass_resumes_to_the_same_bytes(tmp_path, monkeypatch):
    names = [f"bass_acoustic_000-{pitch:03d}-100" for pitch in range(40, 80)]
    path = make_archive(tmp_path / "undisturbed", names=names)
    (tmp_path / "killed").mkdir()
    shutil.copy(path, tmp_path / "killed")
    read(tmp_path / "undisturbed")
    folder = tmp_path / "killed" / "nsynth-train"
    journal = folder / "audio.packed.journal"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder.parent)])
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 4):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "examples.json").exists()
    done = journal.read_bytes().count(b"\n") - 1
    decoded = []
    decode = archive_module._decode
    monkeypatch.setattr(
        archive_module, "_decode", lambda *args: (decoded.append(args[1]), decode(*args))[1]
    )
    read(tmp_path / "killed")
    assert decoded == names[done:]
    for name in ("audio.packed", "examples.json"):
        other = tmp_path / "undisturbed" / "nsynth-train" / name
        assert (folder / name).read_bytes() == other.read_bytes()


def test_two_processes_may_open_an_archive_at_once(tmp_path):
    names = [f"bass_acoustic_000-{pitch:03d}-100" for pitch in range(40, 60)]
    make_archive(tmp_path, names=names)
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)])
    while not (tmp_path / "nsynth-train" / "audio.packed.journal").exists():
        assert process.poll() is None
        time.sleep(0.005)
    assert_equal_notes(read(tmp_path), read(tmp_path / "plain"))
    assert process.wait() == 0


HOSTILE = {
    "absolute path": member("/tmp/escaped.wav", b"x"),  # noqa: S108
    "parent folder": member("nsynth-train/audio/../../../escaped.wav", b"x"),
    "parent folder first": member("../escaped.wav", b"x"),
    "backslashes": member("..\\escaped.wav", b"x"),
    "drive": member("C:escaped.wav", b"x"),
    "symbolic link": member("nsynth-train/audio/a.wav", kind=tarfile.SYMTYPE, linkname="/etc"),
    "hard link": member("nsynth-train/audio/a.wav", kind=tarfile.LNKTYPE, linkname="/etc/hosts"),
    "character device": member("nsynth-train/audio/a.wav", kind=tarfile.CHRTYPE),
    "block device": member("nsynth-train/audio/a.wav", kind=tarfile.BLKTYPE),
    "pipe": member("nsynth-train/audio/a.wav", kind=tarfile.FIFOTYPE),
    "link for the folder": member("nsynth-train", kind=tarfile.SYMTYPE, linkname="/tmp"),  # noqa: S108
    "large note": member("nsynth-train/audio/a.wav", bytes((1 << 20) + 1)),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_member_is_refused_and_nothing_is_written_outside(tmp_path, hostile):
    root = tmp_path / "a" / "b"
    make_archive(root, extra=[HOSTILE[hostile]])
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="is not safe and was refused"):
        read(root)
    new = set(tmp_path.rglob("*")) - before
    assert {path.relative_to(root).parts[0] for path in new} == {"nsynth-train"}
    assert {path.name for path in new} == {
        "nsynth-train",
        "audio.packed.partial",
        "audio.packed.journal",
        "examples.json.partial",
    }
    with pytest.raises(ValueError, match="is not safe"):  # and it does not pass the second time
        read(root)


def sparse_header(name: str, real_size: int) -> bytes:
    """Make the old GNU header of a sparse file of which no byte is stored."""
    info = tarfile.TarInfo(name)
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"\x80" + real_size.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def append(path: Path, members: bytes) -> None:
    """Put raw members in front of an archive's own."""
    path.write_bytes(gzip.compress(members + gzip.decompress(path.read_bytes())))


def test_bomb_of_sparse_members_is_refused(tmp_path):
    path = make_archive(tmp_path)
    bomb = [sparse_header(f"nsynth-train/audio/{i}.wav", 1 << 60) for i in range(1000)]
    append(path, b"".join(bomb))
    assert path.stat().st_size < 2_000_000
    with pytest.raises(ValueError, match="is not safe and was refused: a sparse member"):
        read(tmp_path)


def test_bomb_of_sparse_members_in_pax_headers_is_refused(tmp_path):
    extra = member(
        "nsynth-train/audio/a.wav",
        pax_headers={"GNU.sparse.size": str(1 << 60), "GNU.sparse.map": "0,0"},
    )
    make_archive(tmp_path, extra=[extra])
    with pytest.raises(ValueError, match="is not safe and was refused: a sparse member"):
        read(tmp_path)


def test_header_that_asks_for_all_memory_is_refused(tmp_path):
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 1 << 45
    append(make_archive(tmp_path), info.tobuf(tarfile.GNU_FORMAT) + bytes(3 << 20))
    with pytest.raises(ValueError, match=r"damaged or cut \(.*a header asks for"):
        read(tmp_path)


def test_header_in_many_parts_that_asks_for_all_memory_is_refused(tmp_path):
    """As above, but each part is small. Python 3.14.8 reads every large header so."""
    header = bytearray(sparse_header("nsynth-train/audio/a.wav", 1))
    header[482] = 1  # another part follows
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    part = bytes(504) + b"\1" + bytes(7)
    append(make_archive(tmp_path), bytes(header) + part * (1 << 13))
    with pytest.raises(ValueError, match=r"damaged or cut \(.*a header asks for"):
        read(tmp_path)


def test_headers_about_headers_without_end_are_refused(tmp_path):
    info = tarfile.TarInfo("././@PaxHeader")
    info.type = tarfile.XHDTYPE
    append(make_archive(tmp_path), info.tobuf(tarfile.GNU_FORMAT) * 3_000)
    with pytest.raises(ValueError, match=r"damaged or cut \(.*recursion"):
        read(tmp_path)


@pytest.mark.parametrize("length", ["9" * 23, "9" * 5000, "0"])
def test_a_number_in_a_header_that_is_none_is_refused(tmp_path, length):
    """Python's own errors of such numbers do not name the file."""
    record = f"{length} comment=a\n".encode()
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, len(record)
    padding = bytes(-len(record) % 512)
    path = make_archive(tmp_path)
    forged = info.tobuf(tarfile.USTAR_FORMAT) + record + padding
    # At the start as well, which tarfile reads when it opens the archive.
    for whole in (forged, forged + gzip.decompress(path.read_bytes())):
        path.write_bytes(gzip.compress(whole))
        with pytest.raises(ValueError, match=f"{path.name} .*(damaged or cut|must hold)"):
            read(tmp_path)


def test_too_much_in_all_is_refused(tmp_path, monkeypatch):
    make_archive(tmp_path)
    monkeypatch.setattr(archive_module, "_MAX_ALL", 300_000)
    with pytest.raises(ValueError, match="is not safe and was refused: more than 300,000 bytes"):
        read(tmp_path)


def test_endless_padding_is_refused(tmp_path):
    path = make_archive(tmp_path)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(3 << 20)))
    with pytest.raises(ValueError, match="has data after its end"):
        read(tmp_path)


def test_other_files_in_the_archive_are_left_out(tmp_path):
    make_archive(tmp_path, extra=[member("nsynth-train/README", b"x"), member("other/a.wav", b"x")])
    assert_equal_notes(read(tmp_path), read(tmp_path / "plain"))
    assert_finished(tmp_path / "nsynth-train")


@pytest.mark.parametrize("size", [0, 100, 50_000, -9, -200])
def test_cut_archive_is_named_and_leaves_nothing_in_place(tmp_path, size):
    path = make_archive(tmp_path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"nsynth-train\.jsonwav\.tar\.gz is damaged or cut"):
        read(tmp_path)
    for name in ("audio.packed", "examples.json"):
        assert not (tmp_path / "nsynth-train" / name).exists()


def test_damaged_archive_is_named(tmp_path):
    path = make_archive(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 8  # within audio: only the checksum at the end of the stream can tell
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"nsynth-train\.jsonwav\.tar\.gz( is damaged|: .*\.wav)"):
        read(tmp_path)
    assert not (tmp_path / "nsynth-train" / "examples.json").exists()


def wav(samples, rate=16_000, **options) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"abc", "cannot be decoded"),
        (wav(np.zeros(10), 8_000), "must be 16 bit audio at 16000 Hz"),
        (wav(np.zeros(10), subtype="FLOAT"), "must be 16 bit audio"),
        (wav(np.zeros(0)), "not empty"),
        (wav(np.zeros(100))[:-20], "whole"),
    ],
)
def test_damaged_note_in_an_archive_is_named(tmp_path, data, message):
    make_archive(tmp_path, extra=[member("nsynth-train/audio/a.wav", data)])
    with pytest.raises(ValueError, match=rf"tar\.gz: a\.wav .*{message}"):
        read(tmp_path)


def test_note_that_comes_twice_is_refused(tmp_path):
    make_archive(tmp_path, extra=[member(f"nsynth-train/audio/{NAMES[0]}.wav", wav(np.ones(9)))])
    with pytest.raises(ValueError, match=rf"holds {NAMES[0]}\.wav twice"):
        read(tmp_path)


def test_archive_of_another_split_is_refused(tmp_path):
    make_archive(tmp_path, "valid").rename(tmp_path / "nsynth-train.jsonwav.tar.gz")
    with pytest.raises(ValueError, match=r"must hold nsynth-train/examples\.json and notes"):
        read(tmp_path)


def test_examples_that_name_a_missing_note_are_refused(tmp_path):
    make_archive(tmp_path)
    read(tmp_path)
    examples = tmp_path / "nsynth-train" / "examples.json"
    name = "zither_acoustic_000-060-100"
    known = json.loads(examples.read_text())
    fields = record("vocal_acoustic_000-060-100")
    examples.write_text(json.dumps({**known, name: fields}))
    with pytest.raises(FileNotFoundError, match=rf"names 1 notes that .*the first is {name}"):
        read(tmp_path)


@pytest.fixture
def server():
    import threading

    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_download_over_a_bad_line_gives_the_notes(server, tmp_path):
    server.data = make_archive(tmp_path / "server").read_bytes()
    server.faults = ["hang up", "503"]
    root = tmp_path / "new"
    url = server.url.rpartition("/")[0]
    notes = read(root, download=True, source_url=url)
    assert_equal_notes(notes, read(tmp_path / "server" / "plain"))
    count = len(server.requests)
    read(root, download=True, source_url=url)
    assert len(server.requests) == count


def test_download_with_another_checksum_is_refused(server, tmp_path):
    server.data = make_archive(tmp_path / "server").read_bytes()
    url = server.url.rpartition("/")[0]
    with pytest.raises(ValueError, match="must have the SHA-256 checksum 00"):
        read(tmp_path, download=True, source_url=url, sha256="00" * 32)
    assert not (tmp_path / "nsynth-train").exists()


def test_without_download_nothing_is_fetched(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`root` must hold .*`download=True`"):
        read(tmp_path)


@pytest.mark.slow
def test_real_archive_gives_what_its_files_hold(tmp_path):
    if not REAL.is_dir():
        pytest.skip("needs the real NSynth notes of ../shared")
    path = tmp_path / "nsynth-valid.jsonwav.tar.gz"
    path.symlink_to(REAL / path.name)
    notes = read(tmp_path, "valid")
    assert len(notes) == 829
    items = {Path(item["path"]).name: item for item in notes}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.endswith(("-060-100.wav", "-048-127.wav")):
                samples = soundfile.read(archive.extractfile(member), dtype="float32")[0]
                assert items[Path(member.name).name]["waveform"][0].tolist() == samples.tolist()


def test_the_bar_of_an_archive_ends_where_reading_ended(tmp_path, monkeypatch):
    steps = []

    class Bar(contextlib.nullcontext):
        def update(self, n=1):
            steps.append(n)

    path = make_archive(tmp_path)
    monkeypatch.setattr(archive_module, "progress_bar", lambda *_, **__: Bar(Bar()))
    NSynth(tmp_path, "train")
    assert len(steps) == len(NAMES)
    assert min(steps) >= 0
    assert 0 < sum(steps) <= path.stat().st_size
