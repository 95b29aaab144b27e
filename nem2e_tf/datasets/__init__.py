"""Public sets of recordings: what there is, how to come by it, and as lists of trials."""

from nem2e_tf.datasets.download import lacking
from nem2e_tf.datasets.registry import Dataset, find

__all__ = [
    "Dataset",
    "find",
    "lacking",
]
