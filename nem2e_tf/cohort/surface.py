"""Surface EMG of a virtual person: noise whose amplitude follows the excitation.

These causes act here: carrier, crosstalk, electrode, noise and movement artefact.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nem2e_tf.cohort.causes import sample_parameter
from nem2e_tf.cohort.strides import Strides
from nem2e_tf.cohort.subject import Subject
from nem2e_tf.signals import envelopes, resample

RAW_RATE = 1000.0
"""Hz."""

ELECTRODES = {
    "soleus_r": ("ankle_angle_r", ("med_gas_r", "lat_gas_r")),
    "med_gas_r": ("ankle_angle_r", ("soleus_r", "lat_gas_r")),
    "lat_gas_r": ("ankle_angle_r", ("soleus_r", "med_gas_r")),
    "tib_ant_r": ("ankle_angle_r", ("soleus_r",)),
    "semimem_r": ("knee_angle_r", ("semiten_r", "bifemlh_r")),
    "bifemlh_r": ("knee_angle_r", ("semiten_r", "bifemsh_r", "vas_lat_r")),
    "vas_lat_r": ("knee_angle_r", ("rect_fem_r", "vas_int_r")),
    "rect_fem_r": ("knee_angle_r", ("vas_lat_r", "vas_med_r", "vas_int_r")),
    "vas_med_r": ("knee_angle_r", ("rect_fem_r", "vas_int_r")),
}
"""By the muscle under the electrode: the joint whose motion slides it, and its neighbours."""

_ARTEFACT_SPEED = 3.0
"""m/s, for which the size of an artefact is given; it grows with speed."""
_ARTEFACT_DECAY = 0.05
"""Seconds; De Luca et al. (2010) show artefacts of about a tenth of a second."""
_SINE_CARRIER = 100.0
"""Hz of the sine that carries the amplitude where the cause `carrier` is off."""


def record_emg(
    subject: Subject,
    task: str,
    strides: Strides,
    amplitude: pd.DataFrame,
    slowing: float,
    active_causes: frozenset[str],
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Simulate the EMG of nine electrodes and its envelopes.

    Envelopes are made as from people's recordings, by `nem2e_tf.signals.envelopes`. Where neither
    carrier nor noise nor artefacts act, there is no raw EMG, and the amplitude is returned.

    Args:
        subject: Subject.
        task: str.
        strides: the motion, and the foot strikes of artefacts.
        amplitude: `(frames, muscles)` at 100 Hz, relative EMG amplitude.
        slowing: share of the spectrum's frequencies lost by the end.
        active_causes: names of the causes that act.

    Returns:
        Envelopes `(frames, electrodes)` at 100 Hz in mV, and raw EMG `(samples, electrodes)` at
        1000 Hz in mV, or None.
    """
    names = list(ELECTRODES)
    gain = sample_parameter(subject, active_causes, "electrode", "gain", names)
    shift = sample_parameter(subject, active_causes, "electrode", "shift", names)
    shares = {
        name: sample_parameter(
            subject,
            active_causes,
            "crosstalk",
            "share",
            [f"{name} {other}" for other in neighbours],
        )
        for name, (_, neighbours) in ELECTRODES.items()
    }
    gains = {
        name: _electrode_gain(strides.motion, joint, float(shift[i])) * float(gain[i])
        for i, (name, (joint, _)) in enumerate(ELECTRODES.items())
    }
    if not active_causes & {"carrier", "noise", "artefact"}:
        mixed = {
            name: gains[name]
            * np.sqrt(
                amplitude[name].to_numpy() ** 2
                + sum((s * amplitude[n].to_numpy()) ** 2 for n, s in zip(others, shares[name],
                                                                         strict=True))
            )
            for name, (_, others) in ELECTRODES.items()
        }  # fmt: skip
        return pd.DataFrame(mixed, index=amplitude.index), None

    last = float(amplitude.index[-1])
    time = np.arange(round(last * RAW_RATE) + 1) / RAW_RATE
    amplitude_at_raw_rate = resample_linear(amplitude, time)
    signals = {}
    for muscle in amplitude.columns:
        signals[muscle] = amplitude_at_raw_rate[muscle].to_numpy() * _carrier_signal(
            subject, task, str(muscle), time, slowing, active_causes
        )
    level = sample_parameter(subject, active_causes, "noise", "level", names)
    size = sample_parameter(subject, active_causes, "artefact", "size", names)
    raw = {}
    for i, (name, (_, others)) in enumerate(ELECTRODES.items()):
        signal = signals[name] + sum(
            s * signals[n] for n, s in zip(others, shares[name], strict=True)
        )
        rng = subject.rng("noise", task, name)
        raw[name] = (
            np.interp(time, amplitude.index.to_numpy(), gains[name]) * signal
            + level[i] * rng.standard_normal(len(time))
            + size[i] * subject.speeds[task] / _ARTEFACT_SPEED
            * _movement_artefacts(subject.rng("artefact", task, name), time, strides.strikes)
        )  # fmt: skip
    recorded = pd.DataFrame(raw, index=pd.Index(time, name="time"))
    recorded_envelopes = envelopes(recorded)
    return resample(recorded_envelopes, amplitude.index.to_numpy()).clip(lower=0.0), recorded


