"""Audio files of every kind that people have: each is read right, or the error says what to do."""

import io
import os
import struct

import numpy as np
import pytest
import soundfile

from augspec.datasets import AudioFolder
from augspec.datasets._audio import is_cut

RATE = 16_000
TONE = 0.5 * np.sin(2 * np.pi * 440.0 * np.arange(4000) / RATE)


def put(root, name, samples=TONE, rate=RATE, **options):
    path = root / "a" / name
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, samples, rate, **options)
    return path


def snr_db(item, expected=TONE):
    found = item["waveform"].numpy()
    assert found.shape == (1, len(expected))
    return 10 * np.log10(np.mean(expected**2) / np.mean((found[0] - expected) ** 2))


@pytest.mark.parametrize(
    ("subtype", "least"),
    [  # 6.02 dB a bit, 6 less for a tone at half of full scale and 6 less where it is cut off
        ("PCM_U8", 6.02 * 8 - 12.0),
        ("PCM_16", 6.02 * 16 - 12.0),
        ("PCM_24", 6.02 * 24 - 12.0),
        ("PCM_32", 6.02 * 24 - 12.0),
        ("FLOAT", 6.02 * 24 - 12.0),
        ("DOUBLE", 6.02 * 24 - 12.0),
        ("ULAW", 35.0),
        ("ALAW", 35.0),
        ("IMA_ADPCM", 25.0),
        ("MS_ADPCM", 25.0),
    ],
)
def test_every_coding_of_wav_is_read(tmp_path, subtype, least):
    put(tmp_path, "x.wav", subtype=subtype)
    waveform = AudioFolder(tmp_path)[0]["waveform"][:, : len(TONE)]  # ADPCM fills its last block
    assert snr_db({"waveform": waveform}) > least


@pytest.mark.parametrize(
    ("form", "subtype"), [("OGG", "VORBIS"), ("FLAC", "PCM_16"), ("AIFF", "PCM_16")]
)
def test_a_mislabelled_file_is_read_for_what_it_is(tmp_path, form, subtype):
    put(tmp_path, "x.wav", format=form, subtype=subtype)
    assert snr_db(AudioFolder(tmp_path)[0]) > 15.0


def test_stereo_at_44_100_hz(tmp_path):
    rate = 44_100
    time = np.arange(2 * rate) / rate
    left, right = np.sin(2 * np.pi * 440.0 * time), np.sin(2 * np.pi * 880.0 * time)
    put(tmp_path, "x.wav", 0.5 * np.stack([left, right], 1), rate, subtype="FLOAT")
    plain = AudioFolder(tmp_path)
    assert plain.sample_rate == rate
    assert np.allclose(plain[0]["waveform"].numpy(), 0.5 * np.stack([left, right]), atol=1e-6)
    resampled = AudioFolder(tmp_path, sample_rate=RATE)[0]["waveform"].numpy()
    assert resampled.shape == (2, 2 * RATE)
    time = np.arange(2 * RATE) / RATE
    for channel, freq in zip(resampled, (440.0, 880.0), strict=True):
        inner = slice(200, -200)
        expected = 0.5 * np.sin(2 * np.pi * freq * time)
        assert np.abs(channel - expected)[inner].max() < 1e-3
    put(tmp_path, "y.wav")
    with pytest.raises(ValueError, match=r"y\.wav has 16000 Hz and .*x\.wav has 44100 Hz"):
        AudioFolder(tmp_path)


@pytest.mark.parametrize("size", [0, 1, 12, 20, 36, 43])
def test_a_file_cut_within_its_header_is_named(tmp_path, size):
    path = put(tmp_path, "x.wav")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"x\.wav (is not audio|is cut|holds no audio)"):
        AudioFolder(tmp_path)[0]


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "IMA_ADPCM"])
def test_a_file_cut_within_its_sound_is_named(tmp_path, subtype, share):
    path = put(tmp_path, "x.wav", subtype=subtype)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"x\.wav (is cut|cannot be decoded|is not audio)"):
        AudioFolder(tmp_path)[0]


@pytest.mark.parametrize("content", [b"not audio", b"\0" * 5000, b"RIFF", b"ID3" + b"\0" * 60])
@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.mp3", "x.ogg", "x.aiff", "x.caf", "x.w64"])
def test_what_is_no_audio_is_named(tmp_path, name, content):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} (is not audio|cannot be decoded|holds no)"):
        AudioFolder(tmp_path)[0]


def test_a_header_that_promises_terabytes_is_refused(tmp_path):
    """36 bits of a FLAC's header say how many samples there are; nobody checks them."""
    path = put(tmp_path, "x.flac", subtype="PCM_16")
    raw = bytearray(path.read_bytes())
    at = raw.index(b"fLaC") + 4 + 4 + 10  # marker, header of the block, sizes of blocks and frames
    (packed,) = struct.unpack(">Q", raw[at : at + 8])
    raw[at : at + 8] = struct.pack(">Q", packed | (1 << 36) - 1)
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"x\.flac (is cut|cannot be decoded)"):
        AudioFolder(tmp_path)[0]


