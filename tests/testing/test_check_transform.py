"""The checks themselves: a good transform passes them, and each kind of fault is caught."""

import pytest
import releases
import torch

from augspec import testing
from augspec import transforms as T

pytestmark = pytest.mark.usefixtures("eager_kernels")


class Mine(T.WaveformTransform):
    """A user's transform: a random offset on what sounds."""

    neutral = {"offset": 0.0}

    def __init__(self, offset=(-0.5, 0.5), *, p=1.0):
        super().__init__(p=p)
        self.offset = offset

    def _draw(self, draw):
        return {"offset": draw.uniform("offset", *self.offset)}

    def _transform(self, waveform, params, lengths):
        moved = waveform + params["offset"][:, None, None]
        if lengths is None:
            return moved
        places = torch.arange(waveform.shape[-1], device=waveform.device)
        return torch.where(places >= lengths[:, None, None], waveform, moved)


class EditsInput(Mine):
    def _transform(self, waveform, params, lengths):
        waveform.mul_(0.5)
        return super()._transform(waveform, params, lengths)


class EditsParams(Mine):
    def _transform(self, waveform, params, lengths):
        params["applied"].logical_not_()
        return super()._transform(waveform, params, lengths)


class UsesGlobalState(Mine):
    def _draw(self, draw):
        return {"offset": torch.rand(len(draw.keys))}


class LandsInPadding(Mine):
    def _transform(self, waveform, params, lengths):
        return super()._transform(waveform, params, None)


class HearsPadding(Mine):
    def _transform(self, waveform, params, lengths):
        out = super()._transform(waveform, params, lengths)
        return out + waveform.mean(-1, keepdim=True)


class CountsLoudPadding(Mine):
    def _transform(self, waveform, params, lengths):
        return waveform + (waveform > 5.0).sum(-1, keepdim=True)  # NaN is not counted


class TreatsLengthsApart(Mine):
    def _transform(self, waveform, params, lengths):
        out = super()._transform(waveform, params, lengths)
        return out if lengths is None else 0.5 * out


class MixesExamples(Mine):
    def _transform(self, waveform, params, lengths):
        return waveform + waveform.mean(0, keepdim=True)


class AdmitsMixing(MixesExamples):
    mixes_examples = True


class DependsOnOrder(Mine):
    def _transform(self, waveform, params, lengths):
        order = torch.arange(len(waveform), device=waveform.device)
        return waveform + order[:, None, None]


class KeepsState(Mine):
    def _transform(self, waveform, params, lengths):
        self.last = params
        return super()._transform(waveform, params, lengths)


class Counts(Mine):
    calls = 0

    def _transform(self, waveform, params, lengths):
        self.calls += 1
        return super()._transform(waveform, params, lengths) * self.calls


class Learns(Mine):
    def __init__(self, offset=(-0.5, 0.5), *, p=1.0):
        super().__init__(offset, p=p)
        self.weight = torch.nn.Parameter(torch.ones(()))


class ForgetsSetting(Mine):
    def __init__(self, offset=(-0.5, 0.5), scale=2.0, *, p=1.0):
        super().__init__(offset, p=p)
        self.twice = 2 * scale


class WidensDtype(Mine):
    def forward(self, waveform, lengths=None, *, keys=None, generator=None):
        return super().forward(waveform.double(), lengths, keys=keys, generator=generator)


class BreaksGraph(Mine):
    def _transform(self, waveform, params, lengths):
        if params["offset"].sum() > 0.0:
            return super()._transform(waveform, params, lengths)
        return super()._transform(waveform, params, lengths).clone()


class DividesByLevel(Mine):
    def _transform(self, waveform, params, lengths):
        return waveform / waveform.abs().amax(-1, keepdim=True)


class AdmitsNoCompilation(BreaksGraph):
    compilable = False


class WrongGradient(Mine):
    def _transform(self, waveform, params, lengths):
        return waveform.detach() ** 2 + 3.0 * waveform


class CutsGradient(Mine):
    def _transform(self, waveform, params, lengths):
        return super()._transform(waveform, params, lengths).detach()


class AdmitsNoGradient(CutsGradient):
    differentiable = False


class AsksForTheLevel(Mine):
    def _transform(self, waveform, params, lengths):
        return waveform * (1.0 + 0.0 * params["offset"].abs().max().item())


