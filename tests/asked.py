"""What a class promises in the circumstances of a row of `circumstances`; `ask` asks it all."""

import contextlib
import multiprocessing
import os
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from unittest import mock

import circumstances as table
import elsewhere
import torch
from torch.autograd import forward_ad
from torch.utils.data import DataLoader

import augspec
from augspec import native
from augspec import transforms as T
from augspec.testing.case import Case, close, equal, require, takes_specgram

#: Relative errors of a result, by dtype: a rounding, and what sums of another order add.
ROUNDING = {
    torch.float32: 1e-5,
    torch.float64: 1e-9,
    torch.float16: 2e-3,
    torch.bfloat16: 1.6e-2,
}
#: Where native or compiled kernels choose a peak or an onset otherwise than torch does, and neither
#: is wrong: parts of an example differ, so that it is compared as a whole. In 0.1 s of noise a peak
#: can be 6 % of it, and the bins at the Nyquist frequency 13 %: there a phase of half a turn has no
#: sign.
AS_A_WHOLE = 0.15


@dataclass(frozen=True)
class Asked(Case):
    """A case that is called in the circumstances of a row."""

    row: table.Row = field(default_factory=table.Row)

    def run(self):
        """Call the module without lengths, as the row says."""
        return self._called(None)[0]

    def run_ragged(self):
        """Call the module with lengths, as the row says."""
        return self._called(self.lengths)

    def plain(self, lengths):
        """Call the module as if nothing were out of the ordinary, in float32 or float64."""
        wide = self.batch.float() if self.batch.dtype.itemsize == 2 else self.batch
        with native.in_torch():
            out, ends = self._call(wide, lengths)
        return out.to(self.batch.dtype), ends

    def _keys(self):
        draws = isinstance(self.module, T.RandomTransform | augspec.Frontend)
        return {"keys": self.keys} if draws else {}

    def _call(self, batch, lengths):
        if lengths is None:
            return self.module(batch, **self._keys()), None
        return self.module(batch, lengths, **self._keys())

    def _called(self, lengths):
        row = self.row
        own = contextlib.nullcontext() if row.way in _NATIVE else native.in_torch()
        with table.defaults(row), own:
            return _WAYS.get(row.way, Asked._call)(self, self.batch, lengths)

    def _mapped(self, batch, lengths):
        """Give the first of two batches that `vmap` calls the module with."""
        if not len(batch):  # which torch cannot map
            return self._call(batch, lengths)
        two = torch.stack([batch, batch.flip(0)])
        if lengths is None:
            return torch.func.vmap(lambda x: self._call(x, None)[0])(two)[0], None
        out, ends = torch.func.vmap(lambda x: self._call(x, lengths))(two)
        return out[0], ends[0]

    def _pulled_back(self, batch, lengths):
        """Give the result of `vjp`, having looked at the gradient beside that of autograd."""
        if not len(batch):  # without a number there is no gradient
            return self._call(batch, lengths)
        ends = None if lengths is None else self._call(batch, lengths)[1]
        out, pull = torch.func.vjp(lambda x: self._call(x, lengths)[0], batch)
        if not out.numel():  # a sample is shorter than a frame
            return out, ends
        leaf = batch.clone().requires_grad_()
        total = self._call(leaf, lengths)[0].sum()
        # Backward within autocast multiplies in half, whoever does it: torch's advice is without.
        with torch.autocast("cpu", enabled=False):
            (gradient,) = pull(torch.ones_like(out))
            (expected,) = torch.autograd.grad(total, leaf)
        fits = self._has_gradient_within(batch, lengths, torch.finfo(batch.dtype).max)
        gradient, expected = gradient[fits], expected[fits]
        require(gradient.isfinite().all(), "the gradient by `vjp` is not finite")
        tolerance = 10 * ROUNDING[batch.dtype]
        close(gradient, expected, "`vjp` and autograd give two gradients", tolerance)
        return out, ends

    def _pushed_forward(self, batch, lengths):
        """Give the result of `jvp`, having looked at the gradient beside that of autograd."""

        def push(direction):
            return torch.func.jvp(lambda x: self._call(x, lengths)[0], (batch,), (direction,))

        return self._forward(push, batch, lengths)

    def _of_dual_numbers(self, batch, lengths):
        """Give the result of dual numbers, having looked at the gradient beside autograd's."""

        def push(direction):
            with forward_ad.dual_level():
                out, _ = self._call(forward_ad.make_dual(batch, direction), lengths)
                return forward_ad.unpack_dual(out)

        return self._forward(push, batch, lengths)

    def _forward(self, push, batch, lengths):
        """Give the result of `push`, whose tangent along autograd's gradient must agree with it."""
        if not len(batch):  # without a number there is no gradient
            return self._call(batch, lengths)
        leaf = batch.clone().requires_grad_()
        out, ends = self._call(leaf, lengths)
        if not out.numel():  # a sample is shorter than a frame
            return out.detach(), ends
        with torch.device("cpu"):
            weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(0)).to(out)
        with torch.autocast("cpu", enabled=False):
            (gradient,) = torch.autograd.grad(out, leaf, weights)
        most = float(gradient.double().norm())
        direction = gradient / most if most else batch
        out, tangent = push(direction)
        if tangent is None:
            tangent = torch.zeros_like(out)
        if self._has_gradient_within(batch, lengths, torch.finfo(batch.dtype).max).all():
            error = abs(float((tangent.double() * weights.double()).sum()) - most)
            message = (
                f"forward mode gives another gradient than autograd: {error:.3g} of {most:.3g}"
            )
            require(error <= 10 * ROUNDING[batch.dtype] * most, message)
        return out, ends

    def _has_gradient_within(self, batch, lengths, most):
        """Which examples have a gradient, in float64, that the audio's dtype can hold."""
        if batch.dtype != torch.float16:  # the others hold up to 1e38
            return torch.ones(len(batch), dtype=torch.bool, device="cpu")
        leaf = batch.double().requires_grad_()
        with torch.autocast("cpu", enabled=False):
            (exact,) = torch.autograd.grad(self._call(leaf, lengths)[0].sum(), leaf)
        return exact.abs().flatten(1).amax(1) < most

    def _beside_a_compilation(self, batch, lengths):
        """Give a result computed while another thread compiles, which must change nothing."""
        alone, _ = self._call(batch, lengths)
        with elsewhere.another_thread_compiles():
            out, ends = self._call(batch, lengths)
        equal(out, alone, "a thread that compiles changes the result")
        return out, ends

    def _in_threads(self, batch, lengths):
        """Give a result of several threads that call the module at once."""
        alone, _ = self._call(batch, lengths)
        together = threading.Barrier(3)

        def call(_):
            together.wait()
            with table.of_thread(self.row):
                return self._call(batch, lengths)

        with ThreadPoolExecutor(3) as pool:
            outs = list(pool.map(call, range(3)))
        for out, _ in outs:
            equal(out, alone, "threads that call at once change the result")
        return outs[0]

    def _in_inference(self, batch, lengths):
        with torch.inference_mode():
            return self._call(batch.clone(), lengths)

    def _in_graph(self, batch, lengths):
        """Call the module between other operations of one compiled function."""

        def callers(x, ends):
            out, ends = self._call(2.0 * x, ends)
            return out + 0.0, ends

        callers.__code__ = callers.__code__.replace()
        graph = torch.compile(callers, fullgraph=True, dynamic=False, backend="aot_eager")
        return graph(0.5 * batch, lengths)

    def _compiled(self, batch, lengths):
        with mock.patch.dict(os.environ, {"AUGSPEC_COMPILE": "1"}):
            return self._call(batch, lengths)


