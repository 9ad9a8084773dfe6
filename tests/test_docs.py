"""The code of the guides runs as it stands, from top to bottom."""

import ast
import multiprocessing
import re
import sys
import types
from pathlib import Path

import lookalikes
import pytest
import soundfile
import torch
from guides import DOCS, PAGES, ROOT, code_of, fragments, python_blocks
from matplotlib import pyplot as plt
from peers import import_or_skip
from releases import counts_launches, exports_open_sizes


def sections(name):
    """Split a guide at its headings; the code before the first heading belongs to each."""
    text = (DOCS / name).read_text(encoding="utf-8")
    first, *others = re.split(r"^## ", text, flags=re.MULTILINE)
    blocks = [python_blocks(part) for part in (first, *others)]
    return {
        part.splitlines()[0]: blocks[0] + own for part, own in zip(others, blocks[1:], strict=True)
    }


FRAMEWORKS = sections("frameworks.md")


def run(blocks):
    names = {"__name__": "guide"}
    for block in blocks:
        exec(compile(block, "guide", "exec"), names)  # noqa: S102
    return names


# Kernels compile for minutes on a busy machine, and the guides are not about them.
pytestmark = pytest.mark.usefixtures("eager_kernels")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    plt.close("all")


def test_a_plain_loop():
    names = run(FRAMEWORKS["A plain loop"])
    assert torch.isfinite(names["loss"])
    assert names["batch"]["specgram"].shape[1:] == (1, 40, 63)


@pytest.fixture
def start_method(request):
    """How workers are started: None is the default, which Python 3.14 changed."""
    before = multiprocessing.get_start_method(allow_none=True)
    if request.param:
        multiprocessing.set_start_method(request.param, force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.parametrize(
    "start_method", [None, pytest.param("spawn", marks=pytest.mark.slow)], indirect=True
)
@pytest.mark.usefixtures("start_method")
def test_in_the_data_set(monkeypatch):
    blocks = [*FRAMEWORKS["A plain loop"], *FRAMEWORKS["In the data set, on the workers"][1:]]
    # A worker that is not forked imports the classes of a script, and none of the lines under
    # `if __name__ == "__main__":`.
    module = types.ModuleType("guide_of_workers")
    script = ast.parse("\n".join(blocks))
    kept = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)
    script.body = [part for part in script.body if isinstance(part, kept)]
    Path(f"{module.__name__}.py").write_text(ast.unparse(script), encoding="utf-8")
    monkeypatch.syspath_prepend(Path.cwd())
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks:
        exec(compile(block, module.__name__, "exec"), vars(module))  # noqa: S102
    assert torch.isfinite(module.loss)
    assert module.specgram.shape == (1, 40, 63)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_that_starts_workers_says_what_a_script_needs(page):
    """Workers that are not forked import the script: it fails without the line."""
    text = page.read_text(encoding="utf-8")
    words = [
        word
        for block in python_blocks(text)
        for word in ast.walk(ast.parse(block))
        if isinstance(word, ast.keyword) and word.arg in ("workers", "num_workers")
    ]
    if any(ast.unparse(word.value) != "0" for word in words):
        assert '`if __name__ == "__main__":`' in text


@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:The number of training batches")
@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated")
def test_lightning():
    names = run(FRAMEWORKS["Lightning"])
    assert names["trainer"].global_step == 3
    assert 0.0 <= names["trainer"].callback_metrics["accuracy"] <= 1.0


# What fastai calls when it is imported.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is ")
@pytest.mark.filterwarnings("ignore:The 'mode.chained_assignment' option is deprecated")
@pytest.mark.filterwarnings("ignore:'asyncio.iscoroutinefunction' is deprecated")  # Python 3.14
def test_fastai():
    names = run(FRAMEWORKS["fastai"])
    assert len(names["learn"].recorder.values) == 1
    valid = sum(1 for _ in Path("notes", "valid").rglob("*.wav"))
    assert names["interpretation"].confusion_matrix().sum() == valid


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true but no accelerator")
def test_hugging_face():
    import_or_skip("transformers.trainer")
    names = run(FRAMEWORKS["Hugging Face"])
    assert names["trainer"].state.global_step == 3
    assert torch.isfinite(torch.tensor(names["metrics"]["eval_loss"]))


