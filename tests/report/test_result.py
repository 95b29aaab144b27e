"""The folder that a trial leaves: whole, of these inputs and no others, and read from anybody."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import read_storage, write_storage
from nem2e_tf.refiner import load
from nem2e_tf.report import FACTS, Result, read_facts, read_result, render_page
from nem2e_tf.signals import score_agreement
from nem2e_tf.simulation import simulate_files
from nem2e_tf.study import Request, estimation

Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def asked(walk45_request: Request) -> Request:
    return walk45_request


@pytest.fixture
def folder(walk45_result: Path) -> Path:
    return walk45_result


@pytest.fixture
def copy(walk45_result: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(walk45_result, tmp_path / "copy"))


def changed(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    facts = json.loads((folder / FACTS).read_text())
    change(facts)
    (folder / FACTS).write_text(json.dumps(facts))


def test_a_result_is_what_the_steps_give_one_by_one(folder: Path, asked: Request) -> None:
    made = read_result(folder)
    files = asked.files
    simulated = simulate_files(
        asked.model, files["motion"], files["moments"], start=asked.start, end=asked.end
    )
    refiner = load("walking")
    pd.testing.assert_frame_equal(made.simulated, simulated, rtol=0, atol=1e-9)
    refined = refiner.refine(simulated)
    pd.testing.assert_frame_equal(made.refined, refined, rtol=0, atol=1e-6)
    pd.testing.assert_frame_equal(made.bounds, refiner.interval(refined), rtol=0, atol=1e-6)
    measured = read_storage(files["emg"])
    scored = score_agreement(measured, refined, simulated)
    scores = made.facts.scores
    assert scores is not None and made.measured is not None
    for muscle, row in scored.estimate.iterrows():
        assert scores.refined[str(muscle)].rmse == pytest.approx(row["rmse"], abs=1e-6)
    np.testing.assert_allclose(
        made.measured["soleus_r"], measured["soleus_r"].loc[39.995:45.005], atol=1e-9
    )
    knee = read_storage(files["motion"])["knee_angle_r"].loc[39.995:45.005]
    np.testing.assert_allclose(made.motion["knee_angle_r"], np.deg2rad(knee), atol=1e-9)


def test_facts_name_every_file_by_its_content_and_what_was_said_of_it(folder: Path) -> None:
    facts = read_facts(folder)
    assert set(facts.inputs.files) == {"model", "motion", "moments", "emg"}
    assert facts.model.name == "3DGaitModel2392" and "Delp" in facts.model.publications
    assert facts.model.mass == pytest.approx(75.16, abs=0.01)
    assert (facts.refiner.recorded, facts.refiner.virtual) == (1, 65)
    assert any("in degrees" in note for note in facts.notes)
    assert (facts.start, facts.end, facts.rate) == (40.0, 45.0, 100.0)
    timing = facts.timing
    assert timing is not None and timing.cycle == pytest.approx(1.05, abs=0.03)
    shares = np.array(timing.attention)
    assert shares.shape == (100, len(timing.offsets))
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=0.01)


def test_missing_samples_and_a_model_without_publications_are_told_as_such(
    asked: Request, tmp_path: Path
) -> None:
    motion = read_storage(asked.files["motion"]).loc[38:47]
    angles = motion.filter(regex="_[rl]$|^pelvis_(tilt|list|rotation)|^lumbar").columns
    whole = motion.assign(**np.deg2rad(motion[angles]))
    gap = (whole.index > 42.001) & (whole.index < 42.059)
    write_storage(whole[~gap], tmp_path / "ik.sto", "gap")
    model = tmp_path / "model.osim"
    text = asked.model.read_text()
    model.write_text(re.sub("<publications>.*?</publications>", "", text, flags=re.DOTALL))
    assert len(model.read_text()) < len(text)
    recording = replace(asked.recording, motion=tmp_path / "ik.sto")
    made = estimation.estimate(replace(asked, model=model, recording=recording, emg=None))
    (gap_told,) = made.facts.gaps
    assert gap_told.of == "joint motion" and "spline" in gap_told.remedy
    assert gap_told.seconds == pytest.approx(0.05, abs=1e-6)
    assert made.measured is None and made.facts.scores is None
    assert made.facts.model.publications == ""
    assert "in its own words" not in render_page(made)


def test_a_result_of_the_same_files_is_found_whatever_they_are_called(
    folder: Path, asked: Request, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    model = Path(shutil.copy(asked.model, tmp_path / "other_name.osim"))
    found = estimation.estimate_to_folder(folder, replace(asked, model=model))
    assert found.facts.model_dump_json() == read_facts(folder).model_dump_json()
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_result_of_other_inputs_is_not_written_over(
    folder: Path, asked: Request, refused: Refused, tmp_path: Path
) -> None:
    with refused(folder, "another 'start'", "name another folder"):
        estimation.estimate_to_folder(folder, replace(asked, start=41))
    with refused(folder, "another 'emg'"):
        estimation.estimate_to_folder(folder, replace(asked, emg=None))
    model = tmp_path / "changed.osim"
    model.write_text(asked.model.read_text().replace("75", "76", 1) + "\n")
    with refused(folder, "another 'model'"):
        estimation.estimate_to_folder(folder, replace(asked, model=model))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with refused("full", "already exists"):
        estimation.estimate_to_folder(tmp_path / "full", asked)


def test_nothing_is_left_where_a_result_cannot_be_made(
    asked: Request, refused: Refused, tmp_path: Path
) -> None:
    map_ = tmp_path / "map.yaml"
    map_.write_text("tongue: tongue")
    emg = tmp_path / "emg.sto"
    frame = read_storage(asked.files["emg"])[["soleus_r"]].set_axis(["tongue"], axis=1)
    write_storage(frame, emg, "tongue")
    with refused(emg, "none of the muscles", "'tongue'", "--muscles"):
        estimation.estimate_to_folder(tmp_path / "result", replace(asked, emg=emg, muscles=map_))
    with refused("outside the recording"):
        estimation.estimate_to_folder(tmp_path / "result", replace(asked, start=100, end=102))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["emg.sto", "map.yaml"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts: facts.pop("verdict"), ["verdict", "required"]),
        (lambda facts: facts.update(format=2), ["format"]),
        (lambda facts: facts.update(script="<script>"), ["script", "not permitted"]),
        (lambda facts: facts["muscles"].append("tongue"), ["emg.sto", "'tongue'"]),
        (lambda facts: facts.update(muscles=[]), ["muscles"]),
        (lambda facts: facts.update(rate=-1), ["rate"]),
        (lambda facts: facts["inputs"]["files"]["model"].update(sha256="x"), ["sha256"]),
        (lambda facts: facts["timing"]["attention"].pop(), ["attention"]),
        (lambda facts: facts["timing"]["attention"][3].pop(), ["attention"]),
        (lambda facts: facts["scores"]["refined"].pop("soleus_r"), ["scores"]),
        (lambda facts: facts.update(start=50), ["end is not after start"]),
        (lambda facts: facts.update(start=41), ["emg.sto", "40-45 s", "41-45 s"]),
        (lambda facts: facts.update(marker_errors={}), ["marker_errors"]),
        (lambda facts: facts["timing"]["offsets"].reverse(), ["offsets"]),
    ],
)
def test_facts_that_are_wrong_are_refused_in_one_line(
    copy: Path, refused: Refused, change: Callable[[dict[str, Any]], Any], words: list[str]
) -> None:
    changed(copy, change)
    with refused(*words):
        read_result(copy)


def test_a_folder_that_lacks_something_or_leads_out_of_itself_is_refused(
    copy: Path, refused: Refused, tmp_path: Path
) -> None:
    with refused("nothing", "no such folder"):
        read_result(tmp_path / "nothing")
    with refused(tmp_path, "no result.json"):
        read_result(tmp_path)
    kept = (copy / "emg.sto").read_bytes()
    (copy / "emg.sto").unlink()
    with refused(copy, "no emg.sto"):
        read_result(copy)
    (tmp_path / "elsewhere.sto").write_bytes(kept)
    (copy / "emg.sto").symlink_to(tmp_path / "elsewhere.sto")
    with refused("emg.sto", "leads out"):
        read_result(copy)
    (copy / "result.json").write_text("{" * 1000)
    with refused("result.json"):
        read_result(copy)


def test_numbers_that_are_none_are_kept(folder: Path, tmp_path: Path) -> None:
    made = read_result(folder)
    timing = made.facts.timing
    assert timing is not None
    delay = timing.delay | {"soleus_r": float("nan")}
    facts = made.facts.model_copy(update={"timing": timing.model_copy(update={"delay": delay})})
    written = Result(facts, made.refined, made.bounds, made.simulated, made.motion, made.measured)
    written.write(tmp_path / "again")
    text = (tmp_path / "again" / FACTS).read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    again = read_result(tmp_path / "again").facts.timing
    assert again is not None and np.isnan(again.delay["soleus_r"])
    pd.testing.assert_frame_equal(read_result(tmp_path / "again").refined, made.refined)


def test_a_result_writes_itself_and_its_report_and_says_what_it_is(
    folder: Path, tmp_path: Path
) -> None:
    found = read_result(folder)
    found.write(tmp_path / "again")
    again = read_result(tmp_path / "again")
    pd.testing.assert_frame_equal(again.emg, found.emg)
    assert again.verdict == found.verdict and again.warnings == found.warnings
    found.report(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render_page(found)
    lines = repr(found).splitlines()
    assert len(lines) == 5 and "40.00-45.00 s at 100 Hz" in lines[0]
    assert "refined by" in lines[2] and "sound" in lines[3] and "mean r" in lines[4]
