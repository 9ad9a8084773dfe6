"""Break the code in one place at a time, and see whether the tests of the file notice.

    python tests/long/mutants.py --count 300 --seed 0 --results tests/long/mutants.csv
    python tests/long/mutants.py --named

Operators, comparisons and constants of a function are changed at random in a copy of the tree, and
the tests of its module run until the first fails. Prints what survived, to be read one by one. With
`--named` the mutants are those that once survived.

`--results` is a table with one row a mutant, written after each, from which a run that was stopped
goes on. Who reads a survivor writes in its row's `note` why no test can notice it; one without a
note runs again the next time, to see whether a new test notices it.
"""

import argparse
import ast
import collections
import contextlib
import copy
import csv
import hashlib
import importlib
import itertools
import math
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ["augspec/functional", "augspec/transforms", "augspec/datasets"]
# What the study says of its runs.
MODULES = [
    f"augspec/ablation/{name}.py"
    for name in ("analyse", "instruments", "power", "sequential", "tags", "verdicts")
]
CPU_LIMIT = 120  # seconds of its own work, which other processes do not make longer
# A mutant that only waits does less than a second of work in this time. One that is slow because
# the machine is busy is not noticed by that.
PATIENCE = 1200.0  # seconds
COLUMNS = ["mutant", "noticed_by", "note"]
#: Imported once for all forks; augspec itself each imports anew.
SHARED = ["pytest", "torch", "hypothesis", "librosa", "matplotlib.pyplot", "pandas", "scipy.stats"]
SHARED += ["sklearn.metrics", "soundfile", "statsmodels.stats.multitest", "timm", "torchmetrics"]
SHARED += ["lightning.fabric", "torchvision"]
#: Tests beside those of a module's own name, by what its path begins with.
TESTS = {
    "functional/": "test_pins functional/test_gpu_paths functional/test_references",
    "functional/ambisonics": "transforms/test_ambisonics",
    "functional/channels": "transforms/test_channels_transforms",
    "functional/codec": "transforms/test_codec",
    "functional/coefficients": "functional/test_equalizer functional/test_filter",
    "functional/constant_q": "features/test_constant_q",
    "functional/delta": "features/test_pcen_and_delta",
    "functional/fade": "transforms/test_mixstyle_and_fade transforms/test_edit_transforms",
    "functional/frames": "features/test_parity transforms/test_targets transforms/test_weak_labels",
    "functional/dynamics": "peers_facts/test_facts_dynamics",
    "functional/kaldi": "features/test_fbank",
    "functional/level": "transforms/test_normalizers",
    "functional/loudness": "peers_facts/test_facts_loudness",
    "functional/mix": "transforms/test_mix peers_facts/test_facts_mixing",
    "functional/onset": "functional/test_stretch",
    "functional/pace": "functional/test_stretch functional/test_tempo",
    "functional/phase": "functional/test_stretch functional/test_turns",
    "functional/phase_lock_triton": "functional/test_phase_turn",
    "functional/rates": "functional/test_resample",
    "functional/reference": "transforms/test_noise_transforms",
    "functional/repeat": "functional/test_edit transforms/test_edit_transforms",
    "functional/scale": "features/test_normalize features/test_normalize_over_time "
    "features/test_magnitude_features",
    "functional/shapes": "transforms/test_crop transforms/test_edit_transforms",
    "functional/sinc": "functional/test_resample",
    "functional/spectrum": "features/test_parity",
    "functional/unchanged": "transforms/test_stretch_transforms",
    "functional/vocoder": "functional/test_stretch functional/test_frame_size",
    "functional/windows": "features/test_parity features/test_magnitude_features "
    "features/test_constant_q",
    "transforms/": "test_pins",
    "transforms/_dispatch": "transforms/test_choice",
    "transforms/base": "transforms/test_tree_walk transforms/test_declare",
    "transforms/coloration": "transforms/test_filters functional/test_equalizer",
    "transforms/compose": "transforms/test_choice transforms/test_tree_walk",
    "transforms/fade": "transforms/test_mixstyle_and_fade",
    "transforms/mix": "transforms/test_weak_labels",
    "transforms/noise": "transforms/test_noise_transforms functional/test_noise",
    "transforms/pad": "transforms/test_edit_transforms transforms/test_crop",
    "transforms/resample": "transforms/test_stretch_transforms transforms/test_targets "
    "transforms/test_choice",
    "transforms/reverb": "test_responses",
    "transforms/tempo": "transforms/test_targets",
    "transforms/tree": "transforms/test_targets transforms/test_weak_labels "
    "transforms/test_declare",
    "transforms/vocoder": "transforms/test_stretch_transforms",
    "transforms/warp": "transforms/test_stretch_transforms test_fusion",
    "datasets/": "datasets/test_folder datasets/test_packed",
    "datasets/_audio": "datasets/test_bad_audio datasets/test_segments",
    "datasets/_class_names": "datasets/test_folder_options",
    "datasets/_event_tables": "datasets/test_events",
    "datasets/_files": "datasets/test_segments",
    "datasets/_folder_names": "datasets/test_folder_options datasets/test_walk",
    "datasets/_items": "datasets/test_bad_audio datasets/test_table",
    "datasets/_labels": "datasets/test_folder_options datasets/test_shards",
    "datasets/_locks": "datasets/test_download",
    "datasets/_nsynth": "datasets/test_nsynth datasets/test_nsynth_archive",
    "datasets/_nsynth_": "datasets/test_nsynth_choices",
    "datasets/_ogg": "datasets/test_segments",
    "datasets/_pack": "datasets/test_packed datasets/test_full_disk",
    "datasets/_parts": "datasets/test_download",
    "datasets/_sharding": "datasets/test_shards",
    "datasets/_table": "datasets/test_table",
    "datasets/_torchcodec": "datasets/test_containers datasets/test_segments",
    "datasets/indexed": "datasets/test_table datasets/test_whole_numbers",
    "ablation/analyse": "recipes/test_analyse ablation/test_verdicts ablation/test_coverage",
    "ablation/instruments": "recipes/test_analyse ablation/test_verdicts ablation/test_coverage",
    "ablation/power": "recipes/test_analyse",
    "ablation/tags": "ablation/test_study_tags recipes/test_analyse",
    "ablation/train": "recipes/test_train recipes/test_train_loop",
    "backbones": "test_backbones",
    "loader": "test_loader test_loader_state",
}


