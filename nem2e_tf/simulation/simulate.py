"""Simulated muscle activity from joint motion and joint moments."""

import logging
import math
import os

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files import read_motion, read_storage
from nem2e_tf.signals import FEWEST_ROWS, RATE, common_time_range, low_pass, resample, time_grid
from nem2e_tf.simulation.fitting import fit_polynomial_paths
from nem2e_tf.simulation.geometry import ExactPaths, Paths, Progress, iterate_geometry
from nem2e_tf.simulation.model import COORDINATES, LARGEST_MOMENT, LegModel, load_leg
from nem2e_tf.simulation.model_variants import vary_model
from nem2e_tf.simulation.motion_columns import select_coordinates
from nem2e_tf.simulation.opensim_tools import run_tool
from nem2e_tf.simulation.plausibility import log_implausible
from nem2e_tf.simulation.static import RESERVE, static_optimisation

CUTOFF = 6.0
"""Hz. Low-pass of motion and moments."""

RESERVE_SUFFIX = "_reserve"

PATHS = ("exact", "polynomial")
"""The model's own muscle paths, or polynomials that are fitted to them once."""

log = logging.getLogger(__name__)


def simulate(
    leg: LegModel,
    motion: pd.DataFrame,
    moments: pd.DataFrame,
    *,
    start: float | None = None,
    end: float | None = None,
    paths: str = "exact",
    reserves: float | np.ndarray = RESERVE,
    progress: Progress | None = None,
    solver: str = "static",
    loads: str | os.PathLike[str] | None = None,
    variant: int = 0,
) -> pd.DataFrame:
    """Simulate the activity of a leg's muscles by static optimisation.

    Args:
        leg: LegModel.
        motion: `(rows, coordinates)`, radians and metres, index `time` in seconds.
        moments: `(rows, joint moments)`, N m, columns `<coordinate>_moment` (`_force` in N of a
            translation).
        start: float or None. Seconds; None is where both recordings have begun.
        end: float or None. Seconds; None is where one of them ends.
        paths: str. `exact`, the model's own, or `polynomial`, fitted once per model and about ten
            times as fast.
        reserves: strength of the reserve actuators, N m or N; one, or one for each coordinate of
            the leg.
        progress: callable or None.
        solver: str. `static`, or one of OpenSim's own to compare with: `opensim`, `moco`, `cmc`.
        loads: path or None. ExternalLoads (.xml) for OpenSim's solvers, which then compute the
            joint moments from it; None: they use `moments`.
        variant: int. 0 is the leg as it is, another number a variant of it; see `vary_model`.
            Only for static optimisation.

    Returns:
        `(frames, muscles + coordinates)` at 100 Hz: activations 0.01-1 of the side's muscles, then
        the moment in N m of each reserve actuator, `<coordinate>_reserve`.

    Raises:
        InputError: a coordinate or moment is missing or impossible, or the recordings are not on
            one clock.
    """
    if paths not in PATHS:
        raise InputError(f"there are no muscle paths '{paths}'; expected {' or '.join(PATHS)}")
    motion_name = motion.attrs.get("path", "motion")
    moments_name = moments.attrs.get("path", "moments")
    motion = select_coordinates(motion, leg.coordinate_names, leg.coordinates, leg.path.name)
    columns = leg.generalised_forces
    for name in columns:
        if name not in moments.columns:
            raise InputError(
                f"{moments_name}: no column '{name}'; {suggest_name(name, moments.columns)}"
            )
    recordings = {motion_name: motion, moments_name: moments[columns]}
    low, high = common_time_range(recordings, start, end)
    times = time_grid(low, high)
    if len(times) < FEWEST_ROWS:
        shortest = FEWEST_ROWS / RATE
        raise InputError(
            f"{high - low:.3g} s are too few to simulate; at least {shortest} s are needed"
        )
    angles, torques = (
        resample(low_pass(_with_margin(frame, low, high), CUTOFF, name), times)
        for name, frame in recordings.items()
    )
    crossed = {c for muscle in leg.muscles for c in leg.crossed_coordinates[muscle]}
    _check_angles(angles[[c for c in leg.coordinates if c in crossed]], motion_name)
    _check_moments(torques, leg, moments_name)
    log_implausible(angles[[c for c in leg.rotations if c in leg.coordinates]], torques, leg.mass,
                    bool(motion.attrs.get("in_degrees")), motion_name, moments_name)  # fmt: skip
    if motion.attrs.get("in_degrees"):
        log.info("%s: in degrees, as its header says; converted to radians", motion_name)
    if solver == "static":
        if loads is not None:
            raise InputError(
                f"{loads}: static optimisation works from joint moments; external loads are for"
                " the solvers opensim, moco and cmc"
            )
        simulated = np.empty((len(times), len(leg.muscles) + len(leg.coordinates)))
        for frames, geometry in iterate_geometry(
            _muscle_paths(leg, angles, paths), angles, progress
        ):
            targets = torques.to_numpy()[frames]
            if variant:
                geometry, targets = vary_model(
                    leg.muscles, leg.coordinates, geometry, targets, variant
                )
            simulated[frames] = np.hstack(
                static_optimisation(geometry, targets, reserves, frames.start)
            )
    else:
        wide = time_grid(
            *common_time_range(
                {w: _with_margin(f, low, high) for w, f in recordings.items()}, None, None
            )
        )
        angles, torques = (
            resample(low_pass(_with_margin(frame, low, high), CUTOFF, name), wide)
            for name, frame in recordings.items()
        )
        simulated = np.hstack(run_tool(solver, leg, angles, torques, times, loads))
    names = [*leg.muscles, *(f"{name}{RESERVE_SUFFIX}" for name in leg.coordinates)]
    return pd.DataFrame(simulated, index=pd.Index(times, name="time"), columns=names)


