"""From a recording to a `nem2e_tf.report.Result`: simulate, refine, and note what is to be known.

`make` is what a batch calls in each of its processes: one trial in, one folder out.
"""

import hashlib
import importlib.metadata
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from nem2e_tf.edge import MANIFEST, refiner_folder, sha256
from nem2e_tf.errors import InputError
from nem2e_tf.files import check_input, read_storage
from nem2e_tf.refiner import CARD, Card, Refiner, load
from nem2e_tf.refiner.distortion import distortion
from nem2e_tf.refiner.runtimes import WEIGHTS
from nem2e_tf.report import Result, result
from nem2e_tf.report.facts import (
    Errors,
    Facts,
    Fitted,
    Gap,
    InputFile,
    Inputs,
    MarkerError,
    Model,
    Scores,
    Timing,
    Unheld,
    by_name,
)
from nem2e_tf.signals import Agreement, MuscleMap, channels_in_common, resample, score_agreement
from nem2e_tf.simulation import (
    LARGEST_RESIDUAL,
    LegModel,
    Recording,
    Simulation,
    Stages,
    load_leg,
    simulate_recording,
    unsupported_times,
)

log = logging.getLogger(__name__)

PACKAGES = ("nem2e-tf", "opensim", "tensorflow", "keras", "numpy", "scipy")


@dataclass(frozen=True)
class Request:
    """What to make a result of.

    Args:
        model: the .osim.
        recording: Recording.
        refiner: name of a shipped refiner, or a refiner's folder.
        side: `r` or `l`.
        start: float or None. Seconds; None is where all of the recording has begun.
        end: float or None. Seconds; None is where some of it ends.
        solver: as for `nem2e_tf.simulation.simulate`.
        paths: `exact` or `polynomial`.
        runtime: what runs the network.
        emg: measured envelopes (.sto), or None.
        muscles: muscle map (.yaml) that pairs them, or None for the package's own.
        name: what the result is called; None is the recording's folder and file.
    """

    model: Path
    recording: Recording
    refiner: str
    side: str = "r"
    start: float | None = None
    end: float | None = None
    solver: str = "static"
    paths: str = "exact"
    runtime: str = "keras"
    emg: Path | None = None
    muscles: Path | None = None
    name: str | None = None

    @property
    def files(self) -> dict[str, Path]:
        """Every file that comes in, by what it is."""
        of = self.recording
        given = {
            "model": self.model, "motion": of.motion, "markers": of.markers, "moments": of.moments,
            "loads": of.loads, "forces": _forces(of.loads), "tasks": of.tasks, "emg": self.emg,
            "muscles": self.muscles,
        }  # fmt: skip
        return {role: path for role, path in given.items() if path is not None}

    def inputs(self) -> Inputs:
        """What the result will depend on; `InputError` where a file is not there."""
        folder = refiner_folder(self.refiner)
        Card.read(folder / CARD)
        # A runtime's files were made of the weights; without those its manifest names them.
        network = WEIGHTS if (folder / WEIGHTS).is_file() else MANIFEST
        parts = [sha256(path) for path in (folder / CARD, folder / network) if path.is_file()]
        files = {
            role: InputFile(path=str(path), sha256=sha256(check_input(path, f"the {role}")))
            for role, path in self.files.items()
        }
        return Inputs(
            files=files, up=self.recording.up, side=self.side, start=self.start, end=self.end,
            solver=self.solver, paths=self.paths, runtime=self.runtime,
            refiner=hashlib.sha256("".join(parts).encode()).hexdigest(),
            versions={name: importlib.metadata.version(name) for name in PACKAGES},
        )  # fmt: skip


def make(
    folder: Path,
    request: Request,
    *,
    opened: Callable[[str, str], Refiner] | None = None,
    stages: Stages | None = None,
) -> Result:
    """Make the folder of a result, or find it made of the very same inputs.

    Args:
        folder: path. Appears whole or not at all.
        request: Request.
        opened: as for `estimate`.
        stages: as for `estimate`.

    Raises:
        InputError: as `estimate` does, or the folder holds something else.
    """
    if result.holds(folder, request.inputs()):
        log.info("%s: is there already, made of the same files", folder)
        return result.read(folder)
    made = estimate(request, opened=opened, stages=stages)
    result.write(made, folder)
    return made


