"""What stands beside the code: citation, changelog, hooks."""

import importlib.metadata
import re
import runpy
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HOOKS = ROOT / ".pre-commit-config.yaml"


def test_the_citation_is_complete_and_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    # What the schema of the Citation File Format 1.2.0 requires.
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert all(author.get("name") or author.get("family-names") for author in citation["authors"])
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["keywords"]
    assert isinstance(citation["abstract"], str)


def test_the_changelog_keeps_its_format():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds
    first, *released = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert first == "Unreleased"
    for heading in released:
        assert re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2}", heading), heading


def test_the_hooks_are_valid_and_download_nothing():
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(HOOKS)]
    subprocess.run(command, check=True, capture_output=True)
    (repository,) = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system", hook["id"]
        assert hook["entry"].startswith(".venv/bin/"), hook["id"]


def test_every_hook_is_a_program_of_the_environment():
    hooks = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))["repos"][0]["hooks"]
    for hook in hooks:
        program = Path(sys.executable).parent / Path(hook["entry"].split()[0]).name
        assert program.exists(), hook["entry"]


GITHUB = ROOT / ".github"


def test_workflows_are_whole_and_pin_what_they_use():
    workflows = {path.stem: yaml.safe_load(path.read_text()) for path in GITHUB.rglob("*.yml")}
    assert {"tests", "docs", "release", "fault"} <= workflows.keys()
    for name in ("tests", "docs", "release"):
        assert workflows[name]["permissions"] == {"contents": "read"}, name
        for job in workflows[name]["jobs"].values():
            assert job["timeout-minutes"]
            for step in job["steps"]:
                assert ("uses" in step) != ("run" in step)
                assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/x@v1"))


def test_the_matrix_holds_every_python_that_the_package_takes():
    matrix = yaml.safe_load((GITHUB / "workflows" / "tests.yml").read_text())["jobs"]["matrix"]
    versions = {row["python"] for row in matrix["strategy"]["matrix"]["include"]}
    lowest = PROJECT["requires-python"].removeprefix(">=")
    assert min(versions, key=lambda version: tuple(map(int, version.split(".")))) == lowest
    assert {"3.12", "3.13", "3.14"} <= versions


def test_a_report_of_a_fault_asks_for_the_versions():
    assert "augspec.show_versions()" in (GITHUB / "ISSUE_TEMPLATE" / "fault.yml").read_text()


def test_a_contribution_has_a_list_of_five_lines():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^\d\. ", text, re.MULTILINE)) == 5


def test_transforms_alone_install_four_packages_with_what_torch_needs():
    names = {re.match(r"[\w-]+", one)[0] for one in PROJECT["dependencies"]}
    assert names == {"torch", "filelock", "numpy", "soundfile", "pyyaml"}
    assert any(one.startswith("filelock") for one in importlib.metadata.requires("torch"))
    extras = PROJECT["optional-dependencies"]
    assert any(one.startswith("timm") for one in extras["backbones"])
    assert "augspec[backbones]" in extras["recipes"]  # README's first command runs the main job
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= PROJECT["urls"].keys()
    assert PROJECT["authors"]


def test_ci_leaves_the_environment_of_the_checkout_alone():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "rm -rf .venv" not in script
    first_use = script.index('cd "$work/augspec"')
    assert "pip install" not in script[:first_use]
    assert ".venv/bin" not in script[:first_use]


def test_a_named_test_runs_in_one_process_and_the_suite_in_two():
    # By its path: other folders have a file of that name.
    workers = runpy.run_path(str(Path(__file__).with_name("conftest.py")))[
        "pytest_xdist_auto_num_workers"
    ]

    class Config:
        class ArgsSource:
            ARGS, TESTPATHS = "args", "testpaths"

        args_source = ArgsSource.ARGS

    assert workers(Config) == 0
    Config.args_source = Config.ArgsSource.TESTPATHS
    assert workers(Config) == 2


def test_an_installation_compiles_only_the_kernels_that_are_not_there(tmp_path, monkeypatch):
    """Another extra, installed later into the same environment, need not wait for them again."""
    monkeypatch.delenv("AUGSPEC_NATIVE", raising=False)
    # Pip installs hatchling beside, for the time of an installation.
    parts = ["hatchling", "builders", "hooks", "plugin", "interface"]
    for count in range(len(parts)):
        name = ".".join(parts[: count + 1])
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules[name].BuildHookInterface = object
    hook = runpy.run_path(str(ROOT / "hatch_build.py"))["NativeKernels"]
    built = []

    def build(name, folder):
        built.append(name)
        (folder / f"{name}-now.so").touch()

    kernels = types.SimpleNamespace(
        SETS=("new", "old"), library_name="{}-now.so".format, build=build, BuildError=OSError
    )
    monkeypatch.setitem(hook.initialize.__globals__, "_load", lambda _: kernels)
    made = hook()
    made.root, folder = tmp_path, tmp_path / "augspec" / "native" / "lib"
    folder.mkdir(parents=True)
    for name in ("old-now.so", "old-before.so"):
        (folder / name).touch()
    data = {"artifacts": []}
    made.initialize("standard", data)
    assert built == ["new"]
    assert sorted(path.name for path in folder.iterdir()) == ["new-now.so", "old-now.so"]
    assert data["tag"].startswith("py3-none-")
