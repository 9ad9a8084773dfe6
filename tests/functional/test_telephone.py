"""A-law, telephone lines and lost packets, against libsndfile, scipy and closed forms."""

import io

import numpy as np
import pytest
import scipy.signal
import soundfile
import torch

import augspec
from augspec import functional
from augspec import transforms as T
from augspec.functional.telephone import lost_packets

pytestmark = pytest.mark.usefixtures("eager_kernels")  # each rate has filters of its own


def test_a_law_is_that_of_libsndfile_for_every_sample_of_16_bits() -> None:
    samples = np.arange(-32768, 32768).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format="WAV", subtype="ALAW")
    file.seek(0)
    theirs, _ = soundfile.read(file, dtype="int16")
    ours = functional.a_law(torch.from_numpy(samples / 32768)[None, None])[0, 0] * 32768
    is_zero = samples == 0  # the codec has no value for it; ours keeps silence
    np.testing.assert_array_equal(ours.numpy()[~is_zero], theirs[~is_zero])
    assert ours[torch.from_numpy(is_zero)].item() == 0.0


def test_a_law_leaves_the_noise_that_g711_allows() -> None:
    """A sine between -30 and 0 dB keeps at least 33 dB over the noise (ITU-T G.712, mask)."""
    time = torch.arange(8000, dtype=torch.float64)
    for level_db in (0.0, -10.0, -20.0, -30.0):
        tone = 10 ** (level_db / 20) * torch.sin(0.7234 * time)[None, None]
        noise = functional.a_law(tone) - tone
        assert 10 * torch.log10(tone.square().mean() / noise.square().mean()) > 33.0


def line(waveform: torch.Tensor, law: int, sample_rate: int, **kwargs: object) -> torch.Tensor:
    batch = len(waveform)
    low, high = (torch.full((batch,), freq, dtype=torch.float64) for freq in (300.0, 3400.0))
    laws = torch.full((batch,), law)
    return functional.telephone(waveform, low, high, laws, sample_rate=sample_rate, **kwargs)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_the_band_of_a_line_is_that_of_two_butterworth_filters(sample_rate: int) -> None:
    for freq in (100.0, 300.0, 1000.0, 2500.0):
        time = torch.arange(sample_rate, dtype=torch.float64) / sample_rate
        tone = torch.sin(2 * torch.pi * freq * time)[None, None]
        heard = line(tone, -1, sample_rate)[0, 0, sample_rate // 4 : -sample_rate // 4]
        level = heard.square().mean().mul(2.0).sqrt().item()
        wanted = 1.0
        for edge, kind in ((300.0, "high"), (3400.0, "low")):
            sos = scipy.signal.butter(4, edge, kind, fs=sample_rate, output="sos")
            wanted *= abs(scipy.signal.sosfreqz(sos, [freq], fs=sample_rate)[1][0])
        assert level == pytest.approx(wanted, rel=0.02, abs=1e-4), freq


def test_at_8_khz_a_line_is_filters_and_a_law() -> None:
    waveform = 0.3 * torch.randn(2, 2, 4000, dtype=torch.float64)
    band = waveform.numpy()
    for edge, kind in ((3400.0, "low"), (300.0, "high")):
        sos = scipy.signal.butter(4, edge, kind, fs=8000, output="sos")
        band = scipy.signal.sosfilt(sos, band, axis=-1)
    band = torch.from_numpy(band)
    torch.testing.assert_close(line(waveform, -1, 8000), band, rtol=1e-9, atol=1e-9)
    coded = line(waveform, 1, 8000)
    # A value next to the edge of a step may fall to either side.
    assert ((coded - functional.a_law(band)).abs() < 1e-12).double().mean() > 0.999
    mu = functional.mu_law(band, torch.full((2,), 256))
    assert ((line(waveform, 0, 8000) - mu).abs() < 1e-12).double().mean() > 0.999


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100])
def test_each_example_of_a_line_ends_at_its_end(sample_rate: int) -> None:
    waveform = 0.3 * torch.randn(2, 1, 6000)
    lengths = torch.tensor([6000, 3001])
    both = line(waveform, 1, sample_rate, lengths=lengths)
    alone = line(waveform[1:, :, :3001], 1, sample_rate)
    torch.testing.assert_close(both[1:, :, :3001], alone)
    assert both[1, 0, 3001:].abs().max() == 0.0


