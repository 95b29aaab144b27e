"""The package as it is handed on: one wheel, which needs no checkout."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.repository import ROOT

PACKED = {
    "nem2e_tf": "nem2e_tf",
    "saved_models": "nem2e_tf/saved_models",
    "export": "nem2e_tf/export",
    "training": "nem2e_tf/training",
}
"""Folders of the checkout, and where they lie in a wheel."""
LEFT_OUT = ("__pycache__", "node_modules")
READ_BY_SETUP = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")
EXPERIMENT = """\
name: tiny
summary: Fitted on one virtual person (synthetic), to see that it can be done.
unit: The largest envelope of the person in the task at hand.
trials: people/trials.csv
tasks: [walking]
blocks: {fit: [0.0, 0.6], test: [0.62, 1.0]}
window: 1.0
hop: 0.1
batch: 4
steps: 2
epochs: 1
free_running_from: 0
learning_rate: 0.01
seed: 1
network: {encoder_units: 4, decoder_units: 6}
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: nothing is left in the checkout, nor taken from its build folder."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKED:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for name in READ_BY_SETUP:
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(built)]
    subprocess.run([*pip, str(source)], check=True)
    (path,) = built.glob("*.whl")
    return path


def test_a_wheel_holds_every_file_of_the_library_and_of_what_is_packed_with_it(wheel: Path) -> None:
    packed = {
        name: content.file_size
        for content in zipfile.ZipFile(wheel).infolist()
        if ".dist-info/" not in (name := content.filename)
    }
    held = {}
    for name, folder in PACKED.items():
        for path in (ROOT / name).rglob("*"):
            if path.is_file() and not set(LEFT_OUT) & set(path.parts):
                place = f"{folder}/{path.relative_to(ROOT / name).as_posix()}"
                held[place] = path.stat().st_size
    assert packed == held


@pytest.mark.slow
def test_a_wheel_alone_reports_exports_verifies_and_fits(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "clean", with_pip=True)
    away = tmp_path / "away"
    away.mkdir()
    plain = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "NEM2E"))
    }

    def start(*command: str) -> "subprocess.CompletedProcess[str]":
        program = str(tmp_path / "clean" / "bin" / command[0])
        return subprocess.run(
            [program, *command[1:]], cwd=away, env=plain, capture_output=True, text=True
        )

    def run(*command: str) -> str:
        done = start(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("pip", "install", "--quiet", str(wheel))
    where = run("python", "-c", "import nem2e_tf; print(nem2e_tf.__file__)")
    assert Path(where.strip()).is_relative_to(tmp_path / "clean")
    assert "RMSE" in run("nem2e", "demo")
    model, motion, moments = (
        f"nem2e-demo/{name}" for name in ("leg.osim", "motion.mot", "moments.sto")
    )
    run(
        "nem2e", "estimate", "--model", model, "--motion", motion, "--moments", moments,
        "--refiner", "gait", "-o", "result",
    )  # fmt: skip
    run("nem2e", "report", "result", "-o", "report.html")
    page = (away / "report.html").read_text()
    assert "</html>" in page and "soleus" in page

    copied = shutil.copytree(ROOT / "saved_models" / "stream", away / "mine")
    (copied / "exports.json").unlink()
    refused = start("nem2e", "export", "mine")
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert "pip install 'nem2e-tf[export]'" in line
    assert "nem2e export mine" in start("nem2e", "verify", "mine").stderr
    run("pip", "install", "--quiet", f"{wheel}[export]")
    forms = ("--form", "tflite-float32", "--form", "onnx")
    exported = json.loads(run("nem2e", "export", "mine", *forms, "--json"))
    assert [form["form"] for form in exported["forms"]] == ["tflite/float32", "onnx"]
    verified = json.loads(run("nem2e", "verify", "mine", "--json"))
    assert all(form["passed"] for form in verified["forms"])

    few = ("--subjects", "1", "--tasks", "walking", "--strides", "4")
    run("nem2e", "cohort", *few, "-o", "people")
    (away / "tiny.yaml").write_text(EXPERIMENT)
    run("nem2e", "fit", "tiny.yaml")
    card = json.loads((away / "tiny" / "card.json").read_text())
    assert card["name"] == "tiny" and card["fitted_on"][0]["synthetic"]
    assert (away / "runs" / "shards").is_dir()
    simulated = "nem2e-demo/simulated.sto"
    run("nem2e", "refine", simulated, "--refiner", "tiny", "-o", "tiny.sto")
    run("nem2e", "export", "tiny", "--form", "savedmodel")
