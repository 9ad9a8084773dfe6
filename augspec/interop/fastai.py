"""fastai v2: audio in a ``DataBlock``, the front end as a batch transform, and a learner.

The names that fastai users know from images, for audio: `AudioBlock` for ``ImageBlock``,
`get_audio_files` for ``get_image_files`` and `audio_learner` for ``vision_learner``.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from augspec import plot
from augspec.backbones import create_backbone
from augspec.batches import augmenting
from augspec.datasets._audio import SUFFIXES, read_audio
from augspec.frontend import Frontend
from augspec.functional.shapes import fit

try:
    # What patches `fit_one_cycle` and the progress bar into `Learner`.
    from fastai.callback import all as _callbacks  # noqa: F401
    from fastai.data.block import TransformBlock
    from fastai.data.transforms import get_c, get_files
    from fastai.learner import Learner
    from fastai.torch_basics import Transform
    from fastai.torch_core import TensorBase, TensorImage
    from fastai.vision.learner import TimmBody, add_head, default_split
except ImportError as error:
    raise ImportError(
        'augspec.interop.fastai needs fastai: pip install "augspec[frameworks]"'
    ) from error

__all__ = [
    "AudioBlock",
    "FrontendTransform",
    "TensorSpecgram",
    "TensorWaveform",
    "audio_learner",
    "get_audio_files",
]


class TensorWaveform(TensorBase):  # type: ignore[misc]
    """A waveform ``(channel, time)``, or a batch of them; it shows itself over seconds."""

    def show(self, ctx: Any = None, title: str | None = None, **_: Any) -> Any:
        """Draw into the axes ``ctx``, or into a new figure."""
        waveform = self.as_subclass(Tensor)
        return plot.waveform(waveform, self.sample_rate, ax=ctx, title=title)


class _Shared:
    """A reference that fastai does not copy: it deep-copies what a tensor carries in every step."""

    def __init__(self, value: nn.Module) -> None:
        self.value = value

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class TensorSpecgram(TensorImage):  # type: ignore[misc]
    """A spectrogram ``(channel, freq, frame)``, or a batch; it shows itself in seconds and Hz."""

    def show(self, ctx: Any = None, title: str | None = None, **_: Any) -> Any:
        """Draw the first channel into the axes ``ctx``, or into a new figure."""
        made_by = getattr(self, "made_by", None)
        features = None if made_by is None else made_by.value
        specgram = self.as_subclass(Tensor)[0]
        if ctx is not None and ctx.figure.get_layout_engine() is None:
            # fastai's grids leave no room for the labels of axes.
            ctx.figure.set_layout_engine("constrained")
        return plot.specgram(specgram, features, ax=ctx, title=title, colorbar=ctx is None)


class _ReadAudio(Transform):  # type: ignore[misc]
    def __init__(self, sample_rate: int, size: int | None) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.size = size

    def encodes(self, path: str | Path):  # type: ignore[no-untyped-def]
        waveform = read_audio(Path(path), self.sample_rate)
        waveform = waveform if self.size is None else fit(waveform, self.size)
        return TensorWaveform(waveform, sample_rate=self.sample_rate)


def AudioBlock(sample_rate: int = 16_000, size: int | None = None) -> Any:  # noqa: N802
    """Make a ``TransformBlock`` that reads audio files.

    Args:
        sample_rate: Sample rate in Hz that all files must have.
        size: Samples that every example is cut or padded with zeros to, so that they can be
            collated; ``None`` leaves them as they are. For random crops take a larger ``size``
            here and crop in the front end.
    """
    return TransformBlock(type_tfms=_ReadAudio(sample_rate, size))


def get_audio_files(path: str | Path, recurse: bool = True, folders: Any = None) -> Any:
    """List the audio files below ``path``: fastai's ``get_image_files``, for audio."""
    return get_files(path, extensions=SUFFIXES, recurse=recurse, folders=folders)


class FrontendTransform(Transform):  # type: ignore[misc]
    """The front end as one of the ``batch_tfms``: spectrograms of waveforms, on their device.

    It augments batches of the training set only; those of the validation set become the plain
    features. The draws come from torch's default generator, so that fastai's ``set_seed`` repeats
    them, whatever the number of workers. In a ``DataBlock`` labels stay as they are: a front end
    that mixes examples is refused, for fastai has ``MixUp`` and ``CutMix`` as callbacks.

    Args:
        frontend: Makes the spectrograms.

    Raises:
        ValueError: If ``frontend`` mixes examples.
    """

    order = 5

    def __init__(self, frontend: Frontend) -> None:
        super().__init__()
        for module in reversed([*frontend.modules()]):  # a chain comes before what is in it
            if getattr(module, "mixes_examples", False):
                raise ValueError(
                    f"`frontend` must not mix examples, got {type(module).__name__}; use fastai's "
                    "MixUp callback"
                )
        self.frontend = frontend
        self._made_by = _Shared(copy.deepcopy(frontend.features).cpu())

    def __call__(self, batch: Any, split_idx: int | None = None, **others: Any) -> Any:
        """Transform a batch of the split ``split_idx``; 0 is the training set."""
        with augmenting(self.frontend, split_idx == 0):
            return super().__call__(batch, split_idx=split_idx, **others)

    def encodes(self, waveform: TensorWaveform):  # type: ignore[no-untyped-def]
        """Make the spectrograms of a batch; whatever is no ``TensorWaveform`` passes."""
        frontend = self.frontend.to(waveform.device)
        return TensorSpecgram(frontend(waveform.as_subclass(Tensor)), made_by=self._made_by)


def audio_learner(
    dls: Any,
    arch: str,
    *,
    n_out: int | None = None,
    in_chans: int = 1,
    pretrained: bool = False,
    checkpoint: str | Path | None = None,
    timm_arguments: Mapping[str, Any] | None = None,
    head_arguments: Mapping[str, Any] | None = None,
    **learner_arguments: Any,
) -> Any:
    """Make a ``Learner`` with a timm body for spectrograms and fastai's head.

    fastai's ``vision_learner``, with `augspec.create_backbone` for the body. Body and head are two
    parameter groups; with pretrained weights the body is frozen at first, for ``fine_tune``.

    Args:
        dls: ``DataLoaders`` with a `FrontendTransform`.
        arch: Name of a timm model.
        n_out: Number of outputs; ``None`` takes that of ``dls``.
        in_chans: Channels of the spectrograms.
        pretrained: Whether timm downloads weights.
        checkpoint: File of weights; see `augspec.create_backbone`.
        timm_arguments: Passed on to ``timm.create_model``.
        head_arguments: Passed on to fastai's ``create_head`` (``ps``, ``lin_ftrs``, ...).
        **learner_arguments: Passed on to ``Learner`` (``metrics``, ``loss_func``, ``cbs``, ...).

    Raises:
        ValueError: If ``n_out`` is not given and ``dls`` does not tell it; and as
            `augspec.create_backbone`.
    """
    n_out = get_c(dls) if n_out is None else n_out
    if not n_out:
        raise ValueError("`n_out` must be given: `dls` does not tell the number of classes")
    model = create_backbone(
        arch,
        num_classes=0,
        in_chans=in_chans,
        pretrained=pretrained,
        checkpoint=checkpoint,
        **(timm_arguments or {}),
    )
    body = TimmBody(model)
    head: dict[str, Any] = {"pool": body.needs_pool, **(head_arguments or {})}
    classifier = add_head(body, model.num_features, n_out, **head)
    learner = Learner(dls, classifier, **{"splitter": default_split, **learner_arguments})
    if pretrained or checkpoint is not None:
        learner.freeze()
    return learner
