"""One fit on several devices or machines, through `tf.distribute`.

Every replica takes its share of each batch, and the gradients are summed before the weights change:
the same fit as with one replica, except for rounding and for random draws (dropout and scheduled
sampling repeat in every replica's share).

Two parts of `fit` in Keras 3.15 fail under `MultiWorkerMirroredStrategy`.
Before the first step it averages a batch over the workers, which fails for inputs in a dict; a
model that is made outside the strategy's scope, of layers made inside, avoids that. And it
averages metrics along an axis that single numbers do not have; `Trainer` gives them one.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import keras
import tensorflow as tf

from nem2e_tf.errors import InputError
from nem2e_tf.files import replace_file

Result = TypeVar("Result")

SUFFIX = ".weights.h5"
"""Suffix that Keras requires for files of weights."""
REPLICAS = 2
"""Replicas of a mirrored fit on a machine without a GPU."""


def make_strategy(kind: str) -> tf.distribute.Strategy:
    """Make the strategy; call it before any other use of TensorFlow in the process.

    Args:
        kind: `mirrored` is over this machine's GPUs, or, where there is none, over `REPLICAS`
            logical devices of its processor. `multiworker` is over the workers that `TF_CONFIG`
            names, as in TensorFlow's guide to multi-worker training; each runs the same command,
            and all see the same files.

    Raises:
        InputError: `TF_CONFIG` is missing or is not JSON.
    """
    if kind == "multiworker":
        try:
            json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"]
        except (KeyError, TypeError, ValueError):
            raise InputError(
                "TF_CONFIG: needs a cluster of workers and this worker's task; see"
                " https://www.tensorflow.org/guide/distributed_training"
            ) from None
        return tf.distribute.MultiWorkerMirroredStrategy()
    kind_of_device = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if kind_of_device == "CPU":
        (processor,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * REPLICAS
        tf.config.set_logical_device_configuration(processor, parts)
    devices = tf.config.list_logical_devices(kind_of_device)
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def is_chief(strategy: tf.distribute.Strategy | None) -> bool:
    """Whether this process is the one that writes files."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True
    resolver = strategy.cluster_resolver
    return resolver.task_type == "chief" or (
        resolver.task_id == 0 and "chief" not in resolver.cluster_spec().jobs
    )


def run_on_chief_first(
    strategy: tf.distribute.Strategy | None, function: Callable[[], Result]
) -> Result:
    """Call a function that writes files on the chief first, and then on the other workers."""
    result = function() if is_chief(strategy) else None
    if strategy is not None:
        # A sum over all workers waits for each of them.
        strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(1.0), axis=None)
    return function() if result is None else result


def split_by_batch(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Set the dataset so that every worker reads all of it and takes its share of each batch."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options)


class Trainer(keras.Model):
    """A model that is fitted inside a strategy's scope and made outside of it."""

    @classmethod
    def from_model(cls, model: keras.Model) -> "Trainer":
        """The same layers and weights."""
        return cls(model.input, model.output)

    def compute_metrics(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The metrics, with an axis along which several workers average them."""
        values = super().compute_metrics(*args, **kwargs)
        if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
            return {name: tf.expand_dims(value, 0) for name, value in values.items()}
        return values


class Backup(keras.callbacks.Callback):
    """Keeps the weights at the end of the last epoch; the chief writes them, all workers resume.

    `keras.callbacks.BackupAndRestore` writes weights and their epoch one after the other: killed
    between the two, a fit would go on with the weights of another epoch. Here the file's name says
    its epoch. The end of the last epoch is kept too, until the folder is removed.

    Args:
        folder: path.
        strategy: tf.distribute.Strategy.
    """

    def __init__(self, folder: Path, strategy: tf.distribute.Strategy) -> None:
        super().__init__()
        self.folder, self.chief = folder, is_chief(strategy)
        if self.chief:
            folder.mkdir(parents=True, exist_ok=True)
        self.finished_epochs = max(self._saved_epochs(), default=0)
        """Epochs that an interrupted fit has completed."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Load the weights of the last fit and its number of epochs."""
        if self.finished_epochs:
            self.model.load_weights(self._saved_epochs()[self.finished_epochs])
            self.model._initial_epoch = self.finished_epochs  # as Keras's own callback does

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the weights; all workers take part, as variables are read by all together."""
        if not self.chief:
            with TemporaryDirectory() as unused:
                self.model.save_weights(Path(unused) / "unused.weights.h5")
            return
        former = self._saved_epochs()
        with replace_file(self.folder / f"{epoch + 1}{SUFFIX}") as temporary:
            self.model.save_weights(temporary, overwrite=True)
        for file in former.values():
            file.unlink()

    def _saved_epochs(self) -> dict[int, Path]:
        files = self.folder.glob(f"[0-9]*{SUFFIX}")
        return {int(file.name.removesuffix(SUFFIX)): file for file in files}
