"""The card of an experiment's fit: scales, and intervals and scores on unseen recordings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nem2e_tf.refiner import Card, Refiner
from nem2e_tf.refiner.fitted_card import make_card_from_pairs

from .calibration import calibrate_refiner
from .evaluation.overground import simulate_overground_stride
from .evaluation.shipped_scores import card_scores
from .experiment import Experiment, Part, read_experiment
from .places import EVALUATION, find_data_folder


def select_output_maximum(tables: Sequence[dict[str, float]]) -> dict[str, float]:
    """The envelope that an output of 1 stands for, by channel.

    Args:
        tables: maxima by channel, one table for each person and task.

    Returns:
        The only table where there is one; else 1 for each channel, as outputs are then shares of a
        person's maximum.
    """
    return tables[0] if len(tables) == 1 else dict.fromkeys(tables[0], 1.0)


def median_maxima(tables: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of several tables of maxima, by channel."""
    return {channel: float(np.median([t[channel] for t in tables])) for channel in tables[0]}


def make_experiment_card(
    experiment: Experiment,
    training_parts: Sequence[Part],
    input_maximum: dict[str, float],
    output_maximum: dict[str, float],
) -> Card:
    """The card of a fit, without scores.

    Args:
        experiment: Experiment.
        training_parts: what was fitted on.
        input_maximum: by input, what it was divided by.
        output_maximum: by muscle, the envelope that an output of 1 stands for.
    """
    return make_card_from_pairs(
        experiment.name,
        [pair for part in training_parts for pair in part.pairs()],
        input_maximum=input_maximum,
        output_maximum=output_maximum,
        window=experiment.window,
        summary=" ".join(experiment.summary.split()),
        unit=" ".join(experiment.unit.split()),
    )


def calibrate_and_score(
    refiner: Refiner,
    experiment: Experiment,
    training_parts: Sequence[Part],
    data: Path | None,
    config: Path,
) -> Refiner:
    """Add intervals and the scores on unseen recordings to a refiner's card.

    Args:
        refiner: Refiner, fitted.
        experiment: Experiment.
        training_parts: what the refiner was fitted on.
        data: path or None. Folder of the recordings.
        config: path. The experiment's file.
    """
    held_out = experiment.prepare_held_out()
    if held_out is None or not held_out.selected:
        return refiner
    all_pairs = (pair for part in training_parts for pair in part.pairs())
    training_pairs = [pair for pair in all_pairs if pair.task in experiment.tasks]
    refiner = calibrate_refiner(refiner, list(held_out.pairs()), training_pairs)
    unseen_people = read_experiment(EVALUATION).prepare_virtual()
    assert unseen_people is not None
    recordings = data or find_data_folder()
    other_laboratories = []
    if "walking" in experiment.tasks and recordings is not None:
        other_laboratories = [simulate_overground_stride(recordings)]
    test_pairs = Part(experiment.prepare_recorded(data, config), experiment.blocks.test).pairs()
    scores = card_scores(
        refiner,
        [pair for pair in test_pairs if pair.task in experiment.tasks],
        list(unseen_people.select(lambda shard: shard.task in experiment.tasks).pairs()),
        other_laboratories,
    )
    return Refiner(refiner.card.model_copy(update={"scores": scores}), refiner.network)
