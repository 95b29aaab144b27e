"""Public sets of recordings: the registry, the download and the conversion into lists of trials.

Fetch a set with `nem2e_tf.datasets.fetching.fetch`; that module is not imported here, because it
loads the simulation.
"""

from nem2e_tf.datasets.download import missing_files
from nem2e_tf.datasets.registry import Dataset, find_dataset, read_registry

__all__ = [
    "Dataset",
    "find_dataset",
    "missing_files",
    "read_registry",
]
