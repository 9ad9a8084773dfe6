"""What each transform of the convention does to sound, and to its labels."""

import math

import numpy as np
import pytest
import soundfile
import torch

from augspec.compat import torch_audiomentations as compat

RATE = 16_000


# Compiling takes longer than all of these.
pytestmark = pytest.mark.usefixtures("eager_kernels")


def tone(freq, time=RATE, rate=RATE):
    return torch.sin(2 * math.pi * freq * torch.arange(time) / rate)[None, None]


def level_db(sound):
    """Measure the RMS level of the middle, where filters have settled, per example."""
    size = sound.shape[-1]
    middle = sound[..., size // 4 : -size // 4].double()
    return 10 * middle.square().mean(-1).log10().squeeze(1)


def snr_db(clean, noisy):
    power = (noisy - clean).double().square().mean(-1)
    return 10 * (clean.double().square().mean(-1) / power).log10()


@pytest.fixture
def noises(tmp_path):
    generator = np.random.default_rng(0)
    (tmp_path / "deep").mkdir()
    for name, size in (("a.wav", 40_000), ("deep/b.wav", 900)):
        soundfile.write(tmp_path / name, generator.normal(0, 0.1, size), RATE)
    (tmp_path / "notes.txt").write_text("no sound")
    return tmp_path


def test_gain_of_minus_6_db_halves():
    made = compat.Gain(-6.000001, -6, p=1.0)(torch.tensor([[[1.0, 0.5, -0.25, 0.0]]]))
    half = 10 ** (-6 / 20)
    torch.testing.assert_close(made, half * torch.tensor([[[1.0, 0.5, -0.25, 0.0]]]))


def test_gain_refuses_a_reversed_range():
    with pytest.raises(ValueError, match="`min_gain_in_db` must not be greater than `max_gain"):
        compat.Gain(min_gain_in_db=18.0, max_gain_in_db=-3.0)


def test_polarity_is_inverted_with_the_probability_that_is_set():
    samples = torch.tensor([[[1.0, 0.5, -0.25, -0.125, 0.0]]])
    assert torch.equal(compat.PolarityInversion(p=1.0)(samples), -samples)
    assert torch.equal(compat.PolarityInversion(p=0.0)(samples), samples)
    torch.manual_seed(0)
    many = compat.PolarityInversion(p=0.5)(samples.expand(2000, 2, -1))
    assert 800 < (many[:, 0, 0] < 0).sum() < 1200
    assert torch.equal(many[:, 0], many[:, 1])


PEAKS = torch.tensor(
    [
        [[0.75, 0.5, -0.25, -0.125, 0.0]],
        [[0.9, 0.5, -0.25, -0.125, 0.0]],
        [[0.9, 0.5, -0.25, -1.12, 0.0]],
        [[0.0, 0.0, 0.0, 0.0, 0.0]],
    ]
)


def test_peaks_become_one_and_silence_stays():
    made = compat.PeakNormalization(p=1.0)(PEAKS)
    torch.testing.assert_close(made[:3].abs().amax(-1), torch.ones(3, 1))
    torch.testing.assert_close(made[2], PEAKS[2] / 1.12)
    assert not made[3].any()


def test_only_what_is_too_loud_is_divided():
    made = compat.PeakNormalization("only_too_loud_sounds", p=1.0)(PEAKS)
    assert torch.equal(made[:2], PEAKS[:2])
    torch.testing.assert_close(made[2], PEAKS[2] / 1.12)
    with pytest.raises(ValueError, match="`apply_to`"):
        compat.PeakNormalization("loud")


def test_the_peak_is_that_of_all_channels_of_an_example():
    samples = torch.tensor([[[0.5, 0.2], [-0.25, 0.1]]])
    torch.testing.assert_close(compat.PeakNormalization(p=1.0)(samples), 2 * samples)
    own = compat.PeakNormalization(p=1.0, mode="per_channel")(samples)
    torch.testing.assert_close(own.abs().amax(-1), torch.ones(1, 2))


def test_frozen_peaks_divide_another_batch():
    augment = compat.PeakNormalization(p=1.0)
    augment(PEAKS[1:3])
    augment.freeze_parameters()
    other = torch.tensor([[[0.1, -0.2, 2.0]], [[0.2, 0.9, 0.0]]])
    torch.testing.assert_close(augment(other), other / torch.tensor([[[0.9]], [[1.12]]]))


COUNT = torch.arange(4)[None, None].repeat(2, 2, 1) + torch.tensor([0, 1])[:, None, None]


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        ((1, 1, "samples"), [3, 0, 1, 2]),
        ((1, 1, "samples", False), [0, 0, 1, 2]),
        ((-2, -2, "samples"), [2, 3, 0, 1]),
        ((-1, -1, "samples", False), [1, 2, 3, 0]),
        ((0.5, 0.5, "fraction"), [2, 3, 0, 1]),
        ((-0.25, -0.25, "fraction"), [1, 2, 3, 0]),
        ((-2, -2, "seconds"), [2, 3, 0, 1]),
    ],
)
def test_shift_moves_by_its_unit_also_whole_numbers(arguments, first):
    made = compat.Shift(*arguments, p=1.0)(COUNT, sample_rate=1)
    assert made.dtype == torch.int64
    assert made[0].tolist() == [first, first]
    rolled = arguments[-1] is not False
    assert not rolled or made[1].tolist() == [[value + 1 for value in first]] * 2


