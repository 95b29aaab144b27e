"""One fit: repeatable, interruptible, spread over devices and over machines."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.pipeline.shards import Manifest, Pair, Shards, read_shard_info, write_shard
from nem2e_tf.refiner import Refiner
from nem2e_tf.signals import MuscleMap
from tests.repository import ROOT
from tests.training.fit_worker import EXPERIMENT
from training.experiment import Experiment, Part
from training.fit import fit

Refused = Callable[..., AbstractContextManager[None]]


def bursts(person: str, early: float) -> Pair:
    """Synthetic: bursts of all channels, and the same earlier and smaller as if measured."""
    channels = list(MuscleMap.load().channels)
    index = pd.Index(np.arange(1500) / 100.0, name="time")

    def all_channels(early: float) -> pd.DataFrame:
        phase = 2 * np.pi * (index.to_numpy()[:, None] + early + np.linspace(0, 0.8, len(channels)))
        values = 0.01 + 0.5 * np.clip(np.sin(phase), 0, None) ** 2
        return pd.DataFrame(values, index=index, columns=channels)

    angles = pd.DataFrame({"knee_angle": np.sin(2 * np.pi * index)}, index=index)
    return Pair(person, "walking", all_channels(0.0), 0.2 * all_channels(early), angles)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """Two people's recordings as if they had been prepared."""
    folder = tmp_path_factory.mktemp("shards")
    pairs = [bursts("one", 0.1), bursts("other", 0.05)]
    for number, pair in enumerate(pairs):
        write_shard(pair, folder / f"{number}.tfrecord")
    described = [read_shard_info(folder / f"{number}.tfrecord") for number in range(len(pairs))]
    names = {s: list(getattr(pairs[0], s).columns) for s in ("simulated", "measured", "angles")}
    Manifest(rate=100.0, **names, shards=[d for d in described if d]).write(folder)
    return Shards.open(folder)


def experiment(**changes: object) -> Experiment:
    return Experiment.model_validate(EXPERIMENT | changes)


@pytest.fixture(scope="module")
def mixed_parts(shards: Shards) -> list[Part]:
    """Two parts that teach together."""
    return [
        Part(shards.select(lambda s: s.subject == "one"), (0.0, 0.6), weight=0.3),
        Part(shards.select(lambda s: s.subject == "other"), weight=0.7),
    ]


RANDOM = {
    "augmentation": {"time_warp": 0.1, "gain": 0.3, "noise": 0.02, "dropout": 0.1},
    "epochs": 3,
    "steps": 3,
    "free_running_from": 2,
    "network": EXPERIMENT["network"] | {"dropout": 0.1},
}
"""All that is drawn at random in a fit."""


def assert_equal(one: Refiner, other: Refiner) -> None:
    for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def whole(mixed_parts: list[Part], tmp_path_factory: pytest.TempPathFactory) -> Refiner:
    """The refiner of a fit that nothing stops."""
    return fit(experiment(**RANDOM), mixed_parts, tmp_path_factory.mktemp("whole"))


def test_another_seed_gives_other_weights(
    mixed_parts: list[Part], whole: Refiner, tmp_path: Path
) -> None:
    other = fit(experiment(**RANDOM | {"seed": 2}), mixed_parts, tmp_path)
    assert np.abs(whole.model.get_weights()[0] - other.model.get_weights()[0]).max() > 1e-3


def test_a_fit_that_was_killed_goes_on_to_the_weights_that_one_seed_gives(
    mixed_parts: list[Part], whole: Refiner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    def stop_in_the_second(self, epoch, logs=None):  # type: ignore[no-untyped-def]
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keras.callbacks.CSVLogger, "on_train_batch_end", stop_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            fit(experiment(**RANDOM), mixed_parts, tmp_path / "killed")
    assert_equal(fit(experiment(**RANDOM), mixed_parts, tmp_path / "killed"), whole)
    epochs = list(pd.read_csv(tmp_path / "killed" / "log.csv")["epoch"])
    assert epochs == [0, 1, 2]


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def start_worker(
    shards: Shards, folder: Path, strategy: str, weights: str, **environment: str
) -> subprocess.Popen[str]:
    """A fit in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.fit_worker", str(shards.folder),
         str(folder / "work"), strategy, str(folder / weights)],
        cwd=ROOT, env=os.environ | environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def wait_for(*workers: subprocess.Popen[str]) -> None:
    try:
        for process in workers:
            output, _ = process.communicate(timeout=300)
            assert process.returncode == 0, output
    finally:
        for process in workers:
            process.kill()


def read_weights(file: Path) -> list[np.ndarray]:
    with np.load(file) as arrays:
        return list(arrays.values())


@pytest.fixture(scope="module")
def single_worker(
    shards: Shards, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[np.ndarray], Path]:
    """The weights of one worker's fit, and its log."""
    work = tmp_path_factory.mktemp("alone")
    refiner = fit(experiment(), [Part(shards, (0.0, 0.6))], work)
    return refiner.model.get_weights(), work / "log.csv"


def assert_as_single_worker(
    found: list[np.ndarray], log: Path, single_worker: tuple[list[np.ndarray], Path]
) -> None:
    """The same batches, summed in another order."""
    for a, b in zip(found, single_worker[0], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    losses = pd.read_csv(log)["loss"]
    np.testing.assert_allclose(losses, pd.read_csv(single_worker[1])["loss"], rtol=1e-3)
    assert losses.iloc[-1] < 0.7 * losses.iloc[0]


def test_a_fit_mirrored_over_two_devices_is_the_fit_of_one(
    shards: Shards, single_worker: tuple[list[np.ndarray], Path], tmp_path: Path
) -> None:
    wait_for(start_worker(shards, tmp_path, "mirrored", "weights.npz"))
    assert_as_single_worker(
        read_weights(tmp_path / "weights.npz"), tmp_path / "work" / "log.csv", single_worker
    )


def cluster_environments(number: int) -> list[dict[str, str]]:
    """The environment of each worker of a cluster on this machine."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(number)]
    return [
        {"TF_CONFIG": json.dumps(
            {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}}
        )}
        for i in range(number)
    ]  # fmt: skip


@pytest.mark.slow
def test_a_fit_of_two_workers_is_the_fit_of_one(
    shards: Shards, single_worker: tuple[list[np.ndarray], Path], tmp_path: Path
) -> None:
    workers = [
        start_worker(shards, tmp_path, "multiworker", f"{i}.npz", **environment)
        for i, environment in enumerate(cluster_environments(2))
    ]
    wait_for(*workers)
    chief, other = (read_weights(tmp_path / f"{i}.npz") for i in range(2))
    for a, b in zip(chief, other, strict=True):
        np.testing.assert_array_equal(a, b)
    assert_as_single_worker(chief, tmp_path / "work" / "log.csv", single_worker)


def test_several_workers_without_a_cluster_are_refused(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.strategy import make_strategy

    for config in (None, "worker", "{}", '{"cluster": []}'):
        monkeypatch.delenv("TF_CONFIG", raising=False)
        if config is not None:
            monkeypatch.setenv("TF_CONFIG", config)
        with refused("TF_CONFIG"):
            make_strategy("multiworker")
