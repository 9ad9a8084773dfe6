import itertools
import sys

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn

import augspec
from augspec import features as F
from augspec import plot
from augspec import transforms as T

RATE = 16_000
LOG_MEL = F.LogMelSpectrogram(RATE, n_fft=512, hop_length=160, n_mels=40)
TONE = torch.sin(2 * torch.pi * 1000.0 * torch.arange(RATE) / RATE)[None]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def mesh_of(ax):
    (mesh,) = ax.collections
    corners = mesh.get_coordinates()
    return corners[0, :, 0], corners[:, 0, 1], np.asarray(mesh.get_array())


def bar_of(ax):
    (bar,) = [other for other in ax.figure.axes if other.get_label() == "<colorbar>"]
    return bar


def test_a_waveform_lies_over_seconds():
    ax = plot.waveform(TONE, RATE, title="tone")
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_xdata(), np.arange(RATE) / RATE)
    np.testing.assert_array_equal(line.get_ydata(), TONE[0])
    assert ax.get_xlim() == (0.0, 1.0)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("Time in s", "Amplitude", "tone")
    assert ax.get_legend() is None


def test_channels_lie_over_one_another_with_a_legend():
    ax = plot.waveform(torch.cat([TONE, 0.5 * TONE]), RATE)
    assert len(ax.lines) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["channel 0", "channel 1"]


@pytest.mark.parametrize("mel_scale", ["htk", "slaney"])
def test_a_log_mel_spectrogram_has_seconds_hertz_and_decibel(mel_scale):
    feature = F.LogMelSpectrogram(
        RATE, n_fft=1024, hop_length=160, n_mels=80, f_min=20.0, f_max=7600.0, mel_scale=mel_scale
    )
    ax = plot.specgram(feature(TONE[None])[0], feature, title="tone")
    times, frequencies, level = mesh_of(ax)
    # Frame i is centred on sample i * hop_length.
    np.testing.assert_allclose((times[1:] + times[:-1]) / 2, np.arange(101) * 0.01, atol=1e-12)
    row = level.mean(axis=1).argmax()
    assert frequencies[row] < 1000.0 < frequencies[row + 1]
    ticks = ax.get_yticks()
    assert set(ticks) >= {500.0, 1000.0, 2000.0, 4000.0}
    assert [float(text.get_text()) for text in ax.get_yticklabels()] == list(ticks)
    # Rows are equally high: the axis is linear in mel.
    heights = np.diff(ax.transData.transform(np.stack([0 * frequencies, frequencies], 1))[:, 1])
    np.testing.assert_allclose(heights, heights[0], rtol=1e-6)
    assert ax.get_xlabel() == "Time in s"
    assert ax.get_ylabel() == "Hz (mel scale)"
    assert ax.get_title() == "tone"
    assert bar_of(ax).get_ylabel() == "dB"


def test_mel_rows_peak_where_their_filters_do():
    axes = plot.axes.specgram_axes(LOG_MEL, (40, 10), None)
    filters = augspec.functional.mel_filterbank(RATE, 2**15, 40)
    peaks = filters.argmax(dim=0).numpy() * RATE / 2**15
    assert np.all((axes.frequencies[:-1] < peaks) & (peaks < axes.frequencies[1:]))


def test_the_ticks_of_a_mel_axis_do_not_touch():
    ax = plot.specgram(LOG_MEL(TONE[None])[0], LOG_MEL)
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.get_yticklabels()]
    assert len(boxes) > 4
    assert all(low.y1 < high.y0 for low, high in itertools.pairwise(boxes))


def test_a_linear_spectrogram_needs_the_sample_rate_for_hertz():
    feature = nn.Sequential(F.Spectrogram(512, hop_length=160, center=False), F.AmplitudeToDB())
    specgram = feature(TONE[None])[0]
    ax = plot.specgram(specgram, feature, sample_rate=RATE)
    times, frequencies, level = mesh_of(ax)
    assert (times[0] + times[1]) / 2 == pytest.approx(256 / RATE), "the middle of the first frame"
    bins = (frequencies[1:] + frequencies[:-1]) / 2
    np.testing.assert_allclose(bins, np.arange(257) * RATE / 512, atol=1e-9)
    assert bins[level.mean(axis=1).argmax()] == 1000.0
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time in s", "Hz")
    assert bar_of(ax).get_ylabel() == "dB"
    ax = plot.specgram(specgram, feature)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Frame", "Bin")


