"""How Triton kernels are checked without a GPU: in Triton's interpreter, and compiled for some."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import releases
from peers import import_or_skip

needs_triton = pytest.mark.skipif(
    releases.RELEASE < (2, 7), reason="the Triton of torch 2.6 has no `gather`"
)
needs_interpreter = pytest.mark.skipif(
    releases.RELEASE < (2, 12), reason="the interpreter of older Tritons takes no numpy of today"
)


def interpret(code):
    """Run a program in which Triton kernels run on tensors of the CPU."""
    import_or_skip("triton")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "TRITON_INTERPRET": "1", "AUGSPEC_COMPILE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def compiles_and_spills_nothing(kernel, capability, kinds, constants, tmp_path):
    """Compile a kernel for a GPU, such as 90 for sm_90; ``kinds`` are those of its arguments."""
    triton = import_or_skip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = [parameter.name for parameter in kernel.params]
    signature = {name: "constexpr" if name in constants else kinds[name] for name in names}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    built = triton.compile(source, target=GPUTarget("cuda", capability, 32))
    assert built.asm["cubin"]
    assert built.metadata.shared <= 48 * 1024
    # Registers are given out when PTX becomes machine code: only the assembler knows what spills.
    (tmp_path / "kernel.ptx").write_text(built.asm["ptx"])
    assembler = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "ptxas"
    said = subprocess.run(
        [assembler, "-v", f"-arch=sm_{capability}{'a' * (capability >= 90)}", "kernel.ptx"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "0 bytes spill stores, 0 bytes spill loads" in said.stderr
