"""Raw EMG to envelopes: filtered, rectified, smoothed, normalised by the subject's maximum."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import butter, filtfilt, iirnotch, sosfiltfilt

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files import (
    EMG_TEXT_SUFFIXES,
    STORAGE_SUFFIXES,
    check_finite,
    check_input,
    check_time,
    read_c3d_analog,
    read_emg_text,
    read_storage,
)
from nem2e_tf.signals.filters import (
    RATE,
    check_continuous,
    low_pass,
    resample,
    resample_to_rate,
    sampling_rate,
)

BAND = (20.0, 450.0)
"""Hz. The band of surface EMG.

Below 20 Hz are movement artefacts and the unstable firing rates of motor units (De Luca, Gilmore,
Kuznetsov and Roy 2010, J Biomech 43:1573, who recommend this corner). SENIAM asks for 10-20 to
about 500 Hz (Hermens, Freriks, Disselhorst-Klug and Rau 2000, J Electromyogr Kinesiol 10:361),
ISEK's standards for reporting (Merletti 1999) for 5 to 500 Hz. 450 Hz is what
1000 samples a second can represent.
"""

CUTOFF = 6.0
"""Hz. Low-pass of the rectified signal. ISEK asks for it in reports; 3-10 Hz are usual in gait."""

MIN_RATE = 200.0
"""Samples a second: refused below."""

RAW_SUFFIXES = (*STORAGE_SUFFIXES, ".c3d", *EMG_TEXT_SUFFIXES, ".anc")
log = logging.getLogger(__name__)


def read_raw(path: str | os.PathLike[str], channels: Sequence[str] | None = None) -> pd.DataFrame:
    """Read raw EMG.

    Args:
        path: str or path. A storage file, a .c3d (its analog channels that are not of a force
            plate), a text export as `read_emg_text` reads it, or an .anc of Motion Analysis.
        channels: sequence of str or None. The channels to keep; None keeps all.

    Returns:
        `(samples, channels)` in the file's unit, index `time` in seconds; `frame.attrs` holds
        `path`.

    Raises:
        InputError: not a file of these types, no EMG in it, or no channel of that name.
    """
    path = check_input(path, "raw EMG")
    suffix = path.suffix.lower()
    if suffix in STORAGE_SUFFIXES:
        frame = read_storage(path)
    elif suffix == ".c3d":
        frame = read_c3d_analog(path)
        if frame.empty:
            raise InputError(f"{path}: no analog channels beside those of force plates, so no EMG")
    elif suffix in EMG_TEXT_SUFFIXES:
        frame = read_emg_text(path, channels)
    elif suffix == ".anc":
        frame = _read_anc(path)
    else:
        raise InputError(f"{path}: not raw EMG; expected {', '.join(RAW_SUFFIXES)}")
    for name in channels or ():
        if name not in frame.columns:
            raise InputError(f"{path}: no channel '{name}'; {suggest_name(name, frame.columns)}")
    chosen = frame if not channels else frame[list(channels)]
    check_finite(chosen, str(path), "channel")
    chosen.attrs = {"path": str(path)}
    return chosen


def envelopes(
    raw: pd.DataFrame,
    *,
    band: tuple[float, float] = BAND,
    cutoff: float = CUTOFF,
    notch: float | None = None,
) -> pd.DataFrame:
    """Linear envelopes: band-pass, rectify, low-pass, all without lag, at 100 Hz.

    Every filter is a second-order Butterworth, run forwards and backwards, with its edge moved so
    that both passes together have -3 dB at the frequency named.

    Args:
        raw: `(samples, channels)`, index `time` in seconds.
        band: pair of floats. Hz; the upper one is lowered to 0.9 of half the sampling rate where
            that is less.
        cutoff: float. Hz, of the low-pass.
        notch: float or None. Hz, of mains hum to remove together with its multiples in the band
            (2 Hz wide); None removes nothing, as EMG is strong there too.

    Returns:
        `(frames, channels)` at 100 Hz, in the unit of `raw`, not below zero.

    Raises:
        InputError: too few samples a second, too short, or with a gap.
    """
    source = str(raw.attrs.get("path", "raw EMG"))
    raw = resample_uniformly(raw, source)
    rate = sampling_rate(raw)
    low, high = check_settings(source, rate, band, cutoff, notch)
    values = raw.to_numpy()
    if notch is not None:
        for frequency in np.arange(notch, high, notch):
            numerator, denominator = iirnotch(frequency, frequency / 2.0, fs=rate)
            values = filtfilt(numerator, denominator, values, axis=0)
    values = zero_lag_filter(zero_lag_filter(values, low, rate, "highpass"), high, rate, "lowpass")
    rectified = pd.DataFrame(np.abs(values), index=raw.index, columns=raw.columns)
    smooth = low_pass(rectified, cutoff, source).clip(lower=0.0)
    result = resample_to_rate(smooth, RATE, source).clip(lower=0.0)
    result.attrs = {"path": source}
    return result


def check_settings(
    source: str,
    rate: float,
    band: tuple[float, float] = BAND,
    cutoff: float = CUTOFF,
    notch: float | None = None,
) -> tuple[float, float]:
    """Check sampling rate, band, cut-off and notch before a filter is designed.

    Args:
        source: str. The recording, for messages.
        rate: float. Samples a second.
        band: pair of floats. Hz.
        cutoff: float. Hz.
        notch: float or None. Hz.

    Returns:
        Hz, the band whose upper edge the rate allows.

    Raises:
        InputError: the rate is too low, or a frequency is not above 0 and below half of it.
    """
    if not rate >= MIN_RATE:
        question = (
            "is its time in ms? write seconds, or name the column 'time (ms)'"
            if MIN_RATE <= 1000 * rate <= 25e3
            else "is this an envelope already, or its time not in seconds?"
        )
        raise InputError(
            f"{source}: {rate:.4g} samples a second are too few for raw EMG (at least"
            f" {MIN_RATE:g} are needed); {question}"
        )
    low, high = band[0], min(band[1], 0.9 * rate / 2)
    if not 0 < low < high:
        raise InputError(
            f"{source}: no band from {low:g} to {band[1]:g} Hz at {rate:.4g} samples a second"
        )
    if not 0 < cutoff <= rate / 4:
        raise InputError(
            f"{source}: no low-pass at {cutoff:g} Hz at {rate:.4g} samples a second; --cutoff is"
            f" above 0 and at most {rate / 4:.4g} Hz, a quarter of the rate"
        )
    if notch is not None and not 0 < notch < rate / 2:
        raise InputError(f"{source}: no notch at {notch:g} Hz at {rate:.4g} samples a second")
    return low, high


def normalise_envelopes(
    trials: Sequence[pd.DataFrame], references: Sequence[pd.DataFrame] = ()
) -> list[pd.DataFrame]:
    """Envelopes divided, channel by channel, by the subject's maximum; never cycle by cycle.

    Args:
        trials: sequence of `(frames, channels)`, all of one subject and with the same electrodes.
        references: sequence of envelopes of maximal voluntary contractions, made the same way;
            without any, the maximum is that over all trials.

    Returns:
        The trials in the same order, dimensionless. 0-1 by the trials' own maximum; by a voluntary
        contraction a fast movement may exceed 1.

    Raises:
        InputError: the references lack a channel, or it is zero throughout.
    """
    reference_frames = list(references) or list(trials)
    highest = pd.concat([frame.max() for frame in reference_frames], axis=1).max(axis=1)
    source = str(reference_frames[0].attrs.get("path", "the reference"))
    for trial in trials:
        for name in trial.columns:
            if name not in highest.index:
                raise InputError(
                    f"{source}: no channel '{name}'; {suggest_name(name, highest.index)}"
                )
            if not highest[name] > 0:
                raise InputError(f"{source}: channel '{name}' is zero throughout")
    done = [trial / highest[list(trial.columns)] for trial in trials]
    for trial in done:
        over = [str(name) for name in trial.columns if trial[name].max() > 1 + 1e-9]
        if over:
            listed = ", ".join(f"{name} {trial[name].max():.2f}" for name in over)
            log.info(
                "%s: above the reference's maximum: %s", trial.attrs.get("path", "trial"), listed
            )
    return done


def zero_lag_filter(values: np.ndarray, edge: float, rate: float, kind: str) -> np.ndarray:
    """Second-order Butterworth, forwards and backwards, -3 dB at `edge` (Hz) in total.

    Args:
        values: `(samples, channels)`.
        edge: float. Hz.
        rate: float. Samples a second.
        kind: str. `lowpass` or `highpass`.
    """
    # The edge is moved as in `signals.low_pass`: up for a low-pass, down for a high-pass.
    moved = 0.8022 if kind == "highpass" else 1 / 0.8022
    placed = np.arctan(np.tan(np.pi * edge / rate) * moved) * rate / np.pi
    sections = butter(2, placed, kind, fs=rate, output="sos")
    return sosfiltfilt(sections, values, axis=0, padlen=min(len(values) - 1, int(rate)))


def resample_uniformly(raw: pd.DataFrame, source: str) -> pd.DataFrame:
    """The recording on a uniform clock."""
    check_continuous(raw, source)
    time, rate = raw.index.to_numpy(), sampling_rate(raw)
    if np.ptp(np.diff(time)) <= 0.01 / rate:
        return raw
    count = round((time[-1] - time[0]) * rate) + 1
    return resample(raw, np.linspace(time[0], time[-1], count))


def _read_anc(path: Path) -> pd.DataFrame:
    """Analog channels of Motion Analysis: a row of names, one of rates, one of ranges, then values.

    The numbers are as written; each channel has a scale of its own.
    """
    lines = path.read_text(encoding="latin-1").splitlines()
    heads = [i for i, line in enumerate(lines) if line.split("\t")[0].strip() == "Name"]
    if not lines or not lines[0].startswith("File_Type:") or not heads:
        raise InputError(
            f"{path}: not an .anc file: no 'File_Type:' at its start, or no 'Name' row"
        )
    names = [name.strip() for name in lines[heads[0]].split("\t")[1:] if name.strip()]
    rows = [line.split() for line in lines[heads[0] + 3 :] if line.strip()]
    for row, values in enumerate(rows, start=1):
        if len(values) != len(names) + 1:
            raise InputError(
                f"{path}: row {row} has {len(values)} values for time and {len(names)} channels"
            )
    try:
        table = np.array(rows, dtype=float).reshape(len(rows), len(names) + 1)
    except ValueError as error:
        raise InputError(f"{path}: not a number among its values: {error}") from None
    if not np.isfinite(table).all():
        raise InputError(f"{path}: a value is not a finite number")
    check_time(path, table[:, 0])
    return pd.DataFrame(table[:, 1:], index=pd.Index(table[:, 0], name="time"), columns=names)
