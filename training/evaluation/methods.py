"""Methods that estimate EMG from simulated activity, fitted on the same recordings."""

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

from nem2e_tf.edge import refine_recording
from nem2e_tf.network import decoder, decoding, stdr_net
from nem2e_tf.network.baselines import GainAndLag, Ridge, gain
from nem2e_tf.pipeline import Pair, channel_maxima, maxima_by_person, windows
from nem2e_tf.refiner import CARD, Refiner, load
from nem2e_tf.signals import LONGEST_LAG, RATE

from .. import cards, losses
from .. import fit as fitting
from ..experiment import Experiment, Part
from . import comparison_networks
from .scoring import Method
from .warping import TimeWarping

CONTEXT = 0.15
"""Seconds before and after a frame that the ridge regression sees."""
HELD_OUT = 5 / 6
"""Share of every recording, its start, on which the ridge is fitted to choose its penalty."""

BASELINES = {
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
METHODS = BASELINES | NETWORKS


def fit_baseline(method: str, training_parts: Sequence[Part]) -> Method:
    """Fit one of `BASELINES` to envelopes as shares of the person's maximum, as networks are."""
    if method == "raw":
        return Method(lambda pair: pair.simulated)
    parts = [part.pairs() for part in training_parts]
    pairs = [pair for part in parts for pair in part]
    input_maxima = channel_maxima([pair.simulated for pair in pairs])
    person_maxima = maxima_by_person(pairs)
    medians = pd.DataFrame(list(maxima_by_person(parts[0]).values())).median()
    unit = {str(channel): float(maximum) for channel, maximum in medians.items()}

    def scaled(pair: Pair) -> Pair:
        return replace(pair, simulated=pair.simulated / pd.Series(input_maxima))

    relative_pairs = [
        replace(
            scaled(pair), measured=pair.measured / pd.Series(person_maxima[pair.subject, pair.task])
        )
        for pair in pairs
    ]
    correct = _fit_correction(method, relative_pairs)

    def estimate(pair: Pair) -> pd.DataFrame:
        values = correct(scaled(pair)) * np.array(list(unit.values()))
        return pd.DataFrame(values, index=pair.simulated.index, columns=list(unit))

    return Method(estimate, unit)


def _fit_correction(method: str, pairs: Sequence[Pair]) -> Callable[[Pair], np.ndarray]:
    def arrays(side: str, first: float = 0.0, last: float = 1.0) -> list[np.ndarray]:
        return [getattr(pair.block(first, last), side).to_numpy() for pair in pairs]

    if method == "gain":
        x, y = (np.concatenate(arrays(side)) for side in ("simulated", "measured"))
        factors = gain(x, y)
        return lambda pair: pair.simulated.to_numpy() * factors
    if method == "gain_lag":
        gain_and_lag = GainAndLag(round(LONGEST_LAG * RATE)).fit(
            arrays("simulated"), arrays("measured")
        )
        return lambda pair: gain_and_lag.predict(pair.simulated.to_numpy())
    if method == "warping":
        return TimeWarping().fit(pairs).predict
    ridge = Ridge(round(CONTEXT * RATE)).fit(
        *(arrays(side, *share) for share in ((0.0, HELD_OUT), (HELD_OUT, 1.0))
          for side in ("simulated", "measured"))
    )  # fmt: skip
    return lambda pair: ridge.predict(pair.simulated.to_numpy())


def fit_network(
    method: str, experiment: Experiment, training_parts: Sequence[Part], cache: Path
) -> Method:
    """Fit one of `NETWORKS`, or load it from the cache.

    Args:
        method: one of `NETWORKS`.
        experiment: the settings of the fit, the same for every network.
        training_parts: the recordings of the fit.
        cache: folder of fitted networks, each under its `cache_key`.
    """
    import keras

    folder = cache / cache_key(method, experiment, training_parts)
    if not (folder / CARD).exists():
        keras.utils.clear_session()
        work = folder / "work"
        with redirect_stdout(io.StringIO()):
            fitted = fitting.fit(
                experiment,
                training_parts,
                work,
                network=comparison_networks.COMPARISON_NETWORKS.get(method),
            )
        fitting.replace_refiner(fitted, folder)
        shutil.rmtree(work)
    refiner = load(folder.resolve())
    weights = sum(int(np.prod(w.shape)) for w in refiner.model.trainable_weights)
    return Method(
        lambda pair: _estimate_envelopes(refiner, pair), refiner.card.output_maximum, weights
    )


def _estimate_envelopes(refiner: Refiner, pair: Pair) -> pd.DataFrame:
    """As `Refiner.refine`, which takes no joint angles."""
    card = refiner.card
    relative_inputs = pair.inputs(card.inputs) / pd.Series(card.input_maximum)
    envelopes = refine_recording(
        refiner.network, relative_inputs.to_numpy(), round(card.window * card.rate)
    ) * np.array([card.output_maximum[channel] for channel in card.outputs])
    return pd.DataFrame(envelopes, index=pair.simulated.index, columns=card.outputs)


def is_cached(
    method: str, experiment: Experiment, training_parts: Sequence[Part], cache: Path
) -> bool:
    """Whether `fit_network` would load it from the cache."""
    return (cache / cache_key(method, experiment, training_parts) / CARD).exists()


def cache_key(method: str, experiment: Experiment, training_parts: Sequence[Part]) -> str:
    """A name that changes with everything that determines a fitted network."""
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
    specific = [decoder, decoding] if method == "stdr_net" else [comparison_networks]
    code = [fitting, cards, losses, windows, stdr_net, *specific]
    parts = [
        [
            part.block,
            part.weight,
            [_file_digest(part.shards.folder / s.file) for s in part.shards.selected],
        ]
        for part in training_parts
    ]
    content = [
        method,
        settings,
        parts,
        [_file_digest(Path(str(module.__file__))) for module in code],
    ]
    return f"{method}-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]}"


@lru_cache(maxsize=1024)
def _file_digest(file: Path) -> str:
    # Read once: code that is edited during the run must not change the key.
    return hashlib.sha256(file.read_bytes()).hexdigest()
