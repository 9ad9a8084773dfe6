"""fastai v2: audio in a ``DataBlock``, the front end as a batch transform, and a learner.

The names that fastai users know from images, for audio: `AudioBlock` for ``ImageBlock``,
`get_audio_files` for ``get_image_files`` and `audio_learner` for ``vision_learner``.
"""

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from augspec import plot
from augspec._input_fit import fit_input, input_fit
from augspec.backbones import create_backbone
from augspec.batches import augmenting
from augspec.datasets._audio import ALL_SUFFIXES, audio_info, read_audio
from augspec.datasets._walk import audio_files
from augspec.frontend import Frontend
from augspec.functional import resample_rate
from augspec.functional.checks import check_sample_rate, check_size
from augspec.functional.shapes import fit

try:
    # These imports patch `fit_one_cycle` and the progress bar into `Learner`.
    from fastai.callback import all as _callbacks  # noqa: F401
    from fastai.data.block import TransformBlock
    from fastai.data.transforms import get_c
    from fastai.learner import Learner
    from fastai.losses import BCEWithLogitsLossFlat, CrossEntropyLossFlat
    from fastai.torch_basics import L, Transform
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
    """A waveform ``(channel, time)``, or a batch of them; `show` plots it over seconds."""

    def show(self, ctx: Any = None, title: str | None = None, **_: Any) -> Any:
        """Draw into the axes ``ctx``, or into a new figure."""
        waveform = self.as_subclass(Tensor)
        return plot.waveform(waveform, self.sample_rate, ax=ctx, title=title)


