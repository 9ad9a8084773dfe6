"""Samples of a benchmark's time are counted as what they are."""

import importlib.util
from collections import Counter
from pathlib import Path

import pytest
import torch

from augspec import features as F
from augspec.native import _build

SCRIPT = Path(__file__).parent / "benchmarks" / "where.py"
spec = importlib.util.spec_from_file_location("where", SCRIPT)
where = importlib.util.module_from_spec(spec)
spec.loader.exec_module(where)

TORCH = "/somewhere/site-packages/torch/lib/libtorch_cpu.so"
LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
LOOP = "_ZN3c1012function_refIFvPPcPKlllEE11callback_fnIN2at6native4AVX216VectorizedLoop2dI"


@pytest.mark.parametrize(
    ("symbol", "library", "kind"),
    [
        ("mkl_dft_avx512_ownsCDftOutOrdFwd", TORCH, "FFT"),
        ("[unknown]", "/a/site-packages/numpy/fft/_pocketfft_umath.cpython-311.so", "FFT"),
        ("mkl_blas_def_sgemm_kernel_0_zen", TORCH, "products"),
        ("[unknown]", "/a/site-packages/numpy.libs/libscipy_openblas64_-8fb3.so", "products"),
        ("blas_thread_server", "/a/numpy.libs/libscipy_openblas64_-8fb3.so", "waiting"),
        ("jit_avx512_common_conv_fwd_kernel_f32.91", "/a/perf-123.map", "products"),
        ("jit_uni_reorder_kernel_f32.8", "/a/perf-123.map", "memory"),
        ("[unknown]", "/a/perf-123.map", "generated code"),
        ("_ZN2at6native12_GLOBAL__N_112index_kernelERNS_18TensorIteratorBaseE", TORCH, "gather"),
        (f"{LOOP}ZZZNSA_18direct_copy_kernelERNS8_18", TORCH, "memory"),
        ("__memmove_avx512_unaligned_erms", LIBC, "memory"),
        ("clear_page_erms", "[kernel.kallsyms]", "memory"),
        ("exc_page_fault", "[kernel.kallsyms]", "memory"),
        ("futex_wait_queue", "[kernel.kallsyms]", "waiting"),
        ("[unknown]", "/a/site-packages/torch/lib/libgomp.so.1", "waiting"),
        ("pthread_cond_wait", LIBC, "waiting"),
        (f"{LOOP}ZZZNS9_12_GLOBAL__N_110mul_kernelERNS8_18", TORCH, "element-wise"),
        ("Sleef_finz_hypotf8_u05avx2", TORCH, "element-wise"),
        ("_ZN2at4_ops10add_Tensor4callERKNS_6TensorES4_RKN3c106ScalarE", TORCH, "launches"),
        ("_PyEval_EvalFrameDefault", "/usr/lib/libpython3.11.so.1.0", "launches"),
        ("malloc", LIBC, "launches"),
        ("cvtfloat", "/a/site-packages/soxr/soxr_ext.cpython-311-x86_64.so", "soxr"),
        ("_ZN10RubberBand", "/usr/lib/x86_64-linux-gnu/librubberband.so.2.1", "rubberband"),
        ("kernel", "/a/torchinductor_me/ab/cabc.main.so", "generated code"),
    ],
)
def test_a_sample_is_counted_by_its_library_and_symbol(symbol, library, kind):
    assert where.kind_of(symbol, library) == kind


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["fft.h", "onsets.h", "onset.cpp"], "FFT"),
        (["simd.h", "frames.h", "specgram.h"], "frames and window"),
        (["stl_algobase.h", "resample.h", "vocoder.cpp"], "resampling"),
        (["pool.h"], "native kernels"),
        ([], "native kernels"),
    ],
)
def test_an_inlined_line_is_counted_by_the_innermost_file_with_a_topic(files, kind):
    assert where.kind_of_files(files) == kind


def test_every_source_of_the_kernels_has_a_topic_or_is_a_helper():
    names = [path.name for path in _build.sources()]
    assert sorted([*where.TOPICS, *where.HELPERS]) == names


def test_lines_of_an_address_are_read_from_the_innermost_outwards():
    printed = "0x0000000000001234\n/a/simd.h:42\n/a/fft.h:7 (discriminator 2)\n0x10\n??:?\n"
    assert where.frames(printed) == [["simd.h", "fft.h"], ["??"]]


def test_samples_are_read_as_perf_prints_them():
    printed = (
        " 26044.312287123:  ffffffff815ebd0a __handle_mm_fault ([kernel.kallsyms])\n"
        f" 26044.362428000:      7efcb611fa07 __munmap ({LIBC})\n\n"
    )
    first, second = where.parse(printed)
    assert (first.symbol, first.library) == ("__handle_mm_fault", "[kernel.kallsyms]")
    assert second == where.Sample(26044.362428, 0x7EFCB611FA07, "__munmap", LIBC)


def test_the_largest_shares_of_the_work_are_named():
    kinds = Counter(FFT=400, memory=300, resampling=200, launches=70, gather=30, waiting=5000)
    assert where.describe(kinds) == "FFT 40 %, memory 30 %, resampling 20 %"
    assert where.describe(Counter(FFT=96, memory=4)) == "FFT 96 %"
    assert where.describe(Counter(waiting=3)) == "-"


def test_without_perf_the_column_is_empty_and_a_line_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(where.shutil, "which", lambda name: None if name == "perf" else name)
    assert where.look({"row": int}) == {"row": "-"}
    assert "linux-perf" in capsys.readouterr().err


@pytest.mark.slow
def test_a_spectrogram_spends_its_time_on_transforms():
    """It cannot be seen where there is no ``perf``, or where it is not allowed."""
    spectrogram, waveform = F.Spectrogram(n_fft=2048, hop_length=256), torch.randn(8, 1, 64_000)
    (text,) = where.look({"row": lambda: spectrogram(waveform)}).values()
    assert text == where.UNKNOWN or "FFT" in text
