"""Simulated muscle activity from a recording: markers or motion, external loads or moments."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files import read_markers, read_motion, read_storage
from nem2e_tf.signals import common_time_range
from nem2e_tf.simulation.dynamics import (
    LARGEST_RESIDUAL,
    inverse_dynamics,
    unsupported_times,
)
from nem2e_tf.simulation.external_loads import read_loads
from nem2e_tf.simulation.geometry import Progress
from nem2e_tf.simulation.kinematics import inverse_kinematics
from nem2e_tf.simulation.model import LegModel
from nem2e_tf.simulation.motion_columns import select_coordinates
from nem2e_tf.simulation.simulate import simulate
from nem2e_tf.simulation.verdict import Verdict, judge_simulation

MARGIN = 1.0
"""Seconds of motion on either side of the range, so that filter transients lie outside it."""

Stages = Callable[[str], AbstractContextManager[Progress]]
"""Opens a progress bar for the named step."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """The files of a recording: motion or markers, moments or loads.

    Args:
        motion: joint motion (.mot, .sto), or None with markers.
        markers: marker positions (.trc, .c3d), or None with motion.
        moments: joint moments (.sto), or None with loads.
        loads: OpenSim ExternalLoads (.xml), or None with moments.
        tasks: OpenSim IKTaskSet (.xml) for markers, or None for equal weights.
        up: axis of a .c3d that points up, or None to take it from the file.
        marker_names: YAML table of the model's marker names and the recorded ones, or None.
        marker_prefix: the subject whose markers are used, or None for the only one.

    Raises:
        InputError: not exactly one of motion and markers, or of moments and loads.
    """

    motion: Path | None = None
    markers: Path | None = None
    moments: Path | None = None
    loads: Path | None = None
    tasks: Path | None = None
    up: str | None = None
    marker_names: Path | None = None
    marker_prefix: str | None = None

    def __post_init__(self) -> None:
        for one, other in (("motion", "markers"), ("moments", "loads")):
            named = [name for name in (one, other) if getattr(self, name) is not None]
            if not named:
                raise InputError(f"neither {one} nor {other} is given; name one of them")
            if len(named) == 2:
                raise InputError(f"{one} and {other} are both given; name one of them")
        if self.tasks is not None and self.markers is None:
            raise InputError("IK tasks are weights of markers; give markers, not motion")
        for what, value in (
            ("a table of marker names", self.marker_names),
            ("a prefix of markers", self.marker_prefix),
        ):
            if value is not None and self.markers is None:
                raise InputError(f"{what} goes with markers; give markers, not motion")

    @property
    def files(self) -> list[Path]:
        """All files of the recording, to check that no output is one of them."""
        every = (self.motion, self.markers, self.moments, self.loads, self.tasks, self.marker_names)
        return [file for file in every if file is not None]

    @property
    def name(self) -> str:
        """The recording's name in pictures."""
        return (self.motion or self.markers or Path()).name


@dataclass(frozen=True)
class Simulation:
    """The result of `simulate_recording`.

    Args:
        activity: `(frames, muscles + coordinates)`, as `nem2e_tf.simulation.simulate` gives it.
        motion: `(frames, coordinates)`, radians and metres.
        moments: `(frames, joint moments)`, N m.
        verdict: whether the simulation can be trusted.
        marker_errors: as `nem2e_tf.simulation.kinematics.marker_errors` gives them; None where
            the motion was given.
    """

    activity: pd.DataFrame
    motion: pd.DataFrame
    moments: pd.DataFrame
    verdict: Verdict
    marker_errors: pd.DataFrame | None


def simulate_recording(
    leg: LegModel,
    recording: Recording,
    *,
    start: float | None = None,
    end: float | None = None,
    paths: str = "exact",
    solver: str = "static",
    stages: Stages | None = None,
) -> Simulation:
    """Inverse kinematics and inverse dynamics where they are needed, then `simulate`.

    Motion is low-passed at 6 Hz before inverse dynamics and, from the same unfiltered angles,
    before the simulation; joint moments are low-passed at 6 Hz by the simulation, as those of any
    file are. So loads pass the filter once, angles once, and the inertial share of the moments
    twice. Inverse dynamics of unfiltered angles would spare the second pass, but is worse.

    Args:
        leg: LegModel.
        recording: Recording.
        start: float or None. Seconds; None is the latest start of its files.
        end: float or None. Seconds; None is the earliest end of its files.
        paths: str. `exact` or `polynomial` muscle paths; see `simulate`.
        solver: str. `static`, `opensim`, `moco` or `cmc`; see `simulate`. OpenSim's own get
            the loads themselves if there are any.
        stages: callable or None. Opens a progress bar for each step.

    Raises:
        InputError: as its steps do.
    """
    stages = stages or (lambda what: nullcontext(lambda done, total: None))
    errors = None
    kinetics = (
        {} if recording.moments is None else {recording.moments: read_storage(recording.moments)}
    )
    if recording.loads is not None:
        # Inverse kinematics is slow, so faults of the loads are reported before it.
        kinetics = {recording.loads: read_loads(recording.loads, leg.model, recording.up)[1]}
    if recording.markers is not None:
        markers = read_markers(
            recording.markers,
            recording.up,
            prefix=recording.marker_prefix,
            names=recording.marker_names,
        )
        others = {str(path): frame for path, frame in kinetics.items()}
        common_time_range({str(recording.markers): markers, **others}, start, end)
        with stages("inverse kinematics") as progress:
            motion, errors = inverse_kinematics(
                leg.path, markers, tasks=recording.tasks,
                start=start, end=end, margin=MARGIN, progress=progress,
            )  # fmt: skip
    else:
        assert recording.motion is not None
        motion = read_motion(recording.motion, leg.rotations)
        motion = select_coordinates(motion, leg.coordinate_names, leg.coordinates, leg.path.name)
    if recording.loads is not None:
        with stages("inverse dynamics") as progress:
            part = _with_margin(motion, start, end)
            moments = inverse_dynamics(
                leg.path, part, recording.loads, up=recording.up, progress=progress
            )
    else:
        assert recording.moments is not None
        moments = kinetics[recording.moments]
    with stages("simulating") as progress:
        activity = simulate(
            leg, motion, moments,
            start=start, end=end, paths=paths, solver=solver, progress=progress,
            loads=None if solver == "static" else recording.loads,
        )  # fmt: skip
    if recording.loads is not None:
        _log_unsupported(moments.loc[activity.index[0] : activity.index[-1]], leg, recording.loads)
    verdict = judge_simulation(leg, activity, moments)
    return Simulation(activity, motion, moments, verdict, errors)


def _log_unsupported(moments: pd.DataFrame, leg: LegModel, loads: Path) -> None:
    unsupported = unsupported_times(moments, leg.mass)
    if len(unsupported):
        log.info(
            "%s: at %d times between %.2f and %.2f s the loads do not support more than %.0f %% of"
            " body weight, as when a foot is beside the plates; joint moments there are wrong;"
            " leave them out with --start and --end",
            loads, len(unsupported), unsupported[0], unsupported[-1], 100 * LARGEST_RESIDUAL,
        )  # fmt: skip


def _with_margin(motion: pd.DataFrame, start: float | None, end: float | None) -> pd.DataFrame:
    """The rows of the range with `MARGIN` on either side."""
    low = motion.index[0] if start is None else start - MARGIN
    high = motion.index[-1] if end is None else end + MARGIN
    part = motion[(motion.index >= low) & (motion.index <= high)]
    part.attrs = dict(motion.attrs)
    return part
