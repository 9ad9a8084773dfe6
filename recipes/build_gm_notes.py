"""Build the embedded notes, `augspec/datasets/gm_notes_data`, from two General MIDI soundfonts.

    python recipes/build_gm_notes.py [--out DIR] [--fluid FILE] [--musescore FILE]

It needs FluidSynth and the soundfonts (on Debian: apt install libfluidsynth3 fluid-soundfont-gm
musescore-general-soundfont), and pip install pyfluidsynth rich scipy. It takes about two minutes.

Each note is like one of NSynth's: 16 kHz mono, held for 3 s, released for 1 s, 64,000 samples, dry
(no reverb, no chorus). The notes of one instrument are stored in sequence in one Ogg Vorbis file.
The same soundfonts, FluidSynth, SciPy, libvorbis and processor give the same bytes. If one of these
differs, rounding and the last bits of the files may differ. Everything else is fixed, also the Ogg
serials.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import hashlib
import os
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.progress import track
from scipy.signal import firwin, resample_poly

DATA = Path(__file__).resolve().parents[1] / "augspec" / "datasets" / "gm_notes_data"
SAMPLE_RATE = 16_000
RENDER_RATE = 48_000  # rendered at this rate and resampled, so that no partial folds back
HELD, RELEASED = 3, 1  # seconds
NOTE = (HELD + RELEASED) * SAMPLE_RATE
GAP = 2_048  # silence before each note, one long Vorbis block, against codec noise
FADE = 160  # fade of the last 10 ms, so that a tail that is cut at 4 s does not click
PEAK = 10 ** (-3 / 20)  # peak of an instrument's loudest note; its notes keep their relative levels
NOTES = {"train": 64, "valid": 24}  # per family
SUSTAINED = {"brass", "flute", "organ", "reed", "vocal"}  # and bowed strings, but not all strings
VELOCITIES = (50, 75, 100, 127)  # of NSynth's five; at 25 Vorbis loses some programs
ALIKE = 0.95  # a larger correlation means the same recording (pure high notes reach 0.93)
PROBES = range(24, 104, 3)  # pitches at which instruments are compared
QUALITY = 0.5  # libsndfile's compression_level: about 25 kbit/s, 30 dB signal to codec noise

COLUMNS = ["split", "family", "program", "name", "soundfont", "file", "pitch", "velocity", "start"]

Audio = NDArray[np.float64]


class Program(NamedTuple):
    """A General MIDI program (numbered from 0) and the range it is really played in."""

    family: str
    number: int
    name: str
    low: int
    high: int
    split: str


# Programs that share samples are in one split (`check_split` tests it): the violins, the pianos,
# cello and contrabass, tenor and baritone sax, blown bottle and solo vox. Left out are programs
# that NSynth's families do not cover (harp, harmonica, synth brass and strings, plucked instruments
# of the world) and guitar harmonics, which sound an octave above their number.
PROGRAMS = [
    Program("bass", 32, "Acoustic Bass", 28, 60, "train"),
    Program("bass", 33, "Electric Bass (finger)", 28, 60, "train"),
    Program("bass", 34, "Electric Bass (pick)", 28, 60, "train"),
    Program("bass", 35, "Fretless Bass", 28, 60, "valid"),
    Program("bass", 36, "Slap Bass 1", 28, 57, "train"),
    Program("bass", 37, "Slap Bass 2", 28, 57, "valid"),
    Program("bass", 38, "Synth Bass 1", 24, 60, "train"),
    Program("bass", 39, "Synth Bass 2", 24, 60, "train"),
    Program("brass", 56, "Trumpet", 54, 82, "train"),
    Program("brass", 57, "Trombone", 40, 72, "valid"),
    Program("brass", 58, "Tuba", 28, 58, "train"),
    Program("brass", 59, "Muted Trumpet", 54, 82, "train"),
    Program("brass", 60, "French Horn", 41, 77, "train"),
    Program("brass", 61, "Brass Section", 40, 79, "valid"),
    Program("flute", 72, "Piccolo", 74, 102, "train"),
    Program("flute", 73, "Flute", 60, 96, "valid"),
    Program("flute", 74, "Recorder", 65, 96, "train"),
    Program("flute", 75, "Pan Flute", 60, 96, "train"),
    Program("flute", 76, "Blown Bottle", 60, 84, "train"),
    Program("flute", 77, "Shakuhachi", 55, 84, "train"),
    Program("flute", 78, "Whistle", 67, 96, "valid"),
    Program("flute", 79, "Ocarina", 60, 89, "train"),
    Program("guitar", 24, "Acoustic Guitar (nylon)", 40, 79, "train"),
    Program("guitar", 25, "Acoustic Guitar (steel)", 40, 79, "train"),
    Program("guitar", 26, "Electric Guitar (jazz)", 40, 79, "valid"),
    Program("guitar", 27, "Electric Guitar (clean)", 40, 79, "train"),
    Program("guitar", 28, "Electric Guitar (muted)", 40, 72, "valid"),
    Program("guitar", 29, "Overdriven Guitar", 40, 79, "train"),
    Program("guitar", 30, "Distortion Guitar", 40, 79, "train"),
    Program("keyboard", 0, "Acoustic Grand Piano", 24, 100, "train"),
    Program("keyboard", 1, "Bright Acoustic Piano", 24, 100, "train"),
    Program("keyboard", 2, "Electric Grand Piano", 28, 96, "valid"),
    Program("keyboard", 3, "Honky-tonk Piano", 28, 96, "train"),
    Program("keyboard", 4, "Electric Piano 1", 28, 96, "train"),
    Program("keyboard", 5, "Electric Piano 2", 28, 96, "train"),
    Program("keyboard", 6, "Harpsichord", 29, 89, "valid"),
    Program("keyboard", 7, "Clavinet", 29, 88, "train"),
    Program("mallet", 8, "Celesta", 60, 100, "train"),
    Program("mallet", 9, "Glockenspiel", 67, 100, "train"),
    Program("mallet", 10, "Music Box", 60, 96, "train"),
    Program("mallet", 11, "Vibraphone", 53, 89, "valid"),
    Program("mallet", 12, "Marimba", 45, 96, "train"),
    Program("mallet", 13, "Xylophone", 65, 100, "valid"),
    Program("mallet", 14, "Tubular Bells", 60, 77, "train"),
    Program("mallet", 15, "Dulcimer", 50, 86, "train"),
    Program("mallet", 114, "Steel Drums", 52, 84, "train"),
    Program("organ", 16, "Drawbar Organ", 36, 96, "train"),
    Program("organ", 17, "Percussive Organ", 44, 96, "train"),
    Program("organ", 18, "Rock Organ", 36, 96, "valid"),
    Program("organ", 19, "Church Organ", 36, 96, "train"),
    Program("organ", 20, "Reed Organ", 36, 89, "valid"),
    Program("organ", 21, "Accordion", 53, 93, "train"),
    Program("reed", 64, "Soprano Sax", 56, 87, "train"),
    Program("reed", 65, "Alto Sax", 49, 80, "valid"),
    Program("reed", 66, "Tenor Sax", 44, 75, "train"),
    Program("reed", 67, "Baritone Sax", 36, 69, "train"),
    Program("reed", 68, "Oboe", 58, 91, "train"),
    Program("reed", 69, "English Horn", 52, 81, "train"),
    Program("reed", 70, "Bassoon", 34, 72, "train"),
    Program("reed", 71, "Clarinet", 50, 91, "valid"),
    Program("reed", 111, "Shanai", 60, 84, "train"),
    Program("string", 40, "Violin", 55, 96, "train"),
    Program("string", 41, "Viola", 48, 84, "train"),
    Program("string", 42, "Cello", 36, 76, "valid"),
    Program("string", 43, "Contrabass", 28, 56, "valid"),
    Program("string", 44, "Tremolo Strings", 40, 84, "train"),
    Program("string", 45, "Pizzicato Strings", 40, 84, "train"),
    Program("string", 48, "String Ensemble 1", 40, 91, "train"),
    Program("string", 49, "String Ensemble 2", 40, 91, "train"),
    Program("string", 110, "Fiddle", 55, 96, "train"),
    Program("vocal", 52, "Choir Aahs", 48, 79, "train"),
    Program("vocal", 53, "Voice Oohs", 48, 79, "valid"),
    Program("vocal", 54, "Synth Voice", 48, 79, "valid"),
    Program("vocal", 85, "Lead 6 (voice)", 48, 79, "train"),
    Program("vocal", 91, "Pad 4 (choir)", 48, 79, "train"),
]


class Instrument(NamedTuple):
    """A program in the version of one soundfont."""

    program: Program
    soundfont: str

    @property
    def name(self) -> str:
        """Return a name such as ``reed_fluid_064``."""
        return f"{self.program.family}_{self.soundfont}_{self.program.number:03d}"


class Note(NamedTuple):
    """A note to render, and where it starts in its instrument's file, in samples."""

    pitch: int
    velocity: int
    start: int