@pytest.mark.parametrize(
    ("feature", "label", "frequency"),
    [
        (F.Spectrogram(512), "Power", "Bin"),
        (F.MelSpectrogram(n_fft=512, n_mels=20, power=1.0), "Magnitude", "Hz (mel scale)"),
        (F.MFCC(n_mfcc=13, melkwargs={"n_fft": 512, "n_mels": 20}), "Value of", "Coefficient"),
        (nn.Sequential(LOG_MEL, F.Normalize()), "Normalised level", "Hz (mel scale)"),
        (augspec.Frontend(None, LOG_MEL), "dB", "Hz (mel scale)"),
        (None, "Value", "Bin"),
    ],
)
def test_values_and_rows_are_called_what_they_are(feature, label, frequency):
    specgram = (feature or LOG_MEL)(TONE[None])[0]
    ax = plot.specgram(specgram, feature)
    assert bar_of(ax).get_ylabel().startswith(label)
    assert ax.get_ylabel() == frequency


class Octaves(nn.Module):
    """What `augspec.plot` looks at in a constant-Q transform."""

    sample_rate, hop_length, f_min, bins_per_octave, power = RATE, 160, 110.0, 12, 1.0


def test_a_constant_q_transform_has_a_logarithmic_axis():
    ax = plot.specgram(torch.rand(37, 10), Octaves())
    _, frequencies, _ = mesh_of(ax)
    centres = np.sqrt(frequencies[1:] * frequencies[:-1])
    np.testing.assert_allclose(centres[[0, 12, 36]], [110.0, 220.0, 880.0])
    assert list(ax.get_yticks()) == [125.0, 250.0, 500.0]
    assert ax.get_ylabel() == "Hz (log scale)"


def test_decibels_span_80_and_limits_can_be_given():
    level = torch.linspace(-100.0, 20.0, 400).reshape(40, 10)
    (mesh,) = plot.specgram(level, LOG_MEL).collections
    assert mesh.get_clim() == (-60.0, 20.0)
    (mesh,) = plot.specgram(level).collections
    assert mesh.get_clim() == (-100.0, 20.0)
    (mesh,) = plot.specgram(level, LOG_MEL, limits=(-10.0, 0.0)).collections
    assert mesh.get_clim() == (-10.0, 0.0)


def test_what_is_not_finite_has_no_colour_and_no_say():
    level = torch.tensor([[1.0, 2.0], [float("nan"), float("-inf")]])
    (mesh,) = plot.specgram(level).collections
    assert mesh.get_clim() == (1.0, 2.0)
    assert plot.specgram(torch.full((2, 2), float("nan"))).collections[0].get_clim() == (0.0, 1.0)


def test_it_draws_where_it_is_told():
    figure, (left, right) = plt.subplots(1, 2)
    assert plot.waveform(TONE, RATE, ax=left) is left
    assert plot.specgram(torch.rand(4, 5), ax=right, colorbar=False) is right
    assert figure.axes == [left, right]


def batch_of(count, **others):
    waveform = torch.randn(count, 1, 4000, generator=torch.Generator().manual_seed(0))
    return {"specgram": LOG_MEL(waveform), **others}


def test_a_batch_is_drawn_with_labels_on_one_scale():
    batch = batch_of(5, label=torch.tensor([1, 0, 1, 0, 0]))
    cells = plot.show_batch(batch, LOG_MEL, classes=["flute", "reed"])
    assert [ax.get_title() for ax in cells] == ["reed", "flute", "reed", "flute", "flute"]
    limits = {ax.collections[0].get_clim() for ax in cells}
    high = float(batch["specgram"].max())
    assert limits == {(max(high - 80.0, float(batch["specgram"].min())), high)}
    for ax, specgram in zip(cells, batch["specgram"], strict=True):
        np.testing.assert_array_equal(mesh_of(ax)[2], specgram[0])
    assert bar_of(cells[0]).get_ylabel() == "dB"
    assert len(cells[0].figure.axes) == 6, "five examples and one colour bar"
    assert [ax.get_ylabel() for ax in cells] == ["Hz (mel scale)", "", "", "Hz (mel scale)", ""]
    assert cells[-1].get_xlabel() == "Time in s"


def test_a_batch_of_weights_and_lengths():
    label = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0]])
    batch = batch_of(2, label=label, specgram_lengths=torch.tensor([10, 26]))
    first, second = plot.show_batch(batch, LOG_MEL, classes=["flute", "reed", "vocal"])
    assert first.get_title() == "0.70 flute + 0.30 reed"
    assert second.get_title() == "reed"
    (line,) = first.lines
    # Ten frames: the last is centred on 0.09 s.
    np.testing.assert_allclose(line.get_xdata(), 0.095)