def test_shift_in_seconds_needs_a_rate_and_others_do_not():
    with pytest.raises(RuntimeError, match="`sample_rate` is required by Shift"):
        compat.Shift(-3, -3, "seconds", p=1.0)(COUNT)
    assert compat.Shift(p=1.0)(COUNT).shape == COUNT.shape


def test_each_shift_of_the_range_comes_about_as_often():
    torch.manual_seed(0)
    samples = torch.arange(4.0).expand(900, 2, 4)
    made = compat.Shift(-1, 1, "samples", p=1.0)(samples)
    counts = torch.bincount(made[:, 0, 0].long(), minlength=4)
    assert counts[2] == 0
    assert (counts[[0, 1, 3]] > 220).all()


def test_labels_shift_with_the_sound():
    labels = torch.arange(4.0)[None, None, :, None]
    made = compat.Shift(0.25, 0.25, p=1.0, output_type="dict")(torch.randn(1, 1, 16), None, labels)
    assert made.targets.flatten().tolist() == [3, 0, 1, 2]
    cut = compat.Shift(-0.5, -0.5, rollover=False, p=1.0, output_type="dict")
    made = cut(torch.randn(1, 1, 16), 16, labels)
    assert made.targets.flatten().tolist() == [2, 3, 0, 0]
    whole = cut(torch.randn(1, 1, 16), 16, labels[:, :, :1] + 5)
    assert whole.targets.flatten().tolist() == [5]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((0.5, -0.5), "min_shift"), ((0.0, 0.5, "minutes"), "shift_unit")],
)
def test_shift_refuses(arguments, name):
    with pytest.raises(ValueError, match=f"`{name}`"):
        compat.Shift(*arguments)


@pytest.mark.parametrize("section", ["start", "end"])
def test_padding_silences_a_part_at_an_end(section):
    torch.manual_seed(0)
    samples = torch.rand(50, 2, 1000) + 0.1
    made = compat.Padding(0.2, 0.5, section, mode="per_example", p=1.0)(samples)
    silent = made == 0.0
    width = silent.sum(-1)
    assert torch.equal(width[:, 0], width[:, 1])
    assert 200 <= width.min() < 260
    assert 440 < width.max() <= 500
    edge = silent if section == "start" else silent.flip(-1)
    assert torch.equal(edge.cumprod(-1).sum(-1), width)
    assert torch.equal(made[~silent], samples[~silent])


def test_padding_is_for_the_batch_unless_it_is_told():
    torch.manual_seed(0)
    assert compat.Padding().mode == "per_batch"
    samples = torch.ones(10, 2, 200)
    together = compat.Padding(p=1.0)(samples)
    assert (together == together[:1, :1]).all()
    apart = compat.Padding(mode="per_channel", p=0.5)(samples).sum(-1)
    assert apart.unique().numel() > 5
    assert (apart == 200).any()
    assert torch.equal(compat.Padding(p=0.0)(samples), samples)


def test_padding_of_no_width_changes_nothing():
    samples = torch.ones(2, 1, 100)
    assert torch.equal(compat.Padding(0.0, 0.0, p=1.0)(samples), samples)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((-0.1, 0.5), "min_fraction"), ((0.5, 0.2), "min_fraction"), ((0.1, 1.2), "max_fraction"),
     ((0.1, 0.2, "middle"), "pad_section")],
)  # fmt: skip
def test_padding_refuses(arguments, name):
    with pytest.raises(ValueError, match=f"`{name}`"):
        compat.Padding(*arguments)


