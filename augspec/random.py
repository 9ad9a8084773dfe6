"""Counter-based randomness: every draw is a hash of (example key, path, parameter name).

There is no random state. A draw for an example does not depend on the batch, worker, rank, device
or order, and removing a transform from a chain does not change the draws of the others. Transforms
use `Draw`; the functions above it work on tensors of keys.

The hash is the finaliser of SplitMix64 in plain ``int64`` arithmetic, which wraps modulo 2**64 on
every device, eager and compiled.

References:
    Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch
from torch import Tensor

from augspec import native
from augspec._compile import constant_in_graphs
from augspec._constants import add_scaled, constant, tensor_of

__all__ = [
    "Draw",
    "as_integers",
    "bernoulli",
    "beta",
    "bits",
    "choice",
    "example_keys",
    "fresh_keys",
    "integers",
    "normal",
    "stream",
    "uniform",
    "view_keys",
]

_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 / golden ratio: the increment of SplitMix64
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_MASK = (1 << 64) - 1
_INT64 = torch.iinfo(torch.int64)


def _signed(value: int) -> int:
    """Read the low 64 bits of ``value`` as a two's complement ``int64``."""
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


_MULTIPLIER_1, _MULTIPLIER_2 = map(_signed, _MULTIPLIERS)


def _mix(x: Tensor, counter: Tensor | None = None, *, top: bool = False) -> Tensor:
    """Hash each ``int64`` with SplitMix64's finaliser, a bijection that mixes all bits.

    ``>>`` keeps the sign in torch; the mask makes it a logical shift. The last step does not change
    the top 31 bits: with ``top`` it is left out. A counter is added here and not by the caller:
    while another thread is in a compiled function, Python keeps arguments until a call ends, and
    the sum may be as large as the audio.
    """
    if counter is not None:
        x = x + counter * _signed(_GOLDEN)
    x = (x ^ ((x >> 30) & ((1 << 34) - 1))) * _MULTIPLIER_1
    x = (x ^ ((x >> 27) & ((1 << 37) - 1))) * _MULTIPLIER_2
    return x if top else _finish(x)


def _finish(x: Tensor) -> Tensor:
    """Do the last step of `_mix`."""
    return x ^ ((x >> 31) & ((1 << 33) - 1))


def _mix_int(x: int) -> int:
    """Hash one Python integer as `_mix` does."""
    x &= _MASK
    x = ((x ^ (x >> 30)) * _MULTIPLIERS[0]) & _MASK
    x = ((x ^ (x >> 27)) * _MULTIPLIERS[1]) & _MASK
    return _signed(x ^ (x >> 31))


@constant_in_graphs
def stream(path: str, name: str) -> int:
    """Return a constant that is unique to the draw ``name`` of the transform at ``path``.

    Example:
        >>> stream("Chain/Gain#0", "gain_db") == stream("Chain/Gain#1", "gain_db")
        False
    """
    return _stream(path, name)


@functools.lru_cache(maxsize=4096)
def _stream(path: str, name: str) -> int:
    state = 0
    for byte in f"{path}\0{name}".encode():
        state = _mix_int(state + _GOLDEN + byte)
    return state


def bits(keys: Tensor, path: str, name: str, counter: Tensor | None = None) -> Tensor:
    """Hash ``keys`` into 64 random bits each.

    Args:
        keys: Example keys, ``int64``, any shape.
        path: Path of the drawing transform, such as ``"Chain/Gain#0"``.
        name: Name of the drawn parameter.
        counter: ``int64``, broadcasts with ``keys``: number of the value if there are several of
            that name (a channel, a sample of noise).

    Returns:
        ``int64`` of the broadcast shape; all 64 bits are random.
    """
    return _hash(keys, stream(path, name), counter)


def _hash(
    keys: Tensor, streams: int | Tensor, counter: Tensor | None, *, top: bool = False
) -> Tensor:
    """Hash keys; ``top`` leaves the low 33 bits unfinished, which `_unit` does not use."""
    if counter is None:
        return _mix(keys ^ streams, top=top)
    return _mix(_mix(keys ^ streams), counter, top=top)


def _unit(random_bits: Tensor) -> Tensor:
    """Turn the top 24 bits into a float32 in [0, 1): each multiple of 2**-24 is exact."""
    return ((random_bits >> 40) & 0xFFFFFF).to(torch.float32) * 2.0**-24