def test_at_most_n_are_drawn():
    assert len(plot.show_batch(batch_of(5), n=2)) == 2
    with pytest.raises(ValueError, match="`batch` and `n` must give at least one example"):
        plot.show_batch(batch_of(5), n=0)
    with pytest.raises(KeyError, match="`batch` must have a `specgram`, got \\['waveform'\\]"):
        plot.show_batch({"waveform": TONE})


def test_compare_draws_what_the_keys_say_and_names_it(monkeypatch):
    monkeypatch.setenv("AUGSPEC_COMPILE", "0")
    pitch = T.PitchShift((-2.0, 2.0), p=0.5, n_fft=512)
    keys = augspec.example_keys(seed=1, epoch=0, index=range(5))
    grid = plot.compare(TONE, pitch, n=5, features=LOG_MEL, keys=keys)
    assert grid.shape == (2, 6)
    params = pitch.make_params(TONE.expand(5, 1, -1), keys=keys)
    expected = [
        f"PitchShift: semitones {float(value):.3g}" if applied else "PitchShift: not applied"
        for value, applied in zip(params["semitones"], params["applied"], strict=True)
    ]
    assert {title.endswith("not applied") for title in expected} == {True, False}
    assert [ax.get_title() for ax in grid[0]] == ["original", *expected]
    shifted = pitch.transform(TONE.expand(5, 1, -1), params)
    for column, sound in enumerate([TONE, *shifted]):
        np.testing.assert_array_equal(grid[0, column].lines[0].get_ydata(), sound[0])
        np.testing.assert_allclose(
            mesh_of(grid[1, column])[2], LOG_MEL(sound[None])[0, 0], atol=1e-3
        )
    assert bar_of(grid[0, 0]).get_ylabel() == "dB"
    assert len(grid[0, 0].figure.axes) == 13


def test_compare_a_front_end():
    frontend = augspec.Frontend(
        T.Chain([T.Gain((-6.0, 6.0)), T.RandomCrop(8000)]), LOG_MEL, T.TimeMask(20)
    )
    grid = plot.compare(TONE[0], frontend, n=2)
    assert frontend.training
    assert grid[0, 0].get_title() == "original"
    for ax in grid[0, 1:]:
        lines = ax.get_title().split("\n")
        assert [line.split(":")[0] for line in lines if ":" in line] == [
            "Gain",
            "RandomCrop",
            "TimeMask",
        ]
        assert len(ax.lines[0].get_xdata()) == 8000
    # A crop is shorter, and is drawn so.
    ends = [mesh_of(ax)[0][-1] for ax in grid[1]]
    np.testing.assert_allclose(ends, [1.005, 0.505, 0.505])
    assert grid[1, 1].get_xlim() == pytest.approx((-0.005, 1.005))


def test_titles_beside_each_other_do_not_touch():
    """Those of `GainTransition` did: a line had more characters than fit above a picture."""
    grid = plot.compare(TONE[0], T.GainTransition((-29.9, -20.1), (0.601, 0.609)), n=3)
    figure = grid[0, 0].figure
    figure.draw_without_rendering()
    boxes = [ax.title.get_window_extent() for ax in grid[0]]
    assert all(left.x1 + 4 < right.x0 for left, right in itertools.pairwise(boxes))


def test_compare_transforms_of_spectrograms_without_the_waveform():
    grid = plot.compare(TONE, T.Chain([T.FrequencyMask(8)]), n=2, features=LOG_MEL)
    assert grid.shape == (1, 3)
    assert all(ax.get_title().startswith("FrequencyMask: width ") for ax in grid[0, 1:])
    masked, plain = mesh_of(grid[0, 1])[2], mesh_of(grid[0, 0])[2]
    assert (masked != plain).any(axis=1).sum() <= 8


class Swap(T.Gain):
    mixes_examples = True


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.waveform(TONE[None], RATE), r"`waveform` must be \(time,\) or"),
        (lambda: plot.specgram(TONE[0]), r"`specgram` must be \(freq, frame\) or"),
        (lambda: plot.specgram(torch.rand(2, 3, 4)), "`specgram` must have one channel, got 2"),
        (lambda: plot.specgram(torch.rand(40, 4), LOG_MEL, sample_rate=8), "`sample_rate` must be"),
        (lambda: plot.compare(TONE, T.Gain(), n=0), "`n` must be positive, got 0"),
        (
            lambda: plot.compare(TONE, augspec.Frontend(None, LOG_MEL), features=LOG_MEL),
            "`features` must be None for a front end",
        ),
        (lambda: plot.compare(TONE, Swap()), "`transform` must not mix examples, got Swap"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "augspec\[plot\]"'):
        plot.waveform(TONE, RATE)
