"""Counting the work of a function on a GPU, without a GPU."""

from __future__ import annotations

import copy
import functools
import inspect
import linecache
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from augspec._torch import COUNTS_LAUNCHES
from augspec.testing import _fake

__all__ = ["DeviceWork", "DeviceWorkError", "device_work"]

_DEVICE = "cuda"
_COPIES = frozenset({"_to_copy", "copy_"})
_INDEXING = frozenset({"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"})
_ALLOCATING = frozenset(
    {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "empty_permuted"}
)
_WRITING = frozenset({"copy_", "fill_", "zero_"})  # they do not read the previous content
_WIDE = frozenset({torch.float64, torch.complex128})
_WAITING = frozenset({"_linalg_check_errors"})
_TORCH = str(Path(torch.__file__).parent)
_AUGSPEC = str(Path(__file__).parents[1])


class DeviceWorkError(RuntimeError):
    """A function waits for the device, or mixes devices; the message names the line."""


@dataclass(frozen=True)
class DeviceWork:
    """The work of a function on a GPU; see `device_work`.

    Args:
        launches: Operations that the device runs, one after the other. An operation of torch is
            counted as one launch; a few, such as a sort, are several on a GPU.
        bytes: Lower bound of the bytes that they read and write: each tensor once per operation.
        host_copies: Tensors that are copied from the CPU. Each copy is a wait.
        peak_bytes: Peak memory, including the arguments. Scratch memory within an operation, such
            as that of an FFT, is not known.
        copied_at: Places of the copies: ``file:line`` and the line, one for each copy.
        float64_at: Places where float64 tensors are made, which MPS lacks, in the same form.
    """

    launches: int
    bytes: int
    host_copies: int
    peak_bytes: int
    copied_at: tuple[str, ...] = field(default=(), repr=False)
    float64_at: tuple[str, ...] = field(default=(), repr=False)


def device_work(function: Callable[..., Any], *arguments: Any, **options: Any) -> DeviceWork:
    """Count the work of ``function(*arguments, **options)`` on a GPU. No GPU is needed.

    The function runs on fake CUDA tensors, which have shapes but no values, without gradients.
    Kernels stay eager: operations that the compiler would fuse on a GPU count separately here. The
    operations of torch are counted exactly; nothing is timed.

    Tensors and modules are moved to the fake device in all positions: alone, in lists, tuples and
    dictionaries, as the ``function``, as the object of a method, inside a ``functools.partial``.
    Tensors in the function's closure stay on the CPU: pass them as arguments. A tensor on the
    device ``"meta"`` can stand for a large one and takes no memory.

    Without ``keys`` a transform draws them on the CPU, which is one copy from the host.

    Args:
        function: A transform, a front end, any module or function.
        arguments: Positional arguments, on the CPU.
        options: Keyword arguments.

    Raises:
        RuntimeError: If the function waits for the device, with ``.item()``, ``.tolist()``,
            ``.cpu()``, ``if tensor:``, ``nonzero`` or a boolean index, or mixes tensors of two
            devices. The message begins with the file and the line. Also before torch 2.11.

    Example:
        >>> from augspec import transforms as T
        >>> waveform, keys = torch.zeros(64, 1, 64_000), torch.arange(64)
        >>> work = device_work(T.PolarityInversion(), waveform, keys=keys)
        >>> work.launches, work.host_copies
        (4, 0)
        >>> round(work.peak_bytes / (4 * waveform.numel()), 2)
        2.0
    """
    if not COUNTS_LAUNCHES:
        raise RuntimeError(f"device_work needs torch 2.11 or later, this is {torch.__version__}")
    mode = _fake.fake_tensors()
    there = _Device(mode)
    function, arguments = there.take(function), there.take(arguments)
    options = there.take(options)
    with mode, torch.no_grad(), _Count(there.tensors) as count:
        _call(function, arguments, options)
    return DeviceWork(
        count.launches,
        count.bytes,
        len(count.copied_at),
        count.memory.peak,
        (*count.copied_at,),
        (*count.float64_at,),
    )