_WAYS = {
    "vmap": Asked._mapped,
    "vjp": Asked._pulled_back,
    "jvp": Asked._pushed_forward,
    "dual": Asked._of_dual_numbers,
    "beside a compilation": Asked._beside_a_compilation,
    "threads": Asked._in_threads,
    "inference": Asked._in_inference,
    "graph": Asked._in_graph,
    "compiled": Asked._compiled,
}
_NATIVE = ("native", "dual", "beside a compilation", "threads", "beside two busy processes")
_GRADIENT = ("vjp", "jvp", "dual")
#: Ways that follow operations, which is more than what encoders do.
_FOLLOW = ("vmap", *_GRADIENT, "graph", "compiled")
#: A width is one of two channels, and loudness is defined for five.
_MOST_CHANNELS = {"StereoWidth": 2, "LoudnessNormalize": 5}


def _tones(time, rate):
    """Give tones in noise, for long sounds.

    Where rounding decides between two bins of noise, a vocoder goes on from another peak, and is as
    right. In ten minutes of noise that is everywhere, and would hide phases that drift.
    """
    place = torch.arange(time, dtype=torch.float64) / rate
    return sum(torch.sin(2 * torch.pi * (freq * place)) for freq in (220.5, 440.2, 661.7, 1250.3))


def make(name, row):
    """Give a class's case in a row, or None where the row says nothing of it."""
    module = table.at_rate(table.SUBJECTS[name], row.rate)
    if row.way in _FOLLOW and not getattr(module, "compilable", True):
        return None
    if row.way in _GRADIENT and not getattr(module, "differentiable", True):
        return None
    channels = getattr(module, "in_channels", row.channels)
    channels = min(channels, _MOST_CHANNELS.get(name, channels))
    specgram = takes_specgram(module)
    time = max(1, table.size_of(row) // (60 if specgram else 1))
    shape = (4, channels, 24, time) if specgram else (4, channels, time)
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(shape, generator=generator, dtype=torch.float64) * table.LEVELS[row.level]
    if row.shape == "ten minutes" and not specgram:
        batch = 0.1 * batch + _tones(time, row.rate) * table.LEVELS[row.level]
    batch = (batch.abs() + 0.01 if specgram else batch).to(table.dtype_of(row))
    count = 0 if row.shape == "empty" else 4
    lengths = torch.tensor([time, 1, time * 3 // 10, time * 7 // 10])[:count]
    keys = table.keys_of(row, count)
    return Asked(module, batch[:count], lengths, keys, row)


def ask(name, row):
    """Require a class to keep its promises in a row; whatever breaks names both."""
    try:
        if row.way == "forked":
            _in_a_fork(name, row)
        else:
            _ask(name, row)
    except Exception as error:
        raise AssertionError(f"{name}, {row}: {error}") from error


def _ask(name, row):
    case = make(name, row)
    if case is None:
        return
    lengths = None if row.shape == "even" else case.lengths
    silent = (
        case.on(batch=torch.where(case.padding(), 0.0, case.batch)) if len(case.batch) else case
    )
    case = case if lengths is None else silent
    before = case.batch.clone(), case.lengths.clone(), case.keys.clone()
    out, ends = case._called(lengths)
    for given, copy in zip((case.batch, case.lengths, case.keys), before, strict=True):
        equal(given, copy, "the input was edited")
    _results_are_those_of_plain_circumstances(case, lengths, out, ends)
    if row.way in ("graph", "compiled"):  # each question more would be a graph more
        return
    _padding_has_no_part(case, lengths, out, ends)
    _an_example_is_as_if_alone(case, lengths, out, ends)
    if row.visits == "repeated" and isinstance(case.module, augspec.Frontend):
        _the_loader_gives_each_coming_its_draws(case)


def _results_are_those_of_plain_circumstances(case, lengths, out, ends):
    expected, expected_ends = case.plain(lengths)
    require(out.dtype == case.batch.dtype, f"{case.batch.dtype} came out as {out.dtype}")
    require(out.device == case.batch.device, f"{case.batch.device} came out on {out.device}")
    require(out.shape == expected.shape, f"{tuple(out.shape)} for {tuple(expected.shape)}")
    require(out.isfinite().all() or not expected.isfinite().all(), "the result is not finite")
    if lengths is not None:
        require(ends.dtype == torch.int64, f"`lengths` came out as {ends.dtype}")
        equal(ends, expected_ends, "the lengths are others")
    if "autocast" in case.row.precision and case.row.way == "torch" and case.row.default == "none":
        equal(out, expected, "autocast changes the result")
    tolerance = ROUNDING[out.dtype]
    if case.row.way in (*_NATIVE, "compiled"):
        similar(out, expected, max(AS_A_WHOLE, tolerance), "another way gives another result")
    else:
        close_by_example(out, expected, tolerance, "the circumstances change the result")


def _padding_has_no_part(case, lengths, out, ends):
    """What lies behind the lengths does not matter, and nothing lands there."""
    if lengths is None:
        full = torch.full_like(case.lengths, case.batch.shape[-1])
        again, ends = case.on(lengths=full).run_ragged()
        # What a tempo made shorter ends within the tensor, and features are reflected there.
        whole = [i for i, end in enumerate(ends.tolist()) if end == out.shape[-1]]
        message = "full lengths are not the same as none"
        close_by_example(again[whole], out[whole], ROUNDING[out.dtype], message)
        return
    again, its_ends = case.on(batch=torch.where(case.padding(), 7.0, case.batch)).run_ragged()
    equal(its_ends, ends, "padding changes the lengths")
    for i, end in enumerate(ends.tolist()):
        ours, expected = again[i, ..., :end], out[i, ..., :end]
        close_by_example(ours[None], expected[None], ROUNDING[out.dtype], f"padding changes {i}")
        if isinstance(case.module, T.RandomTransform):
            require(not out[i, ..., end:].any(), f"something lands in the padding of {i}")


def _an_example_is_as_if_alone(case, lengths, out, ends):
    if not len(out) or getattr(case.module, "mixes_examples", False):
        return
    own = None if lengths is None else case.lengths[3:]
    alone, its_end = case.take(slice(3, 4))._called(own)
    message = "an example alone is another than in its batch"
    close_by_example(alone, out[3:], ROUNDING[out.dtype], message)
    if lengths is not None:
        equal(its_end, ends[3:], message)


def _the_loader_gives_each_coming_its_draws(case):
    """Through a loader the examples that come again get the keys that the case has."""
    if not len(case.batch):
        return
    index = [5, 5, 9, 5]
    items = [{"waveform": one, "index": i} for one, i in zip(case.batch, index, strict=True)]
    loader = augspec.DeviceLoader(DataLoader(items, batch_size=4), case.module, "cpu", seed=1)
    loader.set_epoch(2)
    (batch,) = loader
    expected, message = case.run(), "the loader has other keys"
    similar(batch["specgram"], expected, max(AS_A_WHOLE, ROUNDING[case.batch.dtype]), message)


def shared_sound_stays_shared(name, rate):
    """Require of a transform that two channels with nearly one sound still have it afterwards."""
    size = round(0.25 * rate)
    generator = torch.Generator().manual_seed(0)
    common, own = (torch.randn(4, n, size, generator=generator) for n in (1, 2))
    module = table.at_rate(table.SUBJECTS[name], rate)
    keys = table.keys_of(table.Row(), 4)
    left, right = module(0.1 * (common + 0.0346 * own), keys=keys).unbind(1)
    shared = torch.cosine_similarity(left, right, dim=-1).min()
    require(shared > 0.97, f"{name} at {rate} Hz leaves channels of one sound {shared:.3f} alike")


def a_rate_changes_no_sound(name, rate):
    """Require a transform to make of a sound the same at a rate as at 16 kHz, in each band."""
    here, there = (_bands_of_a_tone(name, one) for one in (16_000, rate))
    frames = min(here.shape[-1], there.shape[-1])
    here, there = here[..., :frames], there[..., :frames]
    heard = here > 1e-2 * here.amax((1, 2), keepdim=True)
    error_db = (20.0 * torch.log10((there + 1e-9) / (here + 1e-9))).abs()[heard].median()
    require(error_db < 0.5, f"{name} is {error_db:.2f} dB another at {rate} Hz than at 16 kHz")


def _bands_of_a_tone(name, rate):
    """Give the spectrum up to 1 kHz of what becomes of the lowest string of a guitar."""
    seconds = torch.arange(round(0.4 * rate), dtype=torch.float64) / rate
    partials = [torch.sin(6.2832 * 82.4 * k * seconds + k * k) / k for k in range(1, 11)]
    tone = 0.1 * torch.stack(partials).sum(0).float().expand(4, 1, -1)
    module = table.at_rate(table.SUBJECTS[name], rate)
    out = module(tone.clone(), keys=table.keys_of(table.Row(), 4))
    n_fft = round(0.064 * rate)
    window = torch.hann_window(n_fft)
    spectrum = torch.stft(
        out[:, 0], n_fft, n_fft // 4, window=window, center=False, return_complex=True
    )
    return spectrum.abs()[:, :64] / n_fft


def close_by_example(actual, expected, tolerance, message):
    """Require each example to differ by rounding alone, relative to its largest value."""
    for ours, theirs in zip(actual, expected, strict=True):
        largest = float(theirs.abs().amax()) if theirs.numel() else 0.0
        close(ours, theirs, message, tolerance=tolerance / max(1.0, 1.0 / max(largest, 1e-3)))


def similar(actual, expected, tolerance, message):
    """Require each example as a whole to differ by no more than a part of its norm."""
    finite = expected.isfinite()
    require(torch.equal(actual.isfinite(), finite), f"{message}: other numbers are finite")
    actual, expected = (torch.where(finite, x, 0.0).double() for x in (actual, expected))
    for ours, theirs in zip(actual, expected, strict=True):
        error, norm = float((ours - theirs).norm()), float(theirs.norm())
        require(
            error <= tolerance * norm + 1e-6, f"{message}: an error of {error:.3g} of {norm:.3g}"
        )


def _in_a_fork(name, row):
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(there, name, row))
    child.start()
    there.close()
    try:
        said = here.recv()
    except EOFError:
        said = "the forked process died"
    child.join()
    require(not said, said)


def _answer(pipe, name, row):
    try:
        _ask(name, row)
    except Exception:
        pipe.send(traceback.format_exc())
    else:
        pipe.send("")
