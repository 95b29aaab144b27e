"""From a recording to a `nem2e_tf.report.Result`: simulate, refine, and collect the facts."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files import read_storage
from nem2e_tf.refiner import Card, Refiner, load
from nem2e_tf.refiner.distortion import measure_distortion
from nem2e_tf.report import Result, has_same_inputs, read_result, write_result
from nem2e_tf.report.facts import (
    Errors,
    Facts,
    Gap,
    MarkerError,
    Model,
    RefinerFacts,
    Scores,
    Timing,
    Unsupported,
    rows_by_name,
)
from nem2e_tf.signals import Agreement, MuscleMap, channels_in_common, resample, score_agreement
from nem2e_tf.simulation import (
    LARGEST_RESIDUAL,
    LegModel,
    Simulation,
    Stages,
    load_leg,
    simulate_recording,
    unsupported_times,
)
from nem2e_tf.study.request import Request

log = logging.getLogger(__name__)


def estimate_to_folder(
    folder: Path,
    request: Request,
    *,
    load_refiner: Callable[[str, str], Refiner] | None = None,
    stages: Stages | None = None,
) -> Result:
    """Write the folder of a result, or read it if it was made from the same inputs.

    Args:
        folder: path. Written whole or not at all.
        request: Request.
        load_refiner: as for `estimate`.
        stages: as for `estimate`.

    Raises:
        InputError: as `estimate` does, or the folder holds something else.
    """
    if has_same_inputs(folder, request.inputs()):
        log.info("%s: already exists, made from the same files", folder)
        return read_result(folder)
    result = estimate(request, load_refiner=load_refiner, stages=stages)
    write_result(result, folder)
    return result


def estimate(
    request: Request,
    *,
    load_refiner: Callable[[str, str], Refiner] | None = None,
    stages: Stages | None = None,
) -> Result:
    """Simulate a recording and refine it.

    Inputs are checked before anything slow begins.

    Args:
        request: Request.
        load_refiner: callable or None. Loads a refiner by name and runtime; None: the
            package's own, with the last refiner kept in memory.
        stages: callable or None. Opens a progress bar for each step.

    Raises:
        InputError: a file is missing or wrong, or model, recording, refiner and EMG do not fit.
    """
    with _capture_messages() as notes:
        inputs = request.inputs()
        leg = load_leg(request.model, request.side)
        refiner = (load_refiner or _load_cached)(request.refiner, request.runtime)
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
    timing = _describe_timing(refiner, request, simulation, notes)
    errors = simulation.marker_errors
    motion_file = (request.recording.motion or request.recording.markers or Path()).absolute()
    facts = Facts(
        name=request.name or "/".join(motion_file.parts[-2:]),
        inputs=inputs,
        model=_model_facts(leg),
        refiner=_refiner_facts(refiner.card),
        muscles=list(refined.columns),
        start=float(refined.index[0]) + 0.0,  # a zero without a sign
        end=float(refined.index[-1]),
        rate=refiner.card.rate,
        gaps=_missing_samples(simulation, emg),
        unsupported=(
            None if request.recording.loads is None else _unsupported_times(simulation, leg)
        ),
        marker_errors=None if errors is None else rows_by_name(MarkerError, errors),
        verdict=simulation.verdict,
        timing=timing,
        scores=None if scored is None else _scores(scored),
        unfamiliar=refiner.unfamiliar_inputs(activity, request.side),
        notes=notes,
    )
    motion = resample(simulation.motion, activity.index.to_numpy())
    measured = None if scored is None else scored.measured
    return Result(facts, refined, bounds, activity, motion, measured)


_load_cached = lru_cache(maxsize=1)(load)


@contextmanager
def _capture_messages() -> Iterator[list[str]]:
    """Messages that the library logs meanwhile, each once."""
    messages: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() not in messages:
                messages.append(record.getMessage())

    logger, listener = logging.getLogger("nem2e_tf"), Listener()
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
    try:
        yield messages
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)


def _model_facts(leg: LegModel) -> Model:
    text = leg.model.get_publications()
    # OpenSim has a default text for models whose author wrote nothing.
    publications = "" if text == type(leg.model)().get_publications() else " ".join(text.split())
    return Model(
        name=leg.model.getName() or leg.path.name, mass=leg.mass, publications=publications
    )


def _refiner_facts(card: Card) -> RefinerFacts:
    people = {(source.subject, source.synthetic) for source in card.fitted_on}
    virtual = sum(synthetic for _, synthetic in people)
    return RefinerFacts(
        name=card.name, summary=card.summary, unit=card.unit,
        recorded=len(people) - virtual, virtual=virtual,
    )  # fmt: skip


def _missing_samples(simulation: Simulation, emg: pd.DataFrame | None) -> list[Gap]:
    """Missing samples within the time range of the result."""
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
    for name, frame in recordings.items():
        steps = np.diff(frame.loc[start:end].index)
        usual = float(np.median(steps)) if len(steps) else 0.0
        missing = float((steps[steps > 1.5 * usual] - usual).sum())
        if missing > 0.0:
            gaps.append(Gap(of=name, seconds=missing, remedy="bridged by a cubic spline"))
    return gaps


def _unsupported_times(simulation: Simulation, leg: LegModel) -> Unsupported | None:
    index = simulation.activity.index
    moments = simulation.moments.loc[index[0] : index[-1]]
    times = unsupported_times(moments, leg.mass)
    if not len(times):
        return None
    seconds = len(times) / len(moments) * float(index[-1] - index[0])
    return Unsupported(
        share=LARGEST_RESIDUAL, start=float(times[0]), end=float(times[-1]), seconds=seconds
    )


def _describe_timing(
    refiner: Refiner, request: Request, simulation: Simulation, notes: list[str]
) -> Timing | None:
    """The timing distortion; None with a note if it cannot be measured."""
    failed = "timing distortion is not measured"
    if request.runtime != "keras":
        notes.append(f"{failed}: it needs the runtime keras")
        return None
    try:
        distortion = measure_distortion(refiner, simulation.activity, request.side)
    except InputError as error:
        notes.append(f"{failed}: {error}")
        return None
    return Timing(
        cycle=distortion.cycle,
        origin=distortion.origin,
        delay={str(muscle): float(ms) for muscle, ms in distortion.summary()["delay"].items()},
        offsets=[float(ms) for ms in distortion.attention.columns],
        attention=distortion.attention.round(4).to_numpy().tolist(),
    )


def _scores(scored: Agreement) -> Scores:
    assert scored.baseline is not None
    return Scores(
        refined=rows_by_name(Errors, scored.estimate),
        simulated=rows_by_name(Errors, scored.baseline),
        unscored=scored.unscored,
    )
