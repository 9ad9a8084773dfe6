"""What a page shows can be pasted into the interpreter, a line at a time as a terminal sends it."""

import codeop

import pytest
from guides import PAGES, ROOT, python_blocks


def paste(block):
    """Give the first error of the interactive interpreter, or None; nothing is run."""
    compiler, pending = codeop.CommandCompiler(), []
    for line in [*block.splitlines(), ""]:
        pending.append(line)
        try:
            whole = compiler("\n".join(pending), "<stdin>", "single")
        except SyntaxError as error:
            return f"{error.msg}: {line!r} in {pending}"
        if whole is not None:
            pending = []
    return f"not ended: {pending}" if any(pending) else None


def test_what_the_interpreter_refuses_is_found():
    assert paste("with a:\n    b\n\nc\n") is None
    assert "'c' in" in paste("with a:\n    b\nc\n")  # each Python says otherwise what is wrong
    assert "unexpected indent" in paste("def f():\n    a\n\n    b\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_can_be_pasted(page):
    for block in python_blocks(page.read_text(encoding="utf-8")):
        assert paste(block) is None
