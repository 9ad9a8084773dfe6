"""Sounds kept on the device for transforms to take from: background noise, impulse responses."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from augspec._compile import constant_of_module, eager_kernels
from augspec._constants import Kept, content, holds_no_numbers, outside_modes
from augspec._responses import check_room_ranges, device_responses, room_responses
from augspec._torch import is_exporting
from augspec.datasets._audio import ALL_SUFFIXES, audio_info, read_audio
from augspec.datasets._walk import audio_files
from augspec.functional.checks import check_finite, check_flag, check_sample_rate
from augspec.functional.reference import active_blocks, block_size
from augspec.functional.resample import resample_rate
from augspec.functional.shapes import span_start

__all__ = ["Bank"]

# A config names the responses of made devices by this; it cannot hold waveforms.
MADE_DEVICES = "made:devices"
_SEAM = 0.005  # seconds
_CHUNK = 64  # samples read at a time
_MOST_PLACES = 2048  # at which a cut of a sound is looked at


class Bank(nn.Module):
    """Hold many sounds of any length in one tensor.

    Files are decoded once, when the bank is made, mixed down to one channel unless ``mono`` is
    False, and resampled. The tensor lies in the CPU's memory. Audio on another device makes a copy
    there, once, at its first use. The sounds are no buffer: ``DistributedDataParallel`` does not
    send them round, ``.half()`` does not round them, and a ``state_dict`` does not hold them.

    Args:
        sounds: A folder, which stands for its audio files and those of its folders in sorted order;
            a list of files; a list of waveforms ``(time,)`` or ``(channel, time)``, at
            ``sample_rate``; or ``"made:devices"``, the ten of ``Bank.from_devices``, for
            configs.
        sample_rate: Sample rate in Hz at which the sounds are kept: that of the audio they are for.
        max_duration: Seconds after which a sound is cut; None keeps all. Impulse responses that end
            in silence cost less when cut.
        dtype: ``"float32"``, or ``"float16"`` for half of the memory and errors near -70 dB of each
            sample.
        mono: Whether sounds are mixed down to one channel, which all channels of an example get.
            With False each keeps its channels, and all must have as many, those of the audio: a
            room's response for each microphone, or a background in stereo.

    Raises:
        FileNotFoundError: If a file or the folder is not there.
        ValueError: If there is no sound, a file cannot be decoded, a sound is empty or not finite,
            or a setting is out of range; the message names the sound.

    Example:
        >>> bank = Bank([torch.randn(16000), torch.randn(2, 8000)], sample_rate=16000)
        >>> len(bank), bank.max_length
        (2, 16000)
    """

    def __init__(
        self,
        sounds: str | os.PathLike[str] | Sequence[str | os.PathLike[str] | Tensor],
        sample_rate: int,
        *,
        max_duration: float | None = None,
        dtype: Literal["float32", "float16"] = "float32",
        mono: bool = True,
    ) -> None:
        super().__init__()
        self.sample_rate = check_sample_rate(sample_rate)
        if max_duration is not None and check_finite("max_duration", max_duration) <= 0:
            raise ValueError(f"`max_duration` must be positive, in seconds, got {max_duration!r}")
        if dtype not in ("float32", "float16"):
            raise ValueError(f'`dtype` must be "float32" or "float16", got {dtype!r}')
        self.max_duration = max_duration
        self.dtype = dtype
        self.mono = check_flag("mono", mono)
        self._double = False
        self._copies: dict[tuple[str, torch.device], Kept] = {}
        if isinstance(sounds, str) and sounds == MADE_DEVICES:
            self._source: str | list[str] | None = MADE_DEVICES
            sounds = device_responses(self.sample_rate)
        elif isinstance(sounds, str | os.PathLike):
            self._source = os.fspath(sounds)
            sounds = list(_audio_files(Path(sounds)))
        elif sounds and not any(isinstance(sound, Tensor) for sound in sounds):
            self._source = [os.fspath(sound) for sound in sounds if not isinstance(sound, Tensor)]
        else:
            self._source = None
        if not sounds:
            raise ValueError("`sounds` must hold at least one sound, got none")
        # Each length would compile the resampler again. What is kept serves training too.
        with eager_kernels(), torch.inference_mode(False):
            self._fill(self._rows([self._read(sound, i) for i, sound in enumerate(sounds)]))

    @classmethod
    def from_folder(
        cls,
        path: str | os.PathLike[str],
        sample_rate: int,
        *,
        max_duration: float | None = None,
        dtype: Literal["float32", "float16"] = "float32",
        mono: bool = True,
    ) -> Self:
        """Read all audio files of a folder and of the folders within it; see the class."""
        return cls(path, sample_rate, max_duration=max_duration, dtype=dtype, mono=mono)

    @classmethod
    def from_files(
        cls,
        paths: Sequence[str | os.PathLike[str]],
        sample_rate: int,
        *,
        max_duration: float | None = None,
        dtype: Literal["float32", "float16"] = "float32",
        mono: bool = True,
    ) -> Self:
        """Read audio files; see the class."""
        return cls(paths, sample_rate, max_duration=max_duration, dtype=dtype, mono=mono)

    @classmethod
    def from_devices(cls, sample_rate: int) -> Self:
        """Make ten responses of cheap devices, for `augspec.transforms.ImpulseResponse`.

        A smartphone's speaker, a laptop's speakers and microphone, a headset, an earpiece, a
        kitchen radio, a television, a megaphone, an intercom and an old ribbon microphone:
        minimum-phase filters of 64 ms after curves that we drew, not measured on any device. They
        come with augspec, under its licence.

        Args:
            sample_rate: In Hz.

        Example:
            >>> len(Bank.from_devices(16_000))
            10
        """
        return cls(device_responses(check_sample_rate(sample_rate)), sample_rate)

    @classmethod
    def from_rooms(
        cls,
        count: int,
        sample_rate: int,
        *,
        seed: int = 0,
        size: float | tuple[float, float] = (3.0, 10.0),
        height: float | tuple[float, float] = (2.4, 4.0),
        rt60: float | tuple[float, float] = (0.2, 0.6),
        channels: int = 1,
        spacing: float = 0.05,
    ) -> Self:
        """Make responses of box-shaped rooms by image sources, with pyroomacoustics.

        Each room has a size, walls, a source and a row of microphones of its own, drawn uniformly;
        all stand at least half a metre from the walls. A room takes from 10 ms to a few seconds to
        make: the longer it reverberates and the smaller it is, the longer.

        Args:
            count: Number of rooms.
            sample_rate: In Hz.
            seed: Of the draws: the same rooms again.
            size: Range of length and width in metres, 1.5 to 100.
            height: Range of the height in metres, 1.5 to 30.
            rt60: Range of the reverberation time in seconds, 0.05 to 5, by Sabine's formula. A
                small room whose walls cannot absorb as much takes longer.
            channels: Microphones; with more than one the bank keeps them (``mono=False``).
            spacing: Metres between them.

        Raises:
            ImportError: If pyroomacoustics is not installed.
            ValueError: If a range is reversed or out of its bounds, or the row does not fit.
        """
        ranges = check_room_ranges(size=size, height=height, rt60=rt60)
        responses = room_responses(
            count,
            check_sample_rate(sample_rate),
            seed=seed,
            channels=channels,
            spacing=spacing,
            **ranges,
        )
        return cls(responses, sample_rate, mono=channels == 1)

    @property
    def sounds(self) -> str | list[str] | list[Tensor]:
        """Say what the bank was made from, the folder, the files or the waveforms."""
        return self._tensors() if self._source is None else self._source

    def __len__(self) -> int:
        return len(self._lengths.tensor) // self.channels

    def rows_of(self, sound: Tensor, channels: int, *, per_channel: bool = False) -> Tensor:
        """Say which rows of the bank are the channels of sounds: what other methods take.

        In a bank of one channel the sounds themselves are the rows, and all channels share them.

        Args:
            sound: Place of the sound in the bank, int64, any shape.
            channels: Channels of the audio.
            per_channel: Whether the last dimension of ``sound`` is the channel already: each then
                takes its own channel of its own sound.

        Returns:
            int64, in the shape of ``sound``, with a dimension of channels more if the bank has
            some and ``per_channel`` is not set.

        Raises:
            ValueError: If the bank's sounds have channels, and not those of the audio.
        """
        if self.channels == 1:
            return sound
        if self.channels != channels:
            raise ValueError(
                f"`bank` holds sounds of {self.channels} channels, and `waveform` has {channels}: "
                "give audio of as many channels, or a bank with mono=True"
            )
        each = torch.arange(channels, device=sound.device)
        return (sound if per_channel else sound[..., None]) * channels + each

    def first_row_of(self, sound: Tensor) -> Tensor:
        """Say which row of the bank is the first channel of sounds; see ``rows_of``."""
        return sound if self.channels == 1 else sound * self.channels

    def take(
        self,
        sound: Tensor,
        start: Tensor,
        size: int,
        *,
        smooth: bool = False,
        used: Tensor | None = None,
    ) -> Tensor:
        """Cut ``size`` samples out of sounds, which begin again where they end.

        Args:
            sound: Row of the bank, int64, any shape: the sound's place, or see ``rows_of``.
            start: First sample within the sound, int64, of that shape.
            size: Samples to take.
            smooth: Whether the end of a sound that begins again turns into its beginning, played
                backwards, over 5 ms and at most half of the sound: there is no step at the seam
                then, and the sound keeps its length. Without it the two are joined as they are.
            used: Samples that will be heard of those taken, int64, of that shape; all by default.
                A sound that lasts longer ends as it is.

        Shape:
            That of ``sound`` with one more dimension, ``size``; float32, or float64 in a bank put
            to ``.double()``.
        """
        device = sound.device
        chunk = torch.arange(0, size, _CHUNK, device=device)
        length = self.length_of(sound)[..., None]
        begin = (start[..., None] + chunk) % length
        origin = content(_held(self, "_starts", device))[sound][..., None]
        if smooth:
            again = (start + (size if used is None else used))[..., None] > length
            joins = again & (begin + _CHUNK > length - self._width_of_seam(length))
            seam = content(_held(self, "_seams", device))[sound][..., None]
            origin = torch.where(joins, seam, origin)
        flat = content(_held(self, "_flat", device))
        place = origin + begin
        # A row is copied as a whole: on a CPU in less than half the time that indexing takes.
        taken = flat.unfold(0, _CHUNK, 1).index_select(0, place.flatten())
        return self._values(taken).view(*place.shape, _CHUNK).flatten(-2)[..., :size]

    def find_place(
        self,
        sound: Tensor,
        offset: Tensor,
        size: Tensor,
        *,
        anywhere: bool = False,
        at_least: int = 0,
    ) -> Tensor:
        """Choose where to cut a sound, so that the cut holds about as much of it as others would.

        The place is that of ``offset``, all places being equally likely, unless the cut there would
        hold less than half of the sounding blocks that the fullest cut holds; then it is one of
        those that do not, all again equally likely. A block of 20 ms sounds if its power is at most
        30 dB below the mean of the sound.

        Args:
            sound: Place of the sound in the bank, int64, any shape.
            offset: Place in [0, 1), of that shape. A sound that is shorter than the cut begins
                again, and any of its samples may be the first.
            size: Samples of the cut, int64, of that shape.
            anywhere: Whether a cut may begin anywhere in a sound that is longer, too.
            at_least: Samples that every cut has, if that is known: one that holds the whole of any
                sound is as good as another, and none is looked for.

        Returns:
            First sample within the sound, int64, in that shape.
        """
        length = self.length_of(sound)
        room = length - 1
        if not anywhere:
            room = torch.where(length >= size, length - size, room)
        place = span_start(offset, room)
        if self._steady or at_least >= self.max_length:
            return place
        block = block_size(self.sample_rate)
        step = block * -(-self.max_length // (block * _MOST_PLACES))
        first = torch.arange(0, self.max_length, step, device=sound.device)
        fullness = self._fullness(sound, first, size)
        inside = first <= room[..., None]
        most = torch.where(inside, fullness, 0).amax(-1, keepdim=True)
        good = inside & (2 * fullness >= most)
        # The lower half of the draw's 24 bits has had no say about which block it is.
        again = torch.frac(offset * 4096.0)
        wanted = span_start(again, good.sum(-1) - 1)
        found = ((good.cumsum(-1) - 1) < wanted[..., None]).sum(-1) * step
        here = self._fullness(sound, place[..., None], size)
        return torch.where(2 * here[..., 0] >= most[..., 0], place, found)

    def _fullness(self, sound: Tensor, first: Tensor, size: Tensor) -> Tensor:
        """Count the sounding blocks that cuts touch, the sound beginning again where it ends."""
        block = block_size(self.sample_rate)
        counts = content(_held(self, "_sounding", sound.device))

        def before(index: Tensor) -> Tensor:
            return counts[sound[..., None], index.clamp(max=counts.shape[-1] - 1)]

        length = self.length_of(sound)[..., None]
        last = first + size[..., None]
        whole = counts[sound, -1][..., None]
        rest = last % length + (block - 1)
        return last // length * whole + before(rest // block) - before(first // block)

    def _width_of_seam(self, length: Tensor) -> Tensor:
        return (length // 2).clamp(max=round(_SEAM * self.sample_rate))

    def _seam(self, sound: Tensor) -> tuple[Tensor, int]:
        """Make the part of a sound that is read where it begins again, and say where it begins."""
        length = len(sound)
        width = int(self._width_of_seam(torch.tensor(length)))
        gain = 0.5 - 0.5 * torch.cos(math.pi * torch.arange(1, width + 1) / (width + 1))
        backwards = sound[1 : width + 1].flip(0)
        faded = torch.lerp(sound[length - width :], backwards, gain)
        joined = torch.cat([sound[: length - width], faded])
        first = max(0, length - width - _CHUNK)
        return joined.repeat(2 + _CHUNK // length)[first : length + _CHUNK], first

    def whole(self, sound: Tensor) -> Tensor:
        """Give sounds from their beginning, with zeros up to ``max_length`` behind them.

        Args:
            sound: Place of the sound in the bank, int64, any shape.

        Shape:
            That of ``sound`` with one more dimension, ``max_length``; float32, or float64 in a bank
            put to ``.double()``.
        """
        device = sound.device
        sample = torch.arange(self.max_length, device=device)
        inside = sample < self.length_of(sound)[..., None]
        begin = content(_held(self, "_starts", device))[sound][..., None]
        values = content(_held(self, "_flat", device))[begin + torch.where(inside, sample, 0)]
        return torch.where(inside, self._values(values), 0.0)

    def length_of(self, sound: Tensor) -> Tensor:
        """Count the samples of sounds, int64, in the shape of ``sound``."""
        return content(_held(self, "_lengths", sound.device))[sound]

    def extra_repr(self) -> str:
        """Show how much the bank holds."""
        seconds = int(self._lengths.tensor.sum()) / (self.sample_rate * self.channels)
        settings = f"sample_rate={self.sample_rate}, max_duration={self.max_duration}"
        settings += "" if self.mono else f", mono=False ({self.channels} channels)"
        return f"{len(self)} sounds, {seconds:.1f} s, {settings}, dtype={self.dtype!r}"

    def _values(self, values: Tensor) -> Tensor:
        return values.double() if self._double else values.float()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Take note of ``.double()``; where the sounds lie is up to the audio."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._double = fn(torch.empty(0)).dtype == torch.float64
        return self

    def __getstate__(self) -> dict[str, Any]:
        # A pickled or copied bank makes copies of its own where it is used.
        return {**self.__dict__, "_copies": {}}

    def _read(self, sound: str | os.PathLike[str] | Tensor, place: int) -> Tensor:
        """Give a sound as ``(channel, time)`` at the bank's sample rate."""
        if isinstance(sound, Tensor):
            name, waveform = f"`sounds[{place}]`", sound
            if waveform.dim() not in (1, 2) or not waveform.is_floating_point():
                raise ValueError(
                    f"{name} must be float, (time,) or (channel, time), got {waveform.dtype} of "
                    f"shape {tuple(waveform.shape)}"
                )
            waveform = waveform.detach().float().cpu()
            waveform = torch.atleast_2d(waveform)
        else:
            path = Path(sound)
            if not path.is_file():
                raise FileNotFoundError(
                    f"`sounds[{place}]` must be a file, but {path} is not there"
                )
            rate, name = audio_info(path).sample_rate, str(path)
            waveform = self._mixed(read_audio(path, rate))
            waveform = resample_rate(waveform[None], rate, self.sample_rate)[0]
        if self.max_duration is not None:
            waveform = waveform[:, : max(1, round(self.max_duration * self.sample_rate))]
        if not waveform.numel() or not waveform.isfinite().all():
            raise ValueError(f"{name} must hold finite samples, and at least one")
        return self._mixed(waveform)

    def _mixed(self, waveform: Tensor) -> Tensor:
        return waveform.mean(0, keepdim=True) if self.mono else waveform

    def _rows(self, waveforms: list[Tensor]) -> list[Tensor]:
        """Give the channels of all sounds one after the other."""
        self.channels = len(waveforms[0])
        for place, waveform in enumerate(waveforms):
            if len(waveform) != self.channels:
                raise ValueError(
                    f"with mono=False all sounds must have as many channels; `sounds[0]` has "
                    f"{self.channels} and `sounds[{place}]` has {len(waveform)}"
                )
        return [row for waveform in waveforms for row in waveform]

    def _fill(self, waveforms: list[Tensor]) -> None:
        lengths = torch.tensor([len(waveform) for waveform in waveforms])
        self.max_length = int(lengths.max())
        # Behind each sound its beginning: a chunk can be read from any sample at once.
        looped = [sound.repeat(2 + _CHUNK // len(sound)) for sound in waveforms]
        kept = [sound[: len(own) + _CHUNK] for sound, own in zip(looped, waveforms, strict=True)]
        held = lengths + _CHUNK
        seams, firsts = zip(*map(self._seam, waveforms), strict=True)
        sizes = torch.tensor([len(seam) for seam in seams])
        self._flat = Kept(torch.cat([*kept, *seams]).to(getattr(torch, self.dtype)))
        self._starts = Kept(held.cumsum(0) - held)
        # Where the beginning of each sound would be, if its seam were the end of it.
        self._seams = Kept(held.sum() + sizes.cumsum(0) - sizes - torch.tensor(firsts))
        self._lengths = Kept(lengths)
        sounding = [self._sounding_blocks(sound) for sound in waveforms]
        self._steady = all(bool(one.all()) for one in sounding)
        most = max(map(len, sounding))
        # Blocks up to each, behind the end of a sound as many as in all of it.
        counts = [nnf.pad(one.long().cumsum(0), (1, most - len(one))) for one in sounding]
        self._sounding = Kept(torch.stack(counts).cummax(-1).values)

    def _sounding_blocks(self, sound: Tensor) -> Tensor:
        size = block_size(self.sample_rate)
        blocks = nnf.pad(sound, (0, -len(sound) % size)).view(-1, size)
        ends = len(sound) - torch.arange(len(blocks)) * size
        sounds = active_blocks(blocks.square().sum(-1), ends.clamp(max=size))
        # Silence has no better place than another.
        return sounds if sounds.any() else torch.ones_like(sounds)

    def _tensors(self) -> list[Tensor]:
        held = (self._lengths.tensor + _CHUNK).tolist()
        rows = [part[:-_CHUNK] for part in self._flat.tensor[: sum(held)].split(held)]
        if self.mono:
            return rows
        return [
            torch.stack(rows[i : i + self.channels]) for i in range(0, len(rows), self.channels)
        ]


@constant_of_module
def _held(bank: Bank, name: str, device: torch.device) -> Kept:
    """Give a tensor of a bank on a device; a copy is made once, outside of the caller's modes."""
    home: Kept = getattr(bank, name)
    if not is_exporting() and holds_no_numbers():
        shape, dtype = home.tensor.shape, home.tensor.dtype
        return Kept(torch.empty(shape, dtype=dtype, device=device))
    if device == home.tensor.device:
        return home
    if (name, device) not in bank._copies:
        bank._copies[name, device] = Kept(outside_modes(lambda: home.tensor.to(device)))
    return bank._copies[name, device]


def _audio_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"`sounds` must be a folder or a list, but {folder} is no folder")
    found = audio_files(folder, ALL_SUFFIXES).files
    if not found:
        raise ValueError(f"`sounds` must be a folder with audio files, got {folder} with none")
    return found


def check_bank(bank: Bank) -> Bank:
    """Check that a transform was given a bank and give it back."""
    if not isinstance(bank, Bank):
        raise TypeError(
            f"`bank` must be an augspec.Bank, got {type(bank).__name__}; "
            "augspec.Bank(sounds, sample_rate) reads a folder or a list of files"
        )
    return bank


def example_bank() -> Bank:
    """Give a bank of two short notes that come with the package."""
    folder = resources.files("augspec.datasets") / "gm_notes_data"
    files = [str(folder / name) for name in ("guitar_fluid_024.ogg", "mallet_fluid_012.ogg")]
    return Bank.from_files(files, 16_000, max_duration=0.25)