def test_time_is_inverted_with_its_labels():
    samples, labels = torch.randn(3, 2, 17), torch.randn(3, 2, 5, 4)
    made = compat.TimeInversion(p=1.0, output_type="dict")(samples, targets=labels)
    assert torch.equal(made.samples, samples.flip(-1))
    assert torch.equal(made.targets, labels.flip(-2))


def test_channels_are_shuffled_with_their_labels():
    torch.manual_seed(0)
    samples = torch.tensor([[1.0, -1.0], [0.1, -0.1], [3.0, 3.0]]).expand(600, 3, 2)
    labels = samples[..., None]
    made = compat.ShuffleChannels(p=1.0, output_type="dict")(samples, targets=labels)
    assert torch.equal(made.targets[..., 0], made.samples)
    assert torch.equal(made.samples.sort(1).values, samples.sort(1).values)
    orders = made.samples[..., 0] @ torch.tensor([100.0, 10.0, 1.0])
    counts = orders.unique(return_counts=True)[1]
    assert len(counts) == 6
    assert counts.min() > 60


def test_one_channel_cannot_be_shuffled():
    samples = torch.randn(1, 1, 5)
    with pytest.warns(UserWarning, match="one channel"):
        assert torch.equal(compat.ShuffleChannels(p=1.0)(samples), samples)
    with pytest.raises(compat.ModeNotSupportedException):
        compat.ShuffleChannels(mode="per_batch")


@pytest.mark.parametrize("rate", [16_000, 16_100])
@pytest.mark.parametrize("mode", ["per_batch", "per_example"])
def test_spliced_sound_is_shorter_and_ends_in_silence(rate, mode):
    torch.manual_seed(0)
    samples = torch.rand(8, 2, 32_000) + 0.1
    made = compat.SpliceOut(10, 400, mode=mode, p=1.0)(samples, sample_rate=rate)
    assert made.shape == samples.shape
    ends = (made != 0.0).sum(-1)
    assert torch.equal(ends[:, 0], ends[:, 1])
    assert (made[..., 32_000 - 1] == 0.0).all()
    # Ten halves of widths that are uniform up to 400 ms: a second on average.
    assert 0.6 * rate < (32_000 - ends).float().mean() < 1.4 * rate