def uniform(
    keys: Tensor,
    path: str,
    name: str,
    low: float = 0.0,
    high: float = 1.0,
    *,
    counter: Tensor | None = None,
) -> Tensor:
    """Draw float32 values uniform in ``[low, high)``; see `bits` for the arguments."""
    return _between(_draw_unit(keys, path, name, counter), low, high)


def _draw_unit(keys: Tensor, path: str, name: str, counter: Tensor | None) -> Tensor:
    return _unit(_hash(keys, stream(path, name), counter, top=True))


def _between(unit: Tensor, low: float, high: float) -> Tensor:
    return unit if (low, high) == (0.0, 1.0) else add_scaled(low, unit, high - low)


def normal(
    keys: Tensor,
    path: str,
    name: str,
    mean: float = 0.0,
    std: float = 1.0,
    *,
    counter: Tensor | None = None,
) -> Tensor:
    """Draw normal float32 values (Box and Muller's transform of two 24-bit halves of one hash)."""
    return _as_normal(bits(keys, path, name, counter), mean, std)


def _as_normal(random_bits: Tensor, mean: float, std: float) -> Tensor:
    # 1 - u lies in (0, 1]: the logarithm is finite, and the largest value is 5.77 sigma.
    radius = torch.sqrt(-2.0 * torch.log(1.0 - _unit(random_bits)))
    angle = (random_bits & 0xFFFFFF).to(torch.float32) * (2.0 * math.pi * 2.0**-24)
    return mean + std * radius * torch.cos(angle)


def integers(
    keys: Tensor, path: str, name: str, low: int, high: int, *, counter: Tensor | None = None
) -> Tensor:
    """Draw ``int64`` values uniform in ``[low, high)``, a span of at most 2**31.

    The span is multiplied by 32 random bits and shifted down: the bias is below ``span / 2**32``.
    """
    return as_integers(bits(keys, path, name, counter), low, high)


def as_integers(random_bits: Tensor, low: int, high: int) -> Tensor:
    """Turn random bits into integers as `integers` does."""
    span = high - low
    if not 0 < span <= 1 << 31:
        raise ValueError(f"`high` - `low` must lie in [1, 2**31], got {low} to {high}")
    top = (random_bits >> 32) & 0xFFFFFFFF
    return low + ((top * span) >> 32)


def bernoulli(
    keys: Tensor, path: str, name: str, p: float, *, counter: Tensor | None = None
) -> Tensor:
    """Draw booleans that are True with probability ``p``: never for 0, always for 1."""
    return uniform(keys, path, name, counter=counter) < p


def beta(
    keys: Tensor, path: str, name: str, alpha: float, *, counter: Tensor | None = None
) -> Tensor:
    """Draw float32 values from the symmetric beta distribution with both parameters ``alpha``.

    It uses two 24-bit uniforms and no rejection. Bailey's polar method gives ``t`` of Student's
    distribution with ``2 * alpha`` degrees of freedom; then ``(1 + t / sqrt(2 * alpha + t * t)) /
    2`` is symmetric beta.

    References:
        Bailey, "Polar generation of random variates with the t-distribution", Mathematics of
        Computation 62, 1994. Devroye, "Random variate generation in one line of code", WSC 1996.
    """
    return _as_beta(bits(keys, path, name, counter), alpha)


def _as_beta(random_bits: Tensor, alpha: float) -> Tensor:
    angle = (random_bits & 0xFFFFFF).to(torch.float32) * (2.0 * math.pi * 2.0**-24)
    cosine = torch.cos(angle)
    root = torch.log(1.0 - _unit(random_bits)) / alpha
    inner, outer = -torch.expm1(root) * cosine.square(), torch.exp(root)
    # The distance to the nearer of 0 and 1, in a form that keeps precision near them.
    share = outer / (outer + inner).clamp(min=torch.finfo(torch.float32).tiny)
    distance = 0.5 * share / (1.0 + torch.sqrt(1.0 - share))
    return torch.where(cosine < 0.0, distance, 1.0 - distance)


