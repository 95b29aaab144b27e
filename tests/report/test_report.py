"""A trial's report: what it says, that it trusts no name, and how it looks in a browser."""

import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from nem2e_tf.cli import app
from nem2e_tf.errors import InputError
from nem2e_tf.report import FACTS, Result, read_result, render_page, write_report
from nem2e_tf.report.contents import page_contents
from nem2e_tf.report.curves import HEIGHT, TOLERANCE, line_path, units_per_second
from nem2e_tf.report.facts import Gap, Unsupported
from tests.repository import ROOT

DRIVER = ROOT / "tests" / "web" / "report.mjs"
HOSTILE = '"><img src=x onerror=alert(1)></svg><script>alert(2)</script>'


@pytest.fixture(scope="module")
def made(walk45_result: Path) -> Result:
    return read_result(walk45_result)


class Text(HTMLParser):
    """The words of a page, without its style and script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self._within = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within not in ("style", "script"):
            self.words.append(data)

    def __str__(self) -> str:
        return " ".join(" ".join(self.words).split())


def with_facts(made: Result, **changes: Any) -> Result:
    return replace(made, facts=made.facts.model_copy(update=changes))


def test_the_page_says_all_that_has_to_be_known(made: Result) -> None:
    text = str(Text(render_page(made)))
    facts = made.facts
    for words in (
        "walk45/ik.sto", "40.00–45.00 s", "3DGaitModel2392, 75.2 kg", facts.refiner.summary,
        facts.refiner.unit, "fitted on 1 recorded person and 65 virtual (synthetic) ones",
        "hip_flexion_r", "Residuals at the pelvis", "Timing of bursts", "Errors against measured",
        "10.3389/fbioe.2025.1611414", "10.1109/TBME.2007.901024", "journal.pcbi.1006223",
        "interactive graphics-based model of the lower extremity", "converted to radians",
        facts.inputs.files["motion"].sha256[:16],
    ):  # fmt: skip
        assert words in text, words
    assert facts.scores is not None
    for muscle, row in facts.scores.refined.items():
        assert f"→ {row.rmse:.3f}" in text and muscle in text


def test_warnings_come_first(made: Result) -> None:
    calm = str(Text(render_page(made)))
    assert "No warnings" in calm
    unsupported = Unsupported(share=0.25, start=41.0, end=41.5, seconds=0.5)
    odd = with_facts(made, unfamiliar=["peak of soleus at 0.99"], unsupported=unsupported)
    warned = str(Text(render_page(odd)))
    assert "No warnings" not in warned and "Yes: the muscles" not in warned
    places = [
        warned.index(words)
        for words in ("Warnings", "0.50 s between 41.00 and 41.50 s", "peak of soleus at",
                      "Inputs")
    ]  # fmt: skip
    assert places == sorted(places)


def test_gaps_are_told_with_what_was_done(made: Result) -> None:
    gap = Gap(of="marker RASI", seconds=0.25, remedy="the others were followed")
    text = str(Text(render_page(with_facts(made, gaps=[gap]))))
    assert "marker RASI: 0.25 s in all, the others were followed" in text


def test_no_name_becomes_markup(made: Result) -> None:
    names = {"soleus_r": HOSTILE}
    facts = json.loads(made.facts.model_dump_json().replace("soleus_r", "SOLEUS"))

    def spoil(value: Any) -> Any:
        """Every text of the facts that a file's author chooses."""
        if isinstance(value, dict):
            return {HOSTILE if key == "SOLEUS" else key: spoil(item) for key, item in value.items()}
        if isinstance(value, list):
            return [spoil(item) for item in value]
        free = isinstance(value, str) and not re.fullmatch("[0-9a-f]{64}|r|l|NaN|Infinity", value)
        return HOSTILE if value == "SOLEUS" or (free and value not in made.facts.muscles) else value

    spoilt = type(made.facts).model_validate(spoil(facts))
    edges = {f"soleus_r_{edge}": f"{HOSTILE}_{edge}" for edge in ("lower", "upper")}
    hostile = Result(
        spoilt, made.refined.rename(columns=names), made.bounds.rename(columns=edges),
        made.simulated.rename(columns=names), made.motion,
        None if made.measured is None else made.measured.rename(columns=names),
    )  # fmt: skip
    plain, told = Text(render_page(made)), Text(render_page(hostile))
    assert told.tags.count("script") == 1 and "img" not in told.tags
    assert set(told.tags) == set(plain.tags)
    assert "<img src=x" in str(told)


