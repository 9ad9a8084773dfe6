"""The base of this package's transforms: constructors made from annotated attributes."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from augspec.compat.torch_audiomentations._base import BaseWaveformTransform, ObjectDict
from augspec.functional.checks import check_finite
from augspec.functional.scale import hz_to_mel, mel_to_hz
from augspec.random import Draw

__all__ = ["Transform"]

_MISSING = inspect.Parameter.empty
_COMMON = inspect.signature(BaseWaveformTransform).parameters


class Transform(BaseWaveformTransform):
    """A transform whose own arguments are annotated attributes, before the common arguments.

    They keep their order; attributes annotated as ``ClassVar`` are not arguments. A class may
    change the default of a common argument with an attribute of that name.
    """

    if TYPE_CHECKING:  # made at run time

        def __init__(self, *arguments: Any, **settings: Any) -> None: ...

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = [
            name
            for name, kind in inspect.get_annotations(cls).items()
            if not str(kind).startswith("ClassVar")
        ]
        if "__init__" not in vars(cls) and (own or cls.__init__ is BaseWaveformTransform.__init__):
            cls.__init__ = _make_init(cls, own)  # type: ignore[method-assign]

    def _validate(self) -> None:
        """Check the class's own arguments, in the constructor and at each call.

        Programs may also set them later.
        """

    def _open(self) -> None:
        """Find files, once, in the constructor."""

    def _check(self, samples: Tensor, targets: Tensor | None) -> None:
        super()._check(samples, targets)
        self._validate()

    def _move(
        self,
        samples: Tensor,
        targets: Tensor | None,
        sample_rate: int | None,
        target_rate: int | None,
    ) -> ObjectDict:
        """Return the result of ``apply_transform``."""
        return ObjectDict(
            samples=samples, sample_rate=sample_rate, targets=targets, target_rate=target_rate
        )

    def check_range(self, low: str, high: str, *, at_least: float = -float("inf")) -> None:
        """Check that two arguments are a range."""
        least = check_finite(low, getattr(self, low))
        most = check_finite(high, getattr(self, high))
        if least < at_least:
            raise ValueError(f"`{low}` must be at least {at_least:g}, got {least:g}")
        if least > most:
            raise ValueError(
                f"`{low}` must not be greater than `{high}`, got {least:g} and {most:g}"
            )


def draw_frequency(draw: Draw, name: str, low: float, high: float) -> Tensor:
    """Draw frequencies uniformly in mel."""
    ends = hz_to_mel(torch.tensor([low, high], dtype=torch.float64))
    mel = ends[0] + (ends[1] - ends[0]) * draw.uniform(name).double()
    return mel_to_hz(mel).clamp(low, high)


def _make_init(cls: type[Transform], own: list[str]) -> Any:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    defaults = {name: vars(cls).get(name, _MISSING) for name in own}
    defaults |= {name: vars(cls).get(name, one.default) for name, one in _COMMON.items()}
    signature = inspect.Signature(
        [inspect.Parameter("self", kind)]
        + [inspect.Parameter(name, kind, default=value) for name, value in defaults.items()]
    )

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        try:
            given = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}") from None
        given.apply_defaults()
        values = dict(given.arguments)
        BaseWaveformTransform.__init__(self, **{name: values[name] for name in _COMMON})
        for name in own:
            setattr(self, name, values[name])
        self._validate()
        self._open()

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    return __init__