def _call(function: Callable[..., Any], arguments: Any, options: Any) -> Any:
    """Call the function; the stack frames below this one belong to it."""
    return function(*arguments, **options)


class _Device:
    """Move values to the fake device; a value that occurs twice stays one object.

    Args:
        mode: The mode that makes tensors fake. Modules are copied outside it, so that their other
            attributes stay as they are.
    """

    def __init__(self, mode: AbstractContextManager[Any]) -> None:
        self._mode = mode
        self.tensors: list[Tensor] = []
        self._memo: dict[int, Any] = {}

    def take(self, value: Any) -> Any:
        """Move an argument of a function, or the function itself."""
        if isinstance(value, Tensor):
            return self._take_tensor(value)
        if isinstance(value, nn.Module):
            return self._take_module(value)
        if isinstance(value, functools.partial):
            inner = self.take(value.func)
            return functools.partial(inner, *self.take(value.args), **self.take(value.keywords))
        if inspect.ismethod(value) and isinstance(value.__self__, nn.Module):
            return getattr(self._take_module(value.__self__), value.__name__)
        if isinstance(value, dict):
            return {name: self.take(own) for name, own in value.items()}
        if isinstance(value, list):
            return [self.take(own) for own in value]
        if isinstance(value, tuple):
            taken = [self.take(own) for own in value]
            return type(value)(*taken) if hasattr(value, "_fields") else tuple(taken)
        return value

    def _take_tensor(self, tensor: Tensor) -> Tensor:
        if id(tensor) not in self._memo:
            with self._mode:
                there = torch.empty_like(tensor, device=_DEVICE)
                if isinstance(tensor, nn.Parameter):
                    there = nn.Parameter(there, requires_grad=False)
            self._memo[id(tensor)] = there
            self.tensors.append(there)
        taken: Tensor = self._memo[id(tensor)]
        return taken

    def _take_module(self, module: nn.Module) -> nn.Module:
        """Copy a module as ``.to`` would: only parameters and buffers are moved."""
        for tensor in [*module.parameters(), *module.buffers()]:
            self._take_tensor(tensor)
        return copy.deepcopy(module, self._memo)


class _Memory:
    """The used memory of the device, and its peak."""

    def __init__(self) -> None:
        self.peak = 0
        self._used = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def hold(self, tensor: Tensor) -> None:
        """Count the storage of a tensor as long as it is referenced."""
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        self._known.add(storage)
        self._used += storage.nbytes()
        self.peak = max(self.peak, self._used)
        weakref.finalize(storage, self._release, storage.nbytes()).atexit = False

    def _release(self, size: int) -> None:
        self._used -= size


