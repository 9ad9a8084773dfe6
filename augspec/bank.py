"""Banks of sounds for transforms: background noise, impulse responses."""

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
from augspec.native import pieces

__all__ = ["Bank"]

# A config refers to the synthetic device responses by this name, as it cannot hold waveforms.
MADE_DEVICES = "made:devices"
_SEAM = 0.005  # seconds
_NEVER = 2**62  # samples
_CHUNK = 64  # samples read at a time
_MOST_PLACES = 2048  # positions at which a cut of a sound is tested


class Bank(nn.Module):
    """Hold many sounds of any length in one tensor.

    When the bank is made, files are decoded once, mixed down to one channel unless ``mono`` is
    False, and resampled. The tensor is in the CPU's memory. A copy is made on another device when
    audio on that device first uses the bank. The sounds are not a buffer:
    ``DistributedDataParallel`` does not broadcast them, ``.half()`` does not round them, and a
    ``state_dict`` does not hold them.

    Args:
        sounds: A folder, whose audio files are read in sorted order, also those in its folders; a
            list of files; a list of waveforms ``(time,)`` or ``(channel, time)``, at
            ``sample_rate``; or ``"made:devices"``, the ten responses of ``Bank.from_devices``, for
            configs.
        sample_rate: Sample rate of the bank in Hz, that of the audio which will use it.
        max_duration: Seconds after which a sound is cut; None keeps all. Impulse responses that end
            in silence cost less when cut.
        dtype: ``"float32"``, or ``"float16"``, which takes half of the memory and has errors of
            about -70 dB relative to each sample.
        mono: Whether sounds are mixed down to one channel, which is used for all channels of an
            example. With False each sound keeps its channels, and its number of channels must be
            that of the audio: a room's response for each microphone, or a background in stereo.

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
        # Keep kernels eager, because each length would compile the resampler again. Cached filters
        # also serve training.
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
        """Read all audio files of a folder and its subfolders; see the class."""
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
        """Make ten synthetic responses of cheap devices, for `augspec.transforms.ImpulseResponse`.

        A smartphone's speaker, a laptop's speakers and microphone, a headset, an earpiece, a
        kitchen radio, a television, a megaphone, an intercom and an old ribbon microphone:
        they are minimum-phase filters of 64 ms from curves that we drew; no device was measured.
        They are part of augspec, under its licence.

        Args:
            sample_rate: Sample rate in Hz.

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
        """Make responses of box-shaped rooms by the image-source method, with pyroomacoustics.

        Size, walls, source and a row of microphones are drawn uniformly for each room; source and
        microphones are at least half a metre from the walls. A room takes from 10 ms to a few
        seconds to compute; small rooms with long reverberation take longest.

        Args:
            count: Number of rooms.
            sample_rate: Sample rate in Hz.
            seed: Seed of the draws; the same seed gives the same rooms.
            size: Range of length and width in metres, 1.5 to 100.
            height: Range of the height in metres, 1.5 to 30.
            rt60: Range of the reverberation time in seconds, 0.05 to 5, by Sabine's formula. In a
                small room, whose walls cannot absorb enough, it becomes longer.
            channels: Microphones; with more than one the bank keeps them (``mono=False``).
            spacing: Metres between microphones.

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
        """The argument ``sounds``: the folder, the files or the waveforms."""
        return self._tensors() if self._source is None else self._source

    def __len__(self) -> int:
        return len(self._lengths.tensor) // self.channels

    def rows_of(self, sound: Tensor, channels: int, *, per_channel: bool = False) -> Tensor:
        """Return the rows of the bank that hold the channels of sounds, for other methods.

        In a bank of one channel the sounds themselves are the rows, and all channels share them.

        Args:
            sound: Index of the sound in the bank, int64, any shape.
            channels: Channels of the audio.
            per_channel: Whether the last dimension of ``sound`` is the channel: each channel then
                takes that channel of its own sound.

        Returns:
            int64, in the shape of ``sound``, plus a dimension of channels if the bank has channels
            and ``per_channel`` is not set.

        Raises:
            ValueError: If the number of channels of the bank differs from that of the audio.
        """
        if self.channels == 1:
            return sound
        if self.channels != channels:
            raise ValueError(
                f"`bank` holds sounds of {self.channels} channels, and `waveform` has {channels}: "
                "pass audio with the same number of channels, or a bank with mono=True"
            )
        each = torch.arange(channels, device=sound.device)
        return (sound if per_channel else sound[..., None]) * channels + each

    def first_row_of(self, sound: Tensor) -> Tensor:
        """Return the row of the bank with the first channel of sounds; see ``rows_of``."""
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
        """Cut ``size`` samples out of sounds, which are looped.

        Args:
            sound: Row of the bank, int64, any shape: the sound's index, or see ``rows_of``.
            start: First sample within the sound, int64, of that shape.
            size: Samples to take.
            smooth: Whether to crossfade the end of a looped sound into its reversed beginning over
                5 ms, at most half of the sound. This avoids a step at the seam, and the sound keeps
                its length. With False the two are joined without a fade.
            used: Number of taken samples that are used, int64, of that shape; all by default. A
                sound that is longer gets no fade at its end.

        Shape:
            That of ``sound`` with one more dimension, ``size``; float32, or float64 after
            ``.double()``.
        """
        device = sound.device
        flat = content(_held(self, "_flat", device))
        length, last = self.length_of(sound), start + (size if used is None else used)
        origin = seam = content(_held(self, "_starts", device))[sound]
        end = length  # behind which chunks come from the seam, which is the origin if not `smooth`
        if smooth:
            end = (length - self._width_of_seam(length)).masked_fill(last <= length, _NEVER)
            seam = content(_held(self, "_seams", device))[sound]
        if pieces.can_move(flat, start, length, origin, seam, end):
            return self._values(pieces.loop(flat, size, _CHUNK, start, length, origin, seam, end))
        chunk = torch.arange(0, size, _CHUNK, device=device)
        length, origin, seam, end = (one[..., None] for one in (length, origin, seam, end))
        begin = (start[..., None] + chunk) % length
        place = (
            torch.where(begin + _CHUNK > end, seam, origin) + begin if smooth else origin + begin
        )
        # Copy whole rows: on a CPU this takes less than half the time of indexing.
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
        """Choose where to cut a sound, so that the cut is not mostly silence.

        ``offset`` gives the place, with all places equally likely. If the cut there holds less than
        half as many active blocks as the fullest cut, another place that holds enough is taken,
        again with equal chances. A block of 20 ms is active if its power is at most 30 dB below the
        mean of the sound.

        Args:
            sound: Index of the sound in the bank, int64, any shape.
            offset: Place in [0, 1), of that shape. A sound that is shorter than the cut is looped,
                and may start at any of its samples.
            size: Samples of the cut, int64, of that shape.
            anywhere: Whether a cut may also begin anywhere in a longer sound.
            at_least: Lower bound of ``size``, if known: if every cut holds the whole of any sound,
                no search is needed.

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
        # The choice of the block used only the upper half of the draw's 24 bits; the lower half is
        # still random.
        again = torch.frac(offset * 4096.0)
        wanted = span_start(again, good.sum(-1) - 1)
        found = ((good.cumsum(-1) - 1) < wanted[..., None]).sum(-1) * step
        here = self._fullness(sound, place[..., None], size)
        return torch.where(2 * here[..., 0] >= most[..., 0], place, found)

    def _fullness(self, sound: Tensor, first: Tensor, size: Tensor) -> Tensor:
        """Count the active blocks in cuts of looped sounds."""
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
        """Make the crossfaded part of a looped sound, and return where it begins."""
        length = len(sound)
        width = int(self._width_of_seam(torch.tensor(length)))
        gain = 0.5 - 0.5 * torch.cos(math.pi * torch.arange(1, width + 1) / (width + 1))
        backwards = sound[1 : width + 1].flip(0)
        faded = torch.lerp(sound[length - width :], backwards, gain)
        joined = torch.cat([sound[: length - width], faded])
        first = max(0, length - width - _CHUNK)
        return joined.repeat(2 + _CHUNK // length)[first : length + _CHUNK], first

    def whole(
        self, sound: Tensor, *, start: Tensor | None = None, fade: Tensor | None = None
    ) -> Tensor:
        """Return sounds from their beginning, padded with zeros to ``max_length``.

        Args:
            sound: Row of the bank, int64, any shape: the sound's index, or see ``rows_of``.
            start: Sample from which on a sound fades out, int64, of that shape; None is never.
            fade: Gains from ``start`` on, ``(sample,)``; silence follows.

        Shape:
            That of ``sound`` with one more dimension, ``max_length``; float32, or float64 after
            ``.double()``.
        """
        device = sound.device
        flat, length = content(_held(self, "_flat", device)), self.length_of(sound)
        begin = content(_held(self, "_starts", device))[sound]
        if pieces.can_move(flat, begin, length, start, fade):
            return self._values(pieces.whole(flat, self.max_length, begin, length, start, fade))
        sample = torch.arange(self.max_length, device=device)
        inside = sample < length[..., None]
        values = flat[begin[..., None] + torch.where(inside, sample, 0)]
        values = torch.where(inside, self._values(values), 0.0)
        if start is None or fade is None:
            return values
        gains = nnf.pad(nnf.pad(fade, (1, 0), value=1.0), (0, 1)).to(values.dtype)
        return values * gains[(sample - start[..., None] + 1).clamp(0, len(fade) + 1)]

    def peak_of(self, sound: Tensor, *, per_channel: bool = False) -> Tensor:
        """Return the place of the largest absolute sample of sounds, the first if there are more.

        Args:
            sound: Index of the sound in the bank, int64, any shape: the largest sample over all of
                its channels.
            per_channel: Whether ``sound`` is a row of the bank: see ``rows_of``.

        Returns:
            Sample within the sound, int64, in that shape.
        """
        kept = _held(self, "_peaks_of_rows" if per_channel else "_peaks", sound.device)
        return content(kept)[sound]

    def length_of(self, sound: Tensor) -> Tensor:
        """Return the lengths of sounds in samples, int64, in the shape of ``sound``."""
        return content(_held(self, "_lengths", sound.device))[sound]

    def extra_repr(self) -> str:
        """Show the number of sounds and their duration."""
        seconds = int(self._lengths.tensor.sum()) / (self.sample_rate * self.channels)
        settings = f"sample_rate={self.sample_rate}, max_duration={self.max_duration}"
        settings += "" if self.mono else f", mono=False ({self.channels} channels)"
        return f"{len(self)} sounds, {seconds:.1f} s, {settings}, dtype={self.dtype!r}"

    def _values(self, values: Tensor) -> Tensor:
        return values.double() if self._double else values.float()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Apply ``.double()``; a move has no effect: sounds follow the audio's device."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._double = fn(torch.empty(0)).dtype == torch.float64
        return self

    def __getstate__(self) -> dict[str, Any]:
        # A pickled or copied bank makes new copies on the devices that use it.
        return {**self.__dict__, "_copies": {}}

    def _read(self, sound: str | os.PathLike[str] | Tensor, place: int) -> Tensor:
        """Return a sound as ``(channel, time)`` at the bank's sample rate."""
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
                raise FileNotFoundError(f"`sounds[{place}]` must be an existing file, got {path}")
            rate, name = audio_info(path).sample_rate, str(path)
            waveform = self._mixed(read_audio(path, rate))
            waveform = resample_rate(waveform[None], rate, self.sample_rate)[0]
        if self.max_duration is not None:
            waveform = waveform[:, : max(1, round(self.max_duration * self.sample_rate))]
        if not waveform.numel() or not waveform.isfinite().all():
            raise ValueError(f"{name} must hold at least one sample, and only finite ones")
        return self._mixed(waveform)

    def _mixed(self, waveform: Tensor) -> Tensor:
        return waveform.mean(0, keepdim=True) if self.mono else waveform

    def _rows(self, waveforms: list[Tensor]) -> list[Tensor]:
        """Return the channels of all sounds one after the other."""
        self.channels = len(waveforms[0])
        for place, waveform in enumerate(waveforms):
            if len(waveform) != self.channels:
                raise ValueError(
                    f"with mono=False all sounds must have the same number of channels; "
                    f"`sounds[0]` has "
                    f"{self.channels} and `sounds[{place}]` has {len(waveform)}"
                )
        return [row for waveform in waveforms for row in waveform]

    def _peak(self, *channels: Tensor) -> Tensor:
        """Return the place of the largest absolute sample, as it is kept."""
        kept = torch.stack(channels).to(getattr(torch, self.dtype))
        return kept.float().abs().amax(0).argmax()

    def _fill(self, waveforms: list[Tensor]) -> None:
        lengths = torch.tensor([len(waveform) for waveform in waveforms])
        self.max_length = int(lengths.max())
        # Store the beginning of each sound again after its end, so that a chunk from any sample is
        # contiguous.
        looped = [sound.repeat(2 + _CHUNK // len(sound)) for sound in waveforms]
        kept = [sound[: len(own) + _CHUNK] for sound, own in zip(looped, waveforms, strict=True)]
        held = lengths + _CHUNK
        seams, firsts = zip(*map(self._seam, waveforms), strict=True)
        sizes = torch.tensor([len(seam) for seam in seams])
        self._flat = Kept(torch.cat([*kept, *seams]).to(getattr(torch, self.dtype)))
        self._starts = Kept(held.cumsum(0) - held)
        # Where the beginning of each sound is, counted from the seam as its end.
        self._seams = Kept(held.sum() + sizes.cumsum(0) - sizes - torch.tensor(firsts))
        self._lengths = Kept(lengths)
        each = range(0, len(waveforms), self.channels)
        self._peaks_of_rows = Kept(torch.stack([self._peak(sound) for sound in waveforms]))
        self._peaks = Kept(
            torch.stack([self._peak(*waveforms[i : i + self.channels]) for i in each])
        )
        sounding = [self._sounding_blocks(sound) for sound in waveforms]
        self._steady = all(bool(one.all()) for one in sounding)
        most = max(map(len, sounding))
        # Number of active blocks up to each block; after the end of a sound, the number in all of
        # it.
        counts = [nnf.pad(one.long().cumsum(0), (1, most - len(one))) for one in sounding]
        self._sounding = Kept(torch.stack(counts).cummax(-1).values)

    def _sounding_blocks(self, sound: Tensor) -> Tensor:
        size = block_size(self.sample_rate)
        blocks = nnf.pad(sound, (0, -len(sound) % size)).view(-1, size)
        ends = len(sound) - torch.arange(len(blocks)) * size
        sounds = active_blocks(blocks.square().sum(-1), ends.clamp(max=size))
        # In silence all places are equal.
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
    """Return a tensor of a bank on a device; it is copied once, outside the caller's modes."""
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
        raise FileNotFoundError(f"`sounds` must be an existing folder or a list, got {folder}")
    found = audio_files(folder, ALL_SUFFIXES).files
    if not found:
        raise ValueError(f"`sounds` must be a folder with audio files, got {folder} with none")
    return found


def check_bank(bank: Bank) -> Bank:
    """Check that a transform's argument is a bank and return it."""
    if not isinstance(bank, Bank):
        raise TypeError(
            f"`bank` must be an augspec.Bank, got {type(bank).__name__}; "
            "augspec.Bank(sounds, sample_rate) reads a folder or a list of files"
        )
    return bank


def example_bank() -> Bank:
    """Return a bank of two short notes that are part of the package."""
    folder = resources.files("augspec.datasets") / "gm_notes_data"
    files = [str(folder / name) for name in ("guitar_fluid_024.ogg", "mallet_fluid_012.ogg")]
    return Bank.from_files(files, 16_000, max_duration=0.25)
