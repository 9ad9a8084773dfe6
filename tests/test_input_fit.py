"""Models of one picture size, and of multiples of a number, take any spectrogram."""

import copy
import pickle

import pytest
import torch

import augspec
from augspec._input_fit import InputFit

timm = pytest.importorskip("timm")

# The smallest of each family that fails in its first forward pass on 64 x 251 as timm makes it.
SMALL = [
    "cait_xxs24_224",
    "coat_tiny",
    "convit_tiny",
    "csatv2",
    "efficientformerv2_s0",
    "gcvit_xxtiny",
    "hrnet_w18_small",
    "levit_128s",
    "pit_ti_224",
    "test_maxvit",
    "test_vit_relpos",
    "vit_tiny_r_s16_p8_224",
]
LARGE = [
    "beit_base_patch16_224",
    "dla34",
    "efficientformer_l1",
    "gmlp_s16_224",
    "haloregnetz_b",
    "hiera_tiny_224",
    "inception_v3",
    "inception_v4",
    "mvitv2_tiny",
    "naflexvit_base_patch16_siglip",
    "nest_tiny",
    "qwen3_vit_88m",
    "sam2_hiera_tiny",
    "swin_s3_tiny_224",
    "swinv2_cr_tiny_224",
    "swinv2_tiny_window8_256",
    "tnt_s_patch16_224",
    "tresnet_m",
    "visformer_tiny",
    "vitamin_small_224",
    "volo_d1_224",
]


@pytest.mark.parametrize(
    "name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
)
@pytest.mark.parametrize("shape", [(64, 251), (40, 63)])
def test_any_spectrogram_trains(name, shape):
    model = augspec.create_backbone(name, num_classes=3)
    logits = model(torch.randn(2, 1, *shape))
    logits = logits[0] if isinstance(logits, tuple) else logits  # distilled models have two heads
    assert logits.shape == (2, 3)
    logits.square().sum().backward()


def test_a_model_of_one_size_sees_the_resized_spectrogram():
    model = augspec.create_backbone("test_vit_relpos", num_classes=3).eval()
    specgram = torch.randn(2, 1, 64, 251)
    resized = torch.nn.functional.interpolate(
        specgram, size=(160, 160), mode="bilinear", antialias=True
    )
    with torch.no_grad():
        assert torch.equal(model(specgram), model(resized))
        assert torch.equal(copy.deepcopy(model)(specgram), model(specgram))
    assert pickle.loads(pickle.dumps(model)).state_dict().keys() == model.state_dict().keys()  # noqa: S301


def test_img_size_makes_the_grid_and_pads_to_it():
    model = augspec.create_backbone(
        "swin_tiny_patch4_window7_224", num_classes=3, img_size=(64, 256), depths=(1, 1, 1, 1)
    ).eval()
    specgram = torch.randn(1, 1, 64, 251)
    padded = torch.nn.functional.pad(specgram, (0, 5))
    with torch.no_grad():
        assert torch.equal(model(specgram), model(padded))
    with pytest.raises(
        ValueError, match=r"no larger than the `img_size` .*\(64, 256\), got \(64, 300\)"
    ):
        model(torch.randn(1, 1, 64, 300))


def test_multiples_are_padded_with_zeros():
    model = augspec.create_backbone("hrnet_w18_small", num_classes=3).eval()
    specgram = torch.randn(1, 1, 40, 63)
    with torch.no_grad():
        padded = torch.nn.functional.pad(specgram, (0, 1, 0, 24))
        assert torch.equal(model(specgram), model(padded))
    fit = InputFit(multiple=14, least=126)
    assert fit(torch.randn(1, 1, 64, 251)).shape == (1, 1, 126, 252)
    whole = torch.randn(1, 1, 126, 252)
    assert fit(whole) is whole


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_model_of_colours_sees_a_grey_picture(channels):
    """As an RGB model would see a spectrogram: the same in R, G and B, as `adapt_input` has it."""
    torch.manual_seed(0)
    model = augspec.create_backbone("csatv2", num_classes=3, in_chans=channels).eval()
    torch.manual_seed(0)
    rgb = timm.create_model("csatv2", num_classes=3).eval()
    specgram = torch.randn(1, channels, 64, 96)
    grey = specgram if channels == 3 else specgram.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    with torch.no_grad():
        torch.testing.assert_close(model(specgram), rgb(grey))


def test_models_of_any_size_are_left_alone():
    for name in ("test_resnet", "vit_tiny_patch16_224"):
        assert not augspec.create_backbone(name, num_classes=3)._forward_pre_hooks
