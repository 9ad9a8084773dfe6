"""What data sets cost: notes a second read at random, and the memory and opening of a large one.

``python tests/benchmarks/bench_datasets.py read --root DIR`` with the folder that holds
nsynth-train unpacked, and its archive for the row of the archive; without ``--root`` on synthetic
notes. All files are in the page cache, one process reads, and rows take turns, so that a busy
machine slows all of them alike. Processor time counts, so that waiting for other processes does
not.

``python tests/benchmarks/bench_datasets.py memory`` opens an NSynth of 300,000 simulated notes, as
wav files (empty ones) and as a packed file, each in a fresh process, and forks two workers that
read the metadata of 3,000 notes each. (Linux only: it reads /proc.)
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from common import compare, environment

from augspec.datasets import NSynth, Packed, pack
from augspec.datasets._pack_writer import PackWriter

FAMILIES = (
    *("bass", "brass", "flute", "guitar", "keyboard"),
    *("mallet", "organ", "reed", "string", "vocal"),
)
SAMPLES = 64_000


def make_notes(root: Path, count: int) -> None:
    """Write notes of noise with a decay, which compress about as much as NSynth's."""
    folder = root / "nsynth-train"
    (folder / "audio").mkdir(parents=True)
    random = np.random.default_rng(0)
    examples: dict[str, Any] = {}
    for i in range(count):
        name = f"{FAMILIES[i % 10]}_acoustic_{i // 100:03d}-{20 + i // 10 % 10:03d}-100"
        decay = np.exp(-np.arange(SAMPLES) / 16_000)
        samples = (random.normal(0, 4_000, SAMPLES) * decay).astype(np.int16)
        soundfile.write(folder / "audio" / f"{name}.wav", samples, 16_000)
        examples[name] = {}
    (folder / "examples.json").write_text(json.dumps(examples))


def readers(root: Path, scratch: Path) -> tuple[dict[str, Callable[[int], Any]], int]:
    """Return what reads note i, by name, and the number of notes."""
    files = NSynth(root, "train")
    paths = [item["path"] for item in files]
    packs = {}
    for dtype in ("int16", "float32"):
        packs[dtype] = pack(files, scratch / f"{dtype}.packed", dtype=dtype, progress=False)
    samples = np.stack([packs["int16"].waveform(i)[0].numpy() for i in range(len(files))])
    samples.tofile(scratch / "float32.raw")
    (samples * 32_768).astype(np.int16).tofile(scratch / "int16.raw")
    shape = samples.shape
    short = np.memmap(scratch / "int16.raw", np.int16, "r", shape=shape)
    single = np.memmap(scratch / "float32.raw", np.float32, "r", shape=shape)
    del samples

    def as_float(i: int) -> Any:
        return short[i].astype(np.float32) * np.float32(1 / 32_768)

    found: dict[str, Callable[[int], Any]] = {
        "wav files, soundfile.read": lambda i: soundfile.read(paths[i], dtype="float32"),
        "NSynth, wav files": files.__getitem__,
    }
    archive = root / "nsynth-train.jsonwav.tar.gz"
    if archive.is_file():
        (scratch / archive.name).symlink_to(archive.resolve())
        start = time.process_time()
        notes = NSynth(scratch, "train", progress=False)
        rate = archive.stat().st_size / 1e6 / (time.process_time() - start)
        print(f"reading the archive once: {rate:.0f} MB of it a second\n")
        found["NSynth, archive (after its one pass)"] = notes.__getitem__
    found |= {
        "Packed, int16": packs["int16"].__getitem__,
        "Packed, float32": packs["float32"].__getitem__,
        "Packed, float32, copy=False": Packed(scratch / "float32.packed", copy=False).__getitem__,
        "numpy.memmap of int16, copied to float32": as_float,
        "numpy.memmap of float32, copied": lambda i: np.array(single[i]),
        "numpy.memmap of int16, copied as int16": lambda i: np.array(short[i]),
    }
    return found, len(files)


def read(options: argparse.Namespace) -> None:
    """Time all readers on the same notes, in an order drawn anew for each round."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        scratch = Path(name)
        root = Path(options.root) if options.root else scratch / "made"
        if not options.root:
            make_notes(root, options.notes)
        found, count = readers(root, scratch)
        order = np.random.default_rng(0).permutation(count)[: options.notes].tolist()
        clock = time.perf_counter if options.wall else time.process_time

        def reading(reader: Callable[[int], Any]) -> Callable[[], None]:
            def run() -> None:
                for index in order:
                    reader(index)

            return run

        runs = {name: reading(reader) for name, reader in found.items()}
        timings = compare(runs, options.rounds, clock=clock)
    print(environment("numpy", "soundfile"), "\n")
    reference = next(iter(timings.values())).median
    print("| reading notes of 4 s at random | notes a second | us a note | speed |")
    print("|---|---:|---:|---:|")
    for name, timing in timings.items():
        each = timing.median / len(order)
        speed = reference / timing.median
        print(f"| {name} | {1 / each:,.0f} | {1e6 * each:.1f} | {speed:.2f} |")


CHILD = """
import json, os, sys, time
import numpy as np
import torch
from augspec.datasets import NSynth

