"""Refining recordings of any length in windows."""

import numpy as np

from nem2e_tf.edge.layout import Network

BATCH = 64
"""Windows of one batch: limits the memory for long recordings."""


def refine_recording(network: Network, inputs: np.ndarray, window: int) -> np.ndarray:
    """Refine a recording.

    Args:
        network: Network. A causal one takes the recording as a whole; others take windows that
            overlap by half and are cross-faded.
        inputs: `(frames, inputs)`, each channel divided by its maximum.
        window: frames.

    Returns:
        `(frames, outputs)`, relative to the outputs' maxima.
    """
    frames, layout = len(inputs), network.layout
    window = frames if layout.causal else min(frames, window)
    starts = sorted({*range(0, frames - window + 1, max(1, window // 2)), frames - window})
    ramp = np.arange(1, window + 1, dtype=float)
    fade = np.minimum(ramp, ramp[::-1])[:, None]
    total = np.zeros((frames, layout.outputs))
    weight = np.zeros((frames, 1))
    for first in range(0, len(starts), BATCH):
        batch = starts[first : first + BATCH]
        stacked = np.stack([inputs[s : s + window] for s in batch]).astype(np.float32)
        for start, output in zip(batch, network(stacked), strict=True):
            total[start : start + window] += fade * output
            weight[start : start + window] += fade
    return smooth_steps(total / weight, layout.frames)


def smoothing_kernel(step: int) -> np.ndarray:
    """Weights of the smoothing over the frames of one step, centred: `(2 * step // 2 + 1,)`.

    >>> smoothing_kernel(4).tolist()
    [0.125, 0.25, 0.25, 0.25, 0.125]
    """
    box = np.ones(step) if step % 2 else np.convolve(np.ones(step), [0.5, 0.5])
    return box / box.sum()


def smooth_steps(frames: np.ndarray, step: int) -> np.ndarray:
    """Remove the ripple of steps of several frames, without delay.

    The mean over one step's frames, centred: zero at the rate of steps and its harmonics, 0.90 at
    the 6 Hz of an envelope's low-pass with steps of 40 ms. The first and last values are repeated
    beyond the ends.

    Args:
        frames: `(frames, outputs)`.
        step: frames of a step.
    """
    weights = smoothing_kernel(step)
    half = len(weights) // 2
    padded = np.pad(frames, ((half, half), (0, 0)), mode="edge")
    return sum(w * padded[i : i + len(frames)] for i, w in enumerate(weights))
