"""Fitting and scoring refiners."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import read_storage
from nem2e_tf.pipeline.shards import Manifest, Pair, Shards, read_shard_info, write_shard
from nem2e_tf.refiner import Refiner, load
from nem2e_tf.signals import MuscleMap, score_agreement
from nem2e_tf.simulation import simulate_files
from tests.repository import ROOT
from training.experiment import Experiment, Part, read_experiment
from training.fit import fit, replace_refiner
from training.places import CONFIGS

Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    """A fit of a few seconds."""
    return Experiment.model_validate(
        {
            "name": "tiny", "summary": "test", "unit": "test", "trials": "trials.csv",
            "tasks": ["walking"], "blocks": {"fit": (0.0, 0.6), "test": (0.62, 1.0)},
            "window": 0.5, "hop": 0.1, "batch": 16, "steps": 8, "epochs": 12,
            "free_running_from": 4, "learning_rate": 0.01, "seed": 1,
            "network": {"encoder_units": 6, "decoder_units": 8, "attention_units": 6},
        }
    )  # fmt: skip


def make_recording() -> Pair:
    """Synthetic: bursts of all channels, and the same earlier and smaller as if measured."""
    channels = list(MuscleMap.load().channels)
    time = np.arange(2000) / 100.0

    def bursts(early: float) -> pd.DataFrame:
        phase = 2 * np.pi * (time[:, None] + early + np.linspace(0, 0.8, len(channels)))
        values = 0.01 + 0.5 * np.clip(np.sin(phase), 0, None) ** 2
        return pd.DataFrame(values, index=pd.Index(time, name="time"), columns=channels)

    angles = pd.DataFrame({"knee_angle": np.sin(2 * np.pi * time)}, index=bursts(0.0).index)
    return Pair("virtual-test", "walking", bursts(0.0), 0.2 * bursts(0.1), angles)


@pytest.fixture
def recording() -> Pair:
    return make_recording()


def shards_of(recording: Pair, folder: Path) -> Shards:
    """The recording as if it had been prepared."""
    folder.mkdir(parents=True)
    write_shard(recording, folder / "0.tfrecord")
    shard = read_shard_info(folder / "0.tfrecord")
    assert shard is not None
    names = {s: list(getattr(recording, s).columns) for s in ("simulated", "measured", "angles")}
    Manifest(rate=100.0, **names, shards=[shard]).write(folder)
    return Shards.open(folder)


def training_parts_of(recording: Pair, experiment: Experiment, folder: Path) -> list[Part]:
    """Its earlier block."""
    return [Part(shards_of(recording, folder), experiment.blocks.fit)]


def test_a_fit_makes_a_refiner_that_beats_the_simulation_on_unseen_time(
    experiment: Experiment, recording: Pair, tmp_path: Path
) -> None:
    training_parts = training_parts_of(recording, experiment, tmp_path / "shards")
    refiner = fit(experiment, training_parts, tmp_path / "work")
    unseen = recording.block(*experiment.blocks.test)
    result = score_agreement(unseen.measured, refiner.refine(unseen.simulated), unseen.simulated)
    assert result.improved == list(recording.measured.columns)
    replace_refiner(refiner, tmp_path / "tiny")
    again = load(tmp_path / "tiny")
    simulated = recording.simulated
    np.testing.assert_array_equal(
        again.refine(simulated).to_numpy(), refiner.refine(simulated).to_numpy()
    )
    assert again.card.fitted_on[0].synthetic
    assert again.card.fitted_on[0].end < 12.0


@pytest.fixture(scope="module")
def once(
    experiment: Experiment, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Experiment, Refiner]:
    """An experiment of one epoch, and its fit."""
    once, folder = experiment.model_copy(update={"epochs": 1}), tmp_path_factory.mktemp("once")
    parts = training_parts_of(make_recording(), once, folder / "shards")
    return once, fit(once, parts, folder / "work")


def test_scales_come_from_the_fitted_block_alone_and_the_test_block_does_not_change_the_fit(
    once: tuple[Experiment, Refiner], recording: Pair, tmp_path: Path
) -> None:
    short, one = once
    recording.simulated.iloc[1200:] *= 1.5
    recording.measured.iloc[1200:] = 0.7
    other = fit(short, training_parts_of(recording, short, tmp_path / "shards"), tmp_path / "work")
    for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    card = other.card
    for channel in card.inputs:
        seen = recording.simulated[channel].iloc[:1200].max()
        assert card.input_maximum[channel] == pytest.approx(seen)
        seen = recording.measured[channel].iloc[:1200].max()
        assert card.output_maximum[channel] == pytest.approx(seen)


def test_augmentation_changes_what_is_fitted_on(
    once: tuple[Experiment, Refiner], recording: Pair, tmp_path: Path
) -> None:
    plain_experiment, plain = once
    changed = Experiment.model_validate(
        plain_experiment.model_dump() | {"augmentation": {"gain": 0.3, "time_warp": 0.1}}
    )
    parts = training_parts_of(recording, changed, tmp_path / "shards")
    augmented = fit(changed, parts, tmp_path / "work")
    before, after = (refiner.model.get_weights()[0] for refiner in (plain, augmented))
    assert np.abs(after - before).max() > 1e-4


@pytest.mark.slow
def test_an_interrupted_fit_goes_on_where_it_stopped(
    experiment: Experiment, recording: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    training_parts = training_parts_of(recording, experiment, tmp_path / "shards")
    logger = keras.callbacks.CSVLogger.on_epoch_end

    def stop_in_the_fifth(self, epoch, logs=None):  # type: ignore[no-untyped-def]
        logger(self, epoch, logs)
        if epoch == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keras.callbacks.CSVLogger, "on_epoch_end", stop_in_the_fifth)
        with pytest.raises(KeyboardInterrupt):
            fit(experiment, training_parts, tmp_path)
    before = pd.read_csv(tmp_path / "log.csv")
    fit(experiment, training_parts, tmp_path)
    after = pd.read_csv(tmp_path / "log.csv")
    assert list(before["epoch"]) == [0, 1, 2, 3, 4]
    assert after["epoch"].max() == 11
    resumed = after.iloc[len(before) :]
    assert resumed["epoch"].min() in (4, 5)
    assert resumed["loss"].iloc[0] < before["loss"].iloc[1]


def test_the_shipped_experiments_are_what_the_cards_say() -> None:
    for config in sorted(CONFIGS.glob("*.yaml")):
        experiment = read_experiment(config)
        card = load(ROOT / "saved_models" / experiment.name).card
        assert card.window == experiment.window
        assert {s.task for s in card.fitted_on} == set(experiment.training_tasks)
        assert experiment.blocks.fit[1] <= 0.6 and experiment.blocks.test == (0.62, 1.0)


def test_a_setting_that_is_wrong_is_named(tmp_path: Path, refused: Refused) -> None:
    text = (CONFIGS / "walking.yaml").read_text()
    config = tmp_path / "walking.yaml"
    for change, words in (
        (("batch: 64", "batch: 0"), ["batch"]),
        (("test: [0.62, 1.0]", "test: [0.62, 6]"), ["blocks.test"]),
        (("seed: 1", "sead: 1"), ["seed"]),
        (("fit: [0.0, 0.6]", "fit: [0.0, 0.7]"), ["blocks", "order"]),
    ):
        assert change[0] in text
        config.write_text(text.replace(*change))
        with refused(config, *words):
            read_experiment(config)


def assert_improves_unseen(
    lower_limb: Path, trial: str, refiner: str, start: float, end: float
) -> None:
    """The shipped refiner is nearer to the measured EMG than the simulation, on unseen time."""
    folder = lower_limb / trial
    simulated = simulate_files(
        lower_limb / "gait2392.osim", folder / "ik.sto", folder / "id.sto", start=start, end=end
    )
    refined = load(refiner).refine(simulated)
    result = score_agreement(read_storage(folder / "emgFilt.sto"), refined, simulated)
    assert len(result.estimate) == 9
    assert result.improved == list(result.estimate.index)
    assert result.estimate["r"].mean() >= (0.85 if refiner == "walking" else 0.90)


def test_the_walking_refiner_improves_every_muscle_of_unseen_walking(lower_limb: Path) -> None:
    assert_improves_unseen(lower_limb, "walk45", "walking", 40.0, 45.0)


def test_the_running_refiner_improves_every_muscle_of_unseen_running(lower_limb: Path) -> None:
    assert_improves_unseen(lower_limb, "run81", "running", 40.0, 45.0)


@pytest.mark.slow
@pytest.mark.parametrize(("trial", "refiner"), [("walk45", "walking"), ("run81", "running")])
def test_the_shipped_refiners_improve_every_muscle_of_18_unseen_seconds(
    lower_limb: Path, trial: str, refiner: str
) -> None:
    assert_improves_unseen(lower_limb, trial, refiner, 40.0, 58.0)


@pytest.mark.slow
def test_the_command_fits_a_refiner_from_real_trials(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "walking.yaml"
    text = (CONFIGS / "walking.yaml").read_text()
    trials = (CONFIGS / "trials.csv").read_text().replace("59.03", "20")
    (tmp_path / "trials.csv").write_text(trials)
    for change in (("epochs: 25", "epochs: 1"),
                   ("steps: 100", "steps: 5"), ("cohort:", "#"),
                   ("name: walking", "name: test-of-the-commands")):  # fmt: skip
        assert change[0] in text
        text = text.replace(*change)
    config.write_text(text)
    folder = tmp_path / "test-of-the-commands"
    fitted = subprocess.run(
        [sys.executable, "-m", "training.fit", str(config), "-o", str(folder), "--data", str(data)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert fitted.returncode == 0, fitted.stderr
    assert load(folder).card.fitted_on[0].task == "walking"