def kilobytes(*names):
    with open("/proc/self/smaps_rollup") as file:
        lines = dict(line.split(":") for line in list(file)[1:])
    return sum(int(lines[name].split()[0]) for name in names)

def own():
    return kilobytes("Private_Clean", "Private_Dirty") / 1e3

before = own()
start = time.process_time()
notes = NSynth(sys.argv[1], "train", progress=False)
seconds = time.process_time() - start
print(f"opening: {seconds:.1f} s of processor time, {own() - before:.0f} MB more in the process")
notes._waveform = lambda index, path: None  # the audio is not there
for worker in range(2):
    if os.fork() == 0:
        first = own()
        for index in np.random.default_rng(worker).integers(len(notes), size=3_000).tolist():
            notes[index]
        print(f"worker {worker}: {own() - first:.1f} MB of its own after 3,000 notes", flush=True)
        os._exit(0)
for worker in range(2):
    os.wait()
"""


def memory(options: argparse.Namespace) -> None:
    """Make the metadata of a large split, and open it in fresh processes."""
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        folder = Path(name) / "nsynth-train"
        (folder / "audio").mkdir(parents=True)
        names = [
            f"{FAMILIES[i % 10]}_acoustic_{i // 500:03d}-{i // 5 % 100:03d}-{25 * (i % 5):03d}"
            for i in range(options.notes)
        ]
        write_metadata(folder, names)
        print(
            f"{len(names):,} notes, examples.json of "
            f"{(folder / 'examples.json').stat().st_size / 1e6:.0f} MB"
        )
        for each in names:
            os.close(os.open(folder / "audio" / f"{each}.wav", os.O_CREAT | os.O_WRONLY))
        open_in_a_fresh_process("wav files", folder.parent)
        (folder / "audio").rename(folder / "elsewhere")
        about = {"dtype": "int16", "sample_rate": 16_000, "classes": None, "source": "bench"}
        with PackWriter(folder / "audio.packed", about) as writer:
            for each in names:
                writer.add({"waveform": np.zeros((1, 1), np.int16), "name": each})
            writer.finish()
        open_in_a_fresh_process("packed file", folder.parent)
        start = time.process_time()
        packed = Packed(folder / "audio.packed")
        print(f"Packed of {len(packed):,}: opened in {time.process_time() - start:.2f} s")


def write_metadata(folder: Path, names: list[str]) -> None:
    """Write an examples.json with every field of the official one."""
    with (folder / "examples.json").open("w") as file:
        for i, name in enumerate(names):
            family, source, rest = name.split("_")
            number, pitch, velocity = rest.split("-")
            record = {
                "note": i,
                "note_str": name,
                "instrument": int(number),
                "instrument_str": f"{family}_{source}_{number}",
                "instrument_family": FAMILIES.index(family),
                "instrument_family_str": family,
                "instrument_source": 0,
                "instrument_source_str": source,
                "pitch": int(pitch),
                "velocity": int(velocity),
                "sample_rate": 16_000,
                "qualities": [1, 0, 0, 0, 1, 0, 0, 0, 0, 0],
                "qualities_str": ["bright", "long_release"],
            }
            file.write(f"{'{' if i == 0 else ', '}{json.dumps(name)}: {json.dumps(record)}")
        file.write("}")


def open_in_a_fresh_process(title: str, root: Path) -> None:
    """Run `CHILD` on a root."""
    print(f"{title}:", flush=True)
    subprocess.run([sys.executable, "-c", CHILD, str(root)], check=True)


def main() -> None:
    """Run one of the two benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("read", "memory"))
    parser.add_argument("--root", help="folder that holds nsynth-train")
    parser.add_argument("--notes", type=int, help="notes to read (1,000) or to simulate (300,000)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--wall", action="store_true", help="count the time on the clock")
    parser.add_argument("--scratch", help="folder for temporary files")
    options = parser.parse_args()
    if options.notes is None:
        options.notes = 1_000 if options.what == "read" else 300_000
    {"read": read, "memory": memory}[options.what](options)


if __name__ == "__main__":
    main()
