"""A segment is the slice of the whole file, whatever the format."""

import io

import numpy as np
import pytest
import soundfile
import torch
from peers import import_or_skip

from augspec.datasets import AudioFolder
from augspec.datasets._audio import SUFFIXES, TORCHCODEC_SUFFIXES, read_audio

FORMATS = {".aif": "AIFF", ".aifc": "AIFF", ".snd": "AU", ".oga": "OGG", ".opus": "OGG"}


def make(path, samples, rate):
    """Write ``(time, channel)`` in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in SUFFIXES:
        subtype = "OPUS" if path.suffix == ".opus" else None
        soundfile.write(path, samples, rate, format=FORMATS.get(path.suffix), subtype=subtype)
        return path
    import_or_skip("torchcodec.decoders")
    from torchcodec.encoders import AudioEncoder

    file = io.BytesIO()
    encoder = AudioEncoder(torch.from_numpy(samples.T.astype(np.float32)), sample_rate=rate)
    form = {".aac": "adts", ".m4a": "ipod", ".mka": "matroska", ".wma": "asf"}
    encoder.to_file_like(
        file,
        format=form.get(path.suffix, path.suffix[1:]),
        bit_rate=128_000 if path.suffix == ".wma" else None,
    )
    path.write_bytes(file.getvalue())
    return path


def noise(time, channels=1):
    random = np.random.default_rng(0)
    return (0.2 * random.standard_normal((time, channels))).clip(-1.0, 1.0)


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("suffix", sorted(SUFFIXES | TORCHCODEC_SUFFIXES))
def test_a_segment_is_the_slice_of_the_whole_file(tmp_path, suffix, rate):
    if suffix in (".opus", ".webm") and rate == 44_100:
        rate = 24_000  # which Opus has
    make(tmp_path / "a" / f"x{suffix}", noise(3 * rate + 123, 2), rate)
    whole = AudioFolder(tmp_path)[0]["waveform"]
    sounds = AudioFolder(tmp_path, segment=0.1, seed=3)
    rate = sounds.sample_rate
    size = round(0.1 * rate)
    starts = set()
    for epoch in range(25):
        sounds.set_epoch(epoch)
        item = sounds[0]
        first = round(item["start"] * rate)
        assert item["waveform"].shape[1] == size
        expected = whole[:, first : first + size]
        torch.testing.assert_close(item["waveform"], expected, rtol=0.0, atol=1e-6)
        starts.add(first)
    assert len(starts) > 20
    assert sounds.lengths.tolist() == [whole.shape[1]]
    end = whole.shape[1]
    for start, count in ((0, size), (1, 1), (end - size, size), (end - 100, 9), (end - 10, size)):
        part = sounds.part(0, start, count)["waveform"]
        expected = whole[:, start : start + count]
        torch.testing.assert_close(part, expected, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("time", [900, 48_123, 400_000])
@pytest.mark.parametrize("loud", [True, False])
def test_the_last_page_of_an_ogg_file(tmp_path, subtype, time, loud):
    """libsndfile places what is on it up to a thousand samples late."""
    path = tmp_path / "x.ogg"
    samples = noise(time) if loud else np.where(np.arange(time) % 1000 == 0, 0.01, 0.0)
    soundfile.write(path, samples, 16_000, format="OGG", subtype=subtype)
    whole = read_audio(path, 16_000)
    places = [*range(0, time - 500, max(1, time // 40)), *range(max(0, time - 5000), time, 97)]
    for start in places:
        part = read_audio(path, 16_000, start, 500)
        expected = whole[:, start : start + 500]
        torch.testing.assert_close(part, expected, rtol=0.0, atol=1e-5, msg=f"{start}")


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 15_999])
def test_a_resampled_segment_is_the_slice_of_the_resampled_file(tmp_path, rate):
    make(tmp_path / "a" / "x.wav", noise(3 * rate + 1), rate)
    whole = AudioFolder(tmp_path, sample_rate=16_000)[0]["waveform"]
    sounds = AudioFolder(tmp_path, sample_rate=16_000, segment=0.1)
    assert sounds.lengths.tolist() == [whole.shape[1]]
    starts = [0, 1, 7, 1_601, 20_000, whole.shape[1] - 1_600]
    for start in starts:
        part = sounds.part(0, start, 1_600)["waveform"]
        expected = whole[:, start : start + 1_600]
        torch.testing.assert_close(part, expected, rtol=0.0, atol=2e-5)
    item = sounds[0]
    first = round(item["start"] * 16_000)
    expected = whole[:, first : first + 1_600]
    torch.testing.assert_close(item["waveform"], expected, rtol=0.0, atol=2e-5)
