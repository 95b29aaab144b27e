"""Several trials at a time, each in a process of its own."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from typing import Any

import pandas as pd

from nem2e_tf.simulation.model import COORDINATES, LegModel, load_leg
from nem2e_tf.simulation.simulate import simulate_files

Files = tuple[str | os.PathLike[str], str | os.PathLike[str], str | os.PathLike[str]]
"""A model, a motion and its generalised forces."""


def simulate_trials(
    trials: Sequence[Files],
    *,
    processes: int | None = None,
    side: str = "r",
    coordinates: tuple[str, ...] | None = COORDINATES,
    **options: Any,
) -> list[pd.DataFrame]:
    """`simulate_files` for each trial, in its order.

    Polynomial paths that two trials share are fitted once if an earlier call has fitted them;
    else two processes may each fit them.

    Args:
        trials: files of each.
        processes: int or None. None is one a processor, and no more than there are trials.
        side: str. As for `simulate_files`.
        coordinates: tuple of str or None. As for `simulate_files`.
        options: of `simulate_files`, but `progress`.

    Raises:
        InputError: the first trial that cannot be simulated.
    """
    available = min(len(os.sched_getaffinity(0)), len(trials))
    run: Callable[[Files], pd.DataFrame] = partial(
        _simulate, side=side, coordinates=coordinates, options=options
    )
    if (processes or available) <= 1:
        return [run(files) for files in trials]
    # A process that is forked while OpenSim or TensorFlow run threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes or available, mp_context=context) as pool:
        return list(pool.map(run, trials))


def _simulate(
    files: Files, side: str, coordinates: tuple[str, ...] | None, options: dict[str, Any]
) -> pd.DataFrame:
    model, motion, moments = files
    leg = _leg(os.fspath(model), side, coordinates)
    return simulate_files(leg, motion, moments, coordinates=coordinates, **options)


@lru_cache(maxsize=1)
def _leg(model: str, side: str, coordinates: tuple[str, ...] | None) -> LegModel:
    """A process keeps the model of the trial before."""
    return load_leg(model, side, coordinates)
