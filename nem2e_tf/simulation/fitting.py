"""Polynomial muscle paths of a model, fitted once and kept in a cache on disk."""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from nem2e_tf.files import check_folder
from nem2e_tf.simulation.capacity import (
    LENGTHS,
    SPEEDS,
    ForceCurves,
    force_curves,
    has_force_curves,
)
from nem2e_tf.simulation.geometry import ExactPaths
from nem2e_tf.simulation.model import SIDES, LegModel
from nem2e_tf.simulation.path_fitter import (
    DESIGNS,
    LENGTH_TOLERANCE,
    MAX_ORDER,
    MOMENT_ARM_TOLERANCE,
    POSES_PER_DESIGN,
    read_polynomials,
    run_fitter,
)
from nem2e_tf.simulation.polynomial import Polynomial, PolynomialPaths

RANGE_STEP = 0.5
"""Radians or metres. A fit covers the motion and this much about the default pose, rounded outwards
to multiples of it, so that most trials of a person and task share one fit."""

CHECK_POSES = 60
"""Random poses of the fitted range in which the fit is compared with the model's own paths."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PathFit:
    """Polynomials of one side's muscles, and their errors against the model's own paths.

    Args:
        polynomials: of the muscles that have a polynomial and force curves.
        curves: ForceCurves of those muscles.
        errors: `(muscle and coordinate, …)`, columns `muscle`, `coordinate`, `error` in metres:
            root mean square over random poses of the fitted range, of the moment arm, or of the
            length where `coordinate` is `length`.
    """

    polynomials: tuple[Polynomial, ...]
    curves: ForceCurves
    errors: pd.DataFrame


def cache_folder() -> Path:
    """The folder of fits: `$NEM2E_CACHE`, else `nem2e` in the user's cache folder."""
    chosen = os.environ.get("NEM2E_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nem2e"


def fit_polynomial_paths(leg: LegModel, motion: pd.DataFrame) -> PolynomialPaths:
    """The leg's muscles as polynomials that are valid over a motion, fitted or from the cache.

    A fit depends on the model's content, the muscles, the joints' range (see `RANGE_STEP`),
    OpenSim's version and the settings of this module; a change of any of them makes a new one.

    Args:
        leg: LegModel.
        motion: `(frames, coordinates)`, radians and metres.

    Raises:
        InputError: the model has constraints that polynomials cannot follow.
    """
    fits = []
    for letter in SIDES[leg.side]:
        muscles = tuple(m for m in leg.muscles if m.endswith(f"_{letter}"))
        if muscles:
            fits.append(fit_muscles(leg, muscles, _fitted_range(leg, muscles, motion)))
    curves = ForceCurves(
        *(np.concatenate([getattr(f.curves, x.name) for f in fits]) for x in fields(ForceCurves))
    )
    polynomials = [p for f in fits for p in f.polynomials]
    return PolynomialPaths(leg, tuple(map(str, motion.columns)), polynomials, curves)


def fit_muscles(
    leg: LegModel, muscles: tuple[str, ...], joints: dict[str, tuple[float, float]]
) -> PathFit:
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
        "order": MAX_ORDER,
        "tolerances": [LENGTH_TOLERANCE, MOMENT_ARM_TOLERANCE],
        "samples": [DESIGNS, POSES_PER_DESIGN, CHECK_POSES],
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
            _create_fit(leg, muscles, joints, Path(name) / "fit")
            (Path(name) / "fit" / "settings.json").write_text(
                json.dumps(settings, indent=1), encoding="utf-8", newline="\n"
            )
            try:
                (Path(name) / "fit").rename(folder)
            except OSError:
                # Another process has created the same fit.
                if not folder.is_dir():
                    raise
    fit = _read_fit(folder)
    for of_length, rows in fit.errors.groupby(fit.errors.coordinate == "length"):
        worst = int(rows.error.argmax())
        log.info(
            "%s: polynomial %s: RMS error %.2g mm, at worst %.2g mm (%s)",
            leg.path.name,
            "lengths" if of_length else "moment arms",
            1e3 * float(np.sqrt((rows.error**2).mean())),
            1e3 * float(rows.error.iloc[worst]),
            rows.muscle.iloc[worst],
        )
    return fit


def _fitted_range(
    leg: LegModel, muscles: tuple[str, ...], motion: pd.DataFrame
) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each coordinate that the muscles cross, in model order."""
    across = {c for muscle in muscles for c in leg.crossed_coordinates[muscle]}
    joints = {}
    for name in (c for c in leg.coordinate_names if c in across):
        coordinate = leg.model.getCoordinateSet().get(name)
        rest = coordinate.getDefaultValue()
        values = motion[name].to_numpy() if name in motion else np.array([rest])
        low = RANGE_STEP * np.floor(min(values.min(), rest - RANGE_STEP) / RANGE_STEP)
        high = RANGE_STEP * np.ceil(max(values.max(), rest + RANGE_STEP) / RANGE_STEP)
        # Beyond the coordinate's own range the model may be wrong, and few motions go there.
        if values.min() >= coordinate.getRangeMin():
            low = max(low, coordinate.getRangeMin())
        if values.max() <= coordinate.getRangeMax():
            high = min(high, coordinate.getRangeMax())
        joints[name] = (float(low), float(high))
    return joints


def _create_fit(
    leg: LegModel, muscles: tuple[str, ...], joints: dict[str, tuple[float, float]], folder: Path
) -> None:
    """Fit, sample force curves, compare with the model's own paths, and write all to a folder."""
    folder.mkdir()
    written = run_fitter(leg, muscles, joints, folder.parent / "fitter")
    shutil.copyfile(written, folder / "paths.xml")
    found = [leg.model.getMuscles().get(p.muscle) for p in read_polynomials(folder / "paths.xml")]
    known = [muscle for muscle in found if has_force_curves(muscle)]
    curves = force_curves(known)
    np.savez(
        folder / "curves.npz",
        muscles=np.array([m.getName() for m in known], dtype=str),
        **{x.name: getattr(curves, x.name) for x in fields(curves)},
    )
    errors = _fit_errors(leg, _read_paths(folder), joints)
    errors.to_csv(folder / "errors.csv", index=False, lineterminator="\n")


def _read_paths(folder: Path) -> tuple[tuple[Polynomial, ...], ForceCurves]:
    with np.load(folder / "curves.npz") as table:
        muscles = table["muscles"].tolist()
        curves = ForceCurves(**{x.name: table[x.name] for x in fields(ForceCurves)})
    found = {p.muscle: p for p in read_polynomials(folder / "paths.xml")}
    return tuple(found[muscle] for muscle in muscles), curves


def _read_fit(folder: Path) -> PathFit:
    polynomials, curves = _read_paths(folder)
    return PathFit(polynomials, curves, pd.read_csv(folder / "errors.csv"))


def _fit_errors(
    leg: LegModel,
    made: tuple[tuple[Polynomial, ...], ForceCurves],
    joints: dict[str, tuple[float, float]],
) -> pd.DataFrame:
    """Root-mean-square errors in random poses of the range, as `PathFit.errors`."""
    polynomials, curves = made
    names = tuple(joints)
    fitted = replace(leg, muscles=tuple(p.muscle for p in polynomials), coordinates=names)
    low, high = np.array(list(joints.values())).T
    poses = np.random.default_rng(0).uniform(low, high, (CHECK_POSES, len(names)))
    speeds, time = np.zeros_like(poses), np.zeros(CHECK_POSES)
    truth = ExactPaths(fitted, names)(time, poses, speeds)
    guess = PolynomialPaths(fitted, names, polynomials, curves)(time, poses, speeds)
    length = np.sqrt(((guess.lengths - truth.lengths) ** 2).mean(axis=0))
    arm = np.sqrt(((guess.moment_arms - truth.moment_arms) ** 2).mean(axis=0))
    rows = []
    for j, muscle in enumerate(fitted.muscles):
        rows.append((muscle, "length", length[j]))
        rows += [(muscle, c, arm[names.index(c), j]) for c in fitted.crossed_coordinates[muscle]]
    return pd.DataFrame(rows, columns=["muscle", "coordinate", "error"])
