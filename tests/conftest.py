"""Real recordings, and what is expensive to make of them, made once a session."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock

from nem2e_tf.errors import InputError
from nem2e_tf.files import read_motion, read_storage
from nem2e_tf.simulation import LegModel, Recording, load_leg, simulate_files
from nem2e_tf.study import Request, estimation
from tests.command import start_module
from tests.repository import DATA, ROOT

# As many workers as processors, and the processes that they start, need no threads beside.
for threads in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(threads, "1")

MakeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Make a folder or file of a session, by whichever worker of pytest-xdist wants it first.

    Called with a name and with what writes there; gives the path, which nobody may change.
    """
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "made"
    shared.mkdir(exist_ok=True)

    def make(name: str, write: Callable[[Path], object]) -> Path:
        path, whole = shared / name, shared / f"{name}.whole"
        with FileLock(shared / f"{name}.lock"):
            if not whole.exists():
                write(path)
                whole.touch()
        return path

    return make


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


def _cut_markers(overground: Path, folder: Path, start: float, end: float) -> None:
    """Copy the stride with the frames of some seconds alone in its file of markers."""
    shutil.copytree(overground, folder)
    path = folder / "markers_walk.trc"
    lines = path.read_text().splitlines()
    head, rows = lines[:5], [line for line in lines[5:] if line.strip()]
    kept = [row for row in rows if start <= float(row.split("\t")[1]) <= end]
    head[2] = head[2].replace(str(len(rows)), str(len(kept)))
    path.write_text("\n".join([*head, *kept]) + "\n")


@pytest.fixture(scope="session")
def overground_stance(overground: Path, make_once: MakeOnce) -> Path:
    """The stride with the markers of 0.55-1.25 s alone: inverse kinematics takes 50 ms a frame."""
    return make_once("stance", lambda folder: _cut_markers(overground, folder, 0.55, 1.25))


@pytest.fixture(scope="session")
def overground_onset(overground: Path, make_once: MakeOnce) -> Path:
    """The stride with the markers of its first 0.4 s alone, a foot beside the force plates."""
    return make_once("onset", lambda folder: _cut_markers(overground, folder, 0.0, 0.4))


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
def walk45_result(walk45_request: Request, make_once: MakeOnce) -> Path:
    """The folder of its result; takes some seconds."""
    return make_once("walk45", lambda folder: estimation.estimate_to_folder(folder, walk45_request))


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


def _save_small_refiner(folder: Path) -> None:
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
    save(Refiner(card, model), folder)


@pytest.fixture(scope="session")
def small(make_once: MakeOnce) -> Path:
    """The folder of a small refiner of random weights, whose steps of 3 frames fill no window."""
    return make_once("small", _save_small_refiner)


@pytest.fixture(scope="session")
def exported(small: Path, make_once: MakeOnce) -> Path:
    """A copy after `nem2e export --json`, whose output is in told.json beside it."""

    def export(folder: Path) -> None:
        shutil.copytree(small, folder)
        done = start_module("nem2e_tf", "export", folder, "--json")
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        folder.with_name("told.json").write_text(done.stdout)

    return make_once("exported", export)


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