def choice(
    keys: Tensor,
    path: str,
    name: str,
    weights: Sequence[float],
    *,
    counter: Tensor | None = None,
) -> Tensor:
    """Draw ``int64`` indices into ``weights``, in proportion to the weights."""
    return _as_choice(_draw_unit(keys, path, name, counter), weights)


def _as_choice(unit: Tensor, weights: Sequence[float]) -> Tensor:
    total = math.fsum(weights)
    if not weights or min(weights) < 0 or not 0 < total < math.inf:
        raise ValueError(f"`weights` must be non-negative with a positive sum, got {weights}")
    index = torch.zeros_like(unit, dtype=torch.int64)
    reached = 0.0
    for weight in weights[:-1]:
        reached += weight
        index = index + (unit >= reached / total)
    return index


def _as_int64(
    name: str, value: int | Sequence[int] | Tensor, device: torch.device | None
) -> Tensor:
    tensor = torch.as_tensor(value, device=device)
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f"`{name}` must hold integers, got {tensor.dtype}")
    return tensor.to(torch.int64)


def example_keys(
    seed: int,
    epoch: int,
    index: int | Sequence[int] | Tensor,
    view: int | Sequence[int] | Tensor = 0,
) -> Tensor:
    """Return the key of each example of a data set for one epoch.

    Args:
        seed: Seed of the run; any integer, taken modulo 2**64.
        epoch: Number of the epoch; any integer.
        index: Index of each example in the data set: an integer, a sequence or an integer tensor.
        view: Number of the draw of the example, from 0: the second time that an example comes in an
            epoch is view 1. One for all, or one for each ``index``.

    Returns:
        ``int64`` keys of the shape of ``index``, on its device.

    Raises:
        TypeError: If ``index`` or ``view`` holds anything but integers.

    Example:
        >>> example_keys(seed=0, epoch=3, index=[7, 8]).shape
        torch.Size([2])
        >>> first, second = example_keys(seed=0, epoch=3, index=[7, 7], view=[0, 1])
        >>> bool(first == second)
        False
    """
    state = _mix_int(_mix_int(int(seed) + _GOLDEN) + int(epoch))
    keys = _mix(_mix(_as_int64("index", index, None) ^ state) + _signed(_GOLDEN))
    return keys if isinstance(view, int) and view == 0 else view_keys(keys, view)


def view_keys(keys: Tensor, view: int | Sequence[int] | Tensor) -> Tensor:
    """Convert keys of examples to those of another ``view``; for view 0 they stay."""
    views = _as_int64("view", view, keys.device)
    return torch.where(views == 0, keys, bits(keys, "example_keys", "view", views))


def fresh_keys(
    batch: int, device: torch.device, generator: torch.Generator | None = None
) -> Tensor:
    """Draw ``batch`` keys from ``generator``, or from torch's default CPU generator.

    The default generator is the CPU's for every device, so that ``torch.manual_seed`` gives the
    same augmentation on a CPU and on a GPU.
    """
    source = "cpu" if generator is None else generator.device
    keys = torch.randint(
        _INT64.min, _INT64.max, (batch,), generator=generator, device=source, dtype=torch.int64
    )
    return keys.to(device, non_blocking=True)


_Place: TypeAlias = tuple[str, str, int | None]  # path, name and channels of a draw


