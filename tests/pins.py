"""What every class draws and gives, kept in `pins.json` for later releases to reproduce.

    python tests/pins.py

writes the rows anew and says which changed. A row that differs from what a release gave must be
named in the changelog above that release: `test_pins.py` looks for it.

A row holds the parameters as they are, bit for bit, and of the output and the labels a few sums
over all numbers, with signs by a hash: any change shows in them.
"""

import json
import math
import re
import tomllib
from pathlib import Path

import circumstances as table
import torch

import augspec
from augspec import native, random
from augspec import transforms as T
from augspec.testing.case import make_case

ROOT = Path(__file__).parents[1]
FILE = Path(__file__).with_name("pins.json")
SUMS = 3
#: The encoders are libsndfile's, and give other bytes with another version of it.
DRAWS_ALONE = ["Codec"]


def row_of(name):
    """Give what a class draws and gives for a short batch: parameters, shape, lengths, sums."""
    case = make_case(table.SUBJECTS[name])
    batch, row = case.batch.double(), {}
    draws = isinstance(case.module, T.RandomTransform | augspec.Frontend)
    options = {"keys": case.keys} if draws else {}
    if draws:
        params = case.module.make_params(batch, case.lengths, keys=case.keys)
        row["params"] = json.loads(augspec.params_to_json(params))
        labels = {"label": torch.eye(4), "pitch": torch.arange(60.0, 64.0)}
        moved = case.module.targets(labels, params, case.lengths)
        row["targets"] = {key: sums(value) for key, value in sorted(moved.items())}
    if name in DRAWS_ALONE:
        return row
    with native.in_torch():
        out, ends = case.module(batch, case.lengths, **options)
    return {**row, "shape": list(out.shape), "lengths": ends.tolist(), "sums": sums(out)}


def sums(tensor):
    """Give the norm of each example and a few sums with signs, relative to it."""
    flat = tensor.detach().double().reshape(len(tensor), -1)
    signs = random.bits(torch.arange(SUMS)[:, None], "pins", "sign", torch.arange(flat.shape[1]))
    signs = torch.where(signs < 0, -1.0, 1.0).double()
    norm = flat.norm(dim=1)
    parts = flat @ signs.T / norm.clamp(min=1e-30)[:, None]
    return [[float(f"{x:.9g}") for x in (n, *own)] for n, own in zip(norm, parts, strict=True)]


def same_params(actual, expected, exact):
    """Whether parameters are equal: bit for bit, or, on another processor, to a rounding."""
    if isinstance(expected, dict):
        same_names = isinstance(actual, dict) and actual.keys() == expected.keys()
        return same_names and all(same_params(actual[n], expected[n], exact) for n in expected)
    if isinstance(expected, list):
        pairs = zip(actual, expected, strict=False)
        return len(actual) == len(expected) and all(same_params(a, b, exact) for a, b in pairs)
    if isinstance(expected, float) and not exact:
        return math.isclose(actual, expected, rel_tol=2**-22, abs_tol=1e-6)
    return type(actual) is type(expected) and actual == expected


def same_sums(actual, expected):
    """Whether sums agree within 1e-5 of each example's norm."""
    return len(actual) == len(expected) and all(
        math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-5)
        for ours, theirs in zip(actual, expected, strict=True)
        for a, b in zip(ours, theirs, strict=True)
    )


def differences(actual, expected, exact):
    """Name the parts of a row that are others."""
    found = [] if same_params(actual.get("params"), expected.get("params"), exact) else ["params"]
    found += [part for part in ("shape", "lengths") if actual.get(part) != expected.get(part)]
    ours, theirs = actual.get("targets", {}), expected.get("targets", {})
    if ours.keys() != theirs.keys() or not all(same_sums(ours[k], theirs[k]) for k in ours):
        found.append("targets")
    return (
        found if same_sums(actual.get("sums", []), expected.get("sums", [])) else [*found, "sums"]
    )


def same_processor(kept):
    """Whether this processor computes logarithms as the one did that wrote the file."""
    return kept["processor"] == torch.backends.cpu.get_cpu_capability()


def released(changelog, version):
    """Whether a version has a section of its own."""
    return re.search(rf"^## {re.escape(version)} - ", changelog, re.MULTILINE) is not None


def unnamed(rows, changelog):
    """Name the rows that changed after a release, and that no newer section of the log names."""
    missing = []
    for name, row in rows.items():
        if row["changed_after"] is not None:
            released = re.compile(rf"^## {re.escape(row['changed_after'])} - ", re.MULTILINE)
            if f"`{name.partition(',')[0]}`" not in released.split(changelog)[0]:
                missing.append(name)
    return missing


def renewed(kept, made, version, changelog):
    """Give the rows to write: what changed after a release says after which one."""
    after = version if released(changelog, version) else None
    rows = {}
    for name, row in made.items():
        before = kept.get(name)
        same = before is not None and not differences(row, before, exact=True)
        new = None if before is None else after
        rows[name] = before if same else {**row, "changed_after": new}
    return rows


def main():
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"rows": {}}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    made = {name: row_of(name) for name in sorted(table.SUBJECTS)}
    rows = renewed(kept["rows"], made, version["project"]["version"], changelog)
    for name, row in rows.items():
        if row != kept["rows"].get(name):
            print(f"{name}: {'changed' if name in kept['rows'] else 'new'}")  # noqa: T201
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    processor = json.dumps(torch.backends.cpu.get_cpu_capability())
    text = f'{{"processor": {processor}, "rows": {{\n{lines}\n}}}}\n'
    FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
