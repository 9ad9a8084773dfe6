"""Recursive filters with separate coefficients for every example, as matrix products.

A cascade of second-order sections is one linear system with a state ``s``: cut into blocks of
``_BLOCK`` samples, the output of block ``k`` is ``H x[k] + O s[k]`` and the state after it is
``s[k + 1] = P s[k] + R x[k]``. ``H`` holds the first samples of the impulse response, so that one
batched matrix product does nearly all the work. The states of all blocks are found by joining
blocks to larger ones in the same way. The result equals that of the recursion; it is not an
approximation.

The state is scaled so that each part of it has unit power for white noise. In these coordinates a
section's transition matrix is nearly a rotation, and float32 stays accurate for poles next to the
unit circle. The matrices, small next to the audio, are made in float64.

References:
    Burrus, "Block realization of digital filters", IEEE Transactions on Audio and Electroacoustics
    20(4), 1972.
    Mullis and Roberts, "Synthesis of minimum roundoff noise fixed point digital filters", IEEE
    Transactions on Circuits and Systems 23(9), 1976.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as nnf

from augspec import native
from augspec._compile import is_launched, needs_gradient
from augspec._constants import constant, tensor_of
from augspec._precision import widest
from augspec._torch import unfold
from augspec.functional.checks import check_parameter, check_waveform, compute_dtype
from augspec.functional.shapes import fit, silence_after

__all__ = ["biquad", "sosfilt"]

_BLOCK = 32  # samples, a power of two: fewer make more states, more make larger matrices
_JOINED_STATES = 64  # largest number of states of the blocks that are joined to a larger one
_BLOCK_ON_DEVICES, _JOINED_ON_DEVICES = 128, 256


def biquad(waveform: Tensor, b: Tensor, a: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Filter each example by its own second-order section; see `sosfilt`.

    Args:
        waveform: Float audio.
        b: Numerator ``b0, b1, b2`` in powers of ``z**-1``.
        a: Denominator ``a0, a1, a2``.
        lengths: Valid samples of each example, all by default; the output is zero beyond.

    Shape:
        ``waveform``: (batch, channel, time) in and out; ``b``, ``a``: (3,), (batch, 3) or
        (batch, channel, 3).

    Raises:
        ValueError: If a shape does not fit.
        TypeError: If a tensor is not of a floating-point type.

    Example:
        A one-pole average:

        >>> b, a = torch.tensor([0.5, 0.0, 0.0]), torch.tensor([1.0, -0.5, 0.0])
        >>> biquad(torch.ones(1, 1, 4), b, a)
        tensor([[[0.5000, 0.7500, 0.8750, 0.9375]]])
    """
    check_waveform(waveform, lengths)
    for name, values in (("b", b), ("a", a)):
        check_parameter(name, values, waveform, "3", "batch 3", "batch channel 3")
    if b.shape != a.shape:
        raise ValueError(
            f"`b` and `a` must have one shape, got {tuple(b.shape)} and {tuple(a.shape)}"
        )
    return sosfilt(waveform, torch.cat([b, a], dim=-1).unsqueeze(-2), lengths)


