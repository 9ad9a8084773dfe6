"""What pages say of every transform, found in the package rather than listed by hand.

A new transform is in the reference, the catalogue and the gallery without an edit of theirs. A row
of the catalogue with the peers' names, and a section of the gallery with a sound that suits, may be
written by hand; these functions fill in the others.
"""

import inspect
import math
import re
from pathlib import Path

from augspec import transforms as T
from augspec.functional.families import members as kernel_families
from augspec.transforms.families import members as transform_families

HERE = Path(__file__).parent
HEADING = re.compile(r"^# (\w+)\n# -+$", re.MULTILINE)
MORE = HERE / "examples" / "plot_99_more.py"  # written at the build, where it is needed


def expand_reference(text):
    """Put every transform, or every kernel, into a page of the reference, in place of its marks."""
    for what, module, directive, families in (
        ("transform", "transforms", "autoclass", transform_families),
        ("kernel", "functional", "autofunction", kernel_families),
    ):
        entries, short = [], []
        for title, names in families():
            entries += [title, "-" * len(title), ""]
            entries += [f".. {directive}:: augspec.{module}.{name}\n" for name in names]
            short += [f"**{title}**", "", ".. autosummary::", "   :nosignatures:", ""]
            short += [*(f"   {name}" for name in names), ""]
        for mark, lines in ((f"every {what}", entries), (f"every {what} in short", short)):
            text = re.sub(rf"^\.\. {mark}$", "\n".join(lines), text, flags=re.MULTILINE)
    return text


def complete_catalogue(text):
    """Add a row to the catalogue's table for each transform that has none."""
    named = set(re.findall(r"^\| `T\.(\w+)` \|", text, re.MULTILINE))
    rows = "".join(
        f"| `T.{name}` | | | | | | | |\n"
        for _, names in transform_families()
        for name in names
        if name not in named
    )
    return re.sub(r"(?=^\n?torchaudio's filters)", rows, text, count=1, flags=re.MULTILINE)


def limits_of(cls):
    """Say within which limits each range of a class lies, and where it does nothing."""
    lines = []
    for name, drawn in getattr(cls, "drawn", {}).items():
        low, high = getattr(drawn, "at_least", -math.inf), getattr(drawn, "at_most", math.inf)
        unit = getattr(drawn, "unit", "")
        said = [f"{low:g} to {high:g} {unit}".strip()] if math.isfinite(high) else [unit]
        if drawn.neutral is not None and math.isfinite(drawn.neutral):
            said.append(f"{drawn.neutral:g} changes nothing")
        if any(said) and name in cls.fields:
            lines.append(f"- ``{name}``: {'; '.join(filter(None, said))}")
    return lines


def write_more_examples():
    """Write a script of the gallery for the transforms that no other script shows."""
    scripts = [path for path in MORE.parent.glob("plot_*.py") if path != MORE]
    shown = {name for path in scripts for name in HEADING.findall(path.read_text(encoding="utf-8"))}
    left = [name for _, names in transform_families() for name in names if name not in shown]
    MORE.unlink(missing_ok=True)
    if left:
        MORE.write_text(more_examples(left), encoding="utf-8")


def more_examples(names):
    """Give the script that shows transforms with the settings of their `example`."""
    parts = [
        '"""\nMore\n====\n\nTransforms that have no page yet, with typical settings.\n"""\n\n'
        "from showing import note, show\n\nfrom augspec import transforms as T\n\n"
        'organ = note("organ", pitch=48)\n'
    ]
    for name in names:
        summary = inspect.getdoc(getattr(T, name)).partition("\n")[0]
        parts.append(
            f"\n# %%\n# {name}\n# {'-' * len(name)}\n"
            f"# :class:`~augspec.transforms.{name}`: {summary}\n\nshow(organ, T.{name}.example())\n"
        )
    return "".join(parts)