class _Count(_fake.OperatorMode):
    """Count operations on the device, and raise where the host would wait for it."""

    def __init__(self, tensors: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.launches = 0
        self.bytes = 0
        self.copied_at: list[str] = []
        self.float64_at: list[str] = []
        self.memory = _Memory()
        for tensor in tensors:
            self.memory.hold(tensor)

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Count one operation; ``torch`` calls it."""
        kwargs = kwargs or {}
        given = [*_tensors((args, kwargs))]
        name = _fake.name_of(operation)
        _check_waits(operation, name, given, args, kwargs)
        _check_devices(name, given)
        out = operation(*args, **kwargs)
        self._count(operation, name, given, [*_tensors(out)])
        return out

    def _count(self, operation: Any, name: str, given: list[Tensor], made: list[Tensor]) -> None:
        there = [tensor for tensor in made if _is_there(tensor)]
        for tensor in there:
            self.memory.hold(tensor)
        if any(tensor.dtype in _WIDE for tensor in there):
            self.float64_at.append(_place())
        changes = _fake.edits(operation)
        if not (there or (changes and any(map(_is_there, given)))) or name in _ALLOCATING:
            return
        if not changes and all(_is_view(tensor, given) for tensor in there):
            return
        self.launches += 1
        read = given[1:] if name in _WRITING else given
        self.bytes += sum(map(_extent, read)) + sum(map(_extent, there))
        if _copies_from_host(name, given):
            self.copied_at.append(_place())


def _check_waits(operation: Any, name: str, given: list[Tensor], args: Any, kwargs: Any) -> None:
    """Raise if the host needs a value or a shape that depends on the computation."""
    if name in _COPIES:
        to_host = not _is_there(given[0]) if name == "copy_" else _goes_to_host(kwargs)
        asks = to_host and not _is_non_blocking(args, kwargs)
    elif name in _INDEXING:
        asks = _picks_by_mask(name, args)
    else:
        asks = name in _WAITING or _fake.needs_values(operation)
    if not asks:
        return
    if any(map(_is_there, given)):
        raise DeviceWorkError(
            f"{_place()} waits for the device ({name}): no new operation is queued until all "
            f"earlier ones are done. Keep the value in a tensor and the shape static, with "
            f"`torch.where` instead of a condition or a mask index"
        )
    if name not in _COPIES and not all(map(_fake.has_number, given)):
        raise DeviceWorkError(
            f"{_place()} reads a tensor on the CPU ({name}): `device_work` knows only shapes, not "
            f"values. Compute it with Python numbers, or before the call"
        )


def _goes_to_host(kwargs: dict[str, Any]) -> bool:
    device = kwargs.get("device")
    return device is not None and torch.device(device).type == "cpu"


def _is_non_blocking(args: Any, kwargs: dict[str, Any]) -> bool:
    return bool(kwargs.get("non_blocking", args[2] if len(args) > 2 else False))


def _picks_by_mask(name: str, args: Any) -> bool:
    """Whether an index is a mask, which selects an unknown number of values."""
    indices = [*_tensors(args[1])]
    if "put" in name and len(indices) == 1 and args[2].numel() == 1:
        return False  # a scalar is filled in where the mask is True
    return any(index.dtype in (torch.bool, torch.uint8) for index in indices)


def _check_devices(name: str, given: list[Tensor]) -> None:
    """Raise if an operation gets tensors of the CPU and of the device."""
    if name in _COPIES or name in _INDEXING or not any(map(_is_there, given)):
        return
    for tensor in given:
        if not _is_there(tensor) and tensor.ndim:  # a scalar tensor may be on any device
            raise DeviceWorkError(
                f"{_place()} mixes devices ({name}): a tensor of shape {tuple(tensor.shape)} is on "
                "the CPU, another one on the GPU. Make it with `device=` of the other"
            )


def _copies_from_host(name: str, given: list[Tensor]) -> bool:
    """Whether an operation on the device reads the memory of the host."""
    here = [tensor for tensor in given if not _is_there(tensor)]
    if name in _INDEXING:
        return any(tensor.ndim for tensor in here)
    return name in _COPIES and bool(here)


def _is_there(tensor: Tensor) -> bool:
    return tensor.device.type == _DEVICE


def _is_view(tensor: Tensor, given: list[Tensor]) -> bool:
    storage = tensor.untyped_storage()._cdata
    return any(storage == other.untyped_storage()._cdata for other in given)


def _extent(tensor: Tensor) -> int:
    """Count the bytes of a tensor in memory: expanded and overlapping parts count once."""
    count = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= size if stride else min(size, 1)
    return min(count * tensor.element_size(), tensor.untyped_storage().nbytes())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for own in value:
            yield from _tensors(own)
    elif isinstance(value, dict):
        yield from _tensors([*value.values()])


def _place() -> str:
    """Return the current line of the user's code, and that of augspec if it is deeper."""
    own: FrameType | None = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not _call.__code__:
        file = frame.f_code.co_filename
        if file.startswith(_AUGSPEC):
            own = own or (None if file == __file__ else frame)
        elif not file.startswith((_TORCH, "<frozen")):
            return _line(frame) + (f", in {_line(own)}," if own else "")
        frame = frame.f_back
    return _line(own) if own else "the function itself"


def _line(frame: FrameType) -> str:
    file, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(file, number).strip()
    return f"{file}:{number}: `{text:.100}`" if text else f"{file}:{number}"