def test_spliced_sound_goes_on_where_the_piece_ends():
    torch.manual_seed(4)
    ramp = torch.arange(4000.0, dtype=torch.float64)[None, None]
    labels = torch.arange(40.0)[None, None, :, None]
    augment = compat.SpliceOut(1, 400, p=1.0, output_type="dict")
    made = augment(ramp, sample_rate=4000, targets=labels)
    half = int(augment.transform_parameters["splice_lengths"])
    sound = made.samples[0, 0, : 4000 - half]
    assert half > 20
    assert torch.equal(sound[0], ramp[0, 0, 0])
    assert sound[-1] == 3999.0
    steps = sound.diff()
    assert ((steps == 1.0) | (steps > 1.0)).all()
    # A frame is 100 samples: behind the piece the labels come sooner, at the end there are none.
    moved = made.targets.flatten()
    assert moved[0] == 0.0
    assert moved[-1 - half // 100 - 1] in (38.0, 39.0)
    assert not moved[40 - half // 100 :].any()


def test_nothing_is_spliced_without_pieces():
    samples = torch.randn(2, 1, 100)
    assert torch.equal(compat.SpliceOut(0, p=1.0)(samples, sample_rate=100), samples)


@pytest.mark.parametrize("make", [compat.LowPassFilter, compat.HighPassFilter])
def test_the_amplitude_at_the_cutoff_is_half(make):
    made = make(2000, 2000, p=1.0)(tone(2000), sample_rate=RATE)
    assert level_db(made) == pytest.approx(float(level_db(tone(2000))) - 6.02, abs=0.1)


@pytest.mark.parametrize(
    ("augment", "kept", "lost"),
    [
        (compat.LowPassFilter(2000, 2000, p=1.0), [100, 1500], [2600, 7000]),
        (compat.HighPassFilter(2000, 2000, p=1.0), [2600, 7000], [100, 1500]),
        (compat.BandPassFilter(2000, 2000, 1.0, 1.0, p=1.0), [1500, 2500], [600, 3700]),
        (compat.BandStopFilter(2000, 2000, 1.0, 1.0, p=1.0), [600, 3700], [1500, 2500]),
    ],
)
def test_filters_keep_and_remove_their_bands(augment, kept, lost):
    for freq in kept:
        torch.testing.assert_close(
            augment(tone(freq), sample_rate=RATE)[..., 2000:-2000],
            tone(freq)[..., 2000:-2000],
            atol=0.02,
            rtol=0.0,
        )
    for freq in lost:
        assert level_db(augment(tone(freq), sample_rate=RATE)) < -43


def test_a_cutoff_above_half_of_the_rate_removes_nothing():
    samples = torch.randn(2, 1, 400)
    made = compat.LowPassFilter(9000, 9000, p=1.0)(samples, sample_rate=RATE)
    torch.testing.assert_close(made, samples, atol=1e-5, rtol=1e-5)


def test_short_sounds_of_several_channels_are_filtered():
    for make in (compat.LowPassFilter, compat.HighPassFilter, compat.BandPassFilter,
                 compat.BandStopFilter):  # fmt: skip
        made = make(p=1.0)(torch.randn(3, 2, 5), sample_rate=RATE)
        assert made.shape == (3, 2, 5)
        assert made.dtype == torch.float32
        assert made.isfinite().all()


def test_cutoffs_are_uniform_in_mel():
    torch.manual_seed(0)
    augment = compat.LowPassFilter(100, 8000, p=1.0)
    augment(torch.zeros(4000, 1, 4), sample_rate=RATE)
    mel = 2595 * torch.log10(1 + augment.transform_parameters["cutoff_freq"] / 700)
    low, high = 2595 * math.log10(1 + 1 / 7), 2595 * math.log10(1 + 80 / 7)
    assert low - 1e-3 <= mel.min() < mel.max() <= high + 1e-3
    assert float(mel.mean()) == pytest.approx((low + high) / 2, rel=0.02)


@pytest.mark.parametrize(
    ("make", "arguments", "name"),
    [
        (compat.LowPassFilter, (2000, 200), "min_cutoff_freq"),
        (compat.HighPassFilter, (0, 200), "min_cutoff_freq"),
        (compat.BandPassFilter, (400, 200), "min_center_frequency"),
        (compat.BandPassFilter, (200, 400, 0.0, 1.0), "min_bandwidth_fraction"),
        (compat.BandPassFilter, (200, 400, 1.5, 1.0), "min_bandwidth_fraction"),
        (compat.BandStopFilter, (200, 400, 0.5, 2.0), "max_bandwidth_fraction"),
    ],
)
def test_filters_refuse(make, arguments, name):
    with pytest.raises(ValueError, match=f"`{name}`"):
        make(*arguments)


def add_noise(kind, folder, *snr, **more):
    if kind == "files":
        return compat.AddBackgroundNoise(folder, *snr, output_type="dict", **more)
    return compat.AddColoredNoise(*snr, output_type="dict", **more)


@pytest.mark.parametrize("kind", ["files", "colour"])
def test_noise_lies_at_the_ratio_below_each_channel(kind, noises):
    torch.manual_seed(0)
    samples = torch.randn(40, 2, 2000) * torch.tensor([1.0, 0.01])[:, None]
    made = add_noise(kind, noises, 3, 30, p=1.0)(samples, RATE).samples
    ratio = snr_db(samples, made)
    assert 3.0 - 1e-2 <= ratio.min() < 7 < 26 < ratio.max() <= 30.0 + 1e-2
    torch.testing.assert_close(ratio[:, 0], ratio[:, 1], atol=0.05, rtol=0.0)


@pytest.mark.parametrize("kind", ["files", "colour"])
def test_a_ratio_of_one_point_is_exact(kind, noises):
    samples = torch.randn(4, 1, 2000).double()
    made = add_noise(kind, noises, 3.0, 3.0, p=1.0)(samples, RATE).samples
    torch.testing.assert_close(snr_db(samples, made), torch.full((4, 1), 3.0).double(),
                               atol=1e-5, rtol=0.0)  # fmt: skip


@pytest.mark.parametrize("kind", ["files", "colour"])
def test_noise_refuses_a_reversed_ratio_and_adds_none_with_p_zero(kind, noises):
    with pytest.raises(ValueError, match="`min_snr_in_db`"):
        add_noise(kind, noises, 30, 3)
    samples = torch.randn(2, 1, 500)
    assert torch.equal(add_noise(kind, noises, p=0.0)(samples, RATE).samples, samples)


@pytest.mark.parametrize("kind", ["files", "colour"])
def test_silence_stays_silent(kind, noises):
    assert not add_noise(kind, noises, p=1.0)(torch.zeros(2, 1, 500), RATE).samples.any()


def test_noise_comes_out_of_the_files_also_of_short_ones(noises):
    samples = torch.randn(1, 1, 3000)
    augment = compat.AddBackgroundNoise(noises / "deep" / "b.wav", 0, 0, p=1.0)
    added = (augment(samples, RATE) - samples)[0, 0]
    file = torch.from_numpy(soundfile.read(noises / "deep" / "b.wav", dtype="float32")[0])
    likeness = torch.fft.irfft(torch.fft.rfft(added[:900]) * torch.fft.rfft(file).conj(), n=900)
    assert likeness.max() > 0.999 * added[:900].norm() * file.norm()
    torch.testing.assert_close(added[:900], added[900:1800], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("make", [compat.AddBackgroundNoise, compat.ApplyImpulseResponse])
def test_paths_may_be_a_list_and_must_lead_to_sound(make, noises, tmp_path):
    both = make([noises / "a.wav", str(noises / "deep")], p=1.0)
    assert both(torch.randn(1, 1, 100), sample_rate=RATE).shape == (1, 1, 100)
    (tmp_path / "none").mkdir()
    with pytest.raises(compat.EmptyPathException, match="_paths` must lead to audio files"):
        make(tmp_path / "none")


def test_noise_is_resampled_to_the_rate_of_the_audio(noises):
    for rate in (4000, 11_025):
        augment = compat.AddBackgroundNoise(noises, 4, 6, p=1.0, sample_rate=rate)
        samples = torch.randn(1, 1, 1357)
        assert 4 - 1e-2 < snr_db(samples, augment(samples)) < 6 + 1e-2


@pytest.mark.parametrize(("decay", "slope"), [(-2.0, 12.0), (0.0, 0.0), (1.0, -6.0), (2.0, -12.0)])
def test_the_colour_falls_by_6_db_an_octave_for_each_f_decay(decay, slope):
    samples = torch.randn(8, 1, 2**15)
    augment = compat.AddColoredNoise(0, 0, decay, decay, p=1.0)
    noise = (augment(samples, sample_rate=RATE) - samples).double()
    power = torch.fft.rfft(noise * torch.hann_window(2**15)).abs().square().mean((0, 1))
    octaves = [10 * power[2**k : 2 ** (k + 1)].mean().log10() for k in (10, 13)]
    assert float(octaves[1] - octaves[0]) / 3 == pytest.approx(slope, abs=0.3)


def test_coloured_noise_takes_any_length_and_rate():
    for time, rate in ((1000, 99_991), (16_001, 16_001), (50_000, 1000)):
        samples = torch.randn(1, 1, time)
        made = compat.AddColoredNoise(10, 12, p=1.0)(samples, sample_rate=rate)
        assert made.shape == samples.shape
        assert not torch.equal(made, samples)
    for arguments in ({"min_f_decay": 2, "max_f_decay": 1}, {"max_f_decay": 3}):
        with pytest.raises(ValueError, match="f_decay`"):
            compat.AddColoredNoise(**arguments)


def test_mix_adds_another_example_at_the_ratio():
    torch.manual_seed(0)
    samples = torch.randn(64, 2, 1000)
    augment = compat.Mix(3, 30, p=1.0, output_type="dict")
    made = augment(samples).samples
    ratio = snr_db(samples, made)
    assert 3 - 1e-2 <= ratio.min() < 8 < 25 < ratio.max() <= 30 + 1e-2
    other = samples[augment.transform_parameters["sample_idx"]]
    likeness = torch.cosine_similarity(made - samples, other, -1)
    torch.testing.assert_close(likeness, torch.ones(64, 2), atol=1e-3, rtol=0.0)


def test_mixed_labels_are_a_union_or_the_original():
    torch.manual_seed(0)
    samples, labels = torch.randn(16, 1, 64), torch.eye(16)[:, None, None].long()
    augment = compat.Mix(p=1.0, output_type="dict")
    made = augment(samples, targets=labels).targets
    other = labels[augment.transform_parameters["sample_idx"]]
    assert torch.equal(made, labels | other)
    left = compat.Mix(p=1.0, mix_target="original", output_type="dict")(samples, targets=labels)
    assert torch.equal(left.targets, labels)
    with pytest.raises(ValueError, match="`mix_target`"):
        compat.Mix(mix_target="sum")


@pytest.fixture
def responses(tmp_path):
    folder = tmp_path / "ir"
    folder.mkdir()
    response = np.zeros(800)
    response[[100, 400]] = [0.9, 0.45]
    soundfile.write(folder / "impulse_response_0.wav", response, RATE, subtype="FLOAT")
    return folder


def test_a_response_is_convolved_with_and_the_length_stays(responses):
    augment = compat.ApplyImpulseResponse(responses, p=1.0, sample_rate=RATE, output_type="dict")
    samples = torch.randn(5, 2, 3000)
    made = augment(samples).samples
    wanted = torch.zeros_like(samples)
    wanted[..., 100:] += 0.9 * samples[..., :-100]
    wanted[..., 400:] += 0.45 * samples[..., :-400]
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=1e-4)
    assert [path.name for path in augment.transform_parameters["ir_paths"]] == [
        "impulse_response_0.wav"
    ] * 5


def test_the_delay_of_a_response_can_be_taken_back(responses):
    samples = torch.randn(2, 1, 3000)
    augment = compat.ApplyImpulseResponse(
        responses, "full", True, p=1.0, sample_rate=RATE
    )  # fmt: skip
    wanted = 0.9 * samples
    wanted[..., 300:] += 0.45 * samples[..., :-300]
    torch.testing.assert_close(augment(samples), wanted, atol=1e-5, rtol=1e-4)
    unpicked = compat.ApplyImpulseResponse(responses, p=0.0, sample_rate=RATE)
    assert torch.equal(unpicked(samples), samples)
    with pytest.raises(ValueError, match="`convolve_mode`"):
        compat.ApplyImpulseResponse(responses, "valid")


@pytest.mark.parametrize("mode", ["per_batch", "per_example", "per_channel"])
def test_the_pitch_moves_by_the_drawn_interval(mode):
    torch.manual_seed(0)
    samples = tone(440.0, 8000).expand(3, 2, -1)
    augment = compat.PitchShift(-4.0, 4.0, mode, p=1.0, sample_rate=RATE)
    made = augment(samples)
    assert made.shape == samples.shape
    semitones = augment.transform_parameters["transpositions"]
    assert semitones.unique().numel() == {"per_batch": 1, "per_example": 3, "per_channel": 6}[mode]
    wanted = semitones.expand(6) if mode == "per_batch" else semitones.repeat_interleave(
        6 // len(semitones)
    )  # fmt: skip
    spectrum = torch.fft.rfft(made[..., 1000:-1000] * torch.hann_window(6000), n=2**19).abs()
    found = spectrum.argmax(-1).flatten() * RATE / 2**19
    assert (12 * torch.log2(found / 440) - wanted).abs().max() < 0.05


def test_the_rate_of_a_pitch_shift_is_that_of_the_constructor():
    with pytest.raises(ValueError, match="`sample_rate` must be given"):
        compat.PitchShift()
    with pytest.raises(ValueError, match="`min_transpose_semitones`"):
        compat.PitchShift(4, -4, sample_rate=RATE)
    augment = compat.PitchShift(p=1.0, sample_rate=RATE)
    with pytest.raises(ValueError, match="that of the constructor, 16000, got 8000"):
        augment(torch.randn(1, 1, 4000), sample_rate=8000)


def test_identity_gives_back_what_came():
    samples = torch.randn(2, 1, 9)
    assert torch.equal(compat.Identity(p=1.0)(samples), samples)


def test_a_crop_has_its_length_and_comes_out_of_the_sound():
    torch.manual_seed(0)
    samples = torch.arange(1000.0).expand(50, 2, 1000)
    made = compat.RandomCrop(0.25, 1000)(samples)
    assert made.shape == (50, 2, 250)
    assert (made.diff() == 1).all()
    assert made[:, 0, 0].unique().numel() > 30
    assert compat.RandomCrop(300, 1000, "samples")(samples).shape[-1] == 300
    assert torch.equal(compat.RandomCrop(2.0, 1000)(samples), samples)


def test_a_crop_refuses():
    with pytest.raises(ValueError, match="`max_length_unit`"):
        compat.RandomCrop(1, 1000, "minutes")
    with pytest.raises(RuntimeError, match="`samples` must be a tensor"):
        compat.RandomCrop(1, 1000)(torch.ones(1, 10))
    with pytest.warns(UserWarning, match="empty"):
        assert compat.RandomCrop(1, 1000)(torch.empty(0, 1, 10)).shape == (0, 1, 10)
