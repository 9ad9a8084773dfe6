"""Check the native kernels on a machine without torch, such as another processor in an emulator.

``python tests/long/replay.py record CALLS`` runs every transform and feature on a small batch, and
writes each call of a kernel, with what it read and wrote, into a folder. ``python
tests/long/replay.py replay CALLS`` needs nothing but Python and a C++ compiler: it makes the calls
again and prints, for each kernel, the largest difference from what was written, beside the
largest number. ``--library`` takes kernels that were compiled elsewhere.
"""

import argparse
import ctypes
import importlib.util
import json
import math
import sys
import tempfile
from array import array
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODES = {"float32": "f", "float64": "d", "int64": "q"}


class Recorder:
    """Writes the calls of kernels into a folder."""

    def __init__(self, folder):
        self.folder, self.calls, self.tables, self.place = folder, [], {}, 0
        folder.mkdir(parents=True)
        self.blob = (folder / "numbers.bin").open("wb")

    def keep(self, tensor):
        """Write a tensor's numbers; say their dtype, where they are, and how many."""
        data = tensor.detach().contiguous().flatten()
        self.blob.write(data.numpy().tobytes())
        place, self.place = self.place, self.place + data.nbytes
        return [str(tensor.dtype).removeprefix("torch."), place, data.numel()]

    def describe(self, argument):
        """Say what an argument is, so that JSON can hold it."""
        import torch

        if not isinstance(argument, torch.Tensor):
            return {"number": argument}
        sounds = self.tables.get(argument.data_ptr())
        if sounds is None:
            return {"numbers": self.keep(argument)}
        rows = [[self.keep(sound), *sound.contiguous().stride()[:2]] for sound in sounds]
        return {"table": rows}

    def finish(self):
        """Write the list of calls."""
        self.blob.close()
        (self.folder / "calls.json").write_text(json.dumps(self.calls))


def record(folder):
    """Run every class, and write the calls of kernels."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    import torch
    from public import classes
    from test_one_region import signal_for

    from augspec import features, native, transforms
    from augspec.native import samples

    recorder, call, table = Recorder(folder), native.call, samples._table
    kept = []  # an address stands for a table as long as the table lives

    def recorded_call(name, *arguments, out):
        outs = out if isinstance(out, tuple) else (out,)
        given = [recorder.describe(one) for one in arguments]
        before = [recorder.keep(one) for one in outs]
        call(name, *arguments, out=out)
        after = [recorder.keep(one) for one in outs]
        recorder.calls.append({"name": name, "given": given, "before": before, "after": after})

    def recorded_table(sounds):
        made = table(sounds)
        recorder.tables[made.data_ptr()] = list(sounds)
        kept.append(made)
        return made

    native.call, samples._table = recorded_call, recorded_table
    with torch.no_grad():
        for module in (transforms, features):
            for kind in classes(module):
                torch.manual_seed(0)
                made = kind.example()
                made(0.1 * signal_for(made, 3, 6000))
    recorder.finish()
    print(f"{len(recorder.calls)} calls of {len({c['name'] for c in recorder.calls})} kernels")


class Numbers:
    """What a folder's calls read and write, as arrays that stay where they are."""

    def __init__(self, folder):
        self.blob = (folder / "numbers.bin").read_bytes()

    def load(self, dtype, place, count):
        """Read numbers."""
        made = array(CODES[dtype])
        made.frombytes(self.blob[place : place + count * made.itemsize])
        return made


def _pointer(numbers):
    return ctypes.c_void_p(numbers.buffer_info()[0])


def _as_c(one, numbers, kept):
    """Turn the description of an argument into what ctypes passes."""
    if "numbers" in one:
        kept.append(numbers.load(*one["numbers"]))
        return _pointer(kept[-1])
    if "table" in one:
        sounds = [numbers.load(*row[0]) for row in one["table"]]
        rows = zip(sounds, one["table"], strict=True)
        kept += sounds
        kept.append(array("q", [n for s, row in rows for n in (s.buffer_info()[0], *row[1:])]))
        return _pointer(kept[-1])
    value = one["number"]
    if value is None:
        return ctypes.c_void_p(None)
    return ctypes.c_float(value) if isinstance(value, float) else ctypes.c_int64(int(value))


def difference(made, wanted):
    """Give the largest difference beside the largest number; infinite if one is not finite."""
    most = largest = 0.0
    for one, other in zip(made, wanted, strict=True):
        if one == other or (one != one and other != other):  # both NaN
            largest = max(largest, abs(other)) if math.isfinite(other) else largest
            continue
        if not (math.isfinite(one) and math.isfinite(other)):
            return math.inf
        most, largest = max(most, abs(one - other)), max(largest, abs(other))
    return most / largest if most else 0.0


def replay(folder, library):
    """Make the calls again; give the number of calls and the largest difference of each kernel."""
    numbers, worst, counts = Numbers(folder), {}, {}
    for call in json.loads((folder / "calls.json").read_text()):
        kept, outs = [], [numbers.load(*one) for one in call["before"]]
        given = [_as_c(one, numbers, kept) for one in call["given"]]
        name = call["name"]
        getattr(library, name)(*given, *map(_pointer, outs))
        for out, after in zip(outs, call["after"], strict=True):
            worst[name] = max(worst.get(name, 0.0), difference(out, numbers.load(*after)))
        counts[name] = counts.get(name, 0) + 1
    return {name: (counts[name], most) for name, most in worst.items()}


def load_library(path):
    """Load kernels, which are compiled first if no path is given."""
    if path is not None:
        return ctypes.CDLL(str(path))
    file = ROOT / "augspec" / "native" / "_build.py"
    spec = importlib.util.spec_from_file_location("_build", file)
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    with tempfile.TemporaryDirectory() as place:
        return ctypes.CDLL(str(build.build(build.default_set(), Path(place))))


def main():
    """Record or replay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("record", "replay"))
    parser.add_argument("calls", type=Path)
    parser.add_argument("--library", type=Path)
    options = parser.parse_args()
    if options.what == "record":
        record(options.calls)
        return
    found = replay(options.calls, load_library(options.library))
    print("| kernel | calls | largest difference |\n|---|---:|---:|")
    for name, (count, most) in sorted(found.items(), key=lambda item: -item[1][1]):
        print(f"| {name} | {count} | {most:.1e} |")


if __name__ == "__main__":
    main()
