"""The command, as a person runs it: on real recordings, and with every kind of bad input."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.edge import shipped_refiners
from nem2e_tf.files import read_storage, read_trials, write_storage
from nem2e_tf.refiner import CARD
from nem2e_tf.refiner.familiarity import feature_names
from tests import command

CHANNELS = [
    "soleus_r", "med_gas_r", "lat_gas_r", "tib_ant_r", "semimem_r", "bifemlh_r", "vas_lat_r",
    "rect_fem_r", "vas_med_r",
]  # fmt: skip
Run = Callable[..., command.Done]


@pytest.fixture
def start(tmp_path: Path) -> Run:
    """Run `nem2e` in an empty folder, as a process of its own."""
    return partial(command.start, cwd=tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `nem2e` in an empty folder, in this process."""
    return partial(command.run, cwd=tmp_path)


@pytest.fixture
def trial(lower_limb: Path) -> dict[str, Path]:
    """The files of `walk45`, by option."""
    folder = lower_limb / "walk45"
    return {
        "--model": lower_limb / "gait2392.osim",
        "--motion": folder / "ik.sto",
        "--moments": folder / "id.sto",
    }


def options(trial: dict[str, Path], **more: object) -> list[object]:
    flat: list[object] = [word for pair in trial.items() for word in pair]
    return flat + [word for name, value in more.items() for word in (f"--{name}", value)]


def refused(result: command.Done, *words: object) -> None:
    """One clear line on standard error, exit status 2, nothing written."""
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    for word in words:
        assert str(word) in lines[0], lines[0]


