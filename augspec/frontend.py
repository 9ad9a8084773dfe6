"""The front end: augmented waveforms into augmented features, one parameter record for both."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from augspec.functional.checks import check_waveform
from augspec.functional.shapes import working_dtype
from augspec.params import Params
from augspec.random import Draw
from augspec.transforms.base import RandomTransform, Result, resolve_keys
from augspec.transforms.compose import Chain

__all__ = ["Frontend"]


def _as_chain(name: str, transforms: RandomTransform | None) -> Chain:
    if isinstance(transforms, Chain):
        return transforms
    if transforms is not None and not isinstance(transforms, RandomTransform):
        raise TypeError(
            f"`{name}` must be a transform such as T.Chain([...]), got {type(transforms).__name__}"
        )
    return Chain([] if transforms is None else [transforms])


class Frontend(nn.Module):
    """Turn raw waveforms into augmented, training-ready spectrograms.

    In ``train()`` it augments; in ``eval()`` it gives the plain features, save for transforms that
    act there too, such as `augspec.transforms.CenterCrop`.

    Args:
        waveform: Transforms of the waveform: a chain or a single one.
        features: What makes the spectrogram, from `augspec.features`: a feature, or an
            ``nn.Sequential`` of one and what follows it, such as `augspec.features.Normalize`.
        specgram: Transforms of the spectrogram.
        fuse: ``"auto"`` computes inside the spectrogram what can be computed there; ``"never"``
            runs stage by stage. `plan` says what is done.

    Shape:
        ``(batch, channel, time)`` to ``(batch, channel, freq, frame)``.

    Raises:
        TypeError: If ``waveform`` or ``specgram`` is no transform, or ``features`` no module.
        ValueError: If ``fuse`` is not known.

    Example:
        >>> import torch, augspec
        >>> from augspec import features as F, transforms as T
        >>> frontend = augspec.Frontend(
        ...     waveform=T.Chain([T.PitchShift((-2.0, 2.0)), T.RandomCrop(8_000)]),
        ...     features=F.LogMelSpectrogram(sample_rate=16_000, n_fft=512, hop_length=250,
        n_mels=40), ...     specgram=T.TimeMask(8),
        ... )
        >>> frontend(torch.randn(2, 1, 16_000)).shape
        torch.Size([2, 1, 40, 33])
    """

    def __init__(
        self,
        waveform: RandomTransform | None = None,
        features: nn.Module | None = None,
        specgram: RandomTransform | None = None,
        fuse: Literal["auto", "never"] = "auto",
    ) -> None:
        super().__init__()
        if not isinstance(features, nn.Module):
            raise TypeError(
                "`features` must be a module such as F.LogMelSpectrogram(sample_rate=16_000), got "
                f"{type(features).__name__}"
            )
        if fuse not in ("auto", "never"):
            raise ValueError(f'`fuse` must be "auto" or "never", got {fuse!r}')
        self.waveform = _as_chain("waveform", waveform)
        self.features = features
        self.specgram = _as_chain("specgram", specgram)
        self.fuse = fuse

    def make_params(
        self,
        waveform: Tensor,
        lengths: Tensor | None = None,
        *,
        keys: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Params:
        """Draw the parameters of every transform: ``{"waveform": [...], "specgram": [...]}``.

        See `augspec.transforms.RandomTransform.make_params` for the arguments and errors.
        """
        check_waveform(waveform, lengths)
        keys = resolve_keys(waveform, keys, generator)
        channels = waveform.shape[1]
        return {
            "waveform": self.waveform.draw_params(Draw(keys, "Frontend.waveform", channels)),
            "specgram": self.specgram.draw_params(Draw(keys, "Frontend.specgram", channels)),
        }

    def transform(self, waveform: Tensor, params: Params, lengths: Tensor | None = None) -> Result:
        """Make the features that ``params`` describe: deterministic, whatever the mode.

        Returns:
            The spectrogram, or ``(specgram, lengths)``, in frames, when ``lengths`` was passed.
        """
        return self.run(waveform, params, lengths, by_mode=False)

    def forward(
        self,
        waveform: Tensor,
        lengths: Tensor | None = None,
        *,
        keys: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Result:
        """Draw parameters and make the features; in ``eval()`` the plain features.

        Returns:
            The spectrogram, or ``(specgram, lengths)``, in frames, when ``lengths`` was passed.
        """
        check_waveform(waveform, lengths)
        if not self.acts():
            return self._features(waveform, lengths)
        params = self.make_params(waveform, lengths, keys=keys, generator=generator)
        return self.run(waveform, params, lengths, by_mode=True)

    def acts(self) -> bool:
        """Whether ``forward`` augments in the present mode."""
        return self.waveform.acts() or self.specgram.acts()

    def targets(
        self, targets: dict[str, Any], params: Params, lengths: Tensor | None = None
    ) -> dict[str, Any]:
        """Say what becomes of labels under ``params``; see `RandomTransform.targets`."""
        return self.run_targets(dict(targets), params, lengths, by_mode=False)

    def run_targets(
        self, targets: dict[str, Any], params: Any, lengths: Tensor | None, *, by_mode: bool
    ) -> dict[str, Any]:
        """Apply waveform and spectrogram transforms to labels."""
        _check_params(params)
        targets = self.waveform.run_targets(targets, params["waveform"], lengths, by_mode=by_mode)
        return self.specgram.run_targets(targets, params["specgram"], None, by_mode=by_mode)

    def plan(self, waveform: Tensor) -> str:
        """Say in words, a line a step, how a batch of this shape is computed."""
        check_waveform(waveform)
        steps = [f"{type(t).__name__}: on the waveform" for t in self.waveform]
        steps.append(f"{type(self.features).__name__}: features")
        steps += [f"{type(t).__name__}: on the spectrogram" for t in self.specgram]
        lines = [f"{number}. {step}" for number, step in enumerate(steps, start=1)]
        return "\n".join([*lines, "Nothing is fused: each stage runs by itself."])

    def extra_repr(self) -> str:
        """Show the setting of fusion."""
        return f"fuse={self.fuse!r}"

    def run(
        self, waveform: Tensor, params: Any, lengths: Tensor | None, *, by_mode: bool
    ) -> Result:
        """Make the features; ``by_mode`` leaves out what does not act in the present mode."""
        check_waveform(waveform, lengths)
        _check_params(params)
        augmented, ends = self.waveform.run(
            working_dtype(waveform), params["waveform"], lengths, by_mode=by_mode
        )
        # Lengths that a chain tracks by itself stay inside: unless some were passed, the features
        # are those of the whole tensor.
        ends = None if lengths is None else ends
        made = self._features(augmented, ends)
        specgram, frames = made if isinstance(made, tuple) else (made, None)
        specgram, frames = self.specgram.run(specgram, params["specgram"], frames, by_mode=by_mode)
        specgram = specgram.to(waveform.dtype)
        return specgram if lengths is None or frames is None else (specgram, frames)

    def _features(self, waveform: Tensor, lengths: Tensor | None) -> Result:
        made, ends = waveform, lengths
        for stage in self.features if isinstance(self.features, nn.Sequential) else [self.features]:
            if ends is None:
                made = stage(made)
            else:
                made, ends = stage(made, ends)
        return made if ends is None else (made, ends)


def _check_params(params: Any) -> None:
    if not isinstance(params, dict) or set(params) != {"waveform", "specgram"}:
        raise ValueError('`params` must be {"waveform": ..., "specgram": ...} from `make_params`')