def test_a_line_refuses_a_band_that_it_cannot_have() -> None:
    with pytest.raises(ValueError, match="`high_freq` must lie below 4000 Hz and below half"):
        T.Telephone(high_freq=3800.0, sample_rate=6000)
    with pytest.raises(ValueError, match="`laws` must be"):
        T.Telephone(laws="b")


@pytest.mark.parametrize(("laws", "drawn"), [("mu", {0}), ("a", {1}), ("any", {0, 1})])
def test_a_line_has_the_laws_that_were_asked_for(laws: str, drawn: set[int]) -> None:
    params = T.Telephone(laws=laws).make_params(
        torch.zeros(100, 1, 10), keys=augspec.example_keys(0, 0, range(100))
    )
    assert set(params["law"].tolist()) == drawn


@pytest.mark.parametrize(("loss", "burst"), [(0.05, 1.0), (0.2, 3.0), (0.5, 8.0), (0.9, 4.0)])
def test_as_many_packets_are_lost_and_in_a_row_as_was_asked(loss: float, burst: float) -> None:
    keys = augspec.example_keys(1, 0, range(400))
    share, length = torch.full((400,), loss), torch.full((400,), burst)
    lost = lost_packets(share, length, keys, 2000)
    assert lost.double().mean().item() == pytest.approx(loss, abs=0.01)
    begins = (lost[:, 1:] & ~lost[:, :-1]).sum() + lost[:, 0].sum()
    mean = lost.sum().item() / begins.item()
    # Fewer in a row than losses that do not depend on one another have there cannot be.
    assert mean == pytest.approx(max(burst, 1.0 / (1.0 - loss)), rel=0.03)


def test_none_or_all_are_lost_at_the_ends_of_the_range() -> None:
    keys = augspec.example_keys(0, 0, range(2))
    for burst in (1.0, 50.0):
        lost = lost_packets(torch.tensor([0.0, 1.0]), torch.full((2,), burst), keys, 1000)
        assert not lost[0].any()
        assert lost[1].all()


def test_a_longer_example_loses_the_same_packets_first() -> None:
    keys = augspec.example_keys(0, 0, range(3))
    share, length = torch.full((3,), 0.3), torch.full((3,), 2.0)
    many, few = (lost_packets(share, length, keys, count) for count in (500, 60))
    assert torch.equal(many[:, :60], few)


def test_lost_packets_are_silent_or_the_last_one_again() -> None:
    keys = augspec.example_keys(0, 0, range(4))
    share, length = torch.full((4,), 0.4), torch.full((4,), 3.0)
    waveform = torch.randn(4, 2, 16 * 40, dtype=torch.float64)
    lost = lost_packets(share, length, keys, 40)
    options = {"sample_rate": 800, "packet_duration": 0.02}  # 16 samples a packet

    silent = functional.packet_loss(waveform, share, length, keys, **options)
    packets = waveform.unflatten(-1, (40, 16)).clone()
    packets[lost[:, None].expand(-1, 2, -1)] = 0.0
    assert torch.equal(silent, packets.flatten(-2))

    again = functional.packet_loss(waveform, share, length, keys, concealment="repeat", **options)
    wanted = waveform.unflatten(-1, (40, 16)).clone()
    for i in range(4):
        last, since = None, 0
        for k in range(40):
            if not lost[i, k]:
                last, since = waveform[i, :, 16 * k : 16 * k + 16], 0
                continue
            seconds = 0.02 * (since + torch.arange(16, dtype=torch.float64) / 16)
            gain = (1.0 - seconds / 0.06).clamp(min=0.0)
            wanted[i, :, k] = 0.0 if last is None else last * gain
            since += 1
    torch.testing.assert_close(again, wanted.flatten(-2), rtol=1e-6, atol=1e-7)


def test_packet_loss_says_what_it_cannot_do() -> None:
    one, key = torch.tensor([0.1]), torch.tensor([1])
    waveform = torch.zeros(1, 1, 100)
    with pytest.raises(ValueError, match="`packet_duration` must be at least a sample"):
        functional.packet_loss(waveform, one, one, key, sample_rate=10, packet_duration=0.01)
    with pytest.raises(ValueError, match="`concealment` must be 'zero' or 'repeat'"):
        functional.packet_loss(waveform, one, one, key, sample_rate=8000, concealment="x")
    with pytest.raises(ValueError, match="`packet_duration` must lie"):
        T.PacketLoss(packet_duration=0.0)
