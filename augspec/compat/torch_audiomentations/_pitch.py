"""Pitch."""

from __future__ import annotations

from torch import Tensor

from augspec.compat.torch_audiomentations._base import ObjectDict
from augspec.compat.torch_audiomentations._transform import Transform
from augspec.functional.checks import check_sample_rate
from augspec.functional.stretch import pitch_shift

__all__ = ["PitchShift"]

_MOST = 24.0  # semitones: a wider shift destroys the sound


class PitchShift(Transform):
    """Shift the pitch by an interval that is drawn uniformly; the duration stays.

    Any interval of the range may be drawn, not only those of a few fast ratios.

    Args:
        min_transpose_semitones: Lowest interval in semitones, at least -24.
        max_transpose_semitones: Highest interval, at most 24.

    Raises:
        ValueError: If ``sample_rate`` is not given to the constructor, or a call has another one.
    """

    min_transpose_semitones: float = -4.0
    max_transpose_semitones: float = 4.0

    def _validate(self) -> None:
        self.check_range("min_transpose_semitones", "max_transpose_semitones", at_least=-_MOST)
        if self.max_transpose_semitones > _MOST:
            raise ValueError(
                f"`max_transpose_semitones` must be at most {_MOST:g}, "
                f"got {self.max_transpose_semitones:g}"
            )
        if self.sample_rate is None:
            raise ValueError("`sample_rate` must be given to the constructor of PitchShift")
        check_sample_rate(self.sample_rate)

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Draw the intervals, in semitones."""
        ends = self.min_transpose_semitones, self.max_transpose_semitones
        semitones = self.draw(len(samples)).uniform("semitones", *ends)
        semitones = semitones.to(samples.device, non_blocking=True)
        self.transform_parameters["transpositions"] = semitones

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Shift."""
        rate = int(self.sample_rate or 0)
        if sample_rate not in (None, rate):
            raise ValueError(
                f"`sample_rate` must be that of the constructor, {rate}, got {sample_rate}"
            )
        semitones = self.transform_parameters["transpositions"]
        if self.mode == "per_batch":
            # The channels of the row belong to different examples, so they share no phases.
            semitones = semitones[:, None].expand(samples.shape[:2])
        shifted = pitch_shift(
            samples,
            semitones,
            sample_rate=rate,
            min_semitones=min(0.0, self.min_transpose_semitones),
            max_semitones=max(0.0, self.max_transpose_semitones),
        )
        return self._move(shifted, targets, sample_rate, target_rate)
