"""Deterministic batched kernels: no state, no randomness."""

from typing import TYPE_CHECKING

# The public names are those in each module's `__all__`, so a new kernel is listed in its module
# only.
from augspec._door import as_entrance
from augspec._names import no_attribute
from augspec.functional import families
from augspec.functional.ambisonics import *
from augspec.functional.channels import *
from augspec.functional.codec import *
from augspec.functional.crop import *
from augspec.functional.delta import *
from augspec.functional.distortion import *
from augspec.functional.dynamics import *
from augspec.functional.edit import *
from augspec.functional.equalizer import *
from augspec.functional.fade import *
from augspec.functional.filter import *
from augspec.functional.flutter import *
from augspec.functional.formant import *
from augspec.functional.kaldi import *
from augspec.functional.level import *
from augspec.functional.loudness import *
from augspec.functional.mask import *
from augspec.functional.mix import *
from augspec.functional.mixstyle import *
from augspec.functional.noise import *
from augspec.functional.pcen import *
from augspec.functional.repeat import *
from augspec.functional.resample import *
from augspec.functional.resize import *
from augspec.functional.reverb import *
from augspec.functional.scale import *
from augspec.functional.stretch import *
from augspec.functional.telephone import *
from augspec.functional.tempo import *

__all__ = [name for _, names in families.members() for name in names]

# Public functions are wrapped by `as_entrance`; kernels call one another without the wrapper.
for _name in __all__:
    globals()[_name] = as_entrance(globals()[_name])

if not TYPE_CHECKING:  # a type checker knows the names, and finds what is misspelt

    def __getattr__(name: str) -> object:
        raise no_attribute(__name__, name, __all__)