@dataclass(frozen=True)
class Mutant:
    """A module with one place changed."""

    path: str
    place: str
    source: str
    line: int = 0


#: Ten of 24 that were tried by hand survived the first suite: module, what is there, what is put.
NAMED = [
    ("augspec/datasets/_audio.py", "len(samples) < wanted", "len(samples) < wanted - 1"),
    ("augspec/datasets/_audio.py", "8 + size + size % 2", "8 + size"),
    (
        "augspec/datasets/_pack_writer.py",
        "lines.pop()  # torn by the kill",
        "pass",
    ),
    (
        "augspec/datasets/_files.py",
        "return -(-int(self._frames[index]) * self.sample_rate // int(self._rates[index]))",
        "return int(self._frames[index]) * self.sample_rate // int(self._rates[index])",
    ),
    (
        "augspec/datasets/split.py",
        "min(max(wanted, 1), len(mine) - 1)",
        "min(wanted, len(mine) - 1)",
    ),
    (
        "augspec/ablation/verdicts.py",
        '[most] if found[most] >= SURE else "cannot tell"',
        "[most]",
    ),
    (
        "augspec/backbones.py",
        "weight.float() if weight.dtype in (torch.float16, torch.bfloat16) else weight",
        "weight",
    ),
    ("augspec/ablation/train.py", 'loss / config["accumulate"]', "loss"),
    (
        "augspec/transfer.py",
        "    side.wait_stream(torch.cuda.current_stream(device))\n",
        "",
    ),
    ("augspec/loader.py", "        self.frontend.set_epoch(run.epoch)\n", ""),
]

_OTHERS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
_NAMES = {"ceil": "floor", "floor": "ceil", "minimum": "maximum", "maximum": "minimum"}
_NAMES |= {"min": "max", "max": "min"}


def changes(node):
    """Give functions that each change a node in one way."""
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in _OTHERS:
        return [lambda n: setattr(n, "op", _OTHERS[type(n.op)]())]
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _OTHERS:
        return [lambda n: n.ops.__setitem__(0, _OTHERS[type(n.ops[0])]())]
    if isinstance(node, ast.Attribute) and node.attr in _NAMES:
        return [lambda n: setattr(n, "attr", _NAMES[n.attr])]
    if isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        return [lambda n: setattr(n, "value", _another(n.value))]
    return []


def _another(value):
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else 1.1 * value or 0.1


def places(tree):
    """Walk to the nodes of functions that may be changed: no messages, annotations, docstrings."""
    found = []

    def walk(node, inside):
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.arg):
            return
        if inside and changes(node):
            found.append((node, inside))
        name = inside
        if isinstance(node, ast.FunctionDef):
            name = f"{inside}.{node.name}" if inside else node.name
            for part in [*node.body, *node.args.defaults, *filter(None, node.args.kw_defaults)]:
                walk(part, name)
            return
        for child in ast.iter_child_nodes(node):
            if not (isinstance(node, ast.AnnAssign) and child is node.annotation):
                walk(child, name)

    walk(tree, "")
    return found


def mutants(paths, seed):
    """Give a mutant of each place of all paths, in an order at random.

    The order is by a digest of what the place says, so that code that changes elsewhere changes
    neither which mutants come next nor the name by which the table knows them.
    """
    every = []
    for path in paths:
        tree, seen = ast.parse((ROOT / path).read_text(encoding="utf-8")), collections.Counter()
        for i, (node, function) in enumerate(places(tree)):
            after = copy.deepcopy(node)
            changes(after)[0](after)
            name = f"{path} {function}: `{ast.unparse(node)}` -> `{ast.unparse(after)}`"
            seen[name] += 1
            name += f" ({seen[name]})" * (seen[name] > 1)
            digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
            every.append((digest, path, name, i))
    for _, path, name, i in sorted(every):
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        node, _ = places(tree)[i]
        changes(node)[0](node)
        yield Mutant(path, name, ast.unparse(tree), node.lineno)


