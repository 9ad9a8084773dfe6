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


def test_a_gain_transition_is_a_straight_line_in_decibels_between_two_constants():
    waveform = torch.ones(2, 1, 1000, dtype=torch.float64)
    out = functional.gain_transition(
        waveform, *(torch.tensor(v) for v in ([-20.0, 6.0], [0.0, -6.0], [0.25, -0.5], [0.5, 1.0]))
    )
    gain_db = 20 * out.log10().squeeze(1)
    assert torch.allclose(gain_db[0, :251], torch.tensor(-20.0).double(), rtol=0, atol=1e-6)
    assert torch.allclose(gain_db[0, 750:], torch.tensor(0.0).double(), rtol=0, atol=1e-6)
    slope = gain_db[0, 250:751].diff()
    assert torch.allclose(slope, torch.tensor(20 / 500).double(), rtol=1e-5)
    # A fade that began before the example is half over at its start.
    assert abs(gain_db[1, 0]) < 1e-6
    assert abs(gain_db[1, 500] + 6.0) < 1e-6


def test_gain_transitions_are_fractions_of_the_valid_part():
    waveform, lengths = torch.ones(1, 1, 100), torch.tensor([50])
    fade = T.GainTransition((-20.0, 20.0), 0.5)
    params = fade.make_params(waveform)
    out, _ = fade.transform(waveform, params, lengths)
    alone = fade.transform(waveform[..., :50], params)
    torch.testing.assert_close(out[..., :50], alone)


def test_the_fades_of_many_examples_begin_and_end_everywhere():
    waveform = torch.ones(3000, 1, 200)
    fade = T.GainTransition((-20.0, 20.0), 0.5)
    changing = (fade(waveform).diff(dim=-1) != 0).squeeze(1)
    assert changing.any(-1).float().mean() > 0.98
    # Each sample is within the fade of as many examples: its duration over where it can begin.
    share = changing.float().mean(0)
    assert (share - 0.5 / 1.5).abs().max() < 0.05


def test_bad_gain_transitions_are_named():
    with pytest.raises(ValueError, match=r"`duration` must lie in \[0.001, 100\]"):
        T.GainTransition(duration=0.0)
