"""Faults of raw EMG channels: dead, interrupted, clipped, open input, hum, drift, offset."""

import re

import numpy as np
import pandas as pd
from scipy.signal import welch

from nem2e_tf.signals.emg import BAND, resample_uniformly, zero_lag_filter
from nem2e_tf.signals.filters import sampling_rate

MAINS = (50.0, 60.0)
"""Hz."""

SHORTEST_STOP = 0.05
"""Seconds at one value that are told, as no muscle holds its voltage that long."""


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
    found = {
        str(name): _find_channel_faults(
            raw[name].to_numpy(),
            values[:, i],
            muscle[:, i],
            median if raw.shape[1] > 2 else 0,
            rate,
        )
        for i, name in enumerate(raw.columns)
    }
    _suspect_last_of_side(found)
    return found


def _suspect_last_of_side(found: dict[str, list[str]]) -> None:
    """Tell of the one channel of a leg whose other channels are all open inputs."""
    sides: dict[str, list[str]] = {}
    for name in found:
        tokens = re.split(r"[^a-z]+", name.lower())
        side = next((t[0] for t in tokens if t in ("l", "lt", "left", "r", "rt", "right")), "")
        sides.setdefault(side, []).append(name)
    for side, names in sides.items():
        rest = [n for n in names if not any("open input" in text for text in found[n])]
        if side and len(rest) == 1 and len(names) > 3:
            found[rest[0]].append(
                "open input? All other channels of this leg are open inputs; did this one have an"
                " electrode?"
            )


def _find_channel_faults(
    recorded: np.ndarray, signal: np.ndarray, muscle: np.ndarray, others: float, rate: float
) -> list[str]:
    """Faults of one channel; `others` is the strength of a usual channel, 0 if unknown."""
    strength = float(muscle.std())
    spread = float(np.ptp(recorded))
    if spread == 0 or strength < 1e-6 * max(abs(float(recorded.mean())), spread):
        return ["dead: its value does not change"]
    is_open = _is_open_input(muscle, rate)
    if is_open and strength < 0.01 * others:
        return [
            "dead: an open input, under a hundredth of the other channels' strength; no electrode"
            " seems to be connected"
        ]
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
    gap = _longest_stop(recorded)
    if gap >= SHORTEST_STOP * rate:
        found.append(
            f"interrupted: {1000 * gap / rate:.0f} ms without a change of its value; the sensor"
            " lost its connection, or a gap was filled; leave this part out"
        )
    hum = _find_mains_hum(signal, muscle, rate)
    saturated = share > 1e-3 and (hum is not None or _burst_ratio(muscle, rate) > 100)
    if is_open or saturated:
        found.append(
            "open input: noise of the amplifier or the mains without a muscle's bursts; no"
            " electrode seems to be connected; leave this channel out"
        )
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


def _longest_stop(recorded: np.ndarray) -> int:
    """Samples of the longest run of one value within a recording, not at its start or end."""
    ends = np.flatnonzero(np.diff(recorded) != 0) + 1
    return int(np.diff(ends).max()) if len(ends) > 1 else 0


def _burst_ratio(muscle: np.ndarray, rate: float) -> float:
    """Strength of the strongest windows of 50 ms over that of the weakest."""
    length = int(0.05 * rate)
    windows = muscle[: len(muscle) // length * length].reshape(-1, length).std(axis=1)
    low, high = np.quantile(windows, (0.05, 0.95))
    return float(high / max(low, 1e-12 * high, 1e-300))


def _is_open_input(muscle: np.ndarray, rate: float) -> bool:
    """Whether a channel has white noise of constant strength, or hardly more than mains hum.

    Surface EMG has its median frequency at 50-150 Hz and little power above 250 Hz (De Luca 1997,
    J Appl Biomech 13:135); amplifiers without electrodes give white noise, or saturate with hum.
    """
    if rate < 800 or len(muscle) < rate:
        return False
    frequency, power = welch(muscle, rate, nperseg=min(len(muscle), int(rate)))
    total = float(power.sum())
    is_white = float(power[frequency > 250].sum()) > 0.22 * total and _burst_ratio(muscle, rate) < 6
    # A saturated amplifier swings between its limits: kurtosis of a square wave 1, of a sine 1.5.
    centred = muscle - muscle.mean()
    kurtosis = float((centred**4).mean() / (centred**2).mean() ** 2)
    hum = max(float(power[np.abs(frequency - mains) <= 2.0].sum()) / total for mains in MAINS)
    return is_white or kurtosis < 2.5 or hum > 0.8


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
