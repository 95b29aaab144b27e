"""A refiner adapted to one person from a few measured cycles.

Each muscle's gain is set first, in closed form. Then all weights are fitted, with a penalty on
their squared distance from the initial weights, as of a Gaussian prior around people in general
(Li, Grandvalet and Davoine 2018,
"Explicit inductive bias for transfer learning with convolutional networks", arXiv 1802.01483). The
sum of errors grows with every measured second and the penalty does not: one cycle changes the
weights little, twenty cycles much.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files import Trial, read_storage
from nem2e_tf.network.baselines import gain
from nem2e_tf.pipeline import (
    SERIES,
    Augmentation,
    Pair,
    Settings,
    channel_maxima,
    prepare,
    write_pairs,
)
from nem2e_tf.pipeline.windows import make_windows
from nem2e_tf.refiner.card import Card, Source, versions
from nem2e_tf.refiner.refiner import Refiner
from nem2e_tf.signals import RATE

Progress = Callable[[int, int], None]

MIN_SECONDS = 1.0
"""Least duration of measured EMG, seconds."""
HOP = 0.1
"""Hop from one window to the next, seconds."""
STEPS, BATCH = 600, 16
LEARNING_RATE = 3e-3
"""Initial learning rate; decays to zero along a cosine."""
ANCHOR = 1e-3
"""Weight of the penalty, for the mean squared error over one second."""
AUGMENTATION = Augmentation(time_warp=0.1, gain=0.1, noise=0.02)
MIN_MAXIMUM = 1e-3
"""Least output maximum of a muscle: it must be positive."""


def personalise(
    refiner: Refiner, pairs: Sequence[Pair], *, seed: int = 0, progress: Progress | None = None
) -> Refiner:
    """Adapt a refiner to one person.

    Args:
        refiner: Refiner. Not modified.
        pairs: sequence of Pair, at 100 Hz and of one person. Simulated channels as the refiner's
            inputs; measured channels some or all of its outputs, in the unit for the person's
            envelopes.
        seed: int. Seed of augmentation and of the order of windows.
        progress: callable or None. Called with training steps done and steps in all.

    Returns:
        A refiner whose card names the person's data. It has no scores, as no data is held out.
        The targets of muscles that were not measured are the refiner's own former outputs, as in
        Li and Hoiem (2016), "Learning without forgetting", arXiv 1606.09282.

    Raises:
        InputError: no pairs, pairs of two people, or other channels than the refiner's.
    """
    _check_pairs(refiner.card, pairs)
    estimates = [_refine_pair(refiner, pair) for pair in pairs]
    training_pairs = [
        replace(pair, measured=estimate.assign(**{str(c): pair.measured[c] for c in pair.measured}))
        for pair, estimate in zip(pairs, estimates, strict=True)
    ]
    maximum = _output_maxima(refiner.card, estimates, [pair.measured for pair in training_pairs])
    model = _fit(refiner, training_pairs, maximum, seed, progress)
    return Refiner(_adapted_card(refiner.card, pairs, maximum), model)


def prepare_pairs(
    trials: Sequence[Trial], refiner: Refiner, *, jobs: int = -1, progress: Progress | None = None
) -> list[Pair]:
    """Simulate a person's trials and pair them with the EMG of the channels that all have.

    Args:
        trials: sequence of Trial, of one person, each with EMG.
        refiner: Refiner that is to be adapted.
        jobs: int. Processes; -1 is one for every processor.
        progress: callable or None. Called with trials done and trials in all.

    Raises:
        InputError: a trial lacks EMG or cannot be prepared, none of the refiner's muscles is
            measured in all of them, there are two people, or less than a second in all.
    """
    _check_one_person([trial.subject for trial in trials])
    card, muscles = refiner.card, refiner.muscles
    measured = list(card.outputs)
    for trial in trials:
        if trial.emg is None:
            raise InputError(f"{trial.name}, {trial.motion}: has no emg to learn from")
        names = list(read_storage(trial.emg).columns)
        columns = muscles.measured_channels(card.outputs, names)
        measured = [channel for channel in measured if channel in columns]
        if not measured:
            raise InputError(
                f"{trial.emg}: no muscle that the refiner knows and all trials have;"
                f" {suggest_name(card.outputs[0], names)}"
            )
    settings = Settings(tuple(card.inputs), tuple(measured), muscles)
    with TemporaryDirectory() as folder:
        prepared = prepare(trials, Path(folder), settings, jobs=jobs, progress=progress)
        for name, fault in prepared.failed.items():
            raise InputError(f"{name}: {fault}")
        pairs = list(prepared.shards.pairs())
    if (seconds := _total_seconds(pairs)) < MIN_SECONDS:
        raise InputError(
            f"{trials[0].subject}: {seconds:g} s of EMG is less than {MIN_SECONDS:g} s"
        )
    return pairs


def _check_pairs(card: Card, pairs: Sequence[Pair]) -> None:
    if not pairs:
        raise InputError("no recordings to adapt the refiner to")
    if card.rate != RATE:
        raise InputError(f"{card.name}: works at {card.rate:g} Hz; only {RATE:g} Hz is adapted")
    _check_one_person([pair.subject for pair in pairs])
    measured = list(pairs[0].measured.columns)
    for pair in pairs:
        if list(pair.simulated.columns) != card.inputs:
            raise InputError(f"{pair.name}: simulated channels are not the inputs of {card.name}")
        if list(pair.measured.columns) != measured:
            raise InputError(f"{pair.name}: other measured channels than {pairs[0].name}")
        for channel in measured:
            if channel not in card.outputs:
                raise InputError(
                    f"{pair.name}: {card.name} has no '{channel}';"
                    f" {suggest_name(channel, card.outputs)}"
                )


def _check_one_person(subjects: Sequence[str]) -> None:
    others = [subject for subject in subjects if subject != subjects[0]]
    if others:
        raise InputError(
            f"two subjects, '{subjects[0]}' and '{others[0]}'; a refiner is adapted to one person"
        )


def _total_seconds(pairs: Sequence[Pair]) -> float:
    return sum(len(pair.measured) for pair in pairs) / RATE


def _refine_pair(refiner: Refiner, pair: Pair) -> pd.DataFrame:
    """Outputs of the refiner before adaptation, `(frames, outputs)`."""
    estimate = refiner.refine(pair.simulated).set_axis(refiner.card.outputs, axis=1)
    return estimate.set_axis(pair.measured.index)


def _output_maxima(
    card: Card, estimates: Sequence[pd.DataFrame], measured: Sequence[pd.DataFrame]
) -> dict[str, float]:
    """Output maxima for the person: those of the refiner times each muscle's gain."""
    largest = channel_maxima(measured)
    factors = gain(pd.concat(estimates).to_numpy(), pd.concat(measured).to_numpy())
    return {
        # The network's output is at most 1: less than the largest measured value would clip peaks.
        channel: max(card.output_maximum[channel] * float(factor), largest[channel], MIN_MAXIMUM)
        for channel, factor in zip(card.outputs, factors, strict=True)
    }