def named():
    """Give the mutants of `NAMED`."""
    for path, old, new in NAMED:
        source = (ROOT / path).read_text(encoding="utf-8")
        if source.count(old) != 1:
            raise ValueError(f"{path} must have `{old}` once: say in NAMED what is there now")
        yield Mutant(path, f"{path}: `{old.strip()}` -> `{new}`", source.replace(old, new))


def tests_of(path):
    """Give the tests of a module: those of its name, and what `TESTS` adds, nearest first."""
    module = path.removeprefix("augspec/").removesuffix(".py")
    stem = module.rpartition("/")[2].lstrip("_")
    own = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "tests").rglob(f"test_{stem}*.py"))
    rows = sorted((row for row in TESTS if module.startswith(row)), key=len, reverse=True)
    added = [f"tests/{test}.py" for row in rows for test in TESTS[row].split()]
    return [test for test in dict.fromkeys(own + added) if "/long/" not in test]


def copy_tree(to):
    """Copy what git knows of, and a link to shared data beside it."""
    listed = subprocess.run(
        ["git", "ls-files", "-zco", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, to / name)
    if (ROOT.parent / "shared").exists():
        (to.parent / "shared").symlink_to((ROOT.parent / "shared").resolve())
    subprocess.run(["git", "init", "-q"], cwd=to, check=True)  # noqa: S607


def noticed_by(mutant, tree):
    """Run the tests of a mutant's module in the copy; name the first that fails, or None."""
    kept, log = (tree / mutant.path).read_text(encoding="utf-8"), tree / "log"
    (tree / mutant.path).write_text(mutant.source, encoding="utf-8")
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_run, args=(tests_of(mutant.path), tree, log))
    try:
        child.start()
        before = 0.0
        while child.join(PATIENCE) is None and child.is_alive():
            after = _work_of(child.pid)
            if after - before < 1.0:
                child.kill()
                child.join()
            before = after
        if child.exitcode == 0:
            return None
        if child.exitcode < 0:
            return "a limit of time, or a crash"
        failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", log.read_text(), re.MULTILINE)
        if not failed and child.exitcode == 1:
            raise RuntimeError(f"pytest itself failed:\n{log.read_text()}")
        return failed[0] if failed else f"exit status {child.exitcode}"
    finally:
        (tree / mutant.path).write_text(kept, encoding="utf-8")


def _work_of(pid):
    """Give the seconds of the processor that a process and its ended children had."""
    try:
        # The name of the process, in brackets, may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:  # it ended meanwhile
        return math.inf
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _run(tests, tree, log):
    """Run tests in this process, forked so that torch need not be imported again."""
    import resource

    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT))
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    os.environ |= {"AUGSPEC_COMPILE": "0", "AUGSPEC_NATIVE": "0", "PYTHONPATH": str(tree)}
    options = ["-n0", "-x", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
    options += ["-W", "ignore:Module already imported"]  # by `SHARED`
    with log.open("w") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = pytest.main([*options, *tests])
    os._exit(int(code))


def read_results(path):
    """Give what is known of mutants, by place; a survivor without a note is not known yet."""
    if not path or not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["mutant"]: row for row in csv.DictReader(file)}


def write_results(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())


def try_each(some, results):
    """Run the tests of each mutant that the results do not know; give the row of each."""
    known, started = read_results(results), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        for mutant in some:
            row = known.get(mutant.place)
            if row is None or not (row["noticed_by"] or row["note"]):
                noticed = noticed_by(mutant, tree) or ""
                row = dict(zip(COLUMNS, (mutant.place, noticed, ""), strict=True))
                known[mutant.place] = row
                if results:
                    write_results(results, known)
                seconds = time.monotonic() - started
                at = f"{seconds:6.0f} s {mutant.place} in line {mutant.line}"
                print(f"{at}: {noticed or 'SURVIVED'}", flush=True)
            yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="paths that hold this")
    parser.add_argument("--results", type=Path, help="table to go on from and to write to")
    parser.add_argument("--named", action="store_true")
    options = parser.parse_args()
    for name in SHARED:
        importlib.import_module(name)
    sys.modules["torch"].set_num_threads(1)
    paths = [str(p.relative_to(ROOT)) for name in PACKAGES for p in (ROOT / name).glob("*.py")]
    paths = [path for path in sorted(paths) + MODULES if options.only in path]
    some = named() if options.named else mutants(paths, options.seed)
    rows = list(try_each(itertools.islice(some, options.count), options.results))
    survivors = [row for row in rows if not row["noticed_by"]]
    print(f"{len(rows) - len(survivors)} of {len(rows)} noticed; these were not:")
    print(*(f"{row['mutant']} {row['note']}" for row in survivors), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