def test_a_file_of_one_sample_less_than_it_promises_is_cut(tmp_path, monkeypatch):
    class Short(soundfile.SoundFile):
        def read(self, *arguments, **options):
            return super().read(*arguments, **options)[:-1]

    put(tmp_path, "x.wav")
    sounds = AudioFolder(tmp_path)
    monkeypatch.setattr(soundfile, "SoundFile", Short)
    with pytest.raises(ValueError, match=r"x\.wav is cut"):
        sounds[0]


def test_a_cut_file_is_found_behind_a_chunk_of_odd_size(tmp_path):
    """A byte of padding follows such a chunk, which its size does not count."""
    raw = put(tmp_path, "x.wav").read_bytes()
    at = raw.index(b"data")
    raw = raw[:at] + b"junk\x03\x00\x00\x00abc\x00" + raw[at:]
    whole = io.BytesIO(raw)
    assert not is_cut(whole, len(raw))
    assert is_cut(whole, len(raw) - 1)


def test_a_file_that_vanishes_is_named(tmp_path):
    path = put(tmp_path, "x.wav")
    sounds = AudioFolder(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"x\.wav does not exist any more"):
        sounds[0]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("nowhere.wav")])
def test_a_pipe_or_a_dangling_link_is_named_and_not_waited_for(tmp_path, make):
    put(tmp_path, "fine.wav")
    make(tmp_path / "a" / "x.wav")
    with pytest.raises(ValueError, match=r"x\.wav is not a file that can be read"):
        AudioFolder(tmp_path)
    sounds = AudioFolder(tmp_path, on_error="skip")
    assert len(sounds) == 1
    assert [skipped.path.rpartition("/")[2] for skipped in sounds.skipped] == ["x.wav"]


def test_a_rate_that_no_audio_has_is_refused(tmp_path):
    """To resample from it would fill the memory."""
    path = put(tmp_path, "x.wav")
    raw = bytearray(path.read_bytes())
    raw[24:28] = struct.pack("<I", 1_939_662_649)
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"header with a sampling rate of 1939662649 Hz"):
        AudioFolder(tmp_path, sample_rate=8000)


@pytest.mark.parametrize(
    ("name", "chunk", "order", "size"),
    [
        ("x.wav", b"data", "<", 0xFFFFFFFF),  # FFmpeg
        ("x.wav", b"data", "<", 0x7FFFF000),  # SoX
        ("x.wav", b"data", "<", 0x7FFFEFFC),  # SoX, 24 bits in stereo
        ("x.wav", b"data", "<", 0x80000000),  # arecord
        ("x.aiff", b"SSND", ">", 0x7F000008),  # SoX
        ("x.aiff", b"SSND", ">", 0x7F000004),
    ],
)
def test_what_was_written_to_a_pipe_is_read(tmp_path, name, chunk, order, size):
    path = put(tmp_path, name, subtype="PCM_16")
    raw = bytearray(path.read_bytes())
    at = raw.index(chunk) + 4
    raw[4:8] = struct.pack(f"{order}I", size + 36) if size + 36 < 1 << 32 else b"\xff" * 4
    raw[at : at + 4] = struct.pack(f"{order}I", size)
    path.write_bytes(raw)
    for on_error in ("raise", "skip"):
        sounds = AudioFolder(tmp_path, on_error=on_error)
        assert not sounds.skipped
        assert snr_db(sounds[0]) > 80.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["x.wav", "x.aiff", "x.au", "x.caf", "x.w64"])
def test_one_sample_that_is_not_finite_is_named(tmp_path, name, value):
    """One of 202 files with one such sample made every weight of a network NaN."""
    samples = TONE.copy()
    samples[3000] = value
    path = put(tmp_path, name, samples, subtype="FLOAT")
    put(tmp_path, "fine.flac")
    sounds = AudioFolder(tmp_path)
    with pytest.raises(ValueError, match=rf"{name} holds a value .* the first at sample 3000"):
        list(sounds)
    part = AudioFolder(tmp_path, segment=0.1, segment_from="center")
    assert len(list(part)) == 2  # samples 1200 to 2800
    with pytest.raises(ValueError, match=rf"{name} holds a value .* the first at sample 3000"):
        part.part(1, 2500, 1000)
    skipping = AudioFolder(tmp_path, on_error="skip")
    assert [item["path"] for item in skipping] == skipping.paths
    assert len(skipping) == len(skipping.labels) == 1
    assert [skipped.path for skipped in skipping.skipped] == [str(path)]


def test_large_finite_samples_are_no_fault(tmp_path):
    samples = np.full(4000, 3e38)
    put(tmp_path, "x.wav", samples, subtype="FLOAT")
    assert AudioFolder(tmp_path)[0]["waveform"].isfinite().all()


def test_a_file_without_samples_is_left_out_and_not_replaced(tmp_path):
    for number, length in enumerate((100, 0, 300)):
        put(tmp_path, f"{number}.wav", TONE[:length])
    with pytest.raises(ValueError, match=r"1\.wav holds no audio"):
        AudioFolder(tmp_path)
    sounds = AudioFolder(tmp_path, on_error="skip")
    assert [item["path"] for item in sounds] == sounds.paths
    assert [item["label"] for item in sounds] == sounds.labels.tolist() == [0, 0]
    assert [item["waveform"].shape[1] for item in sounds] == sounds.lengths.tolist() == [100, 300]
    assert [skipped.path.rpartition("/")[2] for skipped in sounds.skipped] == ["1.wav"]