@dataclass(frozen=True)
class Draw:
    """The draws of one transform: example keys and the path under which it draws.

    Args:
        keys: ``(batch,)`` ``int64`` example keys.
        path: Class names from the root, each with its ordinal among siblings of the same class.
        channels: Number of channels of an example.
        by_channel: Draw one value per channel, ``(batch, channels)``, rather than per example.
        label: Labels of the examples, if the choice of partners depends on them.

    Example:
        >>> draw = Draw(example_keys(0, 0, range(4)), "Gain")
        >>> draw.uniform("gain_db", -6.0, 6.0).shape
        torch.Size([4])
    """

    keys: Tensor
    path: str
    channels: int = 1
    by_channel: bool = False
    label: Tensor | None = None
    _hashes: Mapping[_Place, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)

    def child(self, name: str) -> Draw:
        """Step down to a part called ``name``, such as ``"Gain#0"``."""
        return replace(self, path=f"{self.path}/{name}")

    def per_channel(self, by_channel: bool = True) -> Draw:
        """Draw per channel, or per example again."""
        return self if by_channel == self.by_channel else replace(self, by_channel=by_channel)

    def together(self, names: Iterable[str]) -> Draw:
        """Hash for several names at once.

        Each draw is bit for bit the same as without this call; a GPU launches one hash for all
        names instead of one for each.

        Args:
            names: Names that are drawn afterwards.

        Example:
            >>> draw = Draw(example_keys(0, 0, range(4)), "Shift")
            >>> both = draw.together(["start", "width"])
            >>> torch.equal(both.uniform("width"), draw.uniform("width"))
            True
        """
        return self.all_together((self.path, name) for name in names)

    def all_together(self, places: Iterable[tuple[str, str]]) -> Draw:
        """Hash for several names at several paths at once: for the draws of a whole tree.

        Args:
            places: Paths and names that this draw, or one further down, draws afterwards.
        """
        places = [place for place in places if self._place(*place) not in self._hashes]
        # A native kernel draws each name in one call.
        if len(places) < 2 or native.applies(self.keys):
            return self
        keys, counter = self._source()
        numbers = tuple(stream(*place) for place in places)
        streams = constant(tensor_of, numbers, dtype=torch.int64, device=keys.device)
        # Most draws use only the top bits; `key` does the last step of its hash.
        made = _hash(keys, streams.reshape(-1, *[1] * keys.ndim), counter, top=True)
        pairs = zip(made.unbind(0), _unit(made).unbind(0), strict=True)
        known = dict(zip((self._place(*place) for place in places), pairs, strict=True))
        return replace(self, _hashes={**self._hashes, **known})

    def _place(self, path: str, name: str) -> _Place:
        """Return the cache key of a draw; draws per channel have their own."""
        return path, name, self.channels if self.by_channel else None

    def _source(self) -> tuple[Tensor, Tensor | None]:
        if not self.by_channel:
            return self.keys, None
        return self.keys.unsqueeze(1), torch.arange(self.channels, device=self.keys.device)

    def _unit(self, name: str) -> Tensor:
        known = self._hashes.get(self._place(self.path, name))
        if known is not None:
            return known[1]
        if native.applies(self.keys):
            return self._draw_natively("augspec_unit", name, torch.float32)
        keys, counter = self._source()
        return _draw_unit(keys, self.path, name, counter)

    def uniform(self, name: str, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw float32 values in ``[low, high)``; a range of one point is a constant."""
        return _between(self._unit(name), low, high)

    def normal(self, name: str, mean: float = 0.0, std: float = 1.0) -> Tensor:
        """Draw normal float32 values."""
        return _as_normal(self.key(name), mean, std)

    def integers(self, name: str, low: int, high: int) -> Tensor:
        """Draw ``int64`` values in ``[low, high)``."""
        return as_integers(self.key(name), low, high)

    def bernoulli(self, name: str, p: float) -> Tensor:
        """Draw booleans, true with probability ``p``, one per example in every case."""
        if p in (0.0, 1.0):  # the result is certain
            return torch.full(self.keys.shape, bool(p), device=self.keys.device)
        return self.per_channel(False)._unit(name) < p

    def beta(self, name: str, alpha: float) -> Tensor:
        """Draw float32 values from the symmetric beta distribution."""
        return _as_beta(self.key(name), alpha)

    def choice(self, name: str, weights: Sequence[float]) -> Tensor:
        """Draw ``int64`` indices into ``weights``."""
        return _as_choice(self._unit(name), weights)

    def key(self, name: str) -> Tensor:
        """Draw a key, ``int64``: a transform that makes noise stores it instead of the noise."""
        known = self._hashes.get(self._place(self.path, name))
        if known is not None:
            return _finish(known[0])
        if native.applies(self.keys):
            return self._draw_natively("augspec_bits", name, torch.int64)
        keys, counter = self._source()
        return bits(keys, self.path, name, counter)

    def _draw_natively(self, kernel: str, name: str, dtype: torch.dtype) -> Tensor:
        keys, channels = self.keys, self.channels if self.by_channel else None
        shape = keys.shape if channels is None else (*keys.shape, channels)
        out = torch.empty(shape, dtype=dtype, device="cpu")
        if out.numel():
            number = stream(self.path, name)
            native.call(kernel, keys, keys.numel(), number, channels or 0, out=out)
        return out
