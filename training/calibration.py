"""Prediction intervals and familiar ranges for a refiner's card, and the coverage of intervals."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from nem2e_tf.pipeline import Pair, maxima_by_person
from nem2e_tf.refiner import Refiner, familiarity, intervals


def calibrate_refiner(
    refiner: Refiner, held_out: Sequence[Pair], training_pairs: Sequence[Pair]
) -> Refiner:
    """Add prediction intervals and the ranges of familiar inputs to a refiner's card.

    Args:
        refiner: Refiner.
        held_out: pairs of two or more people that the fit never saw; they give the intervals.
        training_pairs: what the refiner was fitted on; they give the ranges of familiar inputs.

    Returns:
        The refiner with `interval` and `familiar` on its card.
    """
    refined, measured = _relative_envelopes(refiner, held_out)
    tables = intervals.calibrate(
        *([np.concatenate(parts) for parts in groups.values()] for groups in (refined, measured))
    )
    card = refiner.card
    training_inputs = _group_by_subject(
        training_pairs, lambda pair: pair.simulated[card.inputs].to_numpy()
    )
    card = card.model_copy(
        update={
            "interval": dict(zip(card.outputs, tables, strict=True)),
            "familiar": familiarity.fit_ranges(
                list(training_inputs.values()), card.inputs, card.rate
            ),
        }
    )
    return Refiner(card, refiner.network, refiner.folder)


def coverage(refiner: Refiner, pairs: Sequence[Pair]) -> pd.DataFrame:
    """Share of measured samples within the intervals.

    Args:
        refiner: Refiner with intervals, as `calibrate_refiner` gives it.
        pairs: of people that neither fit nor calibration saw.

    Returns:
        `(muscles, subjects)`, 0-1.
    """
    tables = refiner.offsets()
    refined, measured = _relative_envelopes(refiner, pairs)
    coverages = {}
    for subject, parts in measured.items():
        values = np.concatenate(parts)
        lower, upper = intervals.prediction_interval(tables, np.concatenate(refined[subject]))
        coverages[subject] = ((values >= lower) & (values <= upper)).mean(axis=0)
    return pd.DataFrame(coverages, index=pd.Index(refiner.card.outputs, name="muscle"))


def _relative_envelopes(
    refiner: Refiner, pairs: Sequence[Pair]
) -> tuple[dict[str, list[np.ndarray]], dict[str, list[np.ndarray]]]:
    """Refined and measured envelopes by person, `(frames, outputs)` each, as shares of maxima.

    Amplitudes do not compare between people: measured ones are divided by the person's own
    maximum in the task.
    """
    outputs = refiner.card.outputs
    maximum = np.array([refiner.card.output_maximum[c] for c in outputs])
    own = maxima_by_person(pairs)
    refined = _group_by_subject(
        pairs, lambda pair: refiner.refine(pair.simulated).to_numpy() / maximum
    )
    measured = _group_by_subject(
        pairs,
        lambda pair: (pair.measured / pd.Series(own[pair.subject, pair.task]))[outputs].to_numpy(),
    )
    return refined, measured


def _group_by_subject(
    pairs: Iterable[Pair], values: Callable[[Pair], np.ndarray]
) -> dict[str, list[np.ndarray]]:
    groups: dict[str, list[np.ndarray]] = {}
    for pair in pairs:
        groups.setdefault(pair.subject, []).append(values(pair))
    return groups