def simulate_files(
    model: str | os.PathLike[str] | LegModel,
    motion: str | os.PathLike[str] | pd.DataFrame,
    moments: str | os.PathLike[str] | pd.DataFrame,
    *,
    side: str = "r",
    coordinates: tuple[str, ...] | None = COORDINATES,
    start: float | None = None,
    end: float | None = None,
    paths: str = "exact",
    reserves: float | np.ndarray = RESERVE,
    progress: Progress | None = None,
    solver: str = "static",
    loads: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Simulate the activity of a leg's muscles from files; it is also `nem2e_tf.simulate`.

    Args:
        model: path or LegModel. OpenSim model (.osim).
        motion: path or frame. Joint motion (.mot, .sto), in degrees where the header says so; or
            `(rows, coordinates)`, radians and metres, index `time` in seconds.
        moments: path or frame. Joint moments (.sto); or `(rows, joint moments)`, N m.
        side: str. `r` or `l`; a `LegModel` has its own.
        coordinates: whose generalised forces the muscles share; None: all free coordinates that
            have a column in `moments`.
        start: as for `simulate`, and so the other arguments.

    Returns:
        `(frames, muscles + coordinates)` at 100 Hz: activations 0.01-1 of the side's muscles, then
        the moment in N m that each reserve actuator had to add, `<coordinate>_reserve`.

    Raises:
        InputError: a file is missing or wrong; or as `simulate` does.

    Example:

        simulated = nem2e_tf.simulate("gait2392.osim", "ik.mot", "id.sto", side="r")
    """
    leg = model if isinstance(model, LegModel) else load_leg(model, side, coordinates)
    torques = moments if isinstance(moments, pd.DataFrame) else read_storage(moments)
    if coordinates is None:
        leg = leg.restrict_to_forces(torques.columns)
    angles = motion if isinstance(motion, pd.DataFrame) else read_motion(motion, leg.rotations)
    return simulate(
        leg, angles, torques, start=start, end=end, paths=paths, reserves=reserves,
        progress=progress, solver=solver, loads=loads,
    )  # fmt: skip


def _muscle_paths(leg: LegModel, angles: pd.DataFrame, paths: str) -> Paths:
    if paths == "exact":
        return ExactPaths(leg, tuple(angles.columns))
    return fit_polynomial_paths(leg, angles)


def _with_margin(frame: pd.DataFrame, start: float, end: float) -> pd.DataFrame:
    """The rows of the range with a second on either side, so that filter transients lie outside."""
    return frame[(frame.index >= start - 1.0) & (frame.index <= end + 1.0)]


def _check_angles(angles: pd.DataFrame, name: str) -> None:
    """Refuse impossible joint angles: degrees in a file whose header does not say so."""
    peaks = angles.abs().max()
    worst = str(peaks.idxmax())
    if peaks[worst] > math.pi:
        raise InputError(
            f"{name}: '{worst}' reaches {peaks[worst]:.1f} rad at"
            f" {angles[worst].abs().idxmax():g} s, which is impossible; if these are degrees, the"
            " header must say inDegrees=yes"
        )


def _check_moments(moments: pd.DataFrame, leg: LegModel, name: str) -> None:
    """Refuse impossible joint moments, a sign of faulty inverse dynamics."""
    moments = moments.filter(regex="_moment$")
    peaks = moments.abs().max() / leg.mass
    worst = str(peaks.idxmax())
    if peaks[worst] > LARGEST_MOMENT:
        raise InputError(
            f"{name}: '{worst}' reaches {peaks[worst]:.1f} N m a kilogram of the model's"
            f" {leg.mass:.0f} kg at {moments[worst].abs().idxmax():g} s, which is impossible; check"
            " the inverse dynamics"
        )
