"""One palette in every picture, report and page."""

import re
from pathlib import Path

import pytest

from nem2e_tf.report import palette
from tests.repository import ROOT

CURVES = ("measured", "simulated", "refined")


def test_measured_is_black_simulated_is_gray_and_refined_is_a_strong_colour() -> None:
    assert palette.MEASURED == "#000000"
    channels = {name: _channels(palette.PAGE[name]) for name in CURVES}
    assert len(set(channels["simulated"])) == 1
    assert max(channels["refined"]) - min(channels["refined"]) > 100


@pytest.mark.parametrize("name", CURVES)
def test_the_browser_page_has_the_colours_of_the_package(name: str) -> None:
    web = ROOT / "export" / "web"
    script = (web / "src" / "chart.js").read_text(encoding="utf-8")
    style = (web / "page.css").read_text(encoding="utf-8")
    colour = palette.PAGE[name]
    assert re.search(rf'{name}: "(#\w+)"', script)[1] == colour  # type: ignore[index]
    assert re.search(rf"--{name}: (#\w+);", style)[1] == colour  # type: ignore[index]


def test_the_test_of_the_browser_page_looks_for_these_colours() -> None:
    driver = (ROOT / "tests" / "web" / "drive.mjs").read_text(encoding="utf-8")
    for name in CURVES:
        found = re.search(rf"{name}: \[(\d+), (\d+), (\d+)\]", driver)
        assert found is not None
        assert [int(value) for value in found.groups()] == _channels(palette.PAGE[name])


@pytest.mark.parametrize(
    "template", ["nem2e_tf/report/page.css", "nem2e_tf/study/summary.html.jinja"]
)
def test_pages_take_their_colours_from_the_palette(template: str) -> None:
    text = (ROOT / template).read_text(encoding="utf-8")
    used = set(re.findall(r"var\(--palette-(\w+)\)", text))
    assert used and used <= set(palette.PAGE)
    declared = re.findall(r"--palette-(\w+): (#\w+);", palette.css_variables())
    assert dict(declared) == palette.PAGE
    assert not {colour for colour in palette.PAGE.values() if colour in text}


DRAWING = [
    path
    for folder in ("nem2e_tf/report", "training/evaluation")
    for path in sorted((ROOT / folder).glob("*.py"))
    if "from matplotlib.figure" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", DRAWING, ids=lambda path: path.stem)
def test_figures_name_no_colour_of_their_own(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    assert "palette" in text and not re.search(r'"#[0-9a-fA-F]{6}"|color=f?"C\d', text)


def _channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