def test_every_section_is_run():
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'FRAMEWORKS["{name}"]' in source for name in FRAMEWORKS)


def test_looking_and_listening():
    names = run(code_of("plots.md"))
    assert Path("pitch-shift.png").stat().st_size > 10_000
    assert names["page"].startswith("<figure>")


@pytest.mark.slow
def test_the_tutorial_trains_a_classifier(capsys):
    names = run(code_of("tutorial.md"))
    assert names["sounds"].classes == ["bass", "flute", "mallet"]
    assert names["accuracy"] > 0.6  # a third by chance
    # What is loaded computes what was trained, with the lengths of a batch of several files.
    frontend, model = names["frontend"], names["model"]
    three = [names["valid"][place] for place in range(3)]
    shares = [list(names["classify"](one["path"]).values()) for one in three]
    specgram, _ = frontend(
        *(names["augspec"].collate(three)[key] for key in ("waveform", "lengths"))
    )
    with torch.no_grad():
        together = model(specgram).softmax(-1)
    torch.testing.assert_close(torch.tensor(shares), together, rtol=0.0, atol=1e-3)
    last = capsys.readouterr().out.splitlines()[-3:]
    shown = {line.split()[0]: float(line.split()[-1].rstrip("%")) for line in last}
    assert max(shown, key=shown.get) == "mallet"


