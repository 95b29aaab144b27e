"""Ways to bring simulated activity nearer to measured EMG, fitted on the same recordings."""

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from nem2e_tf.edge import windows
from nem2e_tf.network import decoder, decoding, stdr_net
from nem2e_tf.network.baselines import GainAndLag, Ridge, gain
from nem2e_tf.pipeline import Pair, maxima, own_maxima
from nem2e_tf.pipeline import windows as pipeline_windows
from nem2e_tf.refiner import CARD, Refiner, load
from nem2e_tf.signals import LONGEST_LAG, RATE

from .. import cards, losses
from .. import fit as fitting
from ..experiment import Experiment, Part
from . import rivals
from .scoring import Method
from .warping import TimeWarping

CONTEXT = 0.15
"""Seconds before and after a frame that the ridge regression sees."""
HELD_OUT = 5 / 6
"""Share of every recording, its start, on which the ridge is fitted to choose its penalty."""

SIMPLE = {
    "raw": "raw simulation",
    "gain": "gain",
    "gain_lag": "gain and lag",
    "warping": "time warping",
    "ridge": "ridge, ±150 ms",
}
NETWORKS = {
    "encoder_only": "encoder only",
    "temporal_convolution": "temporal convolution",
    "transformer": "transformer",
    "stdr_net": "STDR-Net",
}
METHODS = SIMPLE | NETWORKS


def simple(method: str, teaching: Sequence[Part]) -> Method:
    """Fit one of `SIMPLE`, to every person's own maximum as the networks are."""
    if method == "raw":
        return Method(lambda pair: pair.simulated)
    parts = [part.pairs() for part in teaching]
    pairs = [pair for part in parts for pair in part]
    highest = maxima([pair.simulated for pair in pairs])
    own = own_maxima(pairs)
    medians = pd.DataFrame(list(own_maxima(parts[0]).values())).median()
    unit = {str(channel): float(maximum) for channel, maximum in medians.items()}

    def scaled(pair: Pair) -> Pair:
        return replace(pair, simulated=pair.simulated / pd.Series(highest))

    shares = [
        replace(scaled(pair), measured=pair.measured / pd.Series(own[pair.subject, pair.task]))
        for pair in pairs
    ]
    correct = _correction(method, shares)

    def estimate(pair: Pair) -> pd.DataFrame:
        values = correct(scaled(pair)) * np.array(list(unit.values()))
        return pd.DataFrame(values, index=pair.simulated.index, columns=list(unit))

    return Method(estimate, unit)


def _correction(method: str, pairs: Sequence[Pair]) -> Callable[[Pair], np.ndarray]:
    def arrays(side: str, first: float = 0.0, last: float = 1.0) -> list[np.ndarray]:
        return [getattr(pair.block(first, last), side).to_numpy() for pair in pairs]

    if method == "gain":
        x, y = (np.concatenate(arrays(side)) for side in ("simulated", "measured"))
        factors = gain(x, y)
        return lambda pair: pair.simulated.to_numpy() * factors
    if method == "gain_lag":
        moved = GainAndLag(round(LONGEST_LAG * RATE)).fit(arrays("simulated"), arrays("measured"))
        return lambda pair: moved.predict(pair.simulated.to_numpy())
    if method == "warping":
        return TimeWarping().fit(pairs).predict
    ridge = Ridge(round(CONTEXT * RATE)).fit(
        *(arrays(side, *share) for share in ((0.0, HELD_OUT), (HELD_OUT, 1.0))
          for side in ("simulated", "measured"))
    )  # fmt: skip
    return lambda pair: ridge.predict(pair.simulated.to_numpy())


def network(method: str, experiment: Experiment, teaching: Sequence[Part], kept: Path) -> Method:
    """Fit one of `NETWORKS`, or find it fitted.

    Args:
        method: one of `NETWORKS`.
        experiment: how to fit; the same for every network.
        teaching: on what.
        kept: folder of fitted networks, each under a name made of all that it depends on.
    """
    import keras

    folder = kept / key(method, experiment, teaching)
    if not (folder / CARD).exists():
        keras.utils.clear_session()
        work = folder / "work"
        with redirect_stdout(io.StringIO()):
            fitted = fitting.fit(experiment, teaching, work, network=rivals.RIVALS.get(method))
        fitting.save(fitted, folder)
        shutil.rmtree(work)
    refiner = load(folder.resolve())
    weights = sum(int(np.prod(w.shape)) for w in refiner.model.trainable_weights)
    return Method(lambda pair: _estimate(refiner, pair), refiner.card.output_maximum, weights)


def _estimate(refiner: Refiner, pair: Pair) -> pd.DataFrame:
    """As `Refiner.refine`, which takes no joint angles."""
    card = refiner.card
    shares = pair.inputs(card.inputs) / pd.Series(card.input_maximum)
    envelopes = windows.refined(
        refiner.network, shares.to_numpy(), round(card.window * card.rate)
    ) * np.array([card.output_maximum[channel] for channel in card.outputs])
    return pd.DataFrame(envelopes, index=pair.simulated.index, columns=card.outputs)


def is_kept(method: str, experiment: Experiment, teaching: Sequence[Part], kept: Path) -> bool:
    """Whether `network` would find it fitted."""
    return (kept / key(method, experiment, teaching) / CARD).exists()


def key(method: str, experiment: Experiment, teaching: Sequence[Part]) -> str:
    """A name that changes with everything that a fitted network depends on."""
    settings = experiment.model_dump(
        mode="json",
        exclude={
            "name",
            "summary",
            "unit",
            "trials",
            "tasks",
            "also",
            "cohort",
            "others",
            "blocks",
        },
    )
    if method != "stdr_net":
        del settings["network"], settings["free_running_from"]
    own = [decoder, decoding] if method == "stdr_net" else [rivals]
    code = [fitting, cards, losses, pipeline_windows, stdr_net, *own]
    parts = [
        [
            part.block,
            part.weight,
            [_digest(part.shards.folder / s.file) for s in part.shards.chosen],
        ]
        for part in teaching
    ]
    content = [method, settings, parts, [_digest(Path(str(module.__file__))) for module in code]]
    return f"{method}-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]}"


@lru_cache(maxsize=1024)
def _digest(file: Path) -> str:
    # Read once, so that code edited while it runs does not name what it has not fitted.
    return hashlib.sha256(file.read_bytes()).hexdigest()