# --- FluidSynth ----------------------------------------------------------------------------------


class Synth:
    """FluidSynth with one soundfont, dry, as float (16 bits would cost the quiet notes)."""

    def __init__(self, soundfont: Path) -> None:
        try:
            import fluidsynth
        except ImportError as error:  # pyfluidsynth also raises it if the library is missing
            sys.exit(
                f"FluidSynth is missing ({error}): "
                "apt install libfluidsynth3, pip install pyfluidsynth"
            )
        dry = {"synth.reverb.active": 0, "synth.chorus.active": 0}
        self._synth = fluidsynth.Synth(gain=0.5, samplerate=float(RENDER_RATE), **dry)
        self._id = self._synth.sfload(str(soundfont))
        if self._id < 0:
            sys.exit(f"FluidSynth cannot read {soundfont}")
        pointer, integer = ctypes.c_void_p, ctypes.c_int
        left = ("left", pointer, 1), ("left_offset", integer, 1), ("left_step", integer, 1)
        right = ("right", pointer, 1), ("right_offset", integer, 1), ("right_step", integer, 1)
        self._write = fluidsynth.cfunc(
            "fluid_synth_write_float",
            integer,
            ("synth", pointer, 1),
            ("length", integer, 1),
            *left,
            *right,
        )

    def play(self, program: int, pitch: int, velocity: int) -> Audio:
        """Render one note at 16 kHz.

        Of a stereo sample the left channel is taken, because the sum of two microphones has comb
        filtering.
        """
        self._synth.system_reset()
        self._synth.program_select(0, self._id, 0, program)
        self._synth.noteon(0, pitch, velocity)
        held = self._render(HELD * RENDER_RATE)
        self._synth.noteoff(0, pitch)
        waveform = np.concatenate([held, self._render(RELEASED * RENDER_RATE)])
        self._synth.all_sounds_off(0)
        self._render(RENDER_RATE // 10)
        return to_16k(waveform)

    def _render(self, length: int) -> NDArray[np.float32]:
        left, right = np.zeros(length, np.float32), np.zeros(length, np.float32)
        if self._write(self._synth.synth, length, left.ctypes.data, 0, 1, right.ctypes.data, 0, 1):
            sys.exit("FluidSynth failed to render")
        return left


def to_16k(waveform: NDArray[np.float32]) -> Audio:
    """Resample from 48 kHz to 16 kHz: flat to 7.2 kHz, -100 dB from 8 kHz."""
    step = RENDER_RATE // SAMPLE_RATE
    taps = firwin(385, 7_600, window=("kaiser", 10.0), fs=RENDER_RATE)
    low: Audio = resample_poly(waveform.astype(np.float64), 1, step, window=taps)
    return low


# --- which instruments, which notes --------------------------------------------------------------


def sample_names(soundfont: Path) -> dict[int, set[str]]:
    """Read the samples that each program of bank 0 uses (a stereo pair counts once)."""
    chunks = dict(_hydra(soundfont))

    def rows(name: str, pattern: str) -> list[tuple[Any, ...]]:
        return list(struct.iter_unpack(pattern, chunks[name]))

    def generators(bags: str, gens: str, first: int, last: int, wanted: int) -> Iterator[int]:
        zones, table = rows(bags, "<HH"), rows(gens, "<HH")
        for kind, amount in table[zones[first][0] : zones[last][0]]:
            if kind == wanted:
                yield amount

    presets, instruments = rows("phdr", "<20xHHHIII"), rows("inst", "<20xH")
    names = [name.split(b"\0")[0].decode("latin-1") for (name,) in rows("shdr", "<20s26x")]
    found: dict[int, set[str]] = {}
    for (number, bank, first, *_), (_, _, last, *_) in pairwise(presets):
        if bank:
            continue
        found[number] = {
            names[sample].lower().removesuffix("(l)").removesuffix("(r)").rstrip(" _-lr")
            for instrument in generators("pbag", "pgen", first, last, 41)
            for sample in generators(
                "ibag", "igen", instruments[instrument][0], instruments[instrument + 1][0], 53
            )
        }
    return found


def _hydra(soundfont: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the chunks of the `pdta` list of a RIFF soundfont (SoundFont 2.04, section 7)."""
    with soundfont.open("rb") as file:
        file.seek(12)
        while header := file.read(12):
            _, size, kind = struct.unpack("<4sI4s", header)
            if kind != b"pdta":
                file.seek(size - 4 + size % 2, os.SEEK_CUR)
                continue
            end = file.tell() + size - 4
            while file.tell() < end:
                name, length = struct.unpack("<4sI", file.read(8))
                yield name.decode(), file.read(length)


class Ear:
    """Finds instruments from the same recording by the correlation of their notes."""

    def __init__(self) -> None:
        self._spectra: dict[str, dict[int, NDArray[np.complex128]]] = {}

    def hear(self, synth: Synth, instrument: Instrument) -> None:
        """Render an instrument's probe notes."""
        low, high = instrument.program.low, instrument.program.high
        self._spectra[instrument.name] = {
            pitch: self._spectrum(synth.play(instrument.program.number, pitch, 100))
            for pitch in PROBES
            if low <= pitch <= high
        }

    def likeness(self, one: Instrument, other: Instrument) -> float:
        """Return the largest correlation over pitches and delays, 0 to 1."""
        first, second = self._spectra[one.name], self._spectra[other.name]
        cross = [first[pitch] * second[pitch].conj() for pitch in first.keys() & second.keys()]
        return max((float(np.abs(np.fft.irfft(c)).max()) for c in cross), default=0.0)

    @staticmethod
    def _spectrum(note: Audio) -> NDArray[np.complex128]:
        held = note[: HELD * SAMPLE_RATE] - note[: HELD * SAMPLE_RATE].mean()
        spectrum: NDArray[np.complex128] = np.fft.rfft(held / np.linalg.norm(held), 2 * held.size)
        return spectrum


def choose(synths: dict[str, Synth], samples: dict[str, dict[int, set[str]]]) -> list[Instrument]:
    """Choose every program in Fluid's version, and in MuseScore's version if it differs.

    MuseScore General adapts Fluid R3. Its version of a program is dropped if it uses samples of
    Fluid's version, by name. In each family an instrument is also dropped if it sounds like one
    chosen before it.
    """
    chosen: list[Instrument] = []
    ear = Ear()
    candidates = [Instrument(program, font) for program in PROGRAMS for font in synths]
    for candidate in track(candidates, "comparing instruments"):
        shared = samples["fluid"][candidate.program.number] & samples["musescore"].get(
            candidate.program.number, set()
        )
        if candidate.soundfont == "musescore" and shared:
            continue
        ear.hear(synths[candidate.soundfont], candidate)
        family = [other for other in chosen if other.program.family == candidate.program.family]
        alike = {other.name: ear.likeness(candidate, other) for other in family}
        closest = max(alike, key=alike.__getitem__, default="")
        if closest and alike[closest] > ALIKE:
            print(f"{candidate.name} left out: correlation {alike[closest]:.3f} with {closest}")
        else:
            chosen.append(candidate)
    return chosen


def check_split(instruments: list[Instrument], samples: dict[str, dict[int, set[str]]]) -> None:
    """Stop if a sample is used in both splits."""
    heard: dict[str, set[str]] = {"train": set(), "valid": set()}
    for program, font in instruments:
        heard[program.split] |= samples[font][program.number]
    if common := heard["train"] & heard["valid"]:
        sys.exit(f"samples in both splits: {', '.join(sorted(common))}")


def plan(instruments: list[Instrument]) -> dict[Instrument, list[Note]]:
    """Divide each family's notes evenly among instruments, and spread them over the range."""
    notes = {}
    for instrument in instruments:
        program, font = instrument
        group = [i for i in instruments if i.program[::5] == program[::5]]  # family and split
        rank = group.index(instrument)
        count = NOTES[program.split] // len(group) + (rank < NOTES[program.split] % len(group))
        phase = 0.25 if font == "fluid" else 0.75  # a program's two versions play other pitches
        notes[instrument] = [
            Note(
                pitch=round(program.low + (k + phase) * (program.high - program.low) / count),
                velocity=VELOCITIES[(3 * k + rank) % len(VELOCITIES)],
                start=GAP + k * (NOTE + GAP),
            )
            for k in range(count)
        ]
    return notes


# --- rendering and writing -----------------------------------------------------------------------


def record(synth: Synth, instrument: Instrument, notes: list[Note]) -> Audio:
    """Render an instrument's notes one after the other, each after a gap, at one gain."""
    tape = np.zeros(notes[-1].start + NOTE)
    for note in notes:
        waveform = synth.play(instrument.program.number, note.pitch, note.velocity)
        waveform[-FADE:] *= np.cos(np.linspace(0, np.pi / 2, FADE)) ** 2
        check(waveform, instrument, note)
        tape[note.start : note.start + NOTE] = waveform
    scaled: Audio = tape * (PEAK / np.abs(tape).max())
    return scaled


def check(waveform: Audio, instrument: Instrument, note: Note) -> None:
    """Stop at a note that is silent, or that ends before its release (a sample without a loop)."""
    loudness = np.sqrt(np.square(waveform).reshape(8, NOTE // 8).mean(axis=1))
    if waveform.shape != (NOTE,) or loudness[:2].max() < 1e-4:
        sys.exit(f"{instrument.name} does not sound at pitch {note.pitch}")
    if instrument.program.family in SUSTAINED and loudness[5] < 0.25 * loudness[:6].max():
        sys.exit(f"{instrument.name} ends before its release at pitch {note.pitch}")


def encode(path: Path, tape: Audio) -> None:
    """Write Ogg Vorbis with a fixed serial, decode it again and check what came back."""
    with soundfile.SoundFile(
        path, "w", SAMPLE_RATE, 1, "VORBIS", format="OGG", compression_level=QUALITY
    ) as file:
        for start in range(0, tape.size, 65_536):  # libsndfile's Vorbis puts a block on the stack
            file.write(tape[start : start + 65_536])
    path.write_bytes(with_serial(path.read_bytes(), zlib.crc32(path.name.encode())))
    decoded, _ = soundfile.read(path)
    if decoded.shape != tape.shape or np.abs(decoded).max() >= 1.0:
        sys.exit(f"{path.name} came back with another length or clipped")
    noise = np.square(decoded - tape).sum() / np.square(tape).sum()
    if noise > 10**-1.5:
        sys.exit(f"{path.name} came back with {10 * np.log10(noise):.1f} dB of codec noise")


def with_serial(ogg: bytes, serial: int) -> bytes:
    """Set the serial of an Ogg stream (RFC 3533); libsndfile derives one from the clock."""
    pages = []
    position = 0
    while position < len(ogg):
        segments = ogg[position + 26]
        body = position + 27 + segments
        end = body + sum(ogg[position + 27 : body])
        page = bytearray(ogg[position:end])
        page[14:18] = struct.pack("<I", serial)
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", ogg_checksum(bytes(page)))
        pages.append(bytes(page))
        position = end
    return b"".join(pages)


REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_checksum(page: bytes) -> int:
    """Ogg's CRC-32 is zlib's polynomial, most significant bit first, without the inversions."""
    mirrored = zlib.crc32(page.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def write_index(folder: Path, notes: dict[Instrument, list[Note]]) -> None:
    """Write index.csv (one row per note; `start` in samples) and SHA256SUMS."""
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for instrument, played in notes.items():
            program, font = instrument
            whose = (program.split, program.family, program.number, program.name, font)
            writer.writerows((*whose, f"{instrument.name}.ogg", *note) for note in played)
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
    ]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def main() -> None:
    """Choose, render, encode, and put the finished folder in place."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write (replaced whole)")
    parser.add_argument("--fluid", type=Path, default="/usr/share/sounds/sf2/FluidR3_GM.sf2")
    parser.add_argument(
        "--musescore", type=Path, default="/usr/share/sounds/sf3/MuseScore_General.sf3"
    )
    arguments = parser.parse_args()
    fonts = {"fluid": arguments.fluid, "musescore": arguments.musescore}
    for name, path in fonts.items():
        if not path.is_file():
            sys.exit(
                f"--{name}: {path} is missing: "
                "apt install fluid-soundfont-gm musescore-general-soundfont"
            )
    synths = {name: Synth(path) for name, path in fonts.items()}
    samples = {name: sample_names(path) for name, path in fonts.items()}
    instruments = choose(synths, samples)
    check_split(instruments, samples)
    notes = plan(instruments)

    out = arguments.out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{out.name}.", dir=out.parent))
    part.chmod(0o755)
    old = part.with_suffix(".old")
    try:
        for instrument in track(instruments, "rendering"):
            tape = record(synths[instrument.soundfont], instrument, notes[instrument])
            encode(part / f"{instrument.name}.ogg", tape)
        shutil.copy(DATA / "LICENSES.md", part)
        write_index(part, notes)
        if out.exists():
            out.rename(old)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    size = sum(path.stat().st_size for path in out.iterdir())
    programs = {instrument.program.number for instrument in instruments}
    print(
        f"{sum(map(len, notes.values()))} notes, {len(programs)} programs, {len(instruments)} "
        f"instruments, {size / 1e6:.1f} MB in {out}"
    )


if __name__ == "__main__":
    main()
