"""The card of an experiment's fit, before it is scored, and the scales that it states."""

from collections.abc import Sequence

import numpy as np

from nem2e_tf.refiner import Card
from nem2e_tf.refiner.fitted_card import make_card_from_pairs

from .experiment import Experiment, Part


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
