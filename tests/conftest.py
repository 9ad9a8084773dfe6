"""Rules of the whole suite."""

import os

import pytest
import torch

# One thread a worker: two workers with two threads each would wait for one another.
torch.set_num_threads(1)

# What a machine may lack; in CI nothing else may be skipped, or a bar would vanish unseen.
MAY_BE_MISSING = ("CUDA GPU", "../shared")


@pytest.fixture(autouse=True)
def seed():
    """A test gets the same numbers whatever ran before it."""
    torch.manual_seed(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if not (report.skipped and os.environ.get("CI")) or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not any(missing in reason for missing in MAY_BE_MISSING):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {reason}"