class MixesDevices(Mine):
    def _transform(self, waveform, params, lengths):
        return waveform * (torch.arange(waveform.shape[-1]) / 16_000)


class CopiesAList(Mine):
    def _transform(self, waveform, params, lengths):
        return waveform * torch.tensor([0.5, 2.0], device=waveform.device)[:, None]


class LoopsOverExamples(Mine):
    def _transform(self, waveform, params, lengths):
        offsets = params["offset"]
        return torch.stack([one + offset for one, offset in zip(waveform, offsets, strict=True)])


class LaunchesMuch(Mine):
    def _transform(self, waveform, params, lengths):
        out = super()._transform(waveform, params, lengths)
        for _ in range(200):
            out = out * 1.0
        return out


class AdmitsLaunches(LaunchesMuch):
    max_launches = 300


class DrawsByTime(Mine):
    def make_params(self, waveform, lengths=None, *, keys=None, generator=None):
        params = super().make_params(waveform, lengths, keys=keys, generator=generator)
        return {**params, "start": (params["offset"] * waveform.shape[-1]).long()}


class IgnoresP(Mine):
    def draw_params(self, draw):
        params = super().draw_params(draw)
        return {**params, "applied": torch.ones_like(params["applied"])}


class IgnoresApplied(Mine):
    neutral_is_exact = True
    neutral = {}


class ActsInEval(Mine):
    def acts(self):
        return False

    def forward(self, waveform, lengths=None, *, keys=None, generator=None):
        params = self.make_params(waveform, keys=keys, generator=generator)
        return self.transform(waveform, params, lengths)


def failures(transform):
    failed = set()
    for name in testing.checks_for(transform):
        try:
            testing.run_check(name, transform)
        except AssertionError as error:
            failed.add(str(error).removeprefix(f"{type(transform).__name__} fails ").split(":")[0])
    return failed


def test_a_transform_of_a_user_passes():
    testing.check_transform(Mine())


@pytest.mark.parametrize(
    ("kind", "caught_by"),
    [
        (EditsInput, "input_is_not_modified"),
        (EditsParams, "params_are_not_modified"),
        (UsesGlobalState, "global_random_state_is_untouched"),
        (UsesGlobalState, "same_keys_give_same_output"),
        (LandsInPadding, "padding_stays_silent"),
        (HearsPadding, "padding_changes_no_valid_sample"),
        (HearsPadding, "an_example_ends_at_its_own_end"),
        (CountsLoudPadding, "padding_changes_no_valid_sample"),
        (TreatsLengthsApart, "full_lengths_are_no_lengths"),
        (MixesExamples, "examples_come_out_as_if_alone"),
        (MixesExamples, "nan_stays_in_its_example"),
        (DependsOnOrder, "the_order_of_the_batch_is_irrelevant"),
        (KeepsState, "it_has_no_state"),
        (Counts, "same_keys_give_same_output"),
        (Counts, "params_round_trip_as_json"),
        (Learns, "it_has_no_state"),
        (ForgetsSetting, "settings_are_attributes"),
        (WidensDtype, "dtype_and_device_are_kept"),
        (WidensDtype, "half_precision_is_computed_in_float32"),
        pytest.param(BreaksGraph, "it_compiles_whole", marks=releases.compiles_whole),
        (DividesByLevel, "silence_gives_finite_values"),
        (DividesByLevel, "gradients_are_finite"),
        (WrongGradient, "gradients_are_right"),
        (CutsGradient, "gradients_are_finite"),
        pytest.param(AsksForTheLevel, "nothing_waits_for_a_gpu", marks=releases.counts_launches),
        pytest.param(MixesDevices, "nothing_waits_for_a_gpu", marks=releases.counts_launches),
        pytest.param(CopiesAList, "nothing_waits_for_a_gpu", marks=releases.counts_launches),
        pytest.param(LoopsOverExamples, "launches_are_few", marks=releases.counts_launches),
        pytest.param(LaunchesMuch, "launches_are_few", marks=releases.counts_launches),
        (DrawsByTime, "params_are_data"),
        (IgnoresP, "p_is_per_example"),
        (IgnoresP, "p_0_is_the_identity"),
        (IgnoresApplied, "unpicked_examples_come_out_bit_for_bit"),
        (ActsInEval, "eval_is_the_identity"),
    ],
)
def test_a_fault_is_caught(kind, caught_by):
    with pytest.raises(AssertionError, match=f"{kind.__name__} fails {caught_by}: "):
        testing.run_check(caught_by, kind())


