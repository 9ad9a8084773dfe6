"""Random transforms: parameters drawn per example, applied by `augspec.functional`."""

# The public names are those in each module's `__all__`, so a new transform is listed in its own
# module only.
from augspec._names import no_attribute
from augspec.transforms import families
from augspec.transforms.ambisonics import *
from augspec.transforms.base import RandomTransform, SpecgramTransform, WaveformTransform
from augspec.transforms.channels import *
from augspec.transforms.choice import *
from augspec.transforms.codec import *
from augspec.transforms.coloration import *
from augspec.transforms.compose import *
from augspec.transforms.crop import *
from augspec.transforms.distortion import *
from augspec.transforms.dynamics import *
from augspec.transforms.edit import *
from augspec.transforms.equalizer import *
from augspec.transforms.fade import *
from augspec.transforms.filter import *
from augspec.transforms.filter_augment import *
from augspec.transforms.flutter import *
from augspec.transforms.formant import *
from augspec.transforms.level import *
from augspec.transforms.mask import *
from augspec.transforms.mel_range import *
from augspec.transforms.mix import *
from augspec.transforms.mixstyle import *
from augspec.transforms.noise import *
from augspec.transforms.normalize import *
from augspec.transforms.pad import *
from augspec.transforms.policy import *
from augspec.transforms.resample import *
from augspec.transforms.resize import *
from augspec.transforms.reverb import *
from augspec.transforms.schedule import *
from augspec.transforms.specaugment import *
from augspec.transforms.stretch import *
from augspec.transforms.telephone import *
from augspec.transforms.tempo import *

__all__ = ["RandomTransform", "WaveformTransform", "SpecgramTransform"]
__all__ += [name for _, names in families.members() for name in names]


def __getattr__(name: str) -> object:
    raise no_attribute(__name__, name, __all__)