def _fit(
    refiner: Refiner,
    pairs: Sequence[Pair],
    maximum: dict[str, float],
    seed: int,
    progress: Progress | None,
) -> Any:
    """Fit a copy of the network, starting from its weights."""
    import keras
    import tensorflow as tf

    from nem2e_tf.network.step_graphs import round_weights

    model = type(refiner.model).from_config(refiner.model.get_config())
    model.set_weights(refiner.model.get_weights())
    weights = model.trainable_weights
    start = [tf.constant(weight) for weight in weights]
    anchor = ANCHOR / _total_seconds(pairs)
    decay = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, STEPS)
    optimizer = keras.optimizers.Adam(decay, clipnorm=1.0)
    # A step that makes variables would be traced twice, which takes seconds.
    optimizer.build(weights)

    @tf.function
    def step(x: Any, y: Any, mask: Any) -> None:
        with tf.GradientTape() as tape:
            # Without dropout and teacher forcing: the network as in use.
            error = tf.reduce_mean((model(x, training=False) - y) ** 2, axis=-1)
            drift = tf.add_n(
                [tf.reduce_sum((w - s) ** 2) for w, s in zip(weights, start, strict=True)]
            )
            loss = tf.reduce_sum(mask * error) / tf.reduce_sum(mask) + anchor * drift
        optimizer.apply(tape.gradient(loss, weights), weights)

    for done, batch in enumerate(_batches(refiner.card, pairs, maximum, seed), start=1):
        step(*batch)
        if progress is not None:
            progress(done, STEPS)
    round_weights(model)
    return model


def _batches(
    card: Card, pairs: Sequence[Pair], maximum: dict[str, float], seed: int
) -> Iterator[tuple[Any, Any, Any]]:
    """`STEPS` batches of augmented windows, and their masks."""
    frames = round(card.window * RATE)
    with TemporaryDirectory() as folder:
        batches = make_windows(
            write_pairs([_repeat_pair(pair, 2 * frames) for pair in pairs], Path(folder)),
            card.input_maximum,
            {(pair.subject, pair.task): maximum for pair in pairs},
            frames=frames,
            hop=round(HOP * RATE),
            batch=None,
            seed=seed,
            augmentation=AUGMENTATION,
        )
        yield from batches.repeat().batch(BATCH).take(STEPS)


def _repeat_pair(pair: Pair, frames: int) -> Pair:
    """Repeat a pair until it has at least a number of frames.

    In use a window begins anywhere in a cycle and lasts longer than one. A network fitted on
    windows with one beginning, or no longer than a cycle, diverges there.
    """
    times = -(-frames // len(pair.measured))
    if times < 2:
        return pair
    index = pair.measured.index[0] + np.arange(times * len(pair.measured)) / RATE
    parts = (pd.concat([getattr(pair, series)] * times).set_axis(index) for series in SERIES)
    return Pair(pair.subject, pair.task, *parts)


def _adapted_card(card: Card, pairs: Sequence[Pair], maximum: dict[str, float]) -> Card:
    """The card of the adapted refiner."""
    subject = pairs[0].subject
    tasks = " and ".join(dict.fromkeys(pair.task for pair in pairs))
    unit = f"As in the EMG of {subject} that this refiner was adapted to."
    summary = (
        f"{card.name}, adapted to {subject} by {_total_seconds(pairs):.1f} s of {tasks} with"
        " measured EMG, and meant for that person alone."
    )
    measured = pairs[0].measured.columns
    if unmeasured := ", ".join(c.replace("_", " ") for c in card.outputs if c not in measured):
        summary += f" Not measured, and left as they were: {unmeasured}."
        unit += f" Of {unmeasured}: {card.unit}"
    sources = [
        Source(
            subject=subject, task=pair.task, synthetic=subject.startswith("virtual-"),
            start=round(float(pair.measured.index[0]), 3),
            end=round(float(pair.measured.index[-1]), 3),
        )
        for pair in pairs
    ]  # fmt: skip
    changes = {
        "name": f"{card.name} for {subject}",
        "summary": summary,
        "output_maximum": maximum,
        "unit": unit,
        "fitted_on": [*card.fitted_on, *sources],
        "scores": {},
        "interval": None,  # it was calibrated on other people
        "versions": versions(),
    }
    return Card.model_validate(card.model_dump() | changes)
