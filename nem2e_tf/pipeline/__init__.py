"""From trials to shards on disk and to `tf.data` windows for training."""

from nem2e_tf.pipeline.preparation import Progress, Settings, prepare
from nem2e_tf.pipeline.shards import SERIES, Pair, Shards, write_pairs
from nem2e_tf.pipeline.windows import Augmentation, Scales, channel_maxima, maxima_by_person

__all__ = [
    "SERIES",
    "Augmentation",
    "Pair",
    "Progress",
    "Scales",
    "Settings",
    "Shards",
    "channel_maxima",
    "maxima_by_person",
    "prepare",
    "write_pairs",
]

# Former names, kept for one version.
maxima, own_maxima = channel_maxima, maxima_by_person
