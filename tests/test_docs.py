"""The documents: what they say to do works, their site builds, their examples say what is so."""

import doctest
import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from nem2e_tf.cohort import write_demo_walk
from nem2e_tf.edge import Manifest, shipped_refiners
from nem2e_tf.files import write_storage
from tests.documents import READ, RUN, Block, Reader, blocks, pages
from tests.repository import ROOT

CEINMS, OVERGROUND, DEMO = "ceinms-lower-limb", "opensim-3d-walking", "a virtual person's walk"
RAW = {
    "scaled.osim": f"{OVERGROUND}/subject_walk_scaled.osim",
    "walk.trc": f"{OVERGROUND}/markers_walk.trc",
    "tasks.xml": f"{OVERGROUND}/ik_tasks_walk.xml",
    "grf.xml": f"{OVERGROUND}/grf_walk.xml",
    "grf_walk.mot": f"{OVERGROUND}/grf_walk.mot",
}
GIVEN: dict[str, dict[str, str]] = {
    "README.md": {
        "gait2392.osim": f"{CEINMS}/gait2392.osim",
        "ik.mot": f"{CEINMS}/walk45/ik.sto",
        "id.sto": f"{CEINMS}/walk45/id.sto",
        **RAW,
    },
    "docs/tutorial-embedded.md": {"nem2e-demo/simulated.sto": DEMO},
    "docs/exports.md": {"sim.sto": DEMO, "sensor.csv": DEMO},
    "docs/report.md": RAW,
    "docs/serving.md": {"sim.sto": DEMO},
    "docs/trials.md": {
        "gait2392.osim": f"{CEINMS}/gait2392.osim",
        **{f"{trial}/{name}.sto": f"{CEINMS}/{trial}/{name}.sto"
           for trial in ("walk45", "run81") for name in ("ik", "id", "emgFilt")},
    },
    "docs/tutorial-laboratory.md": {
        name: f"{OVERGROUND}/{name}"
        for name in (
            "subject_walk_scaled.osim", "markers_walk.trc", "ik_tasks_walk.xml", "grf_walk.xml",
            "grf_walk.mot", "electromyography.sto",
        )
    },
}  # fmt: skip
"""By page, files that it takes for granted, and which recorded ones they are."""

BLOCKS = [block for page in pages() for block in blocks(page)]


def with_blocks(slow: bool) -> list[str]:
    """Pages that have blocks to run which take long, or which do not."""
    chosen = [block for block in BLOCKS if block.runs and block.slow == slow]
    return list(dict.fromkeys(block.page for block in chosen))


@pytest.fixture(scope="module")
def virtual_walk(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Simulated activity of a virtual person's walk (synthetic)."""
    return write_demo_walk(tmp_path_factory.mktemp("demo"))[0]


@pytest.fixture
def reader(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Reader:
    """A reader in an empty folder, but for what the page of the test takes for granted."""
    page = request.node.callspec.params["page"]
    for name, source in GIVEN.get(page, {}).items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if source == DEMO:
            walk = request.getfixturevalue("virtual_walk")
            walk.to_csv(path) if path.suffix == ".csv" else write_storage(walk, path, "synthetic")
        else:
            shutil.copyfile(request.getfixturevalue("data") / source, path)
    for name in ("saved_models", "tests", "training"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return Reader(tmp_path)


@pytest.mark.parametrize("page", with_blocks(slow=False))
def test_what_a_page_says_to_do_works(page: str, reader: Reader) -> None:
    for block in BLOCKS:
        if block.page == page and block.runs and not block.slow:
            reader.run(block)


@pytest.mark.slow
@pytest.mark.parametrize("page", with_blocks(slow=True))
def test_what_a_page_says_to_do_works_to_its_end(page: str, reader: Reader) -> None:
    for block in BLOCKS:
        if block.page == page and block.runs:
            reader.run(block)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.note == "not run"], ids=str)
def test_a_block_that_is_not_run_says_why(block: Block) -> None:
    assert len(block.told.split()) > 3
    pytest.skip(f"{block} is not run: it {block.told}")


def test_every_block_says_what_language_it_is_in_and_code_runs_or_says_why_not() -> None:
    for block in BLOCKS:
        assert block.language in RUN + READ or block.note == "not run", f"{block} is not run"
        if block.language == "json":
            json.loads(block.text)


def test_the_site_builds_without_a_warning_and_asks_nothing_of_a_network(tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(site)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(GIVEN)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=\"([^\"]+)", text)
        assert not [address for address in loaded if "//" in address], page
    assert "<math" in (site / "method.html").read_text(encoding="utf-8")


def test_the_reference_has_every_module_that_others_may_use() -> None:
    package = ROOT / "nem2e_tf"
    there = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in package.rglob("*.py")
        if path.stem not in ("__main__", "c3d_process", "processes") and path.parent.name != "cli"
    }
    pages = (path.read_text() for path in (ROOT / "docs" / "reference").glob("*.rst"))
    listed = [name for text in pages for name in re.findall(r"automodule:: (\S+)", text)]
    assert sorted(listed) == sorted(there)


@pytest.mark.parametrize(
    "path",
    [p for p in (ROOT / "nem2e_tf").rglob("*.py") if ">>> " in p.read_text(encoding="utf-8")],
    ids=lambda path: path.stem,
)
def test_examples_in_docstrings_give_what_they_say(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted and not done.failed


def test_the_microcontroller_has_the_operations_and_the_room_that_the_graphs_need() -> None:
    from ai_edge_litert.interpreter import Interpreter

    text = (ROOT / "docs" / "tutorial-embedded.md").read_text(encoding="utf-8")
    added = {name.lower() for name in re.findall(r"operations\.Add(\w+)\(\)", text)}
    used = set()
    for file in Manifest.read(shipped_refiners()["stream"]).files("tflite/int8").values():
        assert f"{file.stat().st_size:,}" in text
        interpreter = Interpreter(model_path=str(file))
        used |= {of["op_name"].replace("_", "").lower() for of in interpreter._get_ops_details()}
    assert added == used
    assert f"MicroMutableOpResolver<{len(used)}>" in text
