"""Every test here is for every device."""

import pytest


@pytest.fixture(autouse=True)
def _on_devices(on_devices):
    """Run kernels and features on the device, oracles on the CPU."""
