"""Every class keeps its promises in every row of the table of `circumstances`."""

import contextlib
import dataclasses
import zlib

import asked
import circumstances as table
import pytest
import torch

from augspec import _door
from augspec import transforms as T
from augspec.testing.case import takes_specgram
from augspec.visits import Visits

NAMES = list(table.SUBJECTS)
ROWS = table.pairwise()
SLOW_ROWS = [
    row
    for row in table.pairwise(table.SLOW)
    if row.way in table.SLOW["way"] or row.shape in table.SLOW["shape"]
]
#: One class of a family: kernels take seconds to compile.
COMPILED = ["PitchShift", "Speed", "Compressor", "Frontend, fused"]
WAVEFORMS = [
    name
    for name, made in table.SUBJECTS.items()
    if isinstance(made, T.RandomTransform) and not takes_specgram(made)
]
#: What each channel gets of its own, on purpose.
OWN_SOUND = ["ColoredNoise", "ShortNoises", "WhiteNoise", "ChannelDrop"]
ONE_CHANNEL = ["ToMono", "AmbisonicsRotation"]
#: Sounds and rooms are drawn in samples, and `at_rate` makes a bank of other sounds; sizes of crops
#: are said in samples; the encoder chooses what to leave out; what is beyond half of a lower rate
#: folds back.
IN_SAMPLES = ["BackgroundNoise", "ColoredNoise", "ShortNoises", "WhiteNoise", "ImpulseResponse"]
IN_SAMPLES += ["RoomReverb", "Chain", "CenterCrop", "RandomCrop", "Codec", "Aliasing"]
#: At 8 kHz `at_rate` brings their frequencies below 4 kHz, which changes what they do.
SCALED = ["BandPass", "BandStop", "RandomEQ", "PeakingEQ"]

pytestmark = [
    pytest.mark.usefixtures("eager_kernels"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:There is a performance drop"),  # of `vmap`
]


def rows_of(name, rows, each):
    """Give a class its share of the rows, by its name: a new class moves no other's share."""
    return rows[zlib.crc32(name.encode()) % each :: each]


@pytest.mark.parametrize("name", NAMES)
def test_promises_hold_in_a_third_of_the_rows(name):
    for row in rows_of(name, ROWS, 3):
        asked.ask(name, row)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_promises_hold_in_graphs_and_for_long_sound(name):
    rows = [row for row in SLOW_ROWS if row.way != "compiled"]
    for row in rows_of(name, rows, 12):
        asked.ask(name, row)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPILED)
def test_promises_hold_in_compiled_kernels(name):
    rows = [row for row in SLOW_ROWS if row.way == "compiled" and row.shape != "long"]
    row = rows[COMPILED.index(name) % len(rows)]
    # Of an empty batch, and in float64, nothing is compiled.
    asked.ask(name, dataclasses.replace(row, shape="ragged", precision="float32", default="none"))


@pytest.mark.parametrize("rate", [8_000, 44_100])
@pytest.mark.parametrize("name", [n for n in WAVEFORMS if n not in OWN_SOUND + ONE_CHANNEL])
def test_channels_keep_what_they_share(name, rate):
    asked.shared_sound_stays_shared(name, rate)


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
@pytest.mark.parametrize("name", [n for n in WAVEFORMS if n not in IN_SAMPLES + ONE_CHANNEL])
def test_a_rate_changes_no_sound(name, rate):
    if rate > 8_000 or name not in SCALED:
        asked.a_rate_changes_no_sound(name, rate)


def test_every_two_values_of_two_axes_meet():
    for rows, more in ((ROWS, ()), (table.pairwise(table.SLOW), (table.SLOW,))):
        axes = table.axes(*more)
        met = {
            (one, getattr(row, one), two, getattr(row, two))
            for row in rows
            for one in axes
            for two in axes
            if one < two
        }
        wanted = {
            (one, a, two, b)
            for one in axes
            for two in axes
            if one < two
            for a in axes[one]
            for b in axes[two]
        }
        assert met == wanted


def test_every_row_is_asked_of_some_class():
    taken = [row for name in NAMES for row in rows_of(name, ROWS, 3)]
    assert set(taken) == set(ROWS)


@pytest.mark.parametrize("found", table.FOUND_BY, ids=[words for _, words, _ in table.FOUND_BY])
def test_a_row_has_what_showed_each_fault(found):
    _, _, values = found
    rows = table.pairwise(table.SLOW, table.LONG)
    assert any(dataclasses.replace(row, **values) == row for row in rows)


# The faults themselves, made again.


def test_a_frame_that_fits_one_rate_is_found(monkeypatch):
    monkeypatch.setattr(
        table, "at_rate", lambda _, rate: T.TimeStretch(n_fft=1024, sample_rate=rate)
    )
    with pytest.raises(AssertionError, match=r"TimeStretch is .* dB another at 44100 Hz"):
        asked.a_rate_changes_no_sound("TimeStretch", 44_100)


def test_channels_taken_apart_are_found(monkeypatch):
    def one_sample_later(waveform, **_):
        left, right = waveform.unbind(1)
        return torch.stack([left, right.roll(1, -1)], 1)

    monkeypatch.setattr(table, "at_rate", lambda *_: one_sample_later)
    with pytest.raises(AssertionError, match="leaves channels of one sound"):
        asked.shared_sound_stays_shared("Gain", 44_100)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("Frontend, fused", {"level": "quiet"}),
        ("MixBackground", {"shape": "long"}),
    ],
)
def test_arithmetic_in_half_precision_is_found(monkeypatch, name, row):
    monkeypatch.setattr(_door, "without_autocast", lambda _: contextlib.nullcontext())
    with pytest.raises(AssertionError, match="the result is not finite|autocast changes"):
        asked.ask(name, table.Row(precision="autocast float16", **row))


def test_a_second_coming_with_the_draws_of_the_first_is_found(monkeypatch):
    row = table.Row(visits="repeated")
    right = table.keys_of(row, 4)
    monkeypatch.setattr(table, "keys_of", lambda *_: right)
    monkeypatch.setattr(Visits, "views", lambda _, index: torch.zeros_like(index))
    with pytest.raises(AssertionError, match="the loader has other keys"):
        asked.ask("Frontend, fused", row)


def test_a_promise_that_is_broken_is_named(monkeypatch):
    row = table.Row(rate=44_100, channels=2, default="bfloat16", shape="ragged")

    class Forgetful(T.Gain):
        def transform(self, waveform, params, lengths=None):
            out = super().transform(waveform, params, lengths)
            off = 1.0 + lengths[:, None, None] * 1e-3  # in the default dtype
            return out[0] * off, out[1]

        forward = None

    def forward(self, waveform, lengths=None, *, keys=None, generator=None):
        params = self.make_params(waveform, lengths, keys=keys, generator=generator)
        return self.transform(waveform, params, lengths)

    Forgetful.forward = forward
    monkeypatch.setitem(table.SUBJECTS, "Gain", Forgetful((-6.0, 6.0)))
    with pytest.raises(AssertionError, match="Gain, 44100 2 .* the circumstances change"):
        asked.ask("Gain", row)
