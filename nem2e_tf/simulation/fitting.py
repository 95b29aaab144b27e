"""Polynomial paths of a model, fitted once by OpenSim and kept on disk."""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files import check_folder
from nem2e_tf.simulation.capacity import LENGTHS, SPEEDS, ForceCurves, force_curves, is_known
from nem2e_tf.simulation.geometry import ExactPaths
from nem2e_tf.simulation.model import SIDES, LegModel, reason
from nem2e_tf.simulation.polynomial import Polynomial, PolynomialPaths
from nem2e_tf.simulation.posture import couplers

HIGHEST_ORDER = 8
LENGTH_TOLERANCE, MOMENT_ARM_TOLERANCE = 3e-4, 3e-4
"""Metres, root mean square, below which the fitter raises a polynomial's order no further."""

DESIGNS, POSES = 6, 150
"""Latin hypercube designs over the range of the joints, and poses in each."""

GRID = 0.5
"""Radians or metres. A fit's range is the motion's and this much about the default pose, widened to
multiples of it, so that most trials of a person and task share one fit."""

CHECKS = 60
"""Poses, drawn from the same range, in which the fit is compared with the model's own paths."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fit:
    """Polynomials of one side's muscles, and how far they are from the model's own paths.

    Args:
        polynomials: of the muscles that a polynomial and force curves stand for.
        curves: ForceCurves of those muscles.
        errors: `(muscle and coordinate, …)`, columns `muscle`, `coordinate`, `error` in metres:
            root mean square over random poses of the fitted range, of the moment arm, or of the
            length where `coordinate` is `length`.
    """

    polynomials: tuple[Polynomial, ...]
    curves: ForceCurves
    errors: pd.DataFrame


def cache_folder() -> Path:
    """Where fits are kept: `$NEM2E_CACHE`, else `nem2e` in the user's folder of caches."""
    chosen = os.environ.get("NEM2E_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nem2e"


def fitted_paths(leg: LegModel, motion: pd.DataFrame) -> PolynomialPaths:
    """The leg's muscles as polynomials that hold over a motion, fitted or from the cache.

    A fit depends on the model's content, the muscles, the joints' range (see `GRID`), OpenSim's
    version and the settings of this module; a change of any of them makes a new one.

    Args:
        leg: LegModel.
        motion: `(frames, coordinates)`, radians and metres.

    Raises:
        InputError: the model is held together by constraints that polynomials cannot follow.
    """
    fits = []
    for letter in SIDES[leg.side]:
        muscles = tuple(m for m in leg.muscles if m.endswith(f"_{letter}"))
        if muscles:
            fits.append(fit(leg, muscles, _range(leg, muscles, motion)))
    curves = ForceCurves(
        *(np.concatenate([getattr(f.curves, x.name) for f in fits]) for x in fields(ForceCurves))
    )
    polynomials = [p for f in fits for p in f.polynomials]
    return PolynomialPaths(leg, tuple(map(str, motion.columns)), polynomials, curves)


def fit(leg: LegModel, muscles: tuple[str, ...], joints: dict[str, tuple[float, float]]) -> Fit:
    """Fit muscles over a range of their joints, or read the fit from the cache.

    Args:
        leg: LegModel.
        muscles: some of the leg's muscles.
        joints: lowest and highest value of every coordinate that they cross.
    """
    import opensim

    settings = {
        "muscles": muscles,
        "joints": joints,
        "order": HIGHEST_ORDER,
        "tolerances": [LENGTH_TOLERANCE, MOMENT_ARM_TOLERANCE],
        "samples": [DESIGNS, POSES, CHECKS],
        "curves": [LENGTHS.size, LENGTHS[-1], SPEEDS.size, SPEEDS[-1]],
        "opensim": opensim.GetVersion(),
    }
    digest = hashlib.sha256(leg.path.read_bytes())
    digest.update(json.dumps(settings).encode())
    folder = cache_folder() / "paths" / digest.hexdigest()[:32]
    if not folder.is_dir():
        log.info("%s: fitting polynomial paths to %d muscles", leg.path, len(muscles))
        check_folder(folder.parent)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            _make(leg, muscles, joints, Path(name) / "fit")
            (Path(name) / "fit" / "settings.json").write_text(
                json.dumps(settings, indent=1), encoding="utf-8", newline="\n"
            )
            try:
                (Path(name) / "fit").rename(folder)
            except OSError:
                # Another process made the same fit meanwhile.
                if not folder.is_dir():
                    raise
    made = _read(folder)
    for of_length, rows in made.errors.groupby(made.errors.coordinate == "length"):
        worst = int(rows.error.argmax())
        log.info(
            "%s: polynomial %s: RMS error %.2g mm, at worst %.2g mm (%s)",
            leg.path.name,
            "lengths" if of_length else "moment arms",
            1e3 * float(np.sqrt((rows.error**2).mean())),
            1e3 * float(rows.error.iloc[worst]),
            rows.muscle.iloc[worst],
        )
    return made


def _range(
    leg: LegModel, muscles: tuple[str, ...], motion: pd.DataFrame
) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each coordinate that the muscles cross, in model order."""
    across = {c for muscle in muscles for c in leg.crossed[muscle]}
    joints = {}
    for name in (c for c in leg.coordinate_names if c in across):
        coordinate = leg.model.getCoordinateSet().get(name)
        rest = coordinate.getDefaultValue()
        values = motion[name].to_numpy() if name in motion else np.array([rest])
        low = GRID * np.floor(min(values.min(), rest - GRID) / GRID)
        high = GRID * np.ceil(max(values.max(), rest + GRID) / GRID)
        # Beyond the coordinate's own range the model may be wrong; few motions go there.
        if values.min() >= coordinate.getRangeMin():
            low = max(low, coordinate.getRangeMin())
        if values.max() <= coordinate.getRangeMax():
            high = min(high, coordinate.getRangeMax())
        joints[name] = (float(low), float(high))
    return joints


def _make(
    leg: LegModel, muscles: tuple[str, ...], joints: dict[str, tuple[float, float]], folder: Path
) -> None:
    """Fit, sample force curves, compare with the model's own paths, and write all to a folder."""
    folder.mkdir()
    written = _run_fitter(leg, muscles, joints, folder.parent / "fitter")
    shutil.copyfile(written, folder / "paths.xml")
    found = [leg.model.getMuscles().get(p.muscle) for p in _polynomials(folder / "paths.xml")]
    known = [muscle for muscle in found if is_known(muscle)]
    curves = force_curves(known)
    np.savez(
        folder / "curves.npz",
        muscles=np.array([m.getName() for m in known], dtype=str),
        **{x.name: getattr(curves, x.name) for x in fields(curves)},
    )
    _errors(leg, _read_paths(folder), joints).to_csv(
        folder / "errors.csv", index=False, lineterminator="\n"
    )


def _run_fitter(
    leg: LegModel, muscles: tuple[str, ...], joints: dict[str, tuple[float, float]], folder: Path
) -> Path:
    """Let OpenSim's `PolynomialPathFitter` fit a copy of the model that has what matters only.

    The fitter takes every path's moment arm about every coordinate in every pose, so without the
    other muscles and joints it is some ten times as fast. Poses fill the range of the joints:
    the fitter samples around the rows of a table, all of which are the middle of the range.
    """
    import opensim
    from joblib import cpu_count

    folder.mkdir()
    model, welded = _pruned(leg, muscles, joints)
    dependent = {c.dependent for c in couplers(leg.model)[0]}
    model.printToXML(str(folder / "pruned.osim"))
    names = opensim.StdVectorString()
    for name in welded:
        names.push_back(name)
    processor = opensim.ModelProcessor(str(folder / "pruned.osim"))
    processor.append(opensim.ModOpReplaceJointsWithWelds(names))

    fitter = opensim.PolynomialPathFitter()
    middle, labels = [], opensim.StdVectorString()
    coordinates = model.getCoordinateSet()
    for coordinate in (coordinates.get(i) for i in range(coordinates.getSize())):
        name = coordinate.getName()
        if coordinate.getJoint().getName() in welded or name in dependent:
            continue
        rest = coordinate.getDefaultValue()
        low, high = joints.get(name, (rest, rest))
        path = coordinate.getAbsolutePathString()
        middle.append((low + high) / 2)
        labels.push_back(f"{path}/value")
        # The fitter wants degrees here, of translations too.
        half = float(np.rad2deg((high - low) / 2))
        fitter.appendCoordinateSamplingBounds(path, opensim.Vec2(-half, half))
    table = opensim.TimeSeriesTable()
    table.setColumnLabels(labels)
    for design in range(DESIGNS):
        table.appendRow(float(design), opensim.RowVector(middle))
    table.addTableMetaDataString("inDegrees", "no")
    fitter.setModel(processor)
    fitter.setCoordinateValues(opensim.TableProcessor(table))
    fitter.setNumSamplesPerFrame(POSES)
    fitter.setLatinHypercubeAlgorithm("random")
    fitter.setNumParallelThreads(min(cpu_count(), DESIGNS))
    fitter.setMaximumPolynomialOrder(HIGHEST_ORDER)
    fitter.setPathLengthTolerance(LENGTH_TOLERANCE)
    fitter.setMomentArmTolerance(MOMENT_ARM_TOLERANCE)
    fitter.setOutputDirectory(str(folder))
    try:
        fitter.run()
    except RuntimeError as error:
        raise InputError(
            f"{leg.path}: OpenSim cannot fit polynomial paths to this model: {reason(error)};"
            " use exact paths"
        ) from None
    return next(folder.glob("*_FunctionBasedPathSet.xml"))


def _pruned(
    leg: LegModel, muscles: tuple[str, ...], joints: dict[str, tuple[float, float]]
) -> tuple[Any, list[str]]:
    """A copy of the model with these muscles only, and the joints that may be welded."""
    import opensim

    found, others = couplers(leg.model)
    if others:
        raise InputError(
            f"{leg.path}: this model is held together by constraints that polynomial paths cannot"
            " follow; use exact paths"
        )
    model = opensim.Model(str(leg.path))
    forces = model.updForceSet()
    for i in reversed(range(forces.getSize())):
        if forces.get(i).getName() not in muscles:
            forces.remove(i)
    moving = set(joints) | {c.dependent for c in found if set(c.independent) & set(joints)}
    coordinates = model.updCoordinateSet()
    every = [coordinates.get(i) for i in range(coordinates.getSize())]
    kept = {c.getJoint().getName() for c in every if c.getName() in moving}
    welded = dict.fromkeys(c.getJoint().getName() for c in every)
    for coordinate in every:
        if coordinate.getName() in joints:
            # Samples outside a coordinate's range would be put on its end.
            coordinate.setRangeMin(joints[coordinate.getName()][0])
            coordinate.setRangeMax(joints[coordinate.getName()][1])
    constraints = model.updConstraintSet()
    for i in reversed(range(constraints.getSize())):
        coupler = opensim.CoordinateCouplerConstraint.safeDownCast(constraints.get(i))
        if coupler is None or coupler.getDependentCoordinateName() not in moving:
            constraints.remove(i)
    model.finalizeFromProperties()
    model.finalizeConnections()
    return model, [name for name in welded if name not in kept]


def _polynomials(path: Path) -> list[Polynomial]:
    """The polynomials of an OpenSim file of function-based paths."""
    made = []
    for element in ElementTree.parse(path).getroot().iter("FunctionBasedPath"):
        function = element.find("length_function/MultivariatePolynomialFunction")
        assert function is not None
        made.append(
            Polynomial(
                muscle=element.attrib["name"].split("/")[-1],
                coordinates=tuple(
                    name.split("/")[-1]
                    for name in (element.findtext("coordinate_paths") or "").split()
                ),
                order=int(function.findtext("order") or 0),
                coefficients=np.array(
                    [float(x) for x in (function.findtext("coefficients") or "").split()]
                ),
            )
        )
    return made


def _read_paths(folder: Path) -> tuple[tuple[Polynomial, ...], ForceCurves]:
    with np.load(folder / "curves.npz") as table:
        muscles = table["muscles"].tolist()
        curves = ForceCurves(**{x.name: table[x.name] for x in fields(ForceCurves)})
    found = {p.muscle: p for p in _polynomials(folder / "paths.xml")}
    return tuple(found[muscle] for muscle in muscles), curves


def _read(folder: Path) -> Fit:
    polynomials, curves = _read_paths(folder)
    return Fit(polynomials, curves, pd.read_csv(folder / "errors.csv"))


def _errors(
    leg: LegModel,
    made: tuple[tuple[Polynomial, ...], ForceCurves],
    joints: dict[str, tuple[float, float]],
) -> pd.DataFrame:
    """Root-mean-square errors in random poses of the range, as `Fit.errors`."""
    polynomials, curves = made
    names = tuple(joints)
    fitted = replace(leg, muscles=tuple(p.muscle for p in polynomials), coordinates=names)
    low, high = np.array(list(joints.values())).T
    poses = np.random.default_rng(0).uniform(low, high, (CHECKS, len(names)))
    speeds, time = np.zeros_like(poses), np.zeros(CHECKS)
    truth = ExactPaths(fitted, names)(time, poses, speeds)
    guess = PolynomialPaths(fitted, names, polynomials, curves)(time, poses, speeds)
    length = np.sqrt(((guess.lengths - truth.lengths) ** 2).mean(axis=0))
    arm = np.sqrt(((guess.moment_arms - truth.moment_arms) ** 2).mean(axis=0))
    rows = []
    for j, muscle in enumerate(fitted.muscles):
        rows.append((muscle, "length", length[j]))
        rows += [(muscle, c, arm[names.index(c), j]) for c in fitted.crossed[muscle]]
    return pd.DataFrame(rows, columns=["muscle", "coordinate", "error"])
