"""Trials to shards to `tf.data`: what a network is fitted on."""

from nem2e_tf.pipeline.preparation import Progress, Settings, prepare
from nem2e_tf.pipeline.shards import SERIES, Pair, Shards, write_pairs
from nem2e_tf.pipeline.windows import Augmentation, Scales, maxima, own_maxima

__all__ = [
    "SERIES",
    "Augmentation",
    "Pair",
    "Progress",
    "Scales",
    "Settings",
    "Shards",
    "maxima",
    "own_maxima",
    "prepare",
    "write_pairs",
]
