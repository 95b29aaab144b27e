"""Polynomial paths and sampled force curves against OpenSim's own functions, muscles and paths."""

import logging
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.cohort import build_leg, synthetic_walking
from nem2e_tf.files import read_motion, read_storage
from nem2e_tf.signals import low_pass
from nem2e_tf.simulation import (
    LegModel,
    capacity,
    fitting,
    force_curves,
    load_leg,
    simulate,
    simulate_files,
)
from nem2e_tf.simulation.fitting import fit_polynomial_paths
from nem2e_tf.simulation.geometry import ExactPaths, MuscleGeometry, coordinate_speeds
from nem2e_tf.simulation.polynomial import Polynomial, PolynomialPaths, exponents
from nem2e_tf.simulation.static import static_optimisation

Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An empty cache of fits for this module."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEM2E_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def built_leg(tmp_path_factory: pytest.TempPathFactory, opensim: Any) -> LegModel:
    """The leg of 24 muscles that the package builds."""
    path = tmp_path_factory.mktemp("model") / "leg.osim"
    build_leg().printToXML(str(path))
    return load_leg(path, "r")


@pytest.fixture(scope="module")
def gait() -> pd.DataFrame:
    """A synthetic walk, some strides."""
    return synthetic_walking()[0].iloc[:200]


def geometry_along(paths: Any, motion: pd.DataFrame) -> MuscleGeometry:
    """The muscles along a motion."""
    found: MuscleGeometry = paths(
        motion.index.to_numpy(), motion.to_numpy(), coordinate_speeds(motion)
    )
    return found


def rms(difference: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt((difference**2).mean()))


@pytest.mark.parametrize(("arguments", "order"), [(1, 5), (2, 4), (3, 3), (4, 6)])
def test_a_polynomial_is_opensims_function_with_the_same_coefficients(
    built_leg: LegModel, opensim: Any, arguments: int, order: int
) -> None:
    names = built_leg.coordinates[:arguments]
    generator = np.random.default_rng(order)
    count = len(exponents(arguments, order))
    coefficients = generator.normal(size=count)
    function = opensim.MultivariatePolynomialFunction(
        opensim.Vector(coefficients.tolist()), arguments, order
    )
    poses = generator.uniform(-1.0, 1.0, (9, arguments))
    muscle = built_leg.model.getMuscles().get(built_leg.muscles[0])
    polynomial = Polynomial(built_leg.muscles[0], names, order, coefficients)

    paths = PolynomialPaths(built_leg, names, [polynomial], force_curves([muscle]))
    found = paths(np.zeros(9), poses, np.zeros_like(poses))

    for frame, pose in enumerate(poses.tolist()):
        at = opensim.Vector(pose)
        assert found.lengths[frame, 0] == pytest.approx(function.calcValue(at))
        for i in range(arguments):
            by = opensim.StdVectorInt()
            by.push_back(i)
            arm = found.moment_arms[frame, i, 0]
            assert arm == pytest.approx(-function.calcDerivative(by, at), abs=1e-9)


@pytest.mark.parametrize("hurry", [1.0, 4.0])
@pytest.mark.parametrize("kind", ["Thelen2003", "Millard2012Equilibrium", "DeGrooteFregly2016"])
def test_capacity_is_that_of_opensims_muscle(
    request: pytest.FixtureRequest, tmp_path: Path, opensim: Any, kind: str, hurry: float
) -> None:
    if kind == "Thelen2003":
        leg = request.getfixturevalue("right_leg")
    else:
        model = build_leg()
        if kind == "DeGrooteFregly2016":
            opensim.DeGrooteFregly2016Muscle.replaceMuscles(model)
        model.finalizeConnections()
        model.printToXML(str(tmp_path / "leg.osim"))
        leg = load_leg(tmp_path / "leg.osim", "r")
    names = leg.coordinates
    muscles = [leg.model.getMuscles().get(name) for name in leg.muscles]
    assert {m.getConcreteClassName() for m in muscles} == {f"{kind}Muscle"}
    generator = np.random.default_rng(0)
    low, high = [-0.4, -0.2, -0.2, -1.2, -0.4], [0.8, 0.2, 0.2, -0.05, 0.3]
    poses = generator.uniform(low, high, (40, 5))
    speeds = hurry * generator.normal(0.0, 2.0, (40, 5))

    truth = ExactPaths(leg, names)(np.zeros(40), poses, speeds)
    lengthening = -np.einsum("fcm,fc->fm", truth.moment_arms, speeds)
    found = force_curves(muscles).capacity(truth.lengths, lengthening)

    strongest = np.array([m.getMaxIsometricForce() for m in muscles])
    np.testing.assert_allclose(found / strongest, truth.capacity / strongest, atol=1e-4)


