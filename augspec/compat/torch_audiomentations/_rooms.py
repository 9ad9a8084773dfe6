"""Rooms and devices, by their impulse responses."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from torch import Tensor

from augspec.compat.torch_audiomentations._base import ObjectDict
from augspec.compat.torch_audiomentations._files import Banks, Paths
from augspec.compat.torch_audiomentations._transform import Transform
from augspec.functional.reverb import convolve

__all__ = ["ApplyImpulseResponse"]


class ApplyImpulseResponse(Transform):
    """Convolve with the impulse response in a random file, the same for all channels of a row.

    The level follows from the response. Targets stay where they are; with
    ``compensate_for_propagation_delay`` the direct sound also stays.

    Args:
        ir_paths: A folder, a file, or a list of those.
        convolve_mode: ``"full"`` begins with the first sample of the response, ``"same"`` in the
            middle of the longest.
        compensate_for_propagation_delay: Take the largest sample of a response as time 0.

    Raises:
        EmptyPathException: If there is no audio file.
    """

    ir_paths: Paths
    convolve_mode: str = "full"
    compensate_for_propagation_delay: bool = False

    def _validate(self) -> None:
        if self.convolve_mode not in ("full", "same"):
            raise ValueError(
                f'`convolve_mode` must be "full" or "same", got {self.convolve_mode!r}: "valid" '
                "would give fewer samples than came in"
            )

    def _open(self) -> None:
        self._banks = Banks("ir_paths", self.ir_paths)
        self.ir_paths: Sequence[str | PathLike[str]] = self._banks.paths

    def randomize_parameters(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> None:
        """Draw the files."""
        sound = self.draw(len(samples)).integers("sound", 0, len(self._banks.paths))
        self.transform_parameters["ir"] = sound
        self.transform_parameters["ir_paths"] = [self._banks.paths[i] for i in sound.tolist()]

    def apply_transform(
        self,
        samples: Tensor,
        sample_rate: int | None = None,
        targets: Tensor | None = None,
        target_rate: int | None = None,
    ) -> ObjectDict:
        """Convolve by FFT; the length stays."""
        bank = self._banks.at(sample_rate)
        response = bank.whole(self.transform_parameters["ir"].to(samples.device))
        delay: Tensor | int = 0
        if self.convolve_mode == "same":
            delay = (min(samples.shape[-1], response.shape[-1]) - 1) // 2
        if self.compensate_for_propagation_delay:
            delay = delay + response.abs().argmax(-1)
        wet = convolve(samples, response, delay=delay)
        return self._move(wet, targets, sample_rate, target_rate)
