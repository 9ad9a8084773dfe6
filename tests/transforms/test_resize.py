"""Warps, crops and shifts of spectrograms against numpy's and torch's interpolation."""

import numpy as np
import pytest
import torch

from augspec import transforms as T


def fractions(*values):
    return torch.tensor(values, dtype=torch.float32)


def applied(batch):
    return {"applied": torch.ones(batch, dtype=torch.bool)}


def test_a_time_warp_is_linear_between_the_ends_and_the_moved_frame():
    frame = torch.arange(60, dtype=torch.float64)
    specgram = (frame.sin() + frame).expand(50, 1, 3, 60)
    lengths = torch.randint(2, 61, (50,))
    transform = T.TimeWarp(10)
    params = transform.make_params(specgram)
    out, _ = transform.transform(specgram, params, lengths)
    for i, n in enumerate(lengths.tolist()):
        most = min(10, (n - 1) // 2)
        source = most + int(float(params["center"][i]) * (n - 2 * most))
        target = source + int(float(params["warp"][i]) * (2 * most + 1)) - most
        # The ends stay, unless the moved frame comes to lie on one of them.
        knots = [(0, 0), (target, source), (n - 1, n - 1)]
        knots = knots[1:] if target == 0 and source > 0 else knots
        knots = knots[:-1] if target == n - 1 and source < n - 1 else knots
        place = np.interp(frame[:n], *zip(*knots, strict=True))
        if target == 0:
            place[0] = 0.0
        expected = np.interp(place, frame, specgram[0, 0, 0])
        np.testing.assert_allclose(out[i, 0, 0, :n], expected, rtol=1e-9, atol=1e-9)
        assert torch.equal(out[i, ..., n:], specgram[i, ..., n:])


def test_the_moved_frame_arrives_where_it_is_sent():
    specgram = torch.zeros(3, 1, 2, 101)
    specgram[..., 50] = 1.0
    params = {**applied(3), "center": fractions(0.5, 0.5, 0.5), "warp": fractions(0.0, 0.5, 0.999)}
    out = T.TimeWarp(20).transform(specgram, params)
    assert out.argmax(-1)[:, 0, 0].tolist() == [30, 50, 70]
    assert torch.equal(out.amax(-1), torch.ones(3, 1, 2))
    assert torch.equal(out[1], specgram[1])


def test_frame_labels_are_warped_with_the_spectrogram():
    specgram = torch.zeros(2, 1, 2, 101)
    specgram[..., 50] = 1.0
    params = {
        "applied": torch.tensor([True, False]),
        "center": fractions(0.5, 0.5),
        "warp": fractions(0.999, 0.999),
    }
    for transform in (T.TimeWarp(20), T.SpecAugment(None, max_warp=20)):
        for frames in (specgram[:, 0].clone(), specgram[:, 0].long()):
            targets = {"frames": frames, "label": "kept"}
            new = transform.targets(targets, params, time=101)
            assert new["label"] == "kept"
            assert new["frames"].dtype == frames.dtype
            assert new["frames"].argmax(-1)[:, 0].tolist() == [70, 50]
    still = T.SpecAugment(None).targets({"frames": frames}, params, time=101)
    assert still["frames"] is frames


def canvas_crop(specgram, settings, fill):
    """Put one example on the canvas, cut the part out and resize it, all by whole cells."""
    size, out = specgram.shape[-2:], specgram
    canvas = [int(n * v) for n, v in zip(size, settings["virtual"], strict=True)]
    whole = torch.full((1, 1, *canvas), fill, dtype=specgram.dtype)
    y, x = ((c - n) // 2 for c, n in zip(canvas, size, strict=True))
    whole[..., y : y + size[0], x : x + size[1]] = out
    starts, parts = [], []
    for n, c, scale, start in zip(size, canvas, settings["scale"], settings["start"], strict=True):
        part = max(1, min(int(np.float32(n) * np.float32(scale)), c))
        parts.append(part)
        starts.append(int(start * (c - part + 1)))
    cut = whole[..., starts[0] : starts[0] + parts[0], starts[1] : starts[1] + parts[1]]
    return torch.nn.functional.interpolate(cut, size=size, mode="bilinear", align_corners=True)


@pytest.mark.parametrize("mask_value", [-3.0, "mean", "min"])
@pytest.mark.parametrize("virtual", [(1.0, 1.5), (1.4, 1.0), (1.0, 1.0)])
def test_resize_crop_is_torchs_interpolation_of_the_part(mask_value, virtual):
    specgram = torch.randn(12, 1, 16, 30, dtype=torch.float64)
    lengths = torch.tensor([30, 1, 2, 17, 30, 29, 20, 30, 9, 30, 30, 11])
    transform = T.RandomResizeCrop(virtual_crop_scale=virtual, mask_value=mask_value)
    params = transform.make_params(specgram)
    out, new = transform.transform(specgram, params, lengths)
    assert torch.equal(new, lengths)
    for i, end in enumerate(lengths.tolist()):
        own = specgram[i : i + 1, ..., :end]
        fill = {"mean": own.mean(), "min": own.min()}.get(mask_value, mask_value)
        settings = {
            "virtual": virtual,
            "scale": (float(params["freq_scale"][i]), float(params["time_scale"][i])),
            "start": (float(params["freq_start"][i]), float(params["time_start"][i])),
        }
        expected = canvas_crop(own, settings, float(fill))
        torch.testing.assert_close(out[i : i + 1, ..., :end], expected, rtol=1e-9, atol=1e-9)
        assert torch.equal(out[i, ..., end:], specgram[i, ..., end:])


def test_a_part_of_the_examples_own_size_is_the_example():
    specgram = torch.randn(4, 2, 16, 30)
    out = T.RandomResizeCrop(1.0, 1.0, virtual_crop_scale=(1.0, 1.0))(specgram)
    torch.testing.assert_close(out, specgram)


def test_frame_labels_are_cut_with_the_spectrogram_and_silent_around_it():
    lengths = torch.tensor([40, 40, 33, 40, 40, 8])
    # A spectrogram that says its own frames, from 1 on.
    specgram = (torch.arange(40.0) + 1.0).expand(6, 1, 4, 40)
    transform = T.RandomResizeCrop(1.0, (0.5, 1.5), mask_value=0.0)
    params = transform.make_params(specgram)
    params["freq_start"] = torch.zeros(6)
    frames = transform.targets({"frames": specgram[:, 0]}, params, lengths, time=40)["frames"]
    out, _ = transform.transform(specgram, params, lengths)
    valid = (torch.arange(40) < lengths[:, None])[:, None]
    # Labels are the nearest frame's, but for the one at each end that is half outside.
    apart = ((frames - out[:, :1, 0]).abs() > 0.5 + 1e-5) & valid
    assert (apart.sum(-1) <= 2).all()
    assert ((frames == 0.0) & valid).any()
    assert not frames.masked_select(~valid).any()


def test_a_frequency_shift_is_a_roll_whose_edge_is_filled():
    specgram = torch.randn(400, 1, 12, 5, dtype=torch.float64)
    lengths = torch.randint(1, 6, (400,))
    transform = T.FrequencyShift(3, mask_value="min")
    params = transform.make_params(specgram)
    out, _ = transform.transform(specgram, params, lengths)
    counts = (params["shift"] + 3).bincount(minlength=7)
    assert len(counts) == 7
    assert counts.min() > 400 / 7 - 5 * (400 / 7) ** 0.5
    for i, (shift, end) in enumerate(zip(params["shift"].tolist(), lengths.tolist(), strict=True)):
        own = specgram[i, 0, :, :end]
        expected = own.roll(shift, 0)
        expected[slice(0, shift) if shift >= 0 else slice(shift, None)] = own.min()
        assert torch.equal(out[i, 0, :, :end], expected)
        assert torch.equal(out[i, 0, :, end:], specgram[i, 0, :, end:])


def test_a_shift_beyond_all_bins_leaves_the_fill():
    specgram = torch.rand(2, 1, 3, 4)
    params = {**applied(2), "shift": torch.tensor([5, -5])}
    assert (T.FrequencyShift(5, mask_value=7.0).transform(specgram, params) == 7.0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.TimeWarp(-1), "`max_warp` must be a whole number, 0 or more, got -1"),
        (lambda: T.RandomResizeCrop((0.0, 1.0)), r"`freq_scale` must lie in \[0.05, 4\]"),
        (lambda: T.RandomResizeCrop(1.0, (2.0, 1.0)), "`time_scale` must be .* low <= high"),
        (
            lambda: T.RandomResizeCrop(virtual_crop_scale=1.5),
            r"`virtual_crop_scale` must be \(freq, time\), got 1.5",
        ),
        (
            lambda: T.RandomResizeCrop(virtual_crop_scale=(0.5, 1.5)),
            r"`virtual_crop_scale` must lie in \[1, 4\], got 0.5",
        ),
        (lambda: T.FrequencyShift(0.5), "`max_shift` must be a whole number, 0 or more, got 0.5"),
        (lambda: T.FrequencyShift(mask_value="max"), "`mask_value` must be"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