@pytest.mark.slow
def test_the_tutorial_takes_an_untidy_folder_of_ones_own(capsys):
    """Other rates, lengths and channels, a class of few files, and one file that is broken."""
    random = torch.Generator().manual_seed(0)
    for number in range(60):
        kind, rate = ("hum", "hiss", "click")[number % 3], (16_000, 44_100, 8_000)[number % 7 % 3]
        time = int(rate * (0.4 + 4.0 * torch.rand(1, generator=random).item()))
        noise = torch.randn(time, 1 + number % 2, generator=random)
        place = torch.arange(time)[:, None] / rate
        sound = {
            "hum": torch.sin(2 * torch.pi * (80 + number) * place) + 0.01 * noise,
            "hiss": noise,
            "click": torch.exp(-((place % 0.25) * 200)) * noise,
        }[kind]
        path = Path("sounds", kind, f"sound {number}.wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.2 * sound.numpy(), rate)
    Path("sounds/hum/broken.wav").write_bytes(b"RIFF and no more")
    names = run(code_of("tutorial.md")[1:])
    assert names["sounds"].classes == ["click", "hiss", "hum"]
    assert [Path(skipped.path).name for skipped in names["sounds"].skipped] == ["broken.wav"]
    assert "left out:" in capsys.readouterr().out
    assert names["accuracy"] > 0.6
    assert Path("classifier.pt").exists()


def test_choosing_ranges():
    names = run(code_of("howto/ranges.md"))
    assert Path("listen.html").read_text(encoding="utf-8").count("<audio") == 5
    kept = names["params"][2]["snr_db"]
    assert kept[names["worst"]] == kept.min()


def test_reproducing_a_run():
    names = run(code_of("howto/replay.md"))
    assert torch.equal(names["again"][2:3], names["specgram"])
    assert not torch.equal(names["edited"], names["specgram"])


def test_several_devices():
    names = run(code_of("howto/several-devices.md"))
    assert len(names["single"]) == 16


@pytest.mark.xfail(
    torch.__version__.startswith("2.11."),
    reason="torch 2.11: what it exports refuses some lengths of a dynamic time",
)
@exports_open_sizes
def test_serving():
    names = run(code_of("howto/inference.md"))
    assert names["found"].source.tolist() == [0, 1]
    torch.testing.assert_close(names["served"], names["expected"], rtol=1e-4, atol=1e-4)


def test_training_by_contrast():
    names = run(code_of("howto/contrast.md"))
    assert names["first"].shape == names["second"].shape
    assert sum(names["losses"][-2:]) < sum(names["losses"][:2])


def test_rare_classes():
    names = run(code_of("howto/imbalance.md"))
    assert names["drawn"].min() > 25
    assert names["weights"][2] == 10 * names["weights"][0]


def test_a_transform_of_ones_own(monkeypatch):
    # A module that can be found, so that the class can be pickled.
    module = types.ModuleType("guide_of_transforms")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in code_of("howto/transform.md"):
        exec(compile(block, module.__name__, "exec"), vars(module))  # noqa: S102
    assert isinstance(next(iter(module.again)), module.Tremolo)
    for name in module.testing.checks_for(module.Tremolo(sample_rate=16_000)):
        module.test_tremolo(name)


def test_a_feature_of_ones_own():
    names = run(code_of("howto/feature.md"))
    assert names["frames"].tolist() == [16, 8]
    assert "fused" in names["frontend"].plan(torch.zeros(1, 1, 16_000))


def test_randomness():
    names = run(code_of("randomness.md"))
    assert set(names["params"]) == {"applied", "snr_db", "noise"}
    assert len(names["views"]) > 10


def test_the_home_page():
    names = run(code_of("index.md"))
    assert names["frontend"](names["waveform"]).shape == (8, 1, 64, 188)
    assert names["batch"]["specgram"].shape == (8, 1, 64, 188)


def test_fusion():
    names = run(code_of("fusion.md"))
    (planned,) = re.findall(r"^# (1\. .*)$", code_of("fusion.md")[0], re.MULTILINE)
    assert names["frontend"].plan(names["waveform"]).splitlines() == [planned]


def test_coming_from_another_library():
    names = run(code_of("migration.md"))
    assert names["augmented"].shape == names["stretched"].shape == (8, 1, 16_000)
    assert names["specgram"].shape == (8, 1, 128, 32)
    assert names["chain"](torch.randn(2, 1, 4000)).shape == (2, 1, 4000)
    assert names["noisy"].shape == (8, 1, 16_000)


@counts_launches
def test_the_work_of_a_gpu(capsys):
    names = run(code_of("gpu.md"))
    assert names["work"].launches > 0
    assert names["work"].host_copies == 0
    assert "waits for the device" in capsys.readouterr().out


def test_data_sets():
    for place in range(8):  # as many as the page makes shards
        name = ("dog", "bird")[place % 2]
        path = Path("sounds", ("train", "valid")[place // 4], name, f"{name}_{place}.wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, torch.randn(16_000).numpy() / 10.0, 8_000)
    names = run(code_of("datasets.md"))
    assert names["train"].classes == ["bir", "dog"]
    assert not names["train"].skipped
    assert names["notes"][3]["waveform"].shape == (1, 32_000)
    assert len(list(Path("shards").glob("*.tar"))) == 8


def test_tables_of_public_data_sets():
    lookalikes.all_of_them()
    for part, kind in (("train", "yes"), ("train", "no"), ("train", "up"), ("valid", "up")):
        lookalikes.sound(Path("words", part, kind, "1.wav"))
    blocks = code_of("howto/tables.md")
    esc, urban, fsd, words, birds = (run([blocks[0], block]) for block in blocks[1:6])
    folders = run([blocks[0], blocks[6]])
    assert (len(esc["train"]), len(esc["valid"])) == (12, 3)
    assert esc["train"].classes == esc["valid"].classes == ["dog", "rain", "rooster"]
    assert {Path(path).name[0] for path in esc["valid"].paths} == {"5"}
    assert (len(urban["train"]), len(urban["valid"])) == (27, 3)
    assert {item["waveform"].shape for item in urban["train"]} == {(1, 1_600)}
    assert (len(fsd["train"]), len(fsd["test"])) == (2, 4)
    assert fsd["train"].classes == fsd["test"].classes == ["Bark", "Dog", "Rain", "Water"]
    assert fsd["train"][1]["label"].tolist() == [0.0, 1.0, 1.0, 1.0]
    assert fsd["test"][0]["label"].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert (len(words["train"]), words["train"].classes) == (6, ["no", "up", "yes"])
    assert birds["birds"].labels.sum(1).tolist() == [1.0, 2.0] * 3
    sides = [set(birds["birds"].groups[birds[f"{side}_places"]]) for side in ("train", "valid")]
    assert all(sides)
    assert not sides[0] & sides[1]
    assert folders["valid_words"].labels.tolist() == [1]  # "up" alone would have been 0


def test_several_labels_at_once():
    lookalikes.fsd50k(Path("FSD50K"))
    names = run(code_of("howto/several-labels.md"))
    assert names["train"].classes == ["Bark", "Dog", "Rain", "Water"]
    assert names["batch"]["label"].shape == (2, 4)
    assert names["found"].scores.shape == (2, 4)
    assert 0.0 < names["mean_precision"] <= 1.0


def test_windows_over_long_recordings():
    for number, seconds in enumerate((7.0, 12.5)):
        lookalikes.sound(Path("recordings", "ab"[number], "1.wav"), seconds)
    names = run(code_of("howto/windows.md"))
    assert len(names["windows"]) == 2 + 4
    assert names["scores"].shape == (2, 2)
    assert torch.isfinite(names["loss"])


def test_events_in_recordings():
    for name in ("soundscape_1", "soundscape_2"):
        lookalikes.sound(Path("audio", "all", f"{name}.wav"), 10.0)
    lookalikes.table(
        Path("strong.tsv"),
        "filename,onset,offset,event_label",
        [["soundscape_1.wav", 1.0, 2.5, "Dog"], ["soundscape_2.wav", 0.0, 10.0, "Speech"]],
        "\t",
    )
    names = run(code_of("howto/events.md"))
    assert names["batch"]["frames"].shape == (4, 2, 40)
    assert names["batch"]["label"].shape == (4, 2)
    assert torch.isfinite(names["loss"])


@pytest.mark.slow
def test_from_a_folder_to_an_unseen_speaker(capsys):
    """The cold try: files in FSDD's layout, made here, and fifteen lines."""
    lookalikes.fsdd(Path("recordings"))
    torch.manual_seed(0)
    blocks = code_of("howto/first.md")
    assert len([line for line in blocks[0].splitlines() if line.strip()]) <= 15
    names = run(blocks)
    assert names["digits"].classes == [str(digit) for digit in range(10)]
    heard = {names["digits"].paths[place].split("_")[-2] for place in names["train"]}
    assert len(names["speakers"]) == 1
    assert not heard & names["speakers"]
    assert len(heard) == 3
    assert names["accuracy"] > 0.5  # a tenth by chance
    assert capsys.readouterr().out.startswith(f"{names['accuracy']:.0%} of the digits of ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_validation_set_in_a_folder_of_its_own_gets_the_classes_of_the_training_set(page):
    """It may lack a class, and would number the others otherwise."""
    blocks = [*python_blocks(page.read_text(encoding="utf-8"))]
    for block in blocks:
        for call in ast.walk(ast.parse(block)):
            if not isinstance(call, ast.Call) or not call.args:
                continue
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            first = ast.unparse(call.args[0])
            if name in ("AudioFolder", "AudioTable") and re.search(r"valid|val\b|test|eval", first):
                assert "classes" in [word.arg for word in call.keywords], ast.unparse(call)


def test_no_data_set_takes_more_than_four_lines():
    blocks = code_of("howto/tables.md")[1:]
    assert max(len(block.strip().splitlines()) for block in blocks) <= 4


def test_every_page_with_code_is_run():
    here = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.py"))
    for page in PAGES:
        if page.parent == ROOT:  # the README's is run by test_examples.py
            assert page.name == "README.md" or not python_blocks(page.read_text(encoding="utf-8"))
            continue
        name = page.relative_to(DOCS).as_posix()
        if python_blocks(page.read_text(encoding="utf-8")):
            assert f'code_of("{name}")' in here or f'sections("{name}")' in here, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_is_not_run_says_why_and_is_python(page):
    for before, code in fragments(page.read_text(encoding="utf-8")):
        assert re.fullmatch(r"<!-- not run: .{10,} -->", before), code
        compile(code, page.name, "exec")