def test_motion_and_moments_become_envelopes_that_opensim_reads(
    start: Run, trial: dict[str, Path], tmp_path: Path, opensim: Any
) -> None:
    result = start(
        "estimate", *options(trial, refiner="walking", start=40, end=42), "-o", "emg.sto",
        "--plot", "emg.png",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    table = opensim.TimeSeriesTable(str(tmp_path / "emg.sto"))
    assert list(table.getColumnLabels()) == CHANNELS
    envelopes = read_storage(tmp_path / "emg.sto")
    np.testing.assert_allclose(envelopes.index, 40 + np.arange(201) / 100, atol=1e-9)
    np.testing.assert_array_equal(table.getMatrix().to_numpy(), envelopes.to_numpy())
    assert ((envelopes >= 0) & (envelopes <= 1)).all(axis=None)
    assert (tmp_path / "emg.png").read_bytes()[:4] == b"\x89PNG"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["emg.png", "emg.sto"]


def test_simulating_then_refining_gives_what_estimating_gives(
    run: Run, trial: dict[str, Path], tmp_path: Path
) -> None:
    some = {"start": 12, "end": 13.5}
    assert run("simulate", *options(trial, **some), "-o", "sim.sto").returncode == 0
    assert run("refine", "sim.sto", "--refiner", "walking", "-o", "b.sto").returncode == 0
    once = run("estimate", *options(trial, refiner="walking", **some), "-o", "a.sto")
    assert once.returncode == 0
    simulated = read_storage(tmp_path / "sim.sto")
    assert sum(c.endswith("_reserve") for c in simulated.columns) == 5
    assert len(simulated.columns) == 43 + 5
    a, b = (read_storage(tmp_path / name) for name in ("a.sto", "b.sto"))
    pd.testing.assert_frame_equal(a, b, rtol=0, atol=1e-6)


def test_the_left_leg_of_a_rajagopal_model_is_served_by_the_same_refiner(
    run: Run, overground: Path, tmp_path: Path
) -> None:
    result = run(
        "estimate", "--model", overground / "subject_walk_scaled.osim",
        "--motion", overground / "coordinates.sto", "--moments", overground / "id_walk.sto",
        "--refiner", "walking", "--side", "l", "--start", 0.8, "--end", 1.0, "-o", "emg.sto",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    columns = list(read_storage(tmp_path / "emg.sto").columns)
    assert "tibant_l" in columns and "bflh_l" in columns and len(columns) == 9


@pytest.mark.parametrize(("task", "sound"), [("walk45", True), ("run81", False)])
def test_simulate_prints_its_verdict_as_one_json_object(
    start: Run, trial: dict[str, Path], tmp_path: Path, task: str, sound: bool
) -> None:
    files = {k: Path(str(v).replace("walk45", task)) for k, v in trial.items()}
    result = start("simulate", *options(files, start=10, end=11.5), "-o", "sim.sto", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["output"] == "sim.sto" and (tmp_path / "sim.sto").exists()
    assert report["model"] == str(trial["--model"])
    assert (report["start"], report["end"]) == (10.0, 11.5)
    assert report["verdict"]["sound"] is sound
    assert len(report["verdict"]["reserves"]) == 5
    assert ("warning: " in result.stderr) is not sound


def test_another_solver_simulates_from_external_loads(
    run: Run, overground: Path, tmp_path: Path
) -> None:
    result = run(
        "simulate", "--model", overground / "subject_walk_scaled.osim",
        "--motion", overground / "coordinates.sto", "--loads", overground / "grf_walk.xml",
        "--start", 0.8, "--end", 0.96, "--solver", "opensim", "-o", "sim.sto", "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["solver"] == "opensim" and report["verdict"]["sound"]
    assert len(read_storage(tmp_path / "sim.sto").columns) == 40 + 5
    assert [p.name for p in tmp_path.iterdir()] == ["sim.sto"]


def test_estimate_warns_on_the_screen_and_prints_only_json_on_standard_output(
    run: Run, trial: dict[str, Path], tmp_path: Path
) -> None:
    files = {k: Path(str(v).replace("walk45", "run81")) for k, v in trial.items()}
    command = ["estimate", *options(files, refiner="running", start=10, end=11.5)]
    result = run(*command, "-o", "emg.sto", "--plot", "emg.png", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["output"], report["plot"]) == ("emg.sto", "emg.png")
    assert report["refiner"] == "running"
    assert f"warning: {report['verdict']['warnings'][0]}" in result.stderr
    assert "relies on its reserve actuator" in report["verdict"]["warnings"][0]


def test_estimate_leaves_a_folder_and_its_report_and_finds_them_again(
    run: Run, trial: dict[str, Path], lower_limb: Path, tmp_path: Path
) -> None:
    emg = lower_limb / "walk45" / "emgFilt.sto"
    command = ["estimate", *options(trial, refiner="walking", emg=emg, end=44), "-o", "walk"]
    first = run(*command, "--start", 40, "--report", "walk.html", "--json")
    assert first.returncode == 0, first.stderr
    describe = json.loads(first.stdout)
    assert (describe["output"], describe["report"]) == ("walk", "walk.html")
    assert describe["scores"]["refined"]["soleus_r"]["r"] > 0.9
    files = ["emg.sto", "measured.sto", "motion.sto", "result.json", "simulated.sto"]
    assert sorted(path.name for path in (tmp_path / "walk").iterdir()) == files
    assert sorted(path.name for path in tmp_path.iterdir()) == ["walk", "walk.html"]
    page = (tmp_path / "walk.html").read_text()
    assert "walk45/ik.sto" in page and page.startswith("<!DOCTYPE html>")
    again = run(*command, "--start", 40, "--report", "again.html", "--json")
    assert again.returncode == 0 and "already exists" in again.stderr
    assert json.loads(again.stdout) == describe | {"report": "again.html"}
    assert (tmp_path / "again.html").read_text() == page
    refused(run(*command, "--start", 41), "walk", "another 'start'")


def test_a_report_of_what_is_no_result_is_refused(run: Run, tmp_path: Path) -> None:
    refused(run("report", "nowhere", "-o", "page.html"), "nowhere", "no such folder")
    refused(run("report", tmp_path, "-o", "page.html"), "no result.json")
    refused(run("report", tmp_path, "-o", "page.pdf"), "page.pdf", ".html")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def knowing(tmp_path: Path) -> Path:
    """A copy of a shipped refiner whose card has an interval, and finds other cadences strange."""
    folder = Path(shutil.copytree(shipped_refiners()["walking"], tmp_path / "knowing"))
    card = json.loads((folder / CARD).read_text())
    offsets = {"level": [0.0, 1.0], "lower": [-0.1, -0.2], "upper": [0.1, 0.3]}
    card["interval"] = {channel: offsets for channel in card["outputs"]}
    everything = {
        name: [-1.0 if " with " in name else 1e-6, 1.0] for name in feature_names(card["inputs"])
    }
    card["familiar"] = everything | {"cadence": [0.5, 1.5]}
    (folder / CARD).write_text(json.dumps(card))
    return folder


def bursts(path: Path, seconds: float, cadence: float) -> Path:
    """Write synthetic simulated activity, muscles alike but for their phase."""
    time = np.arange(round(100 * seconds)) / 100.0
    turn = 2 * np.pi * (cadence * time[:, None] + np.linspace(0, 0.8, len(CHANNELS)))
    values = 0.02 + 0.3 * np.clip(np.sin(turn), 0, None) ** 2
    frame = pd.DataFrame(values, index=pd.Index(time, name="time"), columns=CHANNELS)
    write_storage(frame, path, "synthetic")
    return path


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """Synthetic simulated activity, two cycles a second."""
    return bursts(tmp_path / "quick.sto", 6.0, 2.0)


def test_refine_warns_of_strange_input_and_writes_bounds_when_asked(
    run: Run, knowing: Path, quick: Path, tmp_path: Path
) -> None:
    command = ["refine", "quick.sto", "--refiner", "knowing"]
    plain = run(*command, "-o", "plain.sto")
    assert plain.returncode == 0, plain.stderr
    assert "warning: 0-6 s: 2 cycles a second; familiar is 0.5 to 1.5" in plain.stderr
    result = run(*command, "--interval", "-o", "emg.sto", "--plot", "emg.png")
    assert result.returncode == 0, result.stderr
    refined, bounded = (read_storage(tmp_path / name) for name in ("plain.sto", "emg.sto"))
    pd.testing.assert_frame_equal(bounded[CHANNELS], refined)
    for name in CHANNELS:
        assert (bounded[f"{name}_lower"] <= bounded[name]).all()
        assert (bounded[name] < bounded[f"{name}_upper"]).all()
    assert len(bounded.columns) == 3 * len(CHANNELS)
    assert (tmp_path / "emg.png").read_bytes()[:4] == b"\x89PNG"


def test_an_interval_that_the_card_does_not_have_is_refused_before_anything_is_written(
    run: Run, knowing: Path, quick: Path, tmp_path: Path
) -> None:
    card = json.loads((knowing / CARD).read_text())
    (knowing / CARD).write_text(json.dumps(card | {"interval": None}))
    result = run("refine", "quick.sto", "--refiner", "knowing", "--interval", "-o", "emg.sto")
    refused(result, "no prediction interval")
    assert not (tmp_path / "emg.sto").exists()


def test_distortion_draws_a_picture_and_prints_delays_as_json(
    run: Run, start: Run, tmp_path: Path
) -> None:
    bursts(tmp_path / "slow.sto", 12.0, 0.9)
    command = ["distortion", "slow.sto", "--refiner", "walking", "--truth", "slow.sto"]
    result = run(*command, "-o", "time.png", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["cycle"] == pytest.approx(1.0 / 0.9, abs=0.02)
    # The simulation itself is the truth here: it is not late.
    for name in CHANNELS:
        assert report["mean"][name]["true_delay"] == pytest.approx(0.0, abs=0.5)
        assert len(report["delay"][name]) == 100
    assert (tmp_path / "time.png").read_bytes()[:4] == b"\x89PNG"
    refused(start(*command, "-o", "time.sto"), "time.sto", ".png")


def test_evaluate_prints_one_json_object(start: Run, lower_limb: Path, tmp_path: Path) -> None:
    measured = read_storage(lower_limb / "walk45" / "emgFilt.sto")
    write_storage(measured * 0.9, tmp_path / "near.sto", "nearly")
    write_storage(measured * 0.5, tmp_path / "far.sto", "not nearly")
    result = start(
        "evaluate", "--measured", lower_limb / "walk45" / "emgFilt.sto", "--estimate", "near.sto",
        "--baseline", "far.sto", "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["improved_count"] == report["muscle_count"] == 9
    rms = np.sqrt((measured["soleus_r"] ** 2).mean())
    assert report["estimate"]["muscles"]["soleus_r"]["rmse"] == pytest.approx(0.1 * rms)
    assert report["estimate"]["muscles"]["soleus_r"]["r"] == pytest.approx(1.0)
    assert "range" in report["nrmse_denominator"]


def test_evaluate_without_json_prints_a_table_of_every_muscle(run: Run, lower_limb: Path) -> None:
    emg = lower_limb / "run81" / "emgFilt.sto"
    result = run("evaluate", "--measured", emg, "--estimate", emg)
    assert result.returncode == 0
    for name in CHANNELS:
        assert name in result.stdout


def test_the_demo_shows_a_virtual_person_beside_their_hidden_emg_and_calls_it_synthetic(
    run: Run, tmp_path: Path
) -> None:
    result = run("demo")
    assert result.returncode == 0, result.stderr
    assert "synthetic" in result.stdout
    envelopes = read_storage(tmp_path / "nem2e-demo" / "emg.sto")
    hidden = read_storage(tmp_path / "nem2e-demo" / "measured.sto")
    assert list(envelopes.columns) == list(hidden.columns) == CHANNELS
    assert len(envelopes) > 400
    assert (tmp_path / "nem2e-demo" / "emg.png").stat().st_size > 10_000
    for muscle in CHANNELS:
        assert muscle in result.stdout


def test_the_cohort_command_makes_a_list_of_trials_and_names_an_unknown_cause(
    run: Run, start: Run, tmp_path: Path
) -> None:
    few = ("--subjects", "1", "--tasks", "walking", "--strides", "3", "-o", "people")
    result = run("cohort", *few)
    assert result.returncode == 0, result.stderr
    (trial,) = read_trials(tmp_path / "people" / "trials.csv")
    assert trial.task == "walking" and trial.end - trial.start > 2.0
    result = start("cohort", *few[:-1], "others", "--without", "crostalk")
    assert result.returncode == 2
    assert "crosstalk" in result.stderr and len(result.stderr.splitlines()) == 1


@pytest.fixture
def raw(overground_stance: Path) -> dict[str, Path]:
    """The raw files of the overground stride, by option."""
    return {
        "--model": overground_stance / "subject_walk_scaled.osim",
        "--markers": overground_stance / "markers_walk.trc",
        "--ik-tasks": overground_stance / "ik_tasks_walk.xml",
        "--loads": overground_stance / "grf_walk.xml",
    }


def test_markers_and_loads_become_envelopes_and_marker_errors_are_told(
    run: Run, raw: dict[str, Path], tmp_path: Path
) -> None:
    some = {"start": 0.8, "end": 1.0}
    result = run("estimate", *options(raw, refiner="walking", **some), "-o", "walk")
    assert result.returncode == 0, result.stderr
    assert "R.Ankle" in result.stdout and "RMS" in result.stdout
    assert "R.HeelGround" in result.stderr
    envelopes = read_storage(tmp_path / "walk" / "emg.sto")
    simulated = tmp_path / "walk" / "simulated.sto"
    assert run("refine", simulated, "--refiner", "walking", "-o", "b.sto").returncode == 0
    refined = read_storage(tmp_path / "b.sto")
    assert refined.shape == (21, 9)  # a result's envelopes have their bounds beside them
    pd.testing.assert_frame_equal(refined, envelopes[refined.columns], rtol=0, atol=1e-6)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.sto", "walk"]


def cut(text: str) -> str:
    return text[: len(text) // 2]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"--motion": "coordinates.sto"}, ["motion and markers are both given"]),
        ({"--markers": None, "--ik-tasks": None}, ["neither motion nor markers"]),
        ({"--loads": None}, ["neither moments nor loads"]),
        ({"--markers": cut}, ["markers_walk.trc", "cut short"]),
        ({"--markers": lambda text: text.replace("mm", "ft", 1)}, ["unit", "'ft'"]),
        ({"--loads": cut}, ["grf_walk.xml"]),
        ({"--loads": lambda text: text}, ["grf_walk.mot", "does not exist"]),
        ({"--ik-tasks": cut}, ["ik_tasks_walk.xml"]),
        ({"--markers": "grf_walk.mot"}, ["grf_walk.mot", ".trc or .c3d"]),
        ({"--start": 2.0, "--end": 3.0}, ["outside the recording"]),
    ],
    ids=["both", "no-motion", "no-moments", "cut-trc", "unit", "cut-loads", "no-data", "cut-tasks",
         "no-markers", "range"],
)  # fmt: skip
def test_bad_raw_files_are_refused_in_one_line(
    run: Run, raw: dict[str, Path], overground: Path, tmp_path: Path, more: Any, words: list[str]
) -> None:
    (tmp_path / "in").mkdir()
    chosen: dict[str, Any] = dict(raw)
    for option, change in more.items():
        if change is None:
            del chosen[option]
        elif callable(change):
            chosen[option] = tmp_path / "in" / raw[option].name
            chosen[option].write_text(change(raw[option].read_text()))
        else:
            chosen[option] = overground / change if isinstance(change, str) else change
    refused(run("simulate", *options(chosen), "-o", "sim.sto"), *words)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_raw_emg_becomes_envelopes_normalised_over_all_trials(
    run: Run, start: Run, tmp_path: Path
) -> None:
    """Synthetic EMG: noise under a known burst, stronger in the second trial."""
    time = np.arange(8000) / 2000
    for trial, scale in (("slow", 1.0), ("fast", 2.0)):
        noise = np.random.default_rng(1).standard_normal((8000, 2))
        frame = pd.DataFrame(
            scale * noise * (0.1 + np.sin(np.pi * time / 4) ** 2)[:, None],
            index=pd.Index(time, name="time"), columns=["soleus", "tibialis"],
        )  # fmt: skip
        frame.to_csv(tmp_path / f"{trial}.csv")
        frame.assign(dead=0.0).to_csv(tmp_path / f"{trial}_dead.csv")
    result = start("emg", "slow.csv", "fast.csv", "-o", "envelopes")
    assert result.returncode == 0, result.stderr
    slow, fast = (read_storage(tmp_path / "envelopes" / f"{n}.sto") for n in ("slow", "fast"))
    assert fast.max().tolist() == [1.0, 1.0]
    assert slow.max().tolist() == pytest.approx([0.5, 0.5])
    result = run("emg", "slow_dead.csv", "--mvc", "fast_dead.csv", "-o", "env.sto")
    assert result.returncode == 0, result.stderr
    assert "slow_dead.csv: dead: dead" in result.stderr
    pd.testing.assert_frame_equal(read_storage(tmp_path / "env.sto"), slow)
    refused(run("emg", "slow.csv", "--channel", "soles", "-o", "x.sto"), "'soles'", "'soleus'")
    refused(run("emg", "slow.csv", "fast.csv", "-o", "x.sto"), "name a folder")
    refused(run("emg", "slow.csv", "--low", 500, "-o", "x.sto"), "no band")


def test_a_c3d_without_emg_is_refused_in_one_line(
    run: Run, walking_c3d: Path, tmp_path: Path
) -> None:
    refused(run("emg", walking_c3d, "-o", "env.sto"), "walking5.c3d", "no EMG")
    (tmp_path / "cut.c3d").write_bytes(walking_c3d.read_bytes()[:200000])
    refused(run("emg", "cut.c3d", "-o", "env.sto"), "cut.c3d", "cut short")


def spoilt(trial: dict[str, Path], folder: Path, option: str, change: Any) -> dict[str, Path]:
    """The trial with one of its storage files changed as text."""
    copy = folder / trial[option].name
    copy.write_text(change(trial[option].read_text()))
    return trial | {option: copy}


def nan_row(text: str) -> str:
    lines = text.splitlines()
    lines[-3] = "\t".join([lines[-3].split()[0], *["nan"] * (len(lines[-3].split()) - 1)])
    return "\n".join(lines) + "\n"


def backwards(text: str) -> str:
    lines = text.splitlines()
    lines[-3], lines[-4] = lines[-4], lines[-3]
    return "\n".join(lines) + "\n"


def in_frames(text: str) -> str:
    head, rows = text.split("\ntime", 1)
    columns, *lines = rows.splitlines()
    counted = ["\t".join([str(i), *line.split()[1:]]) for i, line in enumerate(lines)]
    return "\n".join([f"{head}\ntime{columns}", *counted]) + "\n"


def later(text: str) -> str:
    head, rows = text.split("\ntime", 1)
    columns, *lines = rows.splitlines()
    shifted = ["\t".join([str(float(r.split()[0]) + 30), *r.split()[1:]]) for r in lines]
    return "\n".join([f"{head}\ntime{columns}", *shifted]) + "\n"


@pytest.mark.parametrize(
    ("option", "change", "words"),
    [
        ("--motion", lambda text: "", ["ik.sto", "empty"]),
        ("--moments", lambda text: text[: len(text) // 2], ["id.sto", "cut short"]),
        ("--motion", lambda text: text[:700], ["ik.sto", "cut short"]),
        ("--motion", nan_row, ["ik.sto", "pelvis_tilt", "59.01 s"]),
        ("--moments", backwards, ["id.sto", "backwards", "59.01"]),
        (
            "--motion",
            lambda text: text.replace("\tknee_angle_r\t", "\tknee_angel_r\t"),
            ["ik.sto", "'knee_angle_r'", "gait2392.osim", "nearest is 'knee_angel_r'"],
        ),
        (
            "--moments",
            lambda text: text.replace("ankle_angle_r_moment", "ankle_angl_r_moment"),
            ["id.sto", "'ankle_angle_r_moment'", "nearest is 'ankle_angl_r_moment'"],
        ),
        ("--moments", in_frames, ["id.sto", "seconds"]),
        ("--moments", later, ["id.sto", "ik.sto", "clock"]),
    ],
    ids=["empty", "cut", "cut-in-header", "nan", "backwards", "coordinate", "moment", "frames",
         "shifted"],
)  # fmt: skip
def test_a_bad_recording_is_refused_in_one_line(
    run: Run, trial: dict[str, Path], tmp_path: Path, option: str, change: Any, words: list[str]
) -> None:
    (tmp_path / "in").mkdir()
    bad = spoilt(trial, tmp_path / "in", option, change)
    refused(run("estimate", *options(bad, refiner="walking"), "-o", "emg.sto"), *words)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"motion": "nowhere.mot"}, ["nowhere.mot", "no such file"]),
        ({"model": "walk45"}, ["walk45", "no such file"]),
        ({"start": 50, "end": 90}, ["50-90 s", "outside"]),
        ({"start": 20, "end": 10}, ["20-10 s", "empty"]),
        ({"refiner": "swimming"}, ["swimming", "no such refiner"]),
        ({"refiner": "."}, ["no card.json"]),
        ({"output": "emg.txt"}, ["emg.txt", ".sto"]),
        ({"output": "no/folder/emg.sto"}, ["no/folder", "does not exist"]),
        ({"plot": "emg.doc"}, ["emg.doc", ".png"]),
        ({"report": "page.pdf"}, ["page.pdf", ".html"]),
        ({"emg": "nowhere.sto"}, ["nowhere.sto", "no such file"]),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_a_bad_option_is_refused_in_one_line(
    run: Run, trial: dict[str, Path], tmp_path: Path, more: dict[str, object], words: list[str]
) -> None:
    chosen: dict[str, object] = {k.removeprefix("--"): v for k, v in trial.items()}
    chosen |= {"refiner": "walking", "output": "emg.sto"} | more
    refused(run("estimate", *(w for k, v in chosen.items() for w in (f"--{k}", v))), *words)
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_a_muscle_that_the_refiner_needs_is_refused_before_simulating(
    run: Run, trial: dict[str, Path], tmp_path: Path
) -> None:
    model = tmp_path / "other.osim"
    model.write_text(trial["--model"].read_text().replace("tib_ant_r", "tib_anterior_r"))
    refused(
        run("estimate", *options(trial | {"--model": model}, refiner="walking"), "-o", "emg.sto"),
        "other.osim", "'tib_ant_r'", "nearest is 'tib_anterior_r'",
    )  # fmt: skip
    assert not (tmp_path / "emg.sto").exists()


def test_an_output_that_is_an_input_is_refused_and_the_input_kept(
    run: Run, trial: dict[str, Path], tmp_path: Path
) -> None:
    mine = tmp_path / "ik.sto"
    shutil.copy(trial["--motion"], mine)
    before = mine.read_bytes()
    bad = trial | {"--motion": mine}
    refused(run("estimate", *options(bad, refiner="walking"), "-o", "ik.sto"), "also an input")
    assert mine.read_bytes() == before


def test_a_file_that_is_no_simulation_cannot_be_refined(
    run: Run, lower_limb: Path, tmp_path: Path
) -> None:
    moments = lower_limb / "walk45" / "id.sto"
    refused(run("refine", moments, "--refiner", "walking", "-o", "emg.sto"), "id.sto", "no muscle")
    assert list(tmp_path.iterdir()) == []


def test_help_is_quick_and_names_every_command(start: Run) -> None:
    result = start("--help")
    assert result.returncode == 0
    commands = (
        "cohort demo distortion emg estimate evaluate personalise prepare refine report scale"
        " simulate"
    )
    for name in commands.split():
        assert name in result.stdout


def test_importing_the_package_and_its_command_loads_nothing_heavy() -> None:
    code = (
        "import sys, nem2e_tf, nem2e_tf.cli;"
        "heavy = ('tensorflow', 'keras', 'opensim', 'ezc3d', 'matplotlib', 'scipy', 'pandas');"
        "print([m for m in heavy if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