@pytest.mark.parametrize(
    ("kind", "failed"),
    [
        # A fault that is a class's own leaves the checks that have nothing to do with it.
        (LandsInPadding, {"padding_stays_silent"}),
        (KeepsState, {"it_has_no_state"}),
        pytest.param(
            BreaksGraph,
            {
                "it_compiles_whole",
                "it_needs_no_float64",
                "nothing_waits_for_a_gpu",
                "launches_are_few",
            },
            marks=releases.compiles_whole,
        ),
        pytest.param(CopiesAList, {"nothing_waits_for_a_gpu"}, marks=releases.counts_launches),
        pytest.param(LaunchesMuch, {"launches_are_few"}, marks=releases.counts_launches),
        (AdmitsLaunches, set()),
        (WrongGradient, {"gradients_are_right"}),
    ],
)
def test_only_what_is_at_fault_is_caught(kind, failed):
    assert failures(kind()) == failed


@releases.counts_launches
def test_class_attributes_exempt_from_exactly_their_checks():
    every = set(testing.checks_for(Mine()))
    assert every - set(testing.checks_for(AdmitsMixing())) == {
        "examples_come_out_as_if_alone",
        "an_example_ends_at_its_own_end",
        "nan_stays_in_its_example",
    }
    assert every - set(testing.checks_for(AdmitsNoGradient())) == {
        "gradients_are_finite",
        "gradients_are_right",
    }
    testing.check_transform(AdmitsNoGradient())
    assert every - set(testing.checks_for(AdmitsNoCompilation())) == {
        "it_compiles_whole",
        "it_needs_no_float64",
        "nothing_waits_for_a_gpu",
        "launches_are_few",
    }


@releases.counts_launches
def test_what_would_make_a_gpu_wait_is_named_by_its_line():
    for kind, line in (
        (AsksForTheLevel, 'params["offset"].abs().max().item()'),
        (MixesDevices, "torch.arange(waveform.shape[-1]) / 16_000"),
        (CopiesAList, "torch.tensor([0.5, 2.0], device=waveform.device)"),
    ):
        with pytest.raises(AssertionError) as error:
            testing.run_check("nothing_waits_for_a_gpu", kind())
        assert f"{__file__}:" in str(error.value)
        assert line in str(error.value)


def test_a_feature_of_a_user_passes_and_one_that_hears_padding_does_not():
    class Energy(torch.nn.Module):
        def __init__(self, size=100):
            super().__init__()
            self.size = size

        def forward(self, waveform, lengths=None):
            from augspec.functional.checks import check_waveform

            check_waveform(waveform, lengths)
            wide = waveform if waveform.dtype == torch.float64 else waveform.float()
            if lengths is not None and self.masks:
                places = torch.arange(waveform.shape[-1], device=waveform.device)
                inside = places < lengths[:, None, None]
                wide = torch.where(inside, wide, 0.0)
            missing = -waveform.shape[-1] % self.size
            frames = torch.nn.functional.pad(wide, (0, missing)).unflatten(-1, (-1, self.size))
            energy = frames.square().mean(-1)[:, :, None].to(waveform.dtype)
            return energy if lengths is None else (energy, -(-lengths // self.size))

        masks = True

    assert failures(Energy()) == {"it_pickles"}  # a class inside a function cannot
    Energy.masks = False
    assert "padding_changes_no_valid_sample" in failures(Energy())


def test_a_batch_of_the_user_is_used_and_unknown_checks_are_named():
    class NeedsLong(Mine):
        def _transform(self, waveform, params, lengths):
            if waveform.shape[-1] < 3000:
                raise ValueError("too short")
            return super()._transform(waveform, params, lengths)

    with pytest.raises(AssertionError, match="it raises ValueError\\('too short'\\)"):
        testing.run_check("same_keys_give_same_output", NeedsLong())
    batch = torch.randn(4, 1, 3000)
    testing.run_check("same_keys_give_same_output", NeedsLong(), batch=batch)
    testing.check_transform(Mine(), batch=torch.randn(6, 1, 700))
    with pytest.raises(ValueError, match="`batch` must have at least four examples, got 3"):
        testing.check_transform(Mine(), batch=batch[:3])
    with pytest.raises(ValueError, match="`name` must be one of .*got 'nothing'"):
        testing.run_check("nothing", Mine())
