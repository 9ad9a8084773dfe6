import pytest
import torch

from augspec import functional
from augspec import transforms as T


def test_six_decibels_double_the_amplitude_and_twenty_give_ten():
    waveform = torch.ones(2, 1, 4, dtype=torch.float64)
    out = functional.gain(waveform, torch.tensor([20.0, 6.0], dtype=torch.float64))
    assert torch.allclose(out[0], torch.tensor(10.0, dtype=torch.float64), rtol=1e-12)
    assert torch.allclose(out[1], torch.tensor(1.9952623149688795, dtype=torch.float64), rtol=1e-12)


def test_gains_fill_their_range_and_only_it():
    gain_db = T.Gain((-12.0, 6.0)).make_params(torch.zeros(20_000, 1, 1))["gain_db"]
    assert gain_db.min() >= -12.0
    assert gain_db.max() <= 6.0
    assert abs(gain_db.mean() + 3.0) < 0.2
    assert abs(gain_db.std() - 18 / 12**0.5) < 0.1


def test_per_channel_gains_differ_and_shared_ones_do_not():
    waveform = torch.ones(8, 2, 5)
    shared, own = T.Gain((-12.0, 6.0))(waveform), T.Gain((-12.0, 6.0), per_channel=True)(waveform)
    assert torch.equal(shared[:, 0], shared[:, 1])
    assert (own[:, 0] != own[:, 1]).all()


def test_polarity_changes_every_sign_and_nothing_else():
    waveform = torch.randn(3, 2, 50)
    assert torch.equal(T.PolarityInversion()(waveform), -waveform)


@pytest.mark.parametrize(
    ("gain_db", "message"),
    [
        ((6.0, -6.0), "`gain_db` must be .low, high. with low <= high"),
        (float("nan"), "`gain_db` must be a finite number, got nan"),
        ((0.0, float("inf")), "`gain_db` must be a finite number"),
        ((0.0, 1.0, 2.0), "`gain_db` must be a number or"),
        ("loud", "`gain_db` must be"),
        ((-300.0, 0.0), r"`gain_db` must lie in \[-200, 200\]"),
        (None, "`gain_db` must be"),
    ],
)
def test_bad_ranges_are_named(gain_db, message):
    with pytest.raises(ValueError, match=message):
        T.Gain(gain_db)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan"), "often", True])
def test_p_must_be_a_probability(p):
    with pytest.raises(ValueError, match="`p` must be a probability"):
        T.Gain(0.0, p=p)