def test_a_fit_is_close_and_says_how_close(
    built_leg: LegModel, gait: pd.DataFrame, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        polynomial = geometry_along(fit_polynomial_paths(built_leg, gait), gait)
    exact = geometry_along(ExactPaths(built_leg, tuple(gait.columns)), gait)

    assert rms(polynomial.lengths - exact.lengths) < 1e-3
    assert rms(polynomial.moment_arms - exact.moment_arms) < 2e-3
    messages = [record.getMessage() for record in caplog.records]
    assert any("lengths: RMS error" in line and "mm" in line for line in messages)
    assert any("moment arms: RMS error" in line for line in messages)
    (table,) = cache.glob("paths/*/errors.csv")
    errors = pd.read_csv(table)
    assert set(errors.muscle) == set(built_leg.muscles)
    soleus = errors[errors.muscle == "soleus_r"]
    assert set(soleus.coordinate) == {"length", "ankle_angle_r"}
    assert (errors.error >= 0.0).all() and errors.error.max() < 0.01


def test_a_model_is_fitted_once_and_anew_when_it_or_its_range_changes(
    built_leg: LegModel,
    gait: pd.DataFrame,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = geometry_along(fit_polynomial_paths(built_leg, gait), gait)

    def refit(*_: Any) -> Path:
        raise AssertionError("fitted again")

    monkeypatch.setattr(fitting, "run_fitter", refit)
    shutil.copy(built_leg.path, tmp_path / "copy.osim")
    again = geometry_along(
        fit_polynomial_paths(load_leg(tmp_path / "copy.osim", "r"), gait.iloc[::-1][::-1]), gait
    )
    np.testing.assert_array_equal(again.lengths, first.lengths)
    np.testing.assert_array_equal(again.capacity, first.capacity)

    wider = gait.copy()
    wider["hip_flexion_r"] *= 3.0
    with pytest.raises(AssertionError, match="fitted again"):
        fit_polynomial_paths(built_leg, wider)
    text = built_leg.path.read_text()
    (tmp_path / "other.osim").write_text(text.replace("<mass>", "<mass> ", 1))
    with pytest.raises(AssertionError, match="fitted again"):
        fit_polynomial_paths(load_leg(tmp_path / "other.osim", "r"), gait)
    assert not list(cache.glob("paths/tmp*"))


def test_muscles_of_an_unknown_model_keep_their_own_paths(
    built_leg: LegModel,
    gait: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NEM2E_CACHE", str(tmp_path))
    monkeypatch.setattr(capacity, "_FORCE_FUNCTIONS", {})

    found = geometry_along(fit_polynomial_paths(built_leg, gait), gait)

    exact = geometry_along(ExactPaths(built_leg, tuple(gait.columns)), gait)
    np.testing.assert_allclose(found.lengths, exact.lengths, atol=1e-12)
    np.testing.assert_allclose(found.capacity, exact.capacity, rtol=1e-9)
    np.testing.assert_allclose(found.moment_arms, exact.moment_arms, atol=1e-9)


def test_what_polynomials_cannot_follow_is_refused(
    built_leg: LegModel, gait: pd.DataFrame, tmp_path: Path, opensim: Any, refused: Refused
) -> None:
    model = build_leg()
    pelvis = model.getBodySet().get("pelvis")
    ground = model.getGround()
    model.addConstraint(opensim.PointConstraint(ground, opensim.Vec3(0), pelvis, opensim.Vec3(0)))
    model.finalizeConnections()
    model.printToXML(str(tmp_path / "held.osim"))

    with refused("held.osim", "use exact paths"):
        fit_polynomial_paths(load_leg(tmp_path / "held.osim", "r"), gait)
    with refused("'spline'", "polynomial"):
        simulate(built_leg, *synthetic_walking(), paths="spline")


@pytest.mark.parametrize("trial", ["walk45", pytest.param("run81", marks=pytest.mark.slow)])
def test_activations_by_polynomial_paths_are_those_by_exact_ones(
    lower_limb: Path, right_leg: LegModel, cache: Path, trial: str
) -> None:
    folder = lower_limb / trial
    motion = low_pass(read_motion(folder / "ik.sto", right_leg.rotations), 6.0, "motion")
    whole = coordinate_speeds(motion)
    paths = fit_polynomial_paths(right_leg, motion)
    exact_paths = ExactPaths(right_leg, tuple(motion.columns))
    rows = slice(500, 1000, 5)
    given = (motion.index.to_numpy()[rows], motion.to_numpy()[rows], whole[rows])
    moments = low_pass(read_storage(folder / "id.sto"), 6.0, "moments")
    shared = moments[right_leg.generalised_forces].to_numpy()[rows]

    polynomial, exact = paths(*given), exact_paths(*given)

    crossings = right_leg.crossings
    arms = (polynomial.moment_arms - exact.moment_arms)[:, crossings]
    assert np.sqrt(((polynomial.lengths - exact.lengths) ** 2).mean(axis=0)).max() < 1e-3
    assert np.sqrt((arms**2).mean(axis=0)).max() < 2e-3
    (fitted, _), (truth, _) = (static_optimisation(g, shared) for g in (polynomial, exact))
    assert rms(fitted - truth) < 0.02


@pytest.mark.slow
def test_polynomial_paths_follow_wraps(overground: Path, cache: Path) -> None:
    leg = load_leg(overground / "subject_walk_scaled.osim", "both")
    files = (overground / "coordinates.sto", overground / "id_walk.sto")
    motion = low_pass(read_motion(files[0], leg.rotations), 6.0, "motion")

    polynomial, exact = (
        geometry_along(paths, motion.iloc[::10])
        for paths in (fit_polynomial_paths(leg, motion), ExactPaths(leg, tuple(motion.columns)))
    )
    simulated = [
        simulate_files(leg, *files, paths=paths)[list(leg.muscles)]
        for paths in ("polynomial", "exact")
    ]

    errors = np.sqrt(((polynomial.lengths - exact.lengths) ** 2).mean(axis=0))
    # The lateral gastrocnemius of this model has moment arms that are not the slopes of its
    # length (10 mm apart at the knee), which no function can have.
    lateral = np.array([name.startswith("gaslat") for name in leg.muscles])
    assert errors[~lateral].max() < 1e-3 and errors.max() < 3e-3
    arms = (polynomial.moment_arms - exact.moment_arms)[:, leg.crossings]
    assert np.sqrt((arms**2).mean(axis=0)).max() < 2e-3
    assert rms((simulated[0] - simulated[1]).to_numpy()) < 0.02
