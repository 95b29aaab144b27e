"""Faults of raw EMG channels: dead, clipped, mains hum, drift, offset."""

import numpy as np
import pandas as pd
from scipy.signal import welch

from nem2e_tf.signals.emg import BAND, resample_uniformly, zero_lag_filter
from nem2e_tf.signals.filters import sampling_rate

MAINS = (50.0, 60.0)
"""Hz."""


def find_faults(raw: pd.DataFrame) -> dict[str, list[str]]:
    """The faults of each channel, as sentences; a channel without fault has an empty list.

    The sentence about a dead channel begins with `dead`.

    Args:
        raw: `(samples, channels)`, index `time` in seconds.
    """
    source = str(raw.attrs.get("path", "raw EMG"))
    even = resample_uniformly(raw, source)
    rate = sampling_rate(even)
    values = even.to_numpy()
    high = min(BAND[1], 0.9 * rate / 2)
    muscle = zero_lag_filter(
        zero_lag_filter(values, BAND[0], rate, "highpass"), high, rate, "lowpass"
    )
    strength = muscle.std(axis=0)
    median = float(np.median(strength))
    return {
        str(name): _find_channel_faults(
            raw[name].to_numpy(),
            values[:, i],
            muscle[:, i],
            median if raw.shape[1] > 2 else 0,
            rate,
        )
        for i, name in enumerate(raw.columns)
    }


def _find_channel_faults(
    recorded: np.ndarray, signal: np.ndarray, muscle: np.ndarray, others: float, rate: float
) -> list[str]:
    """Faults of one channel; `others` is the strength of a usual channel, 0 if unknown."""
    strength = float(muscle.std())
    spread = float(np.ptp(recorded))
    if spread == 0 or strength < 1e-6 * max(abs(float(recorded.mean())), spread):
        return ["dead: its value does not change"]
    if strength < 0.01 * others:
        return ["dead: under a hundredth of the other channels' strength; is the electrode off?"]
    if recorded.min() >= -0.05 * recorded.max() and strength < 0.1 * float(signal.std()):
        return [
            "not raw EMG: hardly below zero and without fast changes; is it an envelope already?"
        ]
    found = []
    share = _clipped_share(recorded)
    if share > 1e-3:
        found.append(
            f"clipped: {100 * share:.1f} % of its samples stand at its largest or smallest value;"
            " the amplifier's range was too small, and peaks are lost"
        )
    hum = _find_mains_hum(signal, muscle, rate)
    if hum is not None:
        frequency, share = hum
        found.append(
            f"mains hum: {frequency:g} Hz and its multiples hold {100 * share:.0f} % of its power;"
            f" remove it with --notch {frequency:g}"
        )
    slow = signal - signal.mean()
    slow = zero_lag_filter(slow[:, None], 2.0, rate, "lowpass")[:, 0]
    if float(slow.std()) > strength:
        found.append(
            "drift: its baseline varies more than the muscle's signal; the band-pass removes it,"
            " but check electrode and cable"
        )
    elif abs(float(signal.mean())) > 3 * strength:
        found.append("offset: its mean is not zero; the band-pass removes it")
    return found


def _clipped_share(recorded: np.ndarray) -> float:
    """Share of samples in runs of three or more at the largest or smallest value."""
    share = 0.0
    for extreme in (recorded.max(), recorded.min()):
        at = recorded == extreme
        runs = at[:-2] & at[1:-1] & at[2:]
        held = np.zeros(len(at), dtype=bool)
        for shift in range(3):
            held[shift : len(at) - 2 + shift] |= runs
        share += float(held.mean())
    return share


def _find_mains_hum(
    signal: np.ndarray, muscle: np.ndarray, rate: float
) -> tuple[float, float] | None:
    """The mains frequency that stands out of the spectrum, and its share of the power."""
    length = min(len(signal), int(2 * rate))
    frequency, power = welch(signal, rate, nperseg=length)
    in_band = (frequency >= BAND[0]) & (frequency <= min(BAND[1], 0.45 * rate))
    best = None
    for mains in MAINS:
        if mains >= 0.45 * rate:
            continue
        near = np.abs(frequency - mains)
        line, around = near <= 1.0, (near >= 3.0) & (near <= 10.0)
        if not line.any() or not around.any():
            continue
        floor = float(np.median(power[around]))
        if float(power[line].max()) < 10 * floor:
            continue
        multiples = np.abs(frequency / mains - np.round(frequency / mains)) * mains <= 1.0
        share = float(power[multiples & in_band].sum() / power[in_band].sum())
        if share > 0.05 and (best is None or share > best[1]):
            best = (mains, share)
    return best
