"""Real recordings, and what is expensive to make of them, made once a session."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nem2e_tf.errors import InputError
from nem2e_tf.files import read_motion, read_storage
from nem2e_tf.simulation import LegModel, Recording, load_leg, simulate_files
from nem2e_tf.study import Request, estimation
from tests.repository import DATA, ROOT


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real recordings."""
    folder = DATA
    for name in ("ceinms-lower-limb", "opensim-3d-walking"):
        if not (folder / name).is_dir():
            pytest.skip(
                f"{folder} has no '{name}': 'nem2e data fetch {name} -o FOLDER', and set NEM2E_DATA"
                " to that folder"
            )
    return folder


@pytest.fixture(scope="session")
def lower_limb(data: Path) -> Path:
    """`gait2392.osim` and the trials `walk45` and `run81` of one adult on a treadmill."""
    return data / "ceinms-lower-limb"


@pytest.fixture(scope="session")
def overground(data: Path) -> Path:
    """One overground stride with a scaled 80-muscle model of the Rajagopal family."""
    return data / "opensim-3d-walking"


@pytest.fixture(scope="session")
def walking_c3d(data: Path) -> Path:
    """A walk over two force plates: 40 markers at 250 Hz, z up, and no EMG."""
    path = data / "c3d" / "walking5.c3d"
    if not path.is_file():
        pytest.skip(f"{path} is not there (walking5.c3d of github.com/opensim-org/opensim-core)")
    return path


@pytest.fixture(scope="session")
def opensim() -> Any:
    """The OpenSim API, silent and without a log file."""
    module = pytest.importorskip("opensim")
    module.Logger.setLevelString("Off")
    module.Logger.removeFileSink()
    return module


@pytest.fixture(scope="session")
def right_leg(lower_limb: Path, opensim: Any) -> LegModel:
    """The right leg of gait2392."""
    return load_leg(lower_limb / "gait2392.osim", "r")


@pytest.fixture(scope="session")
def walk45_motion(lower_limb: Path, right_leg: LegModel) -> pd.DataFrame:
    """59 s of walking: coordinates in radians and metres at 100 Hz."""
    return read_motion(lower_limb / "walk45" / "ik.sto", right_leg.rotations)


@pytest.fixture(scope="session")
def walk45_moments(lower_limb: Path) -> pd.DataFrame:
    """The joint moments of `walk45_motion`, N m."""
    return read_storage(lower_limb / "walk45" / "id.sto")


@pytest.fixture(scope="session")
def walk45_simulated(lower_limb: Path) -> pd.DataFrame:
    """Simulated activity of the last 38 % of the first 30 s of `walk45`; takes some seconds."""
    trial = lower_limb / "walk45"
    model = lower_limb / "gait2392.osim"
    return simulate_files(model, trial / "ik.sto", trial / "id.sto", start=18.6, end=30.0)


@pytest.fixture(scope="session")
def walk45_request(lower_limb: Path) -> Request:
    """Five seconds of `walk45` with its EMG, to be refined."""
    trial = lower_limb / "walk45"
    recording = Recording(motion=trial / "ik.sto", moments=trial / "id.sto")
    emg = trial / "emgFilt.sto"
    return Request(lower_limb / "gait2392.osim", recording, "walking", start=40, end=45, emg=emg)


@pytest.fixture(scope="session")
def walk45_result(walk45_request: Request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its result; takes some seconds."""
    folder = tmp_path_factory.mktemp("results") / "walk45"
    estimation.estimate_to_folder(folder, walk45_request)
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser, with node and the packages that drive it."""
    browser = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    for name in ("node", "npm", browser):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not there")
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--prefer-offline"],
        cwd=ROOT / "export" / "web",
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm ci failed: {done.stderr[-300:]}")
    return browser


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small refiner of random weights, whose steps of 3 frames fill no window."""
    import keras

    from nem2e_tf.edge import shipped_refiners
    from nem2e_tf.network.stdr_net import stdr_net
    from nem2e_tf.refiner import CARD, Card, Refiner, save

    keras.utils.set_random_seed(1)
    sizes = {"encoder_units": 5, "decoder_units": 7, "attention_units": 6}
    model = stdr_net(9, 9, frames=3, reach=2, **sizes)
    # Large enough for its outputs to follow its inputs.
    model.set_weights([2 * weight for weight in model.get_weights()])
    card = Card.read(shipped_refiners()["walking"] / CARD).model_copy(update={"name": "small"})
    folder = tmp_path_factory.mktemp("small") / "small"
    save(Refiner(card, model), folder)
    return folder


@pytest.fixture(scope="session")
def exported(small: Path) -> Path:
    """The same folder after `python -m export.all --json`, which is in told.json beside it."""
    done = subprocess.run(
        [sys.executable, "-m", "export.all", str(small), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    small.with_name("told.json").write_text(done.stdout)
    return small


@pytest.fixture(scope="session")
def refused() -> Callable[..., AbstractContextManager[None]]:
    """A context in which an `InputError` of one line that holds all the given words must rise."""

    @contextmanager
    def expect(*words: object) -> Iterator[None]:
        with pytest.raises(InputError) as caught:
            yield
        message = str(caught.value)
        assert len(message.splitlines()) == 1
        for word in words:
            assert str(word) in message

    return expect