def sosfilt(waveform: Tensor, sos: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Filter each example, from rest, by its own cascade of second-order sections.

    Equal to ``scipy.signal.sosfilt`` with zero initial state, and differentiable in both arguments.
    Filters must be stable: poles on or outside the unit circle give NaN or infinity. Coefficients
    in float64 are not rounded, even for float32 audio: for frequencies below 1 % of the sample rate
    float32 coefficients are too coarse. (On a GPU with TF32 matrix products switched on, rounding
    noise lies near -70 dB.)

    Args:
        waveform: Float audio.
        sos: Coefficients ``b0, b1, b2, a0, a1, a2`` of each section.
        lengths: Valid samples of each example, all by default. Later samples have no effect, and
            the output is zero there: the filter does not ring into the padding.

    Shape:
        ``waveform``: (batch, channel, time) in and out; ``sos``: (section, 6) for all, (batch,
        section, 6) or (batch, channel, section, 6).

    Raises:
        ValueError: If a shape does not fit.
        TypeError: If a tensor is not of a floating-point type.

    References:
        Burrus, "Block realization of digital filters", IEEE Transactions on Audio and
        Electroacoustics 20(4), 1972.

    Example:
        >>> sos = torch.tensor([[[0.5, 0.5, 0.0, 1.0, 0.0, 0.0]]])
        >>> sosfilt(torch.tensor([[[1.0, 1.0, 0.0]]]), sos)
        tensor([[[0.5000, 1.0000, 0.5000]]])
    """
    check_waveform(waveform, lengths)
    shapes = ("section 6", "batch section 6", "batch channel section 6")
    check_parameter("sos", sos, waveform, *shapes)
    if not sos.shape[-2]:
        raise ValueError(f"`sos` must have at least one section, got {tuple(sos.shape)}")
    if waveform.numel() == 0:
        return waveform
    system = _state_space(sos.to(widest(sos.device)).reshape(-1, *sos.shape[-2:]))
    source = silence_after(waveform, lengths).to(compute_dtype(waveform))
    out = _filter_blocks(source, *system)
    return silence_after(out.to(waveform.dtype), lengths)


def _sections(sos: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Convert sections (..., 6) to two-state systems whose states have unit power for white noise.

    The result is transition (..., 2, 2), input (..., 2), output (..., 2) and direct gain (...).

    The states are the scaled sum and difference of the two delayed values of the direct form: the
    covariance of these is a symmetric Toeplitz matrix, whose eigenvectors are (1, 1) and (1, -1).
    """
    sos = sos / sos[..., 3:4]
    sign = constant(tensor_of, (1.0, -1.0), dtype=sos.dtype, device=sos.device)
    b0, a1, a2 = (sos[..., place, None] for place in (0, 4, 5))
    ends = sign * a1 + 1 + a2  # the denominator at 0 and at Nyquist
    turn = ends.prod(-1, keepdim=True).sqrt() / 2
    diagonal = torch.addcmul(sign, sign, ends, value=-0.5)  # 1 - ends / 2, and its negative
    transition = torch.cat([diagonal[..., :1], turn, -turn, diagonal[..., 1:]], -1)
    scale = (ends * (0.5 - a2 / 2)).sqrt()
    after_b, after_a = (sos[..., i : i + 1] + sign * sos[..., i + 1 : i + 2] for i in (1, 4))
    leave = torch.addcmul(after_b, b0, after_a, value=-1.0) / (2 * scale)
    return transition.unflatten(-1, (2, 2)), scale, leave, b0.squeeze(-1)


def _state_space(sos: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Join the sections of (row, section, 6) to one system: transition, input, output, direct.

    A section gets input from earlier sections through the direct gains of those in between. So the
    whole system follows from products of these gains, in a few operations for any number of
    sections.
    """
    within, enter, leave, direct = _sections(sos)
    if sos.shape[1] == 1:
        return within[:, 0], enter.transpose(1, 2), leave, direct[:, None]
    fixed = partial(constant, device=sos.device)
    is_passed = fixed(_is_passed, sos.shape[1], dtype=torch.bool)
    factor = fixed(_comes_before, sos.shape[1], dtype=sos.dtype)
    gain = torch.where(is_passed, direct[:, None, None], factor).prod(-1)  # (row, to, from)

    heard = enter[..., None, None] * gain[:, :-1, None, 1:, None] * leave[:, None, None]
    own = fixed(_identity, sos.shape[1], dtype=sos.dtype)[:, None, :, None]
    transition = torch.addcmul(heard, own, within.unsqueeze(-2)).flatten(3).flatten(1, 2)
    enter = (enter * gain[:, :-1, :1]).flatten(1).unsqueeze(2)
    leave = (leave * gain[:, -1, 1:, None]).flatten(1).unsqueeze(1)
    return transition, enter, leave, gain[:, -1:, :1]


def _is_passed(sections: int, *, dtype: torch.dtype) -> Tensor:
    """Return which sections lie on each path through the cascade, (to, from, section).

    ``to`` is a section, where the last one is the output. ``from`` is the input, 0, or the states
    of a section, counted from 1.
    """
    to, section = torch.arange(sections + 1)[:, None, None], torch.arange(sections)
    return ((section >= to.transpose(0, 1)) & (section < to)).to(dtype)


def _comes_before(sections: int, *, dtype: torch.dtype) -> Tensor:
    """Return 1 where a path exists, as in `_is_passed`, and 0 where it would lead back."""
    return torch.ones(sections + 1, sections + 1, dtype=dtype).tril().unsqueeze(-1)


def _powers(matrix: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Raise matrices (group, state, state) to the powers 0 to ``count - 1``, and to ``count``.

    Args:
        matrix: The matrices.
        count: A power of two.

    Returns:
        The powers, stacked, (group, count * state, state), and the last.
    """
    states = matrix.shape[1]
    powers = highest = matrix  # from 1 on
    while powers.shape[1] < count * states:
        higher = powers @ highest
        powers, highest = torch.cat([powers, higher], 1), higher[:, -states:]
    one = constant(_identity, states, dtype=matrix.dtype, device=matrix.device)
    return torch.cat([one.expand_as(matrix), powers[:, :-states]], 1), highest


def _identity(size: int, *, dtype: torch.dtype) -> Tensor:
    return torch.eye(size, dtype=dtype)


def _filter_blocks(
    waveform: Tensor, transition: Tensor, enter: Tensor, leave: Tensor, direct: Tensor
) -> Tensor:
    """Run the systems of (group, ...) over (batch, channel, time); groups divide the rows."""
    batch, channel, time = waveform.shape
    groups, states = enter.shape[:2]
    system = transition, enter, leave, direct
    if native.applies(waveform) and not any(map(needs_gradient, system)):
        out = torch.empty_like(waveform, memory_format=torch.contiguous_format)
        native.call(
            "augspec_filter", waveform, batch * channel, time, groups, states,
            *(part.double() for part in system), native.threads(), out=out,
        )  # fmt: skip
        return out
    block = _BLOCK_ON_DEVICES if _is_on_device(waveform) else _BLOCK
    blocks = -(-time // block)
    x = fit(waveform, blocks * block).reshape(groups, -1, block)

    powers, power = _powers(transition, block)
    # Rows: the output n samples after a state, and the effect of a block's inputs on the state
    # after it.
    observe = (leave.transpose(1, 2)[:, None] * powers.unflatten(1, (block, states))).sum(2)
    reach = (powers @ enter).view(groups, block, states)
    response = torch.cat([direct.squeeze(2), (reach * leave).sum(2)[:, :-1]], 1).to(x.dtype)

    out = torch.bmm(x, _toeplitz(response))
    if blocks > 1:
        ahead = torch.bmm(x, reach.flip(1).to(x.dtype))
        state = _states(ahead.view(groups, -1, blocks, states), power.transpose(1, 2))
        state = state.reshape(groups, -1, states)
        out = out.baddbmm_(state, observe.transpose(1, 2).to(x.dtype))
    return out.view(batch, channel, -1)[..., :time].contiguous()


def _toeplitz(response: Tensor) -> Tensor:
    """Make matrices that convolve rows with (group, sample) responses of the same length."""
    block = response.shape[1]
    return unfold(nnf.pad(response, (block - 1, 0)), 1, block, 1).flip(1)


def _is_on_device(tensor: Tensor) -> bool:
    """Whether launches cost more than arithmetic: larger matrices are then faster."""
    return tensor.device.type != "cpu" or is_launched(tensor)


def _states(ahead: Tensor, power: Tensor) -> Tensor:
    """Solve ``s[k + 1] = s[k] @ power + ahead[k]`` from ``s[0] = 0``.

    Blocks are joined to larger ones, as samples to blocks, until one matrix product covers the
    rest.

    Args:
        ahead: Contribution of each block to the state after it, (group, row, block, state); two
            blocks or more.
        power: Transition over a block, float64, (group, state, state), for states as rows.

    Returns:
        The state before each block, in the shape of ``ahead``.
    """
    groups, rows, blocks, states = ahead.shape
    most = _most_joined(states, ahead)
    joined = min(most, blocks)
    # The last block lies ``blocks - 2`` transitions after the first state that is not 0.
    count = most if blocks > most else 1 << (blocks - 2).bit_length()
    powers, power = _powers(power, count)
    powers = powers.to(ahead.dtype).view(groups, count, states, states)

    # Within the larger block, power ** (to - of - 1) leads from one block to a later one.
    places = constant(_lower_triangle, most, states, dtype=torch.int64, device=ahead.device)
    size = joined * states
    within = nnf.pad(powers.flatten(1), (1, 0))[:, places[:size, :size]]
    if blocks <= most:
        return torch.bmm(ahead.reshape(groups, rows, size), within).view(ahead.shape)
    over = powers.flip(1).reshape(groups, size, states)
    onward = powers.transpose(1, 2).reshape(groups, states, size)
    ahead = nnf.pad(ahead, (0, 0, 0, -blocks % joined)).reshape(groups, -1, size)
    larger = torch.bmm(ahead, over).view(groups, rows, -1, states)
    before = _states(larger, power).reshape(groups, -1, states)
    state = torch.bmm(ahead, within).baddbmm_(before, onward)
    return state.view(groups, rows, -1, states)[:, :, :blocks]


def _most_joined(states: int, ahead: Tensor) -> int:
    """Return the largest number of blocks to join: a power of two."""
    most = _JOINED_ON_DEVICES if _is_on_device(ahead) else _JOINED_STATES
    return 1 << max(1, (most // states).bit_length() - 1)


def _lower_triangle(joined: int, states: int, *, dtype: torch.dtype) -> Tensor:
    """Return the indices in the powers, from 1, of a block triangular Toeplitz matrix.

    Element ``[i, k]`` of ``power ** (to - of - 1)`` is at row ``of * states + i`` and column ``to *
    states + k``; index 0 stands for a zero, above the diagonal.
    """
    place = torch.arange(joined * states, dtype=dtype)
    block, state = place // states, place % states
    steps = block - block[:, None] - 1
    element = (steps * states + state[:, None]) * states + state
    return torch.where(steps >= 0, element + 1, 0)
