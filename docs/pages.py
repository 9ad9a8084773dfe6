"""A page of the gallery for each class, cut out of the script of its family, and ``llms.txt``.

A script in ``examples/`` shows a family: a preamble that makes the sounds, then a section for each
class. The build writes a script for each section into ``_pages/``, a folder for each family, with
what the class declares: limits with units, and the errors. Scripts without classes are copied.
"""

import ast
import inspect
import re

from found import HEADING, HERE, limits_of

from augspec import features as F
from augspec import transforms as T
from augspec.transforms.families import members as transform_families

EXAMPLES = HERE / "examples"
MADE = HERE / "_pages"
_CELL = re.compile(r"^# %%\n", re.MULTILINE)


def class_of(name):
    """Give the transform or the feature of a name, or None."""
    module = T if name in T.__all__ else F if name in F.__all__ else None
    return getattr(module, name) if module else None


def cut(text):
    """Cut a family's script into its docstring, its preamble and a section for each class."""
    first, *cells = _CELL.split(text)
    module = ast.parse(first)
    docstring = ast.get_docstring(module)
    lines = first.splitlines()[module.body[0].end_lineno :]
    sections = {HEADING.match(cell)[1]: cell for cell in cells if HEADING.match(cell)}
    return docstring, "\n".join(lines).strip(), sections


def scripts():
    """Give the pages to write: a path inside the gallery's folder, and the text."""
    found = {"GALLERY_HEADER.rst": (EXAMPLES / "GALLERY_HEADER.rst").read_text(encoding="utf-8")}
    for path in sorted(EXAMPLES.glob("plot_*.py")):
        text = path.read_text(encoding="utf-8")
        docstring, preamble, sections = cut(text)
        family = path.stem.removeprefix("plot_")
        if not any(map(class_of, sections)):
            found[path.name] = text
            continue
        found[f"{family}/GALLERY_HEADER.rst"] = f"{docstring}\n"
        for name, section in sections.items():
            found[f"{family}/plot_{name}.py"] = page(name, preamble, section)
    return found


def write_pages():
    """Write the scripts that sphinx-gallery runs; what has not changed stays as it was."""
    wanted = scripts()
    for path in [*MADE.rglob("*.py"), *MADE.rglob("*.rst")]:
        if path.relative_to(MADE).as_posix() not in wanted:
            path.unlink()
    # Of an earlier build: Sphinx would warn of pages that nothing leads to.
    for path in (HERE / "gallery").rglob("plot_*.rst"):
        if path.with_suffix(".py").relative_to(HERE / "gallery").as_posix() not in wanted:
            for old in path.parent.glob(f"{path.stem}.*"):
                old.unlink()
    for name, text in wanted.items():
        path = MADE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def shown():
    """Say on which page of the gallery each class is."""
    names = (name.removesuffix(".py") for name in scripts() if "/plot_" in name)
    return {name.rpartition("plot_")[2]: name for name in names}


def page(name, preamble, section):
    """Write the script of one class: what it is for, its limits, its errors, then the code."""
    kind = class_of(name)
    comment, code = [], []
    for line in section.splitlines()[2:]:  # behind the heading
        (code if code or not line.startswith("#") else comment).append(line)
    prose = "\n".join(line.removeprefix("#").removeprefix(" ") for line in comment)
    parts = [name, "=" * len(name), "", prose, ""]
    if limits := limits_of(kind):
        parts += [".. rubric:: Ranges", "", *limits, ""]
    if errors := _raises(kind):
        parts += [".. rubric:: What may go wrong", "", *errors, ""]
    code = "\n".join(code).strip()
    quotes = 'r"""' if any("\\" in part for part in parts) else '"""'
    head = quotes + "\n" + "\n".join(parts).strip() + '\n"""\n\n'
    return head + f"{needed(preamble, code)}\n\n{code}\n"


def _raises(kind):
    """List the errors of a docstring."""
    text = re.search(r"^Raises:\n(.*?)(?=^\S|\Z)", inspect.getdoc(kind), re.DOTALL | re.MULTILINE)
    found = re.findall(
        r"^    (\w+): (.*?)(?=^    \w|\Z)", text[1] if text else "", re.DOTALL | re.MULTILINE
    )
    # Single backticks are references, which only the class's own module resolves.
    plain = {error: re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", said) for error, said in found}
    return [f"- ``{error}``: {' '.join(said.split())}" for error, said in plain.items()]


def needed(preamble, code):
    """Keep of a preamble what some code uses, itself or through what is kept."""
    lines, used = preamble.splitlines(), _names(ast.parse(code), ast.Load)
    kept = []
    for node in reversed(ast.parse(preamble).body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            aliases = [a for a in node.names if (a.asname or a.name.partition(".")[0]) in used]
            if aliases:
                node.names = aliases
                kept.append(ast.unparse(node))
            continue
        own = {getattr(node, "name", None)} | _names(node, ast.Store)
        if own & used or not own - {None}:
            used |= _names(node, ast.Load)
            kept.append("\n".join(lines[node.lineno - 1 : node.end_lineno]))
    return "\n".join(reversed(kept))


def _names(tree, context):
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, context)
    }


def link_names(text):
    """Make the names in the tables of a Markdown page links to the pages of the gallery."""
    pages = shown()

    def link(found):
        page = pages.get(found[2])
        return f"[{found[0]}](gallery/{page}.rst)" if page else found[0]

    def row(line):
        return re.sub(r"`([TF])\.(\w+)[^`|]*`", link, line) if line.startswith("| ") else line

    return "\n".join(map(row, text.split("\n")))


def llms_text(pages):
    """Write one text that says what there is, for a reader that takes all at once.

    Args:
        pages: Titles of pages by their names.
    """
    index = (HERE / "index.md").read_text(encoding="utf-8")
    summary = " ".join(index.split("\n\n")[1].split())
    blocks = re.findall(r"^```python\n.*?^```$", index, re.DOTALL | re.MULTILINE)
    lines = ["# augspec", "", f"> {summary}", "", *blocks, "", "## Pages", ""]
    lines += [f"- [{title}]({name}.html)" for name, title in sorted(pages.items())]
    for title, names in transform_families():
        lines += ["", f"## Transforms: {title}", ""]
        lines += [line for name in names for line in _entry("T", name)]
    lines += ["", "## Features", ""]
    lines += [line for name in F.__all__ for line in _entry("F", name)]
    return "\n".join(lines) + "\n"


def _entry(letter, name):
    kind = class_of(name)
    arguments = ", ".join(
        str(parameter.replace(annotation=parameter.empty))
        for parameter in inspect.signature(kind).parameters.values()
    )
    yield f"- `{letter}.{name}({arguments})`: {inspect.getdoc(kind).partition(chr(10))[0]}"
    yield from (f"  {line}" for line in limits_of(kind))
