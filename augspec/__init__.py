"""Batches of raw waveforms into augmented, training-ready spectrograms."""

from typing import TYPE_CHECKING

from augspec import datasets, features, functional, interop, plot, samplers, transforms
from augspec._names import no_attribute
from augspec._versions import show_versions
from augspec.backbones import adapt_input, create_backbone
from augspec.bank import Bank
from augspec.batches import collate
from augspec.config import from_config, load, to_config
from augspec.frontend import Frontend
from augspec.inference import predict
from augspec.loader import DeviceLoader, per_example
from augspec.multiview import views
from augspec.params import params_from_json, params_to_json, select
from augspec.random import example_keys

__all__ = [
    "datasets",
    "features",
    "functional",
    "interop",
    "plot",
    "samplers",
    "transforms",
    "Frontend",
    "DeviceLoader",
    "collate",
    "per_example",
    "predict",
    "views",
    "example_keys",
    "params_to_json",
    "params_from_json",
    "select",
    "to_config",
    "from_config",
    "load",
    "create_backbone",
    "adapt_input",
    "Bank",
    "show_versions",
]

if not TYPE_CHECKING:  # a type checker knows the names, and finds what is misspelt

    def __getattr__(name: str) -> object:
        raise no_attribute(__name__, name, __all__, (transforms, features, datasets, functional))
