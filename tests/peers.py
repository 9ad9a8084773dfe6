"""Peers as oracles: torchaudio 2.11, its last release, does not import beside every torch."""

import importlib
import os

import pytest
import torch


def import_or_skip(name):
    """Import a peer, or skip what needs it; in CI, which has it, that is an error."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, RuntimeError) as error:
        if os.environ.get("CI"):
            raise
        reason = f"{name} does not import beside torch {torch.__version__}: {error}"
        pytest.skip(reason, allow_module_level=True)
