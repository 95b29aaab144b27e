"""A whole study at once: one folder a trial, a summary over all, and no trial in another's way."""

import json
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from nem2e_tf.cli import app
from nem2e_tf.errors import InputError
from nem2e_tf.files import COLUMNS, Trial, read_storage, read_trials
from nem2e_tf.report import read_facts
from nem2e_tf.study import batch, summary
from nem2e_tf.study.summary import Row
from tests.repository import NEM2E

Refused = Callable[..., AbstractContextManager[None]]
WALK = {
    "subject": "06", "task": "walking", "model": "gait2392.osim", "motion": "walk45/ik.sto",
    "moments": "walk45/id.sto", "emg": "walk45/emgFilt.sto", "start": 40, "end": 45,
}  # fmt: skip
RUN = WALK | {
    "task": "running", "motion": "run81/ik.sto", "moments": "run81/id.sto", "emg": "", "end": 41,
}  # fmt: skip


def write(path: Path, *rows: dict[str, Any]) -> Path:
    pd.DataFrame(rows, columns=[*COLUMNS, "trial"]).to_csv(path, index=False)
    return path


def estimate(trials: Path, data: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(NEM2E), "estimate", "--trials", str(trials), "--data", str(data), "-o", str(folder),
         "--refiner", "gait", "--jobs", "1", "--json"],
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(
    lower_limb: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Two trials, one that ends after its recording, and one without its motion."""
    folder = tmp_path_factory.mktemp("study")
    late, lost = RUN | {"end": 90}, RUN | {"motion": "run81/lost.sto"}
    trials = write(folder / "trials.csv", late, WALK | {"trial": "no. 1"}, lost, RUN)
    return folder, estimate(trials, lower_limb, folder / "results")


def test_a_trial_that_fails_is_told_in_a_line_and_stops_no_other(
    done: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, ran = done
    assert ran.returncode == 1
    told = json.loads(ran.stdout)["trials"]
    states = {row["trial"]: row["state"] for row in told}
    assert states == {
        "running": "failed", "no. 1": "made", "running-2": "failed", "running-3": "made",
    }  # fmt: skip
    late, lost = ran.stderr.splitlines()
    assert late.startswith("failed: 06 running: ") and "outside the recording" in late
    assert lost.startswith("failed: 06 running-2: ") and "line 4, column 'motion'" in lost
    assert {path.name for path in (folder / "results" / "06").iterdir()} == {"no. 1", "running-3"}
    table = pd.read_csv(folder / "results" / summary.CSV, dtype={"subject": str})
    assert set(table.loc[table["fault"].notna(), "trial"]) == {"running", "running-2"}


def test_the_table_says_of_every_muscle_what_its_result_says(
    done: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    results = done[0] / "results"
    table = pd.read_csv(results / summary.CSV).set_index(["trial", "muscle"])
    for trial in ("no. 1", "running-3"):
        facts = read_facts(results / "06" / trial)
        envelopes = read_storage(results / "06" / trial / "emg.sto")
        for muscle in facts.muscles:
            line = table.loc[(trial, muscle)]
            assert line["peak"] == pytest.approx(envelopes[muscle].max(), rel=1e-4)
            assert line["mean"] == pytest.approx(envelopes[muscle].mean(), rel=1e-4)
            if facts.scores is None:
                assert np.isnan(line["r"])
            else:
                assert line["r"] == pytest.approx(facts.scores.refined[muscle].r, rel=1e-4)
    # Perry and Burnfield (2010): soleus peaks at 40-50 % after heel strike, the knee bends most
    # in swing at 70-75 %. A second of running has no two strides.
    assert 60 <= table.loc[("no. 1", "soleus_r"), "phase"] <= 80
    assert np.isnan(table.loc[("running-3", "soleus_r"), "phase"])


def test_going_on_makes_what_changed_and_finds_the_rest(
    done: tuple[Path, subprocess.CompletedProcess[str]], lower_limb: Path, tmp_path: Path
) -> None:
    results = done[0] / "results"
    again = write(tmp_path / "trials.csv", WALK | {"trial": "no. 1"}, RUN | {"trial": "running-3"})
    same = batch.Settings("gait")
    before = (results / summary.PAGE).read_bytes()
    (results / "06" / ".unfinished-left").mkdir()
    rows = batch.estimate_all(read_trials(again, lower_limb), results, same, jobs=1)
    assert [row.state for row in rows] == ["found", "found"]
    assert not (results / "06" / ".unfinished-left").exists()
    changed = RUN | {"trial": "running-3", "start": 40.5}
    other = write(tmp_path / "trials.csv", changed, WALK | {"trial": "no. 1"})
    damaged = results / "06" / "no. 1" / "emg.sto"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    rows = batch.estimate_all(read_trials(other, lower_limb), results, same, jobs=1)
    assert [row.state for row in rows] == ["made", "made"]
    assert read_facts(results / "06" / "running-3").start == pytest.approx(40.5)
    assert (results / summary.PAGE).read_bytes() == before


def test_what_is_no_result_is_not_replaced(lower_limb: Path, tmp_path: Path) -> None:
    notes = tmp_path / "06" / "running" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    trials = read_trials(write(tmp_path / "trials.csv", RUN), lower_limb)
    (row,) = batch.estimate_all(trials, tmp_path, batch.Settings("gait"), jobs=1)
    assert "already exists" in row.fault and notes.read_text() == "mine"


@pytest.mark.parametrize("option", ["--model", "--motion", "--moments", "--emg", "--plot"])
def test_a_list_and_the_files_of_one_recording_exclude_each_other(
    option: str, tmp_path: Path
) -> None:
    given = ["estimate", "--refiner", "gait", "-o", str(tmp_path), "--trials", "trials.csv"]
    ran = CliRunner().invoke(app, [*given, option, "x.sto"])
    assert isinstance(ran.exception, InputError)
    assert f"--trials and {option} are both given" in str(ran.exception)
    ran = CliRunner().invoke(app, ["estimate", "--refiner", "gait", "-o", str(tmp_path)])
    assert "neither --trials nor --model" in str(ran.exception)


def trial(subject: str, label: str) -> Trial:
    path = Path("x")
    return Trial(subject, "walking", path, path, None, path, None, 0.0, 1.0, label)


def test_names_of_subjects_lead_nowhere_else_and_none_takes_anothers_folder() -> None:
    names = ["a", "a/b", "a_b", "a%2Fb", "..", ".", ".hidden", "../../etc", "a\\b", "é", "a b"]
    names += ["con", "%con", "nul.a", "null", "a.", "a ", "COM1"]
    places = [batch.trial_folder(trial(name, "walking")) for name in names]
    assert len(set(places)) == len(names)
    for place in places:
        assert len(place.parts) == 2 and not place.is_absolute()
        assert not any(part.startswith(".") for part in place.parts)
        assert str(place.parent)[-1] not in ". "
    assert {"con", "nul.a", "COM1"}.isdisjoint(str(place.parent) for place in places)


def row(subject: str, trial: str, soleus: dict[str, float], **other: Any) -> Row:
    measured = {"peak": 0.5, "mean": 0.1, "phase": np.nan} | soleus
    return Row(subject, "walking", trial, f"{subject}/{trial}", sound=True,
               muscles={"soleus_r": measured}, **other)  # fmt: skip


def test_subjects_count_alike_and_phases_go_around_the_cycle() -> None:
    rows = [
        row("a", "1", {"peak": 0.2, "phase": 96.0}), row("a", "2", {"peak": 0.4, "phase": 0.0}),
        row("b", "1", {"peak": 0.5, "phase": 2.0}), Row("b", "walking", "2", fault="broken"),
    ]  # fmt: skip
    soleus = summary.mean_over_subjects(rows)["walking"].loc["soleus"]
    assert soleus["subjects"] == 2
    assert soleus["peak"] == pytest.approx(0.4)  # of 0.3 and 0.5
    assert soleus["peak_sd"] == pytest.approx(0.2 / np.sqrt(2))
    assert soleus["phase"] % 100 == pytest.approx(0.0, abs=0.01) or soleus["phase"] > 99.99


class Page(HTMLParser):
    """Tags and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src") and value]


def test_the_page_shows_names_as_they_are_and_loads_nothing(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    rows = [row("a b", "50 %", {}, warnings=(evil,)), Row(evil, evil, evil, fault=evil)]
    summary.write_summary(rows, tmp_path, evil, evil)
    text = (tmp_path / summary.PAGE).read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags and "&lt;script&gt;" in text
    assert "a%20b/50%20%25/" in page.links
    assert all(not link.startswith(("http", "//", "file", "/")) for link in page.links)


def test_a_study_without_any_result_has_a_summary_too(tmp_path: Path) -> None:
    summary.write_summary([Row("a", "walking", "1", fault="broken")], tmp_path, "study", "gait")
    assert "broken" in (tmp_path / summary.PAGE).read_text(encoding="utf-8")
    assert list(pd.read_csv(tmp_path / summary.CSV)["fault"]) == ["broken"]
