"""FilterAugment: which bins get which gain."""

import itertools

import numpy as np
import pytest
import torch

from augspec import transforms as T


def gains(transform, batch=300, freq=40):
    """The gain in dB of each bin of each example."""
    specgram = torch.zeros(batch, 1, freq, 2, dtype=torch.float64)
    params = transform.make_params(specgram)
    out = transform.transform(specgram, params)
    assert torch.equal(out[..., 0], out[..., 1])
    return out[:, 0, :, 0].numpy(), params


def test_steps_are_bands_of_one_gain_each_and_of_the_least_width():
    found, params = gains(T.FilterAugment((-6.0, 6.0), n_bands=(2, 5), min_width=4, mode="step"))
    counts = set()
    for gain, n_bands, gain_db in zip(found, params["n_bands"], params["gain_db"], strict=True):
        edges = np.flatnonzero(np.diff(gain)) + 1
        counts.add(int(n_bands))
        assert len(edges) == n_bands - 1
        widths = np.diff([0, *edges, 40])
        assert widths.min() >= 4
        values = gain[[0, *edges]]
        np.testing.assert_array_equal(values, gain_db[:n_bands].double())
    assert counts == {2, 3, 4, 5}
    assert -6.0 <= found.min() < -5.5
    assert 5.5 < found.max() < 6.0


def test_lines_go_from_edge_to_edge():
    step = T.FilterAugment(n_bands=(2, 5), min_width=4, mode="step")
    linear = T.FilterAugment(n_bands=(2, 5), min_width=4, mode="linear")
    found, params = gains(linear)
    steps = step.transform(torch.zeros(300, 1, 40, 1, dtype=torch.float64), params)[:, 0, :, 0]
    for gain, flat, gain_db in zip(
        found, steps.numpy(), params["gain_db"].double().numpy(), strict=True
    ):
        edges = [0, *(np.flatnonzero(np.diff(flat)) + 1), 40]
        lines = [
            np.linspace(gain_db[i], gain_db[i + 1], high - low)
            for i, (low, high) in enumerate(itertools.pairwise(edges))
        ]
        np.testing.assert_allclose(gain, np.concatenate(lines), atol=1e-6)


def test_edges_are_uniform_over_where_they_fit():
    found, _ = gains(T.FilterAugment(n_bands=2, min_width=5, mode="step"), batch=6200)
    edges = (np.diff(found) != 0).argmax(1) + 1
    counts = np.bincount(edges, minlength=36)[5:36]
    assert counts.sum() == 6200
    assert abs(counts - 200).max() < 5 * 200**0.5


def test_a_gain_in_db_is_added_to_levels_and_multiplies_power_and_magnitude():
    power = torch.rand(5, 1, 40, 3, dtype=torch.float64) + 0.1
    params = T.FilterAugment().make_params(power)
    expected = T.FilterAugment().transform(10.0 * power.log10(), params)
    filtered = T.FilterAugment(stype="power").transform(power, params)
    magnitude = T.FilterAugment(stype="magnitude").transform(power.sqrt(), params)
    torch.testing.assert_close(10.0 * filtered.log10(), expected)
    torch.testing.assert_close(20.0 * magnitude.log10(), expected)


def test_more_bands_than_fit_are_narrower_than_the_least_width():
    found, _ = gains(T.FilterAugment(n_bands=5, min_width=6, mode="step"), freq=12)
    assert (np.diff(found) != 0).sum(1).tolist() == [4] * 300
    assert np.isfinite(gains(T.FilterAugment(n_bands=5), freq=3)[0]).all()


def test_one_band_is_one_gain():
    found, params = gains(T.FilterAugment(n_bands=1, mode="step"))
    np.testing.assert_array_equal(found, params["gain_db"][:, :1].double().expand(300, 40))


def test_padding_stays_as_it_is():
    specgram, lengths = torch.zeros(3, 1, 40, 6), torch.tensor([6, 0, 2])
    out, _ = T.FilterAugment()(specgram, lengths)
    padding = torch.arange(6) >= lengths[:, None, None, None]
    assert not out.masked_select(padding).any()
    assert out.masked_select(~padding).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gain_db": (6.0, -6.0)}, "`gain_db` must be .low, high. with low <= high"),
        ({"n_bands": (0, 3)}, r"`n_bands` must lie in \[1, 1000\]"),
        ({"n_bands": 2.5}, "`n_bands` must be an integer or .low, high. integers, got 2.5"),
        ({"min_width": -1}, "`min_width` must be a whole number, 0 or more, got -1"),
        ({"mode": "spline"}, "`mode` must be 'linear' or 'step', got 'spline'"),
        ({"stype": "mel"}, "`stype` must be 'db', 'power' or 'magnitude', got 'mel'"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        T.FilterAugment(**arguments)
