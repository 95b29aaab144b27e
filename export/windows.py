"""Windows to calibrate an export on, and windows to compare it on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nem2e_tf.edge import Signals
from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.pipeline import Pair

if TYPE_CHECKING or __package__ == "export":  # run from a checkout
    from training import experiment as experiments
    from training import places
else:
    from ..training import experiment as experiments
    from ..training import places

FITTED_SEED, UNSEEN_SEED = 101, 1
"""Seeds of virtual people: those whom the shipped refiners are fitted on, and others."""
PEOPLE, STRIDES = 4, 10
LONGEST = 2.0
"""Seconds of a window."""
EACH = 100
"""Windows of real and of virtual people to compare on."""


@dataclass(frozen=True)
class Windows:
    """Windows that no fit has seen.

    Args:
        simulated: `(windows, frames, inputs)` float32, each channel a share of its maximum.
        measured: `(windows, frames, outputs)` envelopes, in shares of the person's maximum over
            the recording where they are synthetic or the refiner knows nothing but shares, else in
            the measured unit.
        synthetic: `(windows,)` bool.
    """

    simulated: np.ndarray
    measured: np.ndarray
    synthetic: np.ndarray

    def __add__(self, other: "Windows") -> "Windows":
        sides = ("simulated", "measured", "synthetic")
        return Windows(*(np.concatenate([getattr(w, s) for w in (self, other)]) for s in sides))

    def describe(self) -> str:
        """How many there are, of whom."""
        virtual = int(self.synthetic.sum())
        real = len(self.synthetic) - virtual
        return f"{real} of real recordings, {virtual} of virtual people (synthetic)"


def fitted_recordings(signals: Signals, tasks: Iterable[str]) -> list[np.ndarray]:
    """Recordings of virtual people who teach, `(frames, inputs)`, in shares; all synthetic."""
    tasks = set(tasks)
    people = experiments.prepare_virtual_people(PEOPLE, FITTED_SEED, STRIDES)
    return [scale_inputs(pair, signals) for pair in people.pairs() if pair.task in tasks]


def virtual_windows(signals: Signals, tasks: Iterable[str], count: int = EACH) -> Windows:
    """Windows of virtual people whom no refiner was fitted on."""
    tasks = set(tasks)
    people = experiments.prepare_virtual_people(PEOPLE, UNSEEN_SEED, STRIDES).pairs()
    pairs = [_scale_to_maximum(pair) for pair in people if pair.task in tasks]
    return _cut_windows(pairs, signals, count, synthetic=True)


def recorded_windows(signals: Signals, tasks: Iterable[str], count: int = EACH) -> Windows | None:
    """Windows of the later time of the recorded trials, or None where those are not at hand."""
    folder = places.find_data_folder()
    if folder is None or not folder.is_dir():
        return None
    # A refiner whose envelopes are shares of a maximum has no other unit.
    of_shares = bool(np.all(signals.output_maximum == 1.0))
    pairs: list[Pair] = []
    for task in tasks:
        config = places.CONFIGS / f"{task}.yaml"
        experiment = experiments.read_experiment(config).model_copy(update={"also": []})
        for pair in experiment.prepare_recorded(folder, config).pairs():
            known = _scale_to_maximum(pair) if of_shares else pair
            pairs.append(known.block(*experiment.blocks.test))
    return _cut_windows(pairs, signals, count, synthetic=False)


def unseen_windows(signals: Signals, tasks: Sequence[str]) -> Windows:
    """What there is of both."""
    windows, recorded = virtual_windows(signals, tasks), recorded_windows(signals, tasks)
    return windows if recorded is None else recorded + windows


def scale_inputs(pair: Pair, signals: Signals) -> np.ndarray:
    """A pair's simulated side, `(frames, inputs)`, each channel a share of its maximum."""
    for channel in signals.inputs:
        if channel not in pair.simulated:
            raise InputError(
                f"the refiner takes channel '{channel}', which virtual people do not have;"
                f" {suggest_name(channel, pair.simulated.columns)}"
            )
    return pair.simulated[list(signals.inputs)].to_numpy() / signals.input_maximum


def _scale_to_maximum(pair: Pair) -> Pair:
    """With the measured side in shares of each channel's maximum over the whole recording."""
    return replace(pair, measured=pair.measured / pair.measured.max().clip(lower=1e-9))


def _cut_windows(pairs: Sequence[Pair], signals: Signals, count: int, synthetic: bool) -> Windows:
    """So many windows, evenly over all recordings."""
    frames = round(min(signals.window, LONGEST) * signals.rate)
    places = [(pair, s) for pair in pairs for s in range(0, len(pair.simulated) - frames + 1)]
    if len(places) < count:
        raise InputError(
            f"the people to compare on give {len(places)} windows of this refiner's tasks;"
            f" {count} are wanted"
        )
    simulated, measured = [], []
    for i in np.linspace(0, len(places) - 1, count).round().astype(int):
        pair, start = places[i]
        envelopes = pair.measured[list(signals.outputs)]
        simulated.append(scale_inputs(pair, signals)[start : start + frames])
        measured.append(envelopes.to_numpy()[start : start + frames])
    return Windows(
        np.stack(simulated).astype(np.float32),
        np.stack(measured),
        np.full(count, synthetic),
    )


def synthetic_activity(windows: int, frames: int, channels: int) -> np.ndarray:
    """Smooth bursts between 0 and 1, the same at every call: nobody's muscles.

    Returns:
        `(windows, frames, channels)` float32, up to three cycles a window.
    """
    random = np.random.default_rng(0)
    cycles, phase, sharpness = (
        random.uniform(low, high, (windows, 1, channels))
        for low, high in ((0.5, 3.0), (0.0, 1.0), (1.0, 4.0))
    )
    angle = 2 * np.pi * (cycles * np.linspace(0, 1, frames)[None, :, None] + phase)
    return (((1 + np.sin(angle)) / 2) ** sharpness).astype(np.float32)
