"""The package as it is handed on: one wheel, which needs no checkout."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.repository import ROOT

PACKED = ("nem2e_tf", "saved_models")
READ_BY_SETUP = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: nothing is left in the checkout, nor taken from its build folder."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in READ_BY_SETUP:
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(built)]
    subprocess.run([*pip, str(source)], check=True)
    (path,) = built.glob("*.whl")
    return path


def test_a_wheel_holds_every_file_of_the_library_and_of_its_refiners(wheel: Path) -> None:
    packed = {
        name: content.file_size
        for content in zipfile.ZipFile(wheel).infolist()
        if ".dist-info/" not in (name := content.filename)
    }
    held = {}
    for name, folder in (("nem2e_tf", "nem2e_tf"), ("saved_models", "nem2e_tf/saved_models")):
        for path in (ROOT / name).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                place = f"{folder}/{path.relative_to(ROOT / name).as_posix()}"
                held[place] = path.stat().st_size
    assert packed == held


@pytest.mark.slow
def test_a_wheel_alone_goes_from_nothing_to_a_report(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "clean", with_pip=True)
    away = tmp_path / "away"
    away.mkdir()
    plain = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "NEM2E"))
    }

    def run(*command: str) -> str:
        program = str(tmp_path / "clean" / "bin" / command[0])
        done = subprocess.run(
            [program, *command[1:]], cwd=away, env=plain, check=True, capture_output=True, text=True
        )
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
