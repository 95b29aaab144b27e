"""Real recordings, and what is expensive to make of them, made once a session."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nem2e_tf.errors import InputError
from nem2e_tf.files import read_motion, read_storage
from nem2e_tf.simulation import LegModel, load_leg, simulate_files

SOURCES = (
    "'ceinms-lower-limb' (data/walk45, data/run81 and model/gait2392.osim, side by side, of"
    " github.com/CEINMS-RT/LowerLimbModel at 4056e1c) and 'opensim-3d-walking'"
    " (OpenSim/Examples/Moco/example3DWalking of github.com/opensim-org/opensim-core at 0435b08)"
)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real recordings."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("NEM2E_DATA", beside))
    for name in ("ceinms-lower-limb", "opensim-3d-walking"):
        if not (folder / name).is_dir():
            pytest.skip(f"{folder} has no '{name}': set NEM2E_DATA to a folder with {SOURCES}")
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