def resample_linear(frame: pd.DataFrame, time: np.ndarray) -> pd.DataFrame:
    """Values between the rows on straight lines, which never leave their range."""
    columns = {c: np.interp(time, frame.index.to_numpy(), frame[c].to_numpy()) for c in frame}
    return pd.DataFrame(columns, index=pd.Index(time, name="time"))


def _electrode_gain(motion: pd.DataFrame, joint: str, shift: float) -> np.ndarray:
    """Gain along a motion whose joint moves the muscle under its electrode: `(frames,)`."""
    angle = motion[joint].to_numpy()
    return np.clip(1.0 + shift * (angle - angle.mean()), 0.2, 1.8)


def _carrier_signal(
    subject: Subject,
    task: str,
    muscle: str,
    time: np.ndarray,
    slowing: float,
    active_causes: frozenset[str],
) -> np.ndarray:
    """A signal of unit variance for the amplitude to modulate: `(samples,)`."""
    rng = subject.rng("carrier", task, muscle)
    if "carrier" not in active_causes:
        return np.sqrt(2.0) * np.sin(2.0 * np.pi * (_SINE_CARRIER * time + rng.uniform()))
    low, high = (
        float(sample_parameter(subject, active_causes, "carrier", name, [""])[0])
        for name in ("low", "high")
    )
    fresh = _coloured_noise(rng, len(time), low, high)
    if slowing == 0.0:
        return fresh
    tired = _coloured_noise(rng, len(time), low * (1.0 - slowing), high * (1.0 - slowing))
    share = np.linspace(0.0, 1.0, len(time))
    return np.sqrt(1.0 - share) * fresh + np.sqrt(share) * tired


def _coloured_noise(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """Noise with the power spectrum h⁴ f² / ((f² + l²) (f² + h²)²) of Shwedyk et al. (1977)."""
    frequency = np.fft.rfftfreq(count, 1.0 / RAW_RATE)
    power = high**4 * frequency**2 / ((frequency**2 + low**2) * (frequency**2 + high**2) ** 2)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * np.sqrt(power), count)
    return noise / noise.std()


def _movement_artefacts(
    rng: np.random.Generator, time: np.ndarray, strikes: np.ndarray
) -> np.ndarray:
    """A decaying wave of a size about one after every foot strike: `(samples,)`."""
    wave = np.zeros(len(time))
    frequency = rng.uniform(6.0, 15.0)
    for strike in strikes:
        size = rng.normal(1.0, 0.3)
        since = time - strike
        after = (since >= 0.0) & (since < 8.0 * _ARTEFACT_DECAY)
        wave[after] += (
            size
            * np.sin(2.0 * np.pi * frequency * since[after])
            * np.exp(-since[after] / _ARTEFACT_DECAY)
        )
    return wave