def estimate(
    request: Request,
    *,
    opened: Callable[[str, str], Refiner] | None = None,
    stages: Stages | None = None,
) -> Result:
    """Simulate a recording and refine it.

    What can be refused is refused before anything slow is done.

    Args:
        request: Request.
        opened: callable or None. Loads a refiner by name and runtime; None keeps the last one
            that this process loaded.
        stages: callable or None. Opens a progress bar for each step.

    Raises:
        InputError: a file is missing or wrong, or model, recording, refiner and EMG do not fit.
    """
    with _heard() as notes:
        inputs = request.inputs()
        leg = load_leg(request.model, request.side)
        refiner = (opened or _last_loaded)(request.refiner, request.runtime)
        refiner.columns(leg.muscles, request.side, str(request.model))
        muscles = MuscleMap.load(request.muscles)
        emg = None if request.emg is None else read_storage(request.emg)
        if emg is not None:
            names = refiner.names(leg.muscles, request.side)
            channels_in_common(emg, pd.DataFrame(columns=names), muscles, request.side)
        simulation = simulate_recording(
            leg, request.recording, start=request.start, end=request.end, paths=request.paths,
            solver=request.solver, stages=stages,
        )  # fmt: skip
        activity = simulation.activity
        refined = refiner.refine(activity, request.side)
        bounds = refined[[]] if refiner.card.interval is None else refiner.interval(refined)
        scored = None
        if emg is not None:
            # EMG may begin before the motion and end after it.
            shared = emg.loc[activity.index[0] - 1e-6 : activity.index[-1] + 1e-6]
            shared.attrs = emg.attrs
            scored = score_agreement(shared, refined, activity, muscles=muscles, side=request.side)
    timing = _timing(refiner, request, simulation, notes)
    errors = simulation.marker_errors
    motion_file = (request.recording.motion or request.recording.markers or Path()).absolute()
    facts = Facts(
        name=request.name or "/".join(motion_file.parts[-2:]),
        inputs=inputs,
        model=_model(leg),
        refiner=_fitted(refiner.card),
        muscles=list(refined.columns),
        start=float(refined.index[0]) + 0.0,  # a zero without a sign
        end=float(refined.index[-1]),
        rate=refiner.card.rate,
        gaps=_gaps(simulation, emg),
        unheld=_unheld(simulation, leg) if request.recording.loads is not None else None,
        marker_errors=None if errors is None else by_name(MarkerError, errors),
        verdict=simulation.verdict,
        timing=timing,
        scores=None if scored is None else _scores(scored),
        unlike=refiner.unlike(activity, request.side),
        notes=notes,
    )
    motion = resample(simulation.motion, activity.index.to_numpy())
    measured = None if scored is None else scored.measured
    return Result(facts, refined, bounds, activity, motion, measured)


_last_loaded = lru_cache(maxsize=1)(load)


def _forces(loads: Path | None) -> Path | None:
    """The data file of ExternalLoads; None where reading them will tell what is wrong."""
    try:
        named = None if loads is None else ElementTree.parse(loads).findtext(".//datafile")
    except (OSError, ElementTree.ParseError):
        return None
    if loads is None or not named or not named.strip():
        return None
    path = loads.parent / named.strip()
    return path if path.is_file() else None


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What the library says on the way, once each."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() not in said:
                said.append(record.getMessage())

    logger, listener = logging.getLogger("nem2e_tf"), Listener()
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
    try:
        yield said
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)


def _model(leg: LegModel) -> Model:
    said = leg.model.get_publications()
    # Where a model's author wrote nothing, OpenSim has words of its own.
    publications = "" if said == type(leg.model)().get_publications() else " ".join(said.split())
    return Model(
        name=leg.model.getName() or leg.path.name, mass=leg.mass, publications=publications
    )


def _fitted(card: Card) -> Fitted:
    people = {(source.subject, source.synthetic) for source in card.fitted_on}
    virtual = sum(synthetic for _, synthetic in people)
    return Fitted(
        name=card.name, summary=card.summary, unit=card.unit,
        recorded=len(people) - virtual, virtual=virtual,
    )  # fmt: skip


def _gaps(simulation: Simulation, emg: pd.DataFrame | None) -> list[Gap]:
    """What was missing within the time of the result."""
    index = simulation.activity.index
    start, end = float(index[0]), float(index[-1])
    gaps = []
    if simulation.marker_errors is not None:
        for marker, share in simulation.marker_errors["missing"].items():
            if share > 0.0:
                remedy = "inverse kinematics followed the other markers meanwhile"
                gaps.append(
                    Gap(of=f"marker {marker}", seconds=share * (end - start), remedy=remedy)
                )
    recordings = {"joint motion": simulation.motion, "joint moments": simulation.moments}
    if emg is not None:
        recordings["measured EMG"] = emg
    for what, frame in recordings.items():
        steps = np.diff(frame.loc[start:end].index)
        usual = float(np.median(steps)) if len(steps) else 0.0
        missing = float((steps[steps > 1.5 * usual] - usual).sum())
        if missing > 0.0:
            gaps.append(Gap(of=what, seconds=missing, remedy="bridged by a cubic spline"))
    return gaps


def _unheld(simulation: Simulation, leg: LegModel) -> Unheld | None:
    index = simulation.activity.index
    moments = simulation.moments.loc[index[0] : index[-1]]
    times = unsupported_times(moments, leg.mass)
    if not len(times):
        return None
    seconds = len(times) / len(moments) * float(index[-1] - index[0])
    return Unheld(
        share=LARGEST_RESIDUAL, start=float(times[0]), end=float(times[-1]), seconds=seconds
    )


def _timing(
    refiner: Refiner, request: Request, simulation: Simulation, notes: list[str]
) -> Timing | None:
    untold = "what the refiner did to time is not told"
    if request.runtime != "keras":
        notes.append(f"{untold}: that needs the runtime keras")
        return None
    try:
        found = distortion(refiner, simulation.activity, request.side)
    except InputError as error:
        notes.append(f"{untold}: {error}")
        return None
    return Timing(
        cycle=found.cycle,
        origin=found.origin,
        delay={str(muscle): float(ms) for muscle, ms in found.summary()["delay"].items()},
        offsets=[float(ms) for ms in found.attention.columns],
        attention=found.attention.round(4).to_numpy().tolist(),
    )


def _scores(scored: Agreement) -> Scores:
    assert scored.baseline is not None
    return Scores(
        refined=by_name(Errors, scored.estimate),
        simulated=by_name(Errors, scored.baseline),
        unscored=scored.unscored,
    )
