"""Feed a reader damaged input: it may refuse it with the documented errors, and nothing else.

A fuzzer's `target` gets bytes and a folder. It fails if it raises anything but `ALLOWED`, takes
longer than `SECONDS`, needs more than `MEMORY`, starts a process, or writes, moves or deletes a
file outside of the folder.
Inputs are made from seeds by changing, cutting, doubling and exchanging bytes; with
``--guided CORPUS`` by atheris (``pip install atheris``), which looks for those that reach new code.
"""

import argparse
import atexit
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from rich.progress import Progress, TimeElapsedColumn

if "--guided" in sys.argv:  # atheris has to see the readers' modules before anyone imports them
    import atheris

    # atheris 3.0.0 never lets go of what a comparison gave. For numbers that is nothing, but
    # kernels compare tensors, and a few thousand of those fill the memory.
    kernels = Path(__file__).parents[2].glob("augspec/functional/*.py")
    unseen = [f"augspec.functional.{path.stem}" for path in kernels if path.stem != "checks"]
    with atheris.instrument_imports(include=["augspec", "tarfile", "yaml"], exclude=unseen):
        import augspec.ablation.study
        import augspec.config
        import augspec.datasets
        import augspec.params  # noqa: F401

MEMORY = 4 << 30  # bytes beyond what is mapped before
SECONDS = 10  # that one input may take
WORDS = [b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\x7f\xff\xff\xff", b"0", b"-1"]
WORDS += [b"1e999", b"NaN", b"[", b"{", b"]", b"}", b":", b",", b'"', b"\n", b"null", b"..", b"/"]
WORDS += [b"999999999999999999999", b"&a", b"*a", b"!!int ", b"!!float ", b"!!timestamp ", b"- "]
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
CHANGES |= {"os.chmod", "os.chown", "shutil.rmtree", "shutil.move"}
STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"}


class Watch:
    """See what is written where, by the interpreter's own audit events."""

    def __init__(self):
        self.folder, self.found = None, []
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if self.folder is None:
            return
        if event in STARTS:
            self.found.append(f"{event} {arguments!r:.200}")
        wrote = event in CHANGES or (event == "open" and (arguments[2] or 0) & WRITES)
        if wrote and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not path.startswith(self.folder) and path != os.devnull:
                self.found.append(f"{event} {path}")


def mutate(seed, others, rng):
    """Change a few places of an input."""
    data = bytearray(seed)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        at, size = rng.randrange(len(data) + 1), rng.choice([1, 1, 2, 4, 8, 64])
        kind = rng.randrange(8)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[min(at, len(data) - 1)] = rng.randrange(256)
        elif kind == 2:
            data[at : at + size] = b""
        elif kind == 3:
            data[at:at] = rng.choice(WORDS)
        elif kind == 4:
            word = rng.choice(WORDS)
            data[at : at + len(word)] = word
        elif kind == 5:
            data[at:at] = data[at : at + size] * rng.choice([1, 2, 50])
        elif kind == 6:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            data[at : at + size] = other[start : start + size]
        elif rng.random() < 0.2:
            del data[at:]
    return bytes(data)


def _too_slow(*_):
    raise TimeoutError(f"one input took longer than {SECONDS} s")


class Bench:
    """Try a target on inputs, within limits, in a folder that is empty each time."""

    def __init__(self, target, allowed):
        self.target, self.allowed, self.watch = target, allowed, Watch()

    def __enter__(self):
        self.alarm = signal.signal(signal.SIGALRM, _too_slow)
        self.limits = resource.getrlimit(resource.RLIMIT_AS)
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, self.limits[1]))
        self.folder = Path(os.path.realpath(tempfile.mkdtemp()))
        return self

    def __exit__(self, *_):
        signal.signal(signal.SIGALRM, self.alarm)
        resource.setrlimit(resource.RLIMIT_AS, self.limits)
        shutil.rmtree(self.folder)

    def fault(self, data):
        """Try one input; give the error that the target must not raise, or None."""
        inside, found = self.folder / "one", None
        inside.mkdir()
        self.watch.folder = str(inside)
        signal.alarm(SECONDS)
        try:
            self.target(data, inside)
        except self.allowed:
            pass
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            found = error
        finally:
            signal.alarm(0)
            self.watch.folder = None
        if self.watch.found:
            found = RuntimeError(self.watch.found[0])
            self.watch.found.clear()
        shutil.rmtree(inside)
        if {path.name for path in self.folder.iterdir()}:
            raise AssertionError(f"something was left in {self.folder}")
        return found


def _place(error):
    """Say where an error comes from: one of each kind is enough."""
    frames = traceback.extract_tb(error.__traceback__)
    return (type(error), *frames[-1][:2]) if frames else str(error)


def fuzz(target, seeds, allowed, cases=None, seconds=None, seed=0, tell=lambda: None):
    """Try seeds, and inputs made from them; give the number tried and a list of what failed."""
    rng = random.Random(seed)  # noqa: S311
    failures, tried = {}, 0
    end = None if seconds is None else time.monotonic() + seconds
    with Bench(target, allowed) as bench:
        while (cases is None or tried < cases) and (end is None or time.monotonic() < end):
            data = seeds[tried] if tried < len(seeds) else mutate(rng.choice(seeds), seeds, rng)
            error = bench.fault(data)
            if error is not None:
                failures.setdefault(_place(error), (data, error))
            tried += 1
            tell()
    return tried, list(failures.values())


def fuzz_guided(target, seeds, allowed, corpus, seconds, seed):
    """Let atheris choose the inputs that reach new code; it ends the process, at the first fault.

    Inputs that reached new code are kept in ``corpus`` and are where the next run goes on.
    """
    import atheris

    corpus.mkdir(parents=True, exist_ok=True)
    for place, data in enumerate(seeds):
        (corpus / f"seed_{place}").write_bytes(data)
    bench = Bench(target, allowed).__enter__()
    atexit.register(bench.__exit__)  # Fuzz never returns

    def one(data):
        error = bench.fault(data)
        if error is not None:
            raise error

    # Time and memory are limited by the bench.
    options = [f"-max_total_time={seconds:.0f}", f"-seed={seed}", "-rss_limit_mb=0"]
    options += [f"-artifact_prefix={corpus.parent}/", str(corpus)]
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


def main(name, target, seeds, allowed):
    """Fuzz for some seconds from the command line, and print what failed."""
    parser = argparse.ArgumentParser(description=f"Fuzz {name}.")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", type=Path, metavar="CORPUS", help="by coverage, with atheris")
    options = parser.parse_args()
    if options.guided:
        fuzz_guided(target, seeds, allowed, options.guided, options.seconds, options.seed)
    with Progress(*Progress.get_default_columns(), TimeElapsedColumn()) as progress:
        task = progress.add_task(name, total=None)
        tried, failures = fuzz(
            target,
            seeds,
            allowed,
            seconds=options.seconds,
            seed=options.seed,
            tell=lambda: progress.advance(task),
        )
    for data, error in failures:
        traceback.print_exception(error)
        print(f"input: {data!r:.2000}\n")
    print(f"{name}: {tried:,} inputs in {options.seconds:.0f} s, {len(failures)} failures")
    return int(bool(failures))