class _Shared:
    """A reference that fastai does not copy; it deep-copies a tensor's attributes in every step."""

    def __init__(self, value: nn.Module) -> None:
        self.value = value

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class TensorSpecgram(TensorImage):  # type: ignore[misc]
    """A spectrogram ``(channel, freq, frame)``, or a batch; `show` plots it in seconds and Hz."""

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
    # fastai reads this for a single item, as in `learn.predict`.
    input_types = (str, Path)

    def __init__(
        self, sample_rate: int, size: int | None, resample: bool, mono: bool, part: str
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.size = size
        self.resample = resample
        self.mono = mono
        self.part = part

    def __call__(self, path: Any, split_idx: int | None = None, **others: Any) -> Any:
        """Read a file of the split ``split_idx``; 0 is the training set."""
        if not isinstance(path, str | Path):
            return path
        return TensorWaveform(
            self._read(Path(path), training=split_idx == 0), sample_rate=self.sample_rate
        )

    def _read(self, path: Path, *, training: bool) -> Tensor:
        rate, start, frames = self.sample_rate, 0, None
        if self.resample or (self.size is not None and self.part != "start"):
            info = audio_info(path)
            rate = info.sample_rate if self.resample else rate
        if self.size is not None:
            frames = math.ceil(self.size * rate / self.sample_rate)
            if self.part != "start":
                room = max(info.frames - frames, 0)
                start = room // 2
                if self.part == "random" and training:
                    start = int(torch.randint(room + 1, ()))
        waveform = read_audio(path, rate, start, frames)
        waveform = waveform.mean(0, keepdim=True) if self.mono else waveform
        if rate != self.sample_rate:
            # Keep kernels eager: they would compile again for every length of file.
            with torch.compiler.set_stance("force_eager"):
                waveform = resample_rate(waveform[None], rate, self.sample_rate)[0]
        return waveform if self.size is None else fit(waveform, self.size)


def AudioBlock(  # noqa: N802
    sample_rate: int = 16_000,
    size: int | None = None,
    *,
    resample: bool = False,
    mono: bool = False,
    part: Literal["start", "center", "random"] = "start",
) -> Any:
    """Make a ``TransformBlock`` that reads audio files.

    With ``size`` only that part of a file is decoded. Paths may be strings, as in
    ``learn.predict("note.wav")``.

    Args:
        sample_rate: Sample rate in Hz that all files must have.
        size: Number of samples to which every example is cut or zero-padded, so that they can be
            collated; ``None`` keeps their lengths. For random crops use a larger ``size`` here and
            crop in the front end, or use ``part="random"``.
        resample: Resample files of other rates to ``sample_rate``; with False they raise an error.
        mono: Average the channels into one.
        part: Which ``size`` samples of a longer file: its ``"start"``, its ``"center"``, or
            ``"random"``: for the training set a place drawn from torch's default generator, for
            other sets the center.

    Raises:
        ValueError: If ``part`` is none of those.
    """
    if part not in ("start", "center", "random"):
        raise ValueError(f'`part` must be "start", "center" or "random", got {part!r}')
    sample_rate = check_sample_rate(sample_rate)
    size = None if size is None else check_size("size", size)
    return TransformBlock(type_tfms=_ReadAudio(sample_rate, size, resample, mono, part))


def get_audio_files(path: str | Path, recurse: bool = True, folders: Any = None) -> Any:
    """List the audio files below ``path``: fastai's ``get_image_files``, for audio.

    They are sorted. Links to folders are followed as in `augspec.datasets.AudioFolder`: no folder
    is read twice, and none that contains ``path``.

    Args:
        path: The folder.
        recurse: Whether to search its subfolders.
        folders: Names of the folders in ``path`` to search, all by default; ``"."`` includes the
            files in ``path`` itself.
    """
    root = Path(path)
    parts = {file: file.relative_to(root).parts for file in audio_files(root, ALL_SUFFIXES).files}
    wanted = set(L(folders))
    found = [
        file
        for file, names in parts.items()
        if (recurse or len(names) == 1)
        and (not wanted or (names[0] if len(names) > 1 else ".") in wanted)
    ]
    return L(found)


class FrontendTransform(Transform):  # type: ignore[misc]
    """The front end for ``batch_tfms``: spectrograms of waveforms, on their device.

    It augments only batches of the training set; batches of the validation set become plain
    features. The draws come from torch's default generator, so that fastai's ``set_seed`` repeats
    them with any number of workers. A front end that mixes examples raises an error, because labels
    of a ``DataBlock`` stay as they are: use fastai's callbacks ``MixUp`` and ``CutMix``.

    Args:
        frontend: Computes the spectrograms.

    Raises:
        ValueError: If ``frontend`` mixes examples.
    """

    order = 5

    def __init__(self, frontend: Frontend) -> None:
        super().__init__()
        for module in reversed(
            [*frontend.modules()]
        ):  # a chain comes after its parts: name the part
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
        """Compute the spectrograms of a batch; other types than ``TensorWaveform`` stay."""
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
    class_weights: Tensor | None = None,
    **learner_arguments: Any,
) -> Any:
    """Make a ``Learner`` with a timm body for spectrograms and fastai's head.

    It is fastai's ``vision_learner`` with `augspec.create_backbone` as the body. Body and head are
    two parameter groups; with pretrained weights the body is frozen at first, for ``fine_tune``.

    Args:
        dls: ``DataLoaders`` with a `FrontendTransform`.
        arch: Name of a timm model.
        n_out: Number of outputs; ``None`` takes that of ``dls``.
        in_chans: Channels of the spectrograms.
        pretrained: Whether timm downloads weights.
        checkpoint: File of weights; see `augspec.create_backbone`.
        timm_arguments: Passed on to ``timm.create_model``.
        head_arguments: Passed on to fastai's ``create_head`` (``ps``, ``lin_ftrs``, ...).
        class_weights: Weight of each class in the loss, ``(classes,)``, from
            `augspec.samplers.class_weights`: fastai's loss for ``dls``, weighted.
        **learner_arguments: Passed on to ``Learner`` (``metrics``, ``loss_func``, ``cbs``, ...).

    Raises:
        ValueError: If ``n_out`` is not given and ``dls`` has no number of classes; and as in
            `augspec.create_backbone`.
    """
    n_out = get_c(dls) if n_out is None else n_out
    if not n_out:
        raise ValueError("`n_out` must be given: `dls` has no number of classes")
    model = create_backbone(
        arch,
        num_classes=0,
        in_chans=in_chans,
        pretrained=pretrained,
        checkpoint=checkpoint,
        **(timm_arguments or {}),
    )
    body = TimmBody(model)
    # The body calls the model's features, without the steps of calling the model itself.
    fit_input(body, input_fit(model, (timm_arguments or {}).get("img_size"), in_chans))
    head: dict[str, Any] = {"pool": body.needs_pool, **(head_arguments or {})}
    classifier = add_head(body, model.num_features, n_out, **head)
    if class_weights is not None:
        learner_arguments.setdefault("loss_func", _weighted_loss(dls, class_weights))
    learner = Learner(dls, classifier, **{"splitter": default_split, **learner_arguments})
    if pretrained or checkpoint is not None:
        learner.freeze()
    return learner


def _weighted_loss(dls: Any, weights: Tensor) -> Any:
    """Return the loss of fastai's blocks with a weight for each class."""
    weights = weights.to(dls.device)  # the future device of the model
    if isinstance(getattr(dls, "loss_func", None), BCEWithLogitsLossFlat):
        # Flattening would mix the scores of the classes of an example.
        return BCEWithLogitsLossFlat(weight=weights, flatten=False)
    return CrossEntropyLossFlat(weight=weights)
