"""Rules of the whole suite."""

import gc
import multiprocessing
import os
import sys

# One thread a worker, and in each process that a test starts: two workers with two threads each
# would wait for one another, and threads of BLAS keep a core busy while they wait. NumPy reads this
# when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import devices
import pytest
import torch
from peers import import_or_skip

from augspec import _compile

torch.set_num_threads(1)
# Workers of Python 3.14 come from a server process. It imports torch once for all of them, as it
# does for a script, which has imported torch at its top.
multiprocessing.set_forkserver_preload(["__main__", "augspec"])
# TF32 keeps ten bits: parity is a matter of more.
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False

# What a machine may lack; in CI nothing else may be skipped, or a bar would vanish unseen.
MAY_BE_MISSING = ("CUDA GPU", "../shared")


def pytest_xdist_auto_num_workers(config):
    """Say how many: none where tests are named, as a debugger needs the terminal."""
    return 0 if config.args_source is config.ArgsSource.ARGS else 2


def pytest_collection_finish():
    """Keep torch and the tests, which stay anyway, out of every later search for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seed():
    """A test gets the same numbers whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def kernels_compile(request, monkeypatch):
    """A kernel that cannot be compiled runs eagerly, slower and with a line in a log: an error."""
    failures, note = [], _compile._Watch.failed

    def failed(watch, name, error):
        failures.append(f"{name}: {error}")
        note(watch, name, error)

    monkeypatch.setattr(_compile._Watch, "failed", failed)
    yield
    assert not failures or request.node.get_closest_marker("kernels_fail")


@pytest.fixture(autouse=True)
def ray_stays_outside():
    """Ray in this process would keep the forked children of later tests from starting."""
    yield
    assert "ray" not in sys.modules, "use `own_process.in_own_process`"


@pytest.fixture
def eager_kernels(monkeypatch):
    """Keep kernels eager: where every case has another shape they would compile for each."""
    monkeypatch.setenv("AUGSPEC_COMPILE", "0")


@pytest.fixture(scope="session")
def torchaudio():
    """The peer, where it can be imported."""
    return import_or_skip("torchaudio")


@pytest.fixture
def device():
    """Where a test runs: on the CPU, and, by `pytest_generate_tests`, on what else is there."""
    return "cpu"


@pytest.fixture
def on_devices(device, request, monkeypatch):
    """Run the kernels and features that a test calls on each device in turn."""
    if device != "cpu":
        devices.move_kernels(device, request.module, monkeypatch)


def pytest_generate_tests(metafunc):
    marks = metafunc.definition.iter_markers("parametrize")
    own = any("device" in mark.args[0] for mark in marks)
    if "device" in metafunc.fixturenames and devices.DOUBLE and not own:
        metafunc.parametrize("device", ["cpu", *devices.DOUBLE])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if not (report.skipped and os.environ.get("CI")) or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not any(missing in reason for missing in MAY_BE_MISSING):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {reason}"
