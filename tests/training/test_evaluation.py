"""Evaluation: what is taught and tested, and how errors are counted."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from nem2e_tf.edge import shipped_refiners
from nem2e_tf.pipeline.shards import SERIES, Manifest, Pair, Shards, read_shard_info, write_shard
from nem2e_tf.refiner import CARD, Card
from nem2e_tf.signals import MuscleMap
from nem2e_tf.simulation import COORDINATES
from training.evaluate import main, read_ablations, run_protocol
from training.evaluation import protocols
from training.evaluation.comparison_networks import COMPARISON_NETWORKS
from training.evaluation.methods import METHODS, NETWORKS, fit_baseline, fit_network, is_cached
from training.evaluation.overground import simulate_overground_stride
from training.evaluation.protocols import (
    EvaluationData,
    group_subjects,
    make_folds,
    speeds_by_subject,
    split_by_speed,
)
from training.evaluation.results import (
    Result,
    ablation_result,
    figure_names,
    read_results,
    results_as_json,
)
from training.evaluation.results_figures import draw_sections
from training.evaluation.results_files import write_results
from training.evaluation.results_tables import tidy_tables
from training.evaluation.scoring import DEFAULT_MUSCLES, Method, ScoredRecording, scores, summary
from training.evaluation.statistics import holm_correction, signed_rank_test, significant_intervals
from training.evaluation.warping import TimeWarping, cycle_starts, warp_to_template
from training.experiment import Experiment, read_experiment
from training.losses import CORRELATION, DERIVATIVE, LOSSES
from training.places import REPOSITORY

Refused = Callable[..., AbstractContextManager[None]]
CHANNELS = list(MuscleMap.load().channels)
EARLY = 0.08
"""Seconds by which the synthetic EMG leads its simulation."""


def gait(subject: str, task: str, seed: int, seconds: float = 8.0) -> Pair:
    """Synthetic: a burst a stride in every channel, and the same earlier and smaller as EMG."""
    chance = np.random.default_rng(seed)
    stride = (1.1 if task == "walking" else 0.8) + 0.05 * chance.random()
    index = pd.Index(np.round(np.arange(0.0, seconds, 0.01), 2), name="time")
    phase = index.to_numpy()[:, None] / stride + np.linspace(0.0, 0.8, len(CHANNELS))

    def bursts(turns: np.ndarray) -> np.ndarray:
        return np.exp(4.0 * (np.cos(2.0 * np.pi * turns) - 1.0))

    simulated = 0.02 + 0.5 * bursts(phase)
    measured = 0.01 + 0.2 * bursts(phase + EARLY / stride) + 0.005 * chance.random(phase.shape)
    knee = -0.5 - 0.5 * np.cos(2.0 * np.pi * phase[:, :1])
    return Pair(
        subject,
        task,
        pd.DataFrame(simulated, index, CHANNELS),
        pd.DataFrame(measured, index, CHANNELS),
        pd.DataFrame(knee, index, ["knee_angle"]),
    )


def shards_of(pairs: list[Pair], folder: Path) -> Shards:
    """Pairs as if they had been prepared."""
    folder.mkdir(parents=True)
    found = []
    for i, pair in enumerate(pairs):
        write_shard(pair, folder / f"{i}.tfrecord")
        found.append(read_shard_info(folder / f"{i}.tfrecord"))
    names = {series: list(getattr(pairs[0], series).columns) for series in SERIES}
    shards = [shard for shard in found if shard is not None]
    Manifest(rate=100.0, **names, shards=shards).write(folder)
    return Shards.open(folder)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    """A fit of a few seconds."""
    return Experiment.model_validate(
        {
            "name": "tiny", "summary": "test", "unit": "test", "trials": "trials.csv",
            "tasks": ["walking", "running"], "cohort": {"subjects": 6, "seed": 1, "share": 0.0},
            "blocks": {"fit": (0.0, 0.6), "test": (0.62, 1.0)},
            "window": 0.5, "hop": 0.1, "batch": 8, "steps": 3, "epochs": 1,
            "free_running_from": 1, "learning_rate": 0.01, "seed": 1,
            "network": {"encoder_units": 4, "decoder_units": 4, "attention_units": 4},
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def evaluation_data(
    experiment: Experiment, tmp_path_factory: pytest.TempPathFactory
) -> EvaluationData:
    """One person as if recorded, and six of a cohort."""
    folder = tmp_path_factory.mktemp("shards")
    tasks = experiment.tasks
    real = [gait("somebody", task, 0, 20.0) for task in tasks]
    people = list(speeds_by_subject(experiment))
    cohort = [gait(person, task, i) for i, person in enumerate(people) for task in tasks]
    others = [gait(f"virtual-0002-{i}", task, 50 + i) for i in range(2) for task in tasks]
    return EvaluationData(
        experiment, *(shards_of(pairs, folder / name) for name, pairs in (
            ("real", real), ("cohort", cohort), ("others", others)
        ))
    )  # fmt: skip


@pytest.mark.parametrize("protocol", protocols.PROTOCOLS)
def test_nothing_that_is_tested_has_been_taught(
    protocol: str, evaluation_data: EvaluationData, monkeypatch: pytest.MonkeyPatch
) -> None:
    overground_pair = gait("overground", "walking", 99, 1.3)
    monkeypatch.setattr(protocols, "simulate_overground_stride", lambda data: overground_pair)
    for fold in make_folds(protocol, evaluation_data, 3):
        training_pairs = [pair for part in fold.training_parts for pair in part.pairs()]
        assert training_pairs and fold.test
        for pair in fold.test:
            for other in training_pairs:
                same = (pair.subject, pair.task) == (other.subject, other.task)
                assert not same or other.simulated.index[-1] < pair.simulated.index[0]
                if protocol in ("speed", "subject", "virtual"):
                    assert pair.subject != other.subject
        synthetic = {pair.subject.startswith("virtual") for pair in fold.test}
        assert synthetic == {fold.data == protocols.VIRTUAL}


def test_every_virtual_person_is_tested_once_in_each_task(
    evaluation_data: EvaluationData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        protocols, "simulate_overground_stride", lambda data: gait("overground", "walking", 9)
    )
    for groups in (2, 3, 20):
        tested = [
            (p.subject, p.task)
            for f in make_folds("subject", evaluation_data, groups)
            for p in f.test
        ]
        assert len(tested) == len(set(tested)) == 2 * 6 + 1


def test_of_people_taught_by_virtual_ones_alone_none_has_taught(
    evaluation_data: EvaluationData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        protocols, "simulate_overground_stride", lambda data: gait("overground", "walking", 9)
    )
    every = make_folds("virtual", evaluation_data, 2)
    assert [len({pair.subject for pair in fold.test}) for fold in every] == [6, 1, 1, 6, 1]
    for fold in every:
        training_pairs = {pair.subject for part in fold.training_parts for pair in part.pairs()}
        assert training_pairs == {"virtual-0002-0", "virtual-0002-1"}


def test_people_are_halved_at_the_median_speed(
    evaluation_data: EvaluationData, experiment: Experiment
) -> None:
    speeds = {person: of["walking"] for person, of in speeds_by_subject(experiment).items()}
    walking = evaluation_data.cohort.select(lambda shard: shard.task == "walking")
    slow, fast = (
        [speeds[shard.subject] for shard in half.selected]
        for half in split_by_speed(walking, speeds)
    )
    assert max(slow) < min(fast) and len(slow) == len(fast) == 3


def test_one_group_cannot_be_left_out(refused: Refused) -> None:
    with refused("3 people", "1 groups"):
        group_subjects(["a", "b", "c"], 1)


@pytest.mark.parametrize("name", COMPARISON_NETWORKS)
def test_a_rival_keeps_length_and_bounds_and_can_be_saved(name: str, tmp_path: Path) -> None:
    import keras

    model = COMPARISON_NETWORKS[name](9, 5)
    x = np.random.default_rng(0).random((2, 37, 9), dtype=np.float32)
    y = model.predict(x, verbose=0)
    assert y.shape == (2, 37, 5) and y.min() >= 0.0 and y.max() <= 1.0
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again.predict(x, verbose=0), y)


def test_rivals_other_than_the_encoder_are_of_the_size_of_stdr_net() -> None:
    from nem2e_tf.network.stdr_net import stdr_net

    size = stdr_net(9, 9).count_params()
    for name in ("temporal_convolution", "transformer"):
        assert COMPARISON_NETWORKS[name](9, 9).count_params() == pytest.approx(size, rel=0.1)


def test_gain_and_lag_find_the_delay_that_was_put_in(evaluation_data: EvaluationData) -> None:
    (fold, _) = make_folds("block", evaluation_data, 2)
    (pair,) = fold.test
    tables = {
        method: fit_baseline(method, fold.training_parts).estimate(pair)
        for method in ("raw", "gain", "gain_lag", "warping", "ridge")
    }
    errors = {
        method: float(np.sqrt(((e - pair.measured) ** 2).to_numpy().mean()))
        for method, e in tables.items()
    }
    assert errors["raw"] > errors["gain"] > 3.0 * errors["gain_lag"]
    assert errors["warping"] < 0.6 * errors["gain"]
    assert errors["ridge"] < 0.2 * errors["gain"]
    assert all(list(e.columns) == CHANNELS for e in tables.values())


def test_a_cycle_is_warped_onto_a_shifted_copy_of_itself() -> None:
    phase = np.linspace(0.0, 1.0, 101)
    early, late = (np.exp(-(((phase - place) / 0.08) ** 2)) for place in (0.4, 0.5))
    np.testing.assert_allclose(warp_to_template(3.0 * late, early), 3.0 * early, atol=0.1)


def test_a_recording_without_a_whole_cycle_is_not_warped() -> None:
    whole, short = gait("a", "walking", 1), gait("a", "walking", 1, 1.0)
    assert len(cycle_starts(short)) == 0
    warping = TimeWarping().fit([whole])
    np.testing.assert_allclose(warping.predict(short), short.simulated.to_numpy() * warping.factors)


def test_cycles_part_alike_whichever_way_the_knee_bends() -> None:
    pair = gait("a", "walking", 1)
    other = replace(pair, angles=-pair.angles)
    np.testing.assert_allclose(cycle_starts(pair), cycle_starts(other))
    assert len(cycle_starts(pair)) > 5


def test_own_maximum_takes_the_amplitude_out() -> None:
    pair = gait("a", "walking", 1)
    same = {
        "raw": Method(lambda p: p.simulated),
        "seven": Method(lambda p: 7.0 * p.simulated),
        "learnt": Method(lambda p: 7.0 * p.simulated, dict.fromkeys(CHANNELS, 14.0)),
    }
    tested = ScoredRecording.from_pair(pair, same, has_measured_unit=False)
    np.testing.assert_allclose(tested.estimates["raw"], tested.estimates["seven"])
    np.testing.assert_allclose(tested.estimates["learnt"], 0.5 * pair.simulated[CHANNELS])
    assert (tested.measured.max() == 1.0).all()
    kept = ScoredRecording.from_pair(pair, same, has_measured_unit=True)
    np.testing.assert_array_equal(kept.measured, pair.measured)


@pytest.fixture(scope="module")
def evaluated(
    evaluation_data: EvaluationData, tmp_path_factory: pytest.TempPathFactory
) -> list[Result]:
    """Simple methods on people and on time."""
    kept = tmp_path_factory.mktemp("kept")
    people = [f for f in make_folds("speed", evaluation_data, 2) if "running" in f.section]
    # Both halves as one section: six people, enough for statistics.
    people = [replace(fold, section="running") for fold in people]
    methods = ["raw", "gain", "gain_lag", "ridge"]
    return [
        Result.from_section(section)
        for name, every in (("block", make_folds("block", evaluation_data, 2)), ("speed", people))
        for section in run_protocol(name, every, methods, evaluation_data.experiment, kept)
    ]


def test_scores_are_over_trials_and_over_cycles(evaluated: list[Result]) -> None:
    result = evaluated[0]
    raw = result.table.loc[("raw", "somebody")]
    assert list(raw.index) == CHANNELS
    np.testing.assert_allclose(raw["lag_ms"], 1000.0 * EARLY)
    np.testing.assert_allclose(raw["cycle_rmse"], raw["rmse"], rtol=0.1)
    assert (raw["cycle_rmse_sd"] < 0.1 * raw["cycle_rmse"]).all()
    assert result.nine.loc["raw", "to_raw"] == 1.0
    assert result.nine.loc["ridge", "to_ridge"] == 1.0
    assert result.nine.loc["gain_lag", "better"] == 9
    assert result.five.loc["gain_lag", "of"] == 5
    expected = (
        result.table["rmse"].loc["ridge"].groupby("muscle").mean()[list(DEFAULT_MUSCLES)].mean()
    )
    assert result.five.loc["ridge", "rmse"] == pytest.approx(expected)


def test_spread_is_over_people(evaluated: list[Result]) -> None:
    result = evaluated[2]
    rmse = result.table["rmse"].loc["raw"].unstack("subject").mean()
    assert len(rmse) == 6
    assert result.nine.loc["raw", "rmse_sd"] == pytest.approx(rmse.std())
    assert np.isnan(evaluated[0].nine.loc["raw", "rmse_sd"])
    assert evaluated[0].p.empty and list(result.p.index) == ["gain", "gain_lag", "ridge"]


def test_the_page_tells_real_from_synthetic(
    evaluated: list[Result], experiment: Experiment, tmp_path: Path
) -> None:
    output, cards = tmp_path / "results", shipped_cards()
    found = write_results(
        results_as_json(in_protocols(evaluated, output), {}), experiment, cards, output,
        {"protocols": {"block": {"figures": ["results-old.png"], "sections": []}}},
    )  # fmt: skip
    names = figure_names(found)
    assert len(names) >= 2 and all((tmp_path / n).stat().st_size < 150_000 for n in names)
    text = output.with_suffix(".md").read_text(encoding="utf-8")
    every = (output / "appendix.md").read_text(encoding="utf-8")
    assert text.startswith("# Results\n\n![") and len(text.splitlines()) < 200
    assert (tmp_path / "results-summary.png").exists() and "](results-summary.png)" in text
    assert all(f"| `{name}` |" in text for name in ("walking", "running", "gait"))
    assert "```bash\npython -m training.evaluate\n```" in text
    (header,) = [line for line in text.splitlines() if "running (synthetic, 6 people)" in line]
    assert "real" not in header
    assert "| soleus |" in every and all(f"](../{name})" in every for name in names)
    sections = [s for p in found["protocols"].values() for s in p["sections"]]
    assert [s["data"] for s in sections] == [r.section.data for r in evaluated]
    # What is kept from a file says the same.
    again = tmp_path / "again" / "results"
    again.parent.mkdir()
    kept = read_results(output.with_suffix(".json"))
    write_results(kept, experiment, cards, again, kept)
    assert again.with_suffix(".md").read_text(encoding="utf-8") == text
    assert (again / "appendix.md").read_text(encoding="utf-8") == every


def test_tidy_tables_hold_every_score(evaluated: list[Result], tmp_path: Path) -> None:
    found = results_as_json(in_protocols(evaluated, tmp_path / "results"), {})
    tables = tidy_tables(found, shipped_cards())
    scores = tables["scores"].set_index(["test", "method", "muscle", "score"])["value"]
    result = evaluated[2]
    raw = result.table["rmse"].loc["raw"].groupby("muscle").mean()
    assert scores["running", "raw", "soleus", "rmse"] == pytest.approx(raw["soleus"], abs=1e-4)
    assert scores["running", "raw", "all", "rmse"] == pytest.approx(raw.mean(), abs=1e-4)
    assert set(tables["wilcoxon"]["muscle"]) == set(CHANNELS)
    assert set(tables["refiners"]["refiner"]) == set(shipped_refiners())


def shipped_cards() -> dict[str, Card]:
    """By name."""
    return {name: Card.read(folder / CARD) for name, folder in shipped_refiners().items()}


def in_protocols(results: list[Result], output: Path) -> dict[str, Any]:
    """Results as `results.json` holds them, the figures of their sections beside it."""
    protocols = {}
    for name in ("block", "speed"):
        own = [r for r in results if r.section.protocol == name]
        figures = draw_sections(name, own, output)
        sections = [r.as_json() | {"figures": f} for r, f in zip(own, figures, strict=True)]
        ran = {"command": "python -m training.evaluate", "date": "2026-11-28"}
        protocols[name] = ran | {"figures": [], "sections": sections}
    return protocols


def test_results_of_something_else_are_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "results.json"
    assert not read_results(path)["protocols"]
    for text in (
        "[]", "{", '{"sections": []}', "3",
        '{"protocols": {"block": {}}, "ablations": {}}', '{"protocols": [], "ablations": {}}',
    ):  # fmt: skip
        path.write_text(text)
        with refused(path, "--output"):
            read_results(path)


def test_holm_corrects_and_keeps_order() -> None:
    np.testing.assert_allclose(holm_correction(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm_correction(np.array([0.5, np.nan, 0.9])), [1.0, np.nan, 1.0])


def test_signed_ranks_need_people_and_are_corrected() -> None:
    rows = [(m, f"s{i}", "soleus") for m in ("raw", "ridge") for i in range(8)]
    index = pd.MultiIndex.from_tuples(rows, names=["method", "subject", "muscle"])
    raw = np.arange(1.0, 9.0)
    table = pd.DataFrame({"rmse": np.concatenate([raw, 0.5 * raw])}, index)
    # All eight differences of one sign: 2 / 2^8.
    assert signed_rank_test(table).loc["ridge", "soleus"] == pytest.approx(2.0 / 2**8)
    few = table[table.index.get_level_values("subject") < "s5"]
    assert signed_rank_test(few).empty


def test_intervals_are_where_errors_differ() -> None:
    chance = np.random.default_rng(1)
    phase = np.linspace(0.0, 2.0 * np.pi, 101)
    waves = np.stack([np.cos(k * phase) for k in range(1, 5)])
    baseline = 1.0 + 0.05 * chance.normal(size=(12, 4)) @ waves
    burst = np.exp(-((np.arange(101) - 50.0) ** 2) / 50.0)
    errors = baseline + 0.02 * chance.normal(size=(12, 4)) @ waves - 0.5 * burst
    smaller, larger = significant_intervals(errors, baseline, tests=9)
    assert len(smaller) == 1 and not larger
    assert 30.0 < smaller[0][0] < 50.0 < smaller[0][1] < 70.0
    both = errors + np.roll(burst, 51)
    smaller, larger = significant_intervals(both, baseline, tests=9)
    assert len(smaller) == 1 and len(larger) == 2  # across the end of the cycle
    assert significant_intervals(errors[:3], baseline[:3]) == ([], [])


def test_a_network_is_kept_under_all_that_it_depends_on(
    evaluation_data: EvaluationData, experiment: Experiment, tmp_path: Path
) -> None:
    (fold, other) = make_folds("block", evaluation_data, 2)
    for name in NETWORKS:
        assert not is_cached(name, experiment, fold.training_parts, tmp_path)
        fitted = fit_network(name, experiment, fold.training_parts, tmp_path)
        assert fitted.parameters and is_cached(name, experiment, fold.training_parts, tmp_path)
        estimate = fitted.estimate(fold.test[0])
        again = fit_network(name, experiment, fold.training_parts, tmp_path).estimate(fold.test[0])
        pd.testing.assert_frame_equal(estimate, again)
        assert not is_cached(name, experiment, other.training_parts, tmp_path)
        longer = experiment.model_copy(update={"epochs": 2})
        assert not is_cached(name, longer, fold.training_parts, tmp_path)
    wider = experiment.model_copy(update={"network": {"encoder_units": 5}})
    assert not is_cached("stdr_net", wider, fold.training_parts, tmp_path)
    assert is_cached("transformer", wider, fold.training_parts, tmp_path)


def test_an_ablation_changes_what_it_names_and_nothing_else(
    experiment: Experiment, evaluation_data: EvaluationData, tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "ablations.yaml"
    path.write_text("as it is: {}\nnarrow: {network: {decoder_units: 3}, loss: mae}\n")
    same, narrow = read_ablations(path, experiment).values()
    assert same == experiment
    assert narrow.network == experiment.network | {"decoder_units": 3} and narrow.loss == "mae"
    (fold, _) = make_folds("block", evaluation_data, 2)
    sections = run_protocol("narrow", [fold], ["raw", "stdr_net"], narrow, tmp_path / "kept")
    found = ablation_result(sections)[fold.section]
    assert found["parameters"] < 3000 and found["of"] == 9
    path.write_text("wrong: {stepps: 3}\n")
    with refused(path, "wrong", "stepps"):
        read_ablations(path, experiment)


def test_the_shipped_ablations_can_be_read_and_name_inputs_that_there_are() -> None:
    training = REPOSITORY / "training" / "evaluation"
    experiment = read_experiment(training / "evaluation.yaml")
    ablations = read_ablations(training / "ablations.yaml", experiment)
    inputs = {name for of in ablations.values() for name in of.inputs or ()}
    assert inputs == {*MuscleMap.load().channels, *COORDINATES}
    assert set(DEFAULT_MUSCLES) in [set(of.inputs or ()) for of in ablations.values()]


def test_a_network_takes_the_inputs_that_it_is_given_and_no_others(
    experiment: Experiment, evaluation_data: EvaluationData, tmp_path: Path
) -> None:
    (fold, _) = make_folds("block", evaluation_data, 2)
    of_knee = experiment.model_copy(update={"inputs": ["soleus", "knee_angle"]})
    method = fit_network("stdr_net", of_knee, fold.training_parts, tmp_path)
    pair = fold.test[0]
    estimate = method.estimate(pair)
    others = pair.simulated.assign(vastus_lateralis=0.5)
    pd.testing.assert_frame_equal(estimate, method.estimate(replace(pair, simulated=others)))
    for moved in (replace(pair, angles=-pair.angles), replace(pair, simulated=1.0 - others)):
        assert not np.allclose(estimate, method.estimate(moved))


def test_losses_tell_shape_and_change_from_size() -> None:
    time = np.linspace(0.0, 2.0, 200, dtype=np.float32)
    wave = np.stack([np.sin(np.pi * time) ** 2] * 2, axis=-1)[None]
    halved, risen = 0.5 * wave, wave + 0.1
    ripple = wave + 0.1 * np.where(np.arange(200) % 2, 1.0, -1.0).astype(np.float32)[:, None]
    of: dict[str, dict[str, float]] = {name: {} for name in LOSSES}
    for name, loss in LOSSES.items():
        for what, estimate in (("halved", halved), ("risen", risen), ("ripple", ripple)):
            found = keras.ops.convert_to_numpy(loss(wave, estimate))
            assert found.shape == (1, 200)
            squared = np.mean((estimate - wave) ** 2)
            of[name][what] = float(found.mean() - squared)
    correlation, derivative = (of[loss.__name__] for loss in LOSSES.values())
    assert abs(correlation["halved"]) < 1e-4 and abs(correlation["risen"]) < 1e-4
    r = np.corrcoef(wave[0, :, 0], ripple[0, :, 0])[0, 1]
    assert correlation["ripple"] == pytest.approx(CORRELATION * (1.0 - r), rel=0.01)
    assert abs(derivative["risen"]) < 1e-6
    assert derivative["ripple"] == pytest.approx(DERIVATIVE * 0.2**2 * 199 / 200, rel=0.01)


def test_a_page_without_numbers_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused("none.json", "evaluate first"):
        main(page_only=True, output=tmp_path / "none")


def test_what_there_is_not_is_named(refused: Refused) -> None:
    with refused("blok", "block"):
        main(protocol=["blok"])
    with refused("ridg", "ridge"):
        main(methods=["ridg"])


def test_evaluate_without_recordings_says_which_file_is_missing(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "training.evaluate", "--data", str(tmp_path)],
        cwd=REPOSITORY, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 2
    assert "gait2392.osim" in result.stderr.splitlines()[-1]


def test_the_overground_stride_is_made_from_its_raw_files(data: Path) -> None:
    pair = simulate_overground_stride(data)
    assert list(pair.simulated.columns) == CHANNELS and len(pair.measured.columns) == 8
    assert len(pair.simulated) == len(pair.measured) == len(pair.angles) == 130
    assert pair.simulated.to_numpy().min() >= 0.0 and pair.simulated.to_numpy().max() <= 1.0
    # One knee, bent by some 60 degrees in swing.
    assert 0.9 < np.ptp(pair.angles["knee_angle"]) < 1.4
    raw = scores_of_raw(pair)
    assert raw.loc["raw", "of"] == 8 and 0.2 < raw.loc["raw", "r"] < 0.9


def scores_of_raw(pair: Pair) -> pd.DataFrame:
    """The summary of a section with this pair alone."""
    section = protocols_section(pair)
    return summary(scores(section), section.muscles)


def protocols_section(pair: Pair):  # type: ignore[no-untyped-def]
    from training.evaluation.scoring import Section

    tested = ScoredRecording.from_pair(
        pair, {"raw": Method(lambda p: p.simulated)}, has_measured_unit=False
    )
    return Section("subject", "one", protocols.REAL, False, [tested], {"raw": None})


@pytest.mark.slow
def test_the_command_prints_what_it_writes_and_keeps_protocols_not_asked_for(
    data: Path, tmp_path: Path
) -> None:
    training = REPOSITORY / "training" / "evaluation"
    text = (training / "evaluation.yaml").read_text()
    config = tmp_path / "tiny.yaml"
    text = text.replace("subjects: 20, seed: 1", "subjects: 2, seed: 1, strides: 4")
    config.write_text(text.replace("../configs/trials.csv", "trials.csv"))
    (tmp_path / "trials.csv").write_text((training.parent / "configs" / "trials.csv").read_text())

    def evaluated(protocol: str) -> dict[str, Any]:
        result = subprocess.run(
            [
                sys.executable, "-m", "training.evaluate", "--config", str(config),
                "--protocol", protocol, "--methods", "ridge", "--methods", "gain_lag",
                "--data", str(data), "-o", str(tmp_path / "results"), "--json",
            ],
            cwd=REPOSITORY, capture_output=True, text=True,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        found: dict[str, Any] = json.loads(result.stdout)
        assert found == json.loads((tmp_path / "results.json").read_text())
        return found["protocols"]

    task = evaluated("task")
    (sections,) = [protocol["sections"] for protocol in task.values()]
    assert [list(s["methods"]) for s in sections] == 2 * [["raw", "gain_lag", "ridge"]]
    assert set(METHODS) > set(sections[0]["methods"])
    both = evaluated("block")
    assert set(both) == {"task", "block"} and both["task"] == task["task"]
    page = (tmp_path / "results.md").read_text()
    assert all(f"(`{protocol}`)" in page for protocol in both)