def test_a_page_is_made_of_any_facts_that_are_read(walk45_result: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(walk45_result, tmp_path / "walk45"))
    facts = json.loads((folder / FACTS).read_text())
    places = list(_places(facts))
    chance = random.Random(7)
    pages = 0
    for _ in range(30):
        *way, last = chance.choice(places)
        spoilt = json.loads(json.dumps(facts))
        reduce(lambda value, key: value[key], way, spoilt)[last] = chance.choice(
            [0, -1, 1e300, "NaN", "Infinity", "", None, [], {}, "<b>", True]
        )
        (folder / FACTS).write_text(json.dumps(spoilt))
        try:
            made = read_result(folder)
        except InputError as error:
            assert len(str(error).splitlines()) == 1
            continue
        pages += render_page(made).startswith("<!DOCTYPE html>")
    assert pages > 3


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of plain tables and lists; of a list, to its first ones."""
    inside = value.items() if isinstance(value, dict) else list(enumerate(value))[:2]
    for key, part in inside:
        yield (*way, key)
        if isinstance(part, dict | list):
            yield from _places(part, (*way, key))


def test_two_cycles_are_the_least_for_means_and_bursts(made: Result) -> None:
    short = made.motion.iloc[:180]
    text = str(Text(render_page(replace(made, motion=short))))
    assert "gait cycle was found" in text and "two are the least" in text
    assert "Timing of bursts" not in text
    still = made.motion.assign(knee_angle_r=0.1)
    assert "No whole gait cycle was found" in str(Text(render_page(replace(made, motion=still))))
    without = made.motion.drop(columns="knee_angle_r")
    assert "No whole gait cycle was found" in str(Text(render_page(replace(made, motion=without))))


def test_a_mean_cycle_is_the_cycle_where_all_are_alike(made: Result) -> None:
    told = page_contents(made)
    cycles = told["cycles"]
    time = made.refined.index.to_numpy()
    # A triangle wave that turns where the knee does.
    phase = np.interp(time, cycles.starts, np.arange(len(cycles.starts)))
    wave = pd.Series(np.abs((phase % 1) - 0.5), index=made.refined.index)
    mean, spread = cycles.mean(wave)
    np.testing.assert_allclose(mean, np.abs(np.linspace(0, 1, 101) % 1 - 0.5), atol=0.02)
    assert spread.max() < 0.02
    assert cycles.lengths.mean() == pytest.approx(made.facts.timing.cycle, abs=0.02)  # type: ignore[union-attr]


def test_emg_in_a_unit_of_its_own_is_drawn_on_the_scale_of_the_refined_one(made: Result) -> None:
    assert made.measured is not None
    volts = replace(made, measured=made.measured * 1e-4)
    for ours, theirs in zip(
        page_contents(made)["muscles"], page_contents(volts)["muscles"], strict=True
    ):
        assert ours.measured_scale == 1.0
        assert theirs.measured_scale == pytest.approx(1e4, rel=0.5)
    text = str(Text(render_page(volts)))
    assert "measured × " in text and "in a unit of its own" in text


def test_a_path_is_as_near_to_its_curve_as_it_promises() -> None:
    time = np.arange(0, 60, 0.01)
    curve = 0.1 + 0.3 * np.clip(np.sin(2 * np.pi * time), 0, None) ** 3
    unit = units_per_second(60.0)
    numbers = [int(n) for n in re.findall(r"-?\d+", line_path(time * unit, curve, 0.5))]
    corners = np.cumsum(np.array(numbers).reshape(-1, 2), axis=0)
    assert len(corners) < len(time) / 3
    drawn = np.interp(time * unit, corners[:, 0], corners[:, 1])
    wanted = HEIGHT * (1 - curve / 0.5)
    slope = np.abs(np.gradient(wanted, time * unit))
    # A corner lies on whole units, half of one off at most either way.
    off = np.abs(drawn - wanted) / np.sqrt(1 + slope**2)
    assert off.max() < TOLERANCE * HEIGHT + 1.0


def test_a_page_of_ten_minutes_stays_small(made: Result) -> None:
    def long(frame: pd.DataFrame) -> pd.DataFrame:
        whole = pd.concat([frame.iloc[:-1]] * 120)
        return whole.set_index(pd.Index(np.arange(len(whole)) / 100.0, name="time"))

    assert made.measured is not None
    facts = made.facts.model_copy(update={"start": 0.0, "end": 599.99})
    frames = (made.refined, made.bounds, made.simulated, made.motion, made.measured)
    text = render_page(Result(facts, *map(long, frames)))
    assert len(text) < 2_500_000


def test_report_is_written_by_one_command_and_needs_neither_tensorflow_nor_opensim(
    walk45_result: Path, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, ["report", str(walk45_result), "-o", str(tmp_path / "r.html")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "r.html").read_text() == render_page(read_result(walk45_result))
    code = (
        "import sys; from pathlib import Path;"
        "from nem2e_tf.report import read_result, render_page;"
        "render_page(read_result(Path(sys.argv[1])));"
        "print([m for m in ('tensorflow', 'keras', 'opensim') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(walk45_result)], capture_output=True, text=True, timeout=60
    )
    assert ran.stdout.strip() == "[]", ran.stderr


@pytest.fixture(scope="module")
def driven(
    made: Result, chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Result], dict[str, Any]]:
    """What `tests/web/report.mjs` sees on the page of a result, and where its pictures are."""

    def drive(shown: Result) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp("seen")
        write_report(shown, folder / "report.html")
        done = subprocess.run(
            ["node", str(DRIVER), str(folder / "report.html"), str(folder)],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) | {"folder": folder}

    return drive


@pytest.fixture(scope="module")
def seen(made: Result, driven: Callable[[Result], dict[str, Any]]) -> dict[str, Any]:
    # One muscle is called what a browser must not take for markup.
    names = {"vas_med_r": HOSTILE}
    text = made.facts.model_dump_json().replace("vas_med_r", json.dumps(HOSTILE)[1:-1])
    facts = type(made.facts).model_validate_json(text)
    edges = {f"vas_med_r_{edge}": f"{HOSTILE}_{edge}" for edge in ("lower", "upper")}
    assert made.measured is not None
    return driven(
        Result(
            facts, made.refined.rename(columns=names), made.bounds.rename(columns=edges),
            made.simulated.rename(columns=names), made.motion, made.measured.rename(columns=names),
        )
    )  # fmt: skip


def test_nothing_fails_and_nothing_is_asked_of_a_network(seen: dict[str, Any]) -> None:
    assert seen["errors"] == []
    assert seen["requests"] == [(seen["folder"] / "report.html").as_uri()]
    assert seen["desktop"]["scripts"] == 1 and seen["desktop"]["images"] == 0


@pytest.mark.parametrize("screen", ["desktop", "phone"])
def test_all_muscles_are_drawn_and_the_page_scrolls_only_down(
    seen: dict[str, Any], screen: str
) -> None:
    assert seen[screen]["overflow"] == 0
    assert seen[screen]["articles"] == 9
    assert seen[screen]["undrawn"] == 0
    assert seen[screen]["named"]
    assert (seen["folder"] / f"{screen}.png").stat().st_size > 50_000


def test_a_reader_chooses_a_time_range_by_button_mouse_and_key(seen: dict[str, Any]) -> None:
    assert seen["whole"] == [40, 45]
    assert seen["closer"] == [41.25, 43.75]
    assert seen["later"] == [42.5, 45]
    assert len({tuple(axis) for axis in seen["labels"]}) == 1
    assert all(42.5 <= at <= 45 for at in seen["labels"][0]) and len(seen["labels"][0]) >= 3
    assert seen["drawn"] == pytest.approx([41.25, 42.5], abs=0.05)
    assert seen["clicked"] == seen["drawn"]
    assert seen["keyed"] == [41.25, 43.75]
    assert seen["typed"] == [40, 43.75]
    assert seen["mistyped"] == [40, 43.75]


def test_a_reader_chooses_muscles(seen: dict[str, Any]) -> None:
    assert seen["without"] == [8, 8]
    assert seen["none"] == [0, 0]
    assert seen["all"] == [9, 9]


def test_on_paper_all_is_open_and_light(seen: dict[str, Any]) -> None:
    assert seen["print"]["paper"] == "rgb(255, 255, 255)"
    assert seen["phone"]["paper"] != "rgb(255, 255, 255)"
    assert seen["print"]["tools"] == 0 and seen["desktop"]["tools"] > 0
    assert seen["open"]
    assert (seen["folder"] / "report.pdf").read_bytes().startswith(b"%PDF")
    assert seen["pdf"] > 50_000


def test_without_its_script_the_page_shows_everything(seen: dict[str, Any]) -> None:
    assert seen["still"] == {"articles": 9, "tools": 0}
