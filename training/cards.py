"""What a card says of a fit before it is scored: channels, scales, and what was seen."""

from collections.abc import Sequence

import numpy as np

from nem2e_tf.refiner import Card, Source, versions
from nem2e_tf.signals import RATE, MuscleMap

from .experiment import Experiment, Part


def unit(tables: Sequence[dict[str, float]]) -> dict[str, float]:
    """What the network's 1 is: the maxima of one person in one task, or else shares of maxima."""
    return tables[0] if len(tables) == 1 else dict.fromkeys(tables[0], 1.0)


def median(tables: Sequence[dict[str, float]]) -> dict[str, float]:
    """The usual one of several tables of maxima, channel by channel."""
    return {channel: float(np.median([t[channel] for t in tables])) for channel in tables[0]}


def _sources(teaching: Sequence[Part]) -> list[Source]:
    """What the fit has seen, for the card; a trial simulated with many models once."""
    seen = []
    for pair in (pair for part in teaching for pair in part.pairs()):
        seen.append(
            Source(
                subject=pair.subject, task=pair.task, synthetic=pair.subject.startswith("virtual-"),
                start=round(float(pair.simulated.index[0]), 3),
                end=round(float(pair.simulated.index[-1]), 3),
            )
        )  # fmt: skip
    return list(dict.fromkeys(seen))


def card_of(
    experiment: Experiment,
    teaching: Sequence[Part],
    input_maximum: dict[str, float],
    output_maximum: dict[str, float],
) -> Card:
    """The card of a fit, without scores.

    Args:
        experiment: Experiment.
        teaching: what was fitted on.
        input_maximum: by which each input was divided.
        output_maximum: what the network's 1 is, by muscle.
    """
    # A joint angle is a column of its own name.
    channels = {c: list(muscles) for c, muscles in MuscleMap.load().channels.items()}
    channels |= {c: [{c: 1.0}] for c in input_maximum if c not in channels}
    return Card(
        name=experiment.name,
        summary=" ".join(experiment.summary.split()),
        inputs=list(input_maximum),
        outputs=list(output_maximum),
        muscles={c: channels[c] for c in channels if c in {*input_maximum, *output_maximum}},
        rate=RATE,
        window=experiment.window,
        input_maximum=input_maximum,
        output_maximum=output_maximum,
        unit=" ".join(experiment.unit.split()),
        fitted_on=_sources(teaching),
        scores={},
        versions=versions(),
    )
