"""Simulation of several trials in parallel processes."""

import os
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import pandas as pd

from nem2e_tf.processes import map_in_processes
from nem2e_tf.simulation.model import COORDINATES, LegModel, load_leg
from nem2e_tf.simulation.simulate import simulate_files

TrialFiles = tuple[str | os.PathLike[str], str | os.PathLike[str], str | os.PathLike[str]]
"""A model, a motion and its generalised forces."""


def simulate_trials(
    trials: Sequence[TrialFiles],
    *,
    jobs: int = -1,
    side: str = "r",
    coordinates: tuple[str, ...] | None = COORDINATES,
    **options: Any,
) -> list[pd.DataFrame]:
    """`simulate_files` for each trial, in its order.

    Polynomial paths that two trials share may be fitted twice, in two processes, unless an
    earlier call has fitted them.

    Args:
        trials: files of each.
        jobs: int. Processes; -1 is one for every processor.
        side: str. As for `simulate_files`.
        coordinates: tuple of str or None. As for `simulate_files`.
        options: of `simulate_files`, except `progress`.

    Raises:
        InputError: the first trial that cannot be simulated.
    """
    run = partial(_simulate_trial, side=side, coordinates=coordinates, options=options)
    simulated = dict(map_in_processes(run, dict(enumerate(trials)), jobs))
    return [simulated[i] for i in range(len(trials))]


def _simulate_trial(
    files: TrialFiles, side: str, coordinates: tuple[str, ...] | None, options: dict[str, Any]
) -> pd.DataFrame:
    model, motion, moments = files
    leg = _cached_leg(os.fspath(model), side, coordinates)
    return simulate_files(leg, motion, moments, coordinates=coordinates, **options)


@lru_cache(maxsize=1)
def _cached_leg(model: str, side: str, coordinates: tuple[str, ...] | None) -> LegModel:
    """The model of the previous trial is kept in each process."""
    return load_leg(model, side, coordinates)
