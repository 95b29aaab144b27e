"""Windows of prepared recordings as a `tf.data.Dataset`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.pipeline.shards import Pair, Shards

if TYPE_CHECKING:
    import tensorflow as tf

Scales = dict[tuple[str, str], dict[str, float]]
"""By subject and task, the value by which each measured channel is divided."""
SHUFFLE_BUFFER = 20_000
"""Windows of the shuffle buffer."""


@dataclass(frozen=True)
class Augmentation:
    """Random augmentation of training windows, drawn anew for each window in every epoch.

    Args:
        time_warp: largest local change of speed, as a share, the same for inputs and targets.
        gain: largest change of a simulated channel's amplitude, as a share.
        strength: the same for all simulated channels together, as of a stronger or weaker model.
        noise: standard deviation of noise on simulated channels, relative to their maximum.
        shift: largest delay or advance of inputs against targets, in frames.
        dropout: probability that a simulated channel is zero in a window.
    """

    time_warp: float = 0.0
    gain: float = 0.0
    strength: float = 0.0
    noise: float = 0.0
    shift: float = 0.0
    dropout: float = 0.0

    def __call__(
        self, x: Any, y: Any, mask: Any, seed: Any, simulated: int
    ) -> tuple[Any, Any, Any]:
        """Augment one window.

        Args:
            x: `(frames, inputs)`.
            y: `(frames, outputs)`.
            mask: `(frames,)`.
            seed: `(2,)` integers; the same give the same change.
            simulated: int. How many of the inputs, the first ones, are simulated activity.
        """
        import tensorflow as tf

        from nem2e_tf.edge import PADDING

        def draw(shape: tuple[int, ...], number: int, low: float, high: float) -> Any:
            return tf.random.stateless_uniform(shape, seed + number, low, high)

        frames, inputs = x.shape
        index = tf.range(frames, dtype=tf.float32)
        # Time is warped by a slow sine wave with a slope of at most time_warp.
        phase = draw((), 1, 0.0, 2 * np.pi)
        slope = draw((), 2, -self.time_warp, self.time_warp)
        length = float(frames) / (2 * np.pi)
        warped = index + slope * length * (tf.sin(index / length + phase) - tf.sin(phase))
        x = _interpolate_rows(x, warped + draw((), 3, -self.shift, self.shift))
        y = _interpolate_rows(y, warped)
        factor = 1.0 + draw((1, simulated), 4, -self.gain, self.gain)
        factor *= 1.0 + draw((), 6, -self.strength, self.strength)
        factor *= tf.cast(draw((1, simulated), 5, 0.0, 1.0) >= self.dropout, x.dtype)
        x *= tf.concat([factor, tf.ones((1, inputs - simulated))], axis=1)
        added_noise = self.noise * tf.random.stateless_normal((frames, simulated), seed + 7)
        x += tf.pad(added_noise, [[0, 0], [0, inputs - simulated]])
        return tf.where(mask[:, None] > 0, x, PADDING), y, mask


def _interpolate_rows(series: Any, positions: Any) -> Any:
    """Rows of `(frames, columns)` at fractional positions, linearly; end rows are repeated."""
    import tensorflow as tf

    last = series.shape[0] - 1
    positions = tf.clip_by_value(positions, 0.0, float(last))
    below = tf.cast(tf.floor(positions), tf.int32)
    share = (positions - tf.floor(positions))[:, None]
    above = tf.minimum(below + 1, last)
    return (1.0 - share) * tf.gather(series, below) + share * tf.gather(series, above)


def _count_windows(shards: Shards, block: tuple[float, float], frames: int, hop: int) -> int:
    """Number of windows that `make_windows` cuts."""
    count = 0
    for shard in shards.selected:
        low, high = (round(share * shard.frames) for share in block)
        last = max(0, high - low - frames)
        count += last // hop + 1 + (last % hop > 0)
    return count


def channel_maxima(frames: Sequence[pd.DataFrame]) -> dict[str, float]:
    """The largest value of every column over all frames, for scaling a network's channels.

    Without scaling, weak channels hardly contribute to the loss and are not learnt.
    """
    highest = pd.concat([frame.max() for frame in frames], axis=1).max(axis=1)
    return {str(channel): float(value) for channel, value in highest.items()}


def maxima_by_person(pairs: Iterable[Pair]) -> Scales:
    """The largest measured value of every channel, by subject and task.

    EMG amplitudes are not comparable between people or laboratories, and a task of low activity
    would hardly contribute to the loss; values relative to a person's own maximum in a task do.
    """
    frames_by_key: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for pair in pairs:
        frames_by_key.setdefault((pair.subject, pair.task), []).append(pair.measured)
    return {key: channel_maxima(frames) for key, frames in frames_by_key.items()}


def make_windows(
    shards: Shards,
    input_maximum: Mapping[str, float],
    output_maximum: Scales,
    *,
    block: tuple[float, float] = (0.0, 1.0),
    frames: int,
    hop: int,
    batch: int | None,
    seed: int | None = None,
    augmentation: Augmentation | None = None,
) -> "tf.data.Dataset":
    """Cut prepared recordings into overlapping windows.

    The last window of a recording ends with the recording. A recording shorter than a window is
    padded; the mask is zero there.

    Args:
        shards: Shards. Split by subject or task with `Shards.select`, by time with `block`.
        input_maximum: divisor of each input. Its keys choose the inputs: simulated channels and,
            after them, joint angles in radians.
        output_maximum: by subject and task, divisor of each measured channel.
        block: part of each recording to use, as shares (0-1) of its length.
        frames: int. Frames of a window.
        hop: int. Frames from the start of one window to that of the next.
        batch: int or None. Windows of a batch; None: no batches.
        seed: int or None. Shuffles the windows anew in every epoch; None keeps their order.
        augmentation: Augmentation or None. For training; needs a seed.

    Returns:
        Dataset of `(inputs, measured, mask)`: `(batch, frames, inputs)`, `(batch, frames,
        outputs)` and `(batch, frames)`, float32. Keras takes them as x, y and sample weights.

    Raises:
        InputError: an input is neither a simulated channel nor a joint angle of the shards.
    """
    import tensorflow as tf

    from nem2e_tf.edge import PADDING

    manifest = shards.manifest
    known = [*manifest.simulated, *manifest.angles]
    for name in input_maximum:
        if name not in known:
            raise InputError(f"{shards.folder}: no input '{name}'; {suggest_name(name, known)}")
    scale_in = np.array(list(input_maximum.values()), np.float32)
    columns = [known.index(name) for name in input_maximum]
    activities = sum(name in manifest.simulated for name in input_maximum)
    scale_out = np.array(
        [
            [output_maximum[s.subject, s.task][c] for c in manifest.measured]
            for s in shards.selected
        ],
        np.float32,
    )

    def cut_windows(series: dict[str, Any], maximum: Any) -> Any:
        total = tf.shape(series["simulated"])[0]
        low, high = (
            tf.cast(tf.round(share * tf.cast(total, tf.float64)), tf.int32) for share in block
        )
        inputs = tf.concat([series["simulated"], series["angles"]], axis=1)
        x = tf.gather(inputs[low:high], columns, axis=1) / scale_in
        y = series["measured"][low:high] / maximum
        length = high - low
        missing = tf.maximum(0, frames - length)
        rows = [[0, missing], [0, 0]]
        x = tf.pad(x, rows, constant_values=PADDING)
        y = tf.pad(y, rows)
        last = tf.maximum(0, length - frames)
        starts = tf.range(0, last + 1, hop)
        starts = tf.cond(starts[-1] < last, lambda: tf.concat([starts, [last]], 0), lambda: starts)
        mask = tf.cast(tf.range(frames) < frames - missing, tf.float32)

        def window(start: Any) -> tuple[Any, Any, Any]:
            inputs_window = tf.ensure_shape(x[start : start + frames], (frames, len(columns)))
            targets_window = tf.ensure_shape(
                y[start : start + frames], (frames, scale_out.shape[1])
            )
            return inputs_window, targets_window, mask

        return tf.data.Dataset.from_tensor_slices(starts).map(window)

    scales = tf.data.Dataset.from_tensor_slices(scale_out)
    dataset = tf.data.Dataset.zip(shards.series(), scales).flat_map(cut_windows)
    dataset = dataset.apply(
        tf.data.experimental.assert_cardinality(_count_windows(shards, block, frames, hop))
    )
    if seed is not None:
        dataset = dataset.shuffle(SHUFFLE_BUFFER, seed=seed, reshuffle_each_iteration=True)
    if augmentation is not None:
        seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
        augment = augmentation
        dataset = tf.data.Dataset.zip(dataset, seeds).map(
            lambda window, drawn: augment(window[0], window[1], window[2], drawn, activities),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
    if batch is not None:
        dataset = dataset.batch(batch)
    return disable_autotuning(dataset.prefetch(tf.data.AUTOTUNE))


def disable_autotuning(dataset: "tf.data.Dataset") -> "tf.data.Dataset":
    """The dataset without autotuning.

    The autotuning thread sleeps for up to a minute, and an iterator cannot be closed before it
    wakes: short fits would wait longer than they compute.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


# Former names, kept for one version.
maxima, own_maxima, windows = channel_maxima, maxima_by_person, make_windows
