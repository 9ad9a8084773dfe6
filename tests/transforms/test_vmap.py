"""What a transform gives under ``torch.func.vmap`` over batches is what it gives alone."""

import inspect

import pytest
import torch

from augspec import transforms as T

pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
# They group examples by their choice, look at numbers, or copy frames in ways that vmap cannot.
NOT_UNDER_VMAP = {
    "Codec", "OneOf", "PitchAndTempo", "PitchShift", "RandAugment", "RandomOrder", "Schedule",
    "SomeOf", "Speed", "TempoCurve", "TimeStretch", "TrivialAugment",
}  # fmt: skip
CLASSES = {
    name: getattr(T, name)
    for name in T.__all__
    if inspect.isclass(getattr(T, name)) and not inspect.isabstract(getattr(T, name))
}


@pytest.mark.parametrize("name", sorted(CLASSES.keys() - NOT_UNDER_VMAP))
def test_a_transform_gives_under_vmap_what_it_gives_alone(name):
    transform = CLASSES[name].example()
    batches = torch.randn(3, 4, getattr(transform, "in_channels", 1), 800)
    if transform.kind == "specgram":
        batches = torch.randn(3, 4, 1, 8, 30)
    drawn = [transform.make_params(batch) for batch in batches]
    mapped = torch.func.vmap(transform.transform)(batches, together(drawn))
    for batch, params, found in zip(batches, drawn, mapped, strict=True):
        torch.testing.assert_close(found, transform.transform(batch, params), rtol=0, atol=1e-4)


def together(drawn):
    """Stack the params of several batches."""
    if isinstance(drawn[0], dict):
        return {name: together([params[name] for params in drawn]) for name in drawn[0]}
    if isinstance(drawn[0], list):
        return [together(list(parts)) for parts in zip(*drawn, strict=True)]
    return torch.stack(drawn)
