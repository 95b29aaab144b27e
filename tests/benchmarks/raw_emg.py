"""Envelopes of real .c3d recordings beside SciPy on ezc3d's numbers.

`python -m tests.benchmarks.raw_emg` prints the largest difference for each of 18 recordings, and
the correlation with the envelopes that came with those of the adults.
"""

from pathlib import Path

import ezc3d
import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.signal import butter, sosfiltfilt

from nem2e_tf.errors import InputError
from nem2e_tf.files import read_storage
from nem2e_tf.signals import envelopes
from nem2e_tf.signals.emg import read_raw
from tests.repository import DATA

BAND, CUTOFF = (25.0, 400.0), 6.0
GIVEN_CUTOFF = float(np.arctan(np.tan(np.pi * CUTOFF / 1500) * 0.8022) * 1500 / np.pi)
"""Hz. The given envelopes have -6 dB at 6 Hz, as each of their two passes has -3 dB there."""
EDGE = 0.1
"""Seconds left out at both ends, where envelopes depend on how a filter is started."""


def scipy_envelopes(path: Path, names: list[str]) -> np.ndarray:
    """Envelopes at 100 Hz of analog channels, `(frames, channels)`, by SciPy alone."""
    c3d = ezc3d.c3d(str(path))
    labels = c3d["parameters"]["ANALOG"]["LABELS"]["value"]
    rate = float(c3d["header"]["analogs"]["frame_rate"])
    signal = c3d["data"]["analogs"][0][[labels.index(name) for name in names]]
    first = c3d["header"]["points"]["first_frame"] / c3d["header"]["points"]["frame_rate"]

    def run(values: np.ndarray, edge: float, kind: str) -> np.ndarray:
        factor = 0.8022 if kind == "highpass" else 1 / 0.8022
        moved = np.arctan(np.tan(np.pi * edge / rate) * factor) * rate / np.pi
        sections = butter(2, moved, kind, fs=rate, output="sos")
        return sosfiltfilt(sections, values, padlen=min(values.shape[1] - 1, int(rate)))

    band = run(run(signal, BAND[0], "highpass"), min(BAND[1], 0.45 * rate), "lowpass")
    smooth = np.maximum(run(np.abs(band), CUTOFF, "lowpass"), 0)
    time = first + np.arange(signal.shape[1]) / rate
    grid = np.arange(np.ceil(time[0] * 100 - 1e-6), np.floor(time[-1] * 100 + 1e-6) + 1) / 100
    at = np.clip(grid, time[0], time[-1])
    return np.maximum(make_interp_spline(time, smooth.T, k=3)(at), 0)


def main() -> None:
    """Print the table."""
    adults = sorted(path for path in (DATA / "schreiber-2019").glob("*") if path.is_dir())
    trials = [sorted(person.glob("*/raw.c3d"))[-1] for person in adults]
    trials += sorted((DATA / "biomechzoo-children").glob("*/straight.c3d"))
    if not trials:
        raise InputError(f"{DATA}: no recordings; NEM2E_DATA names their folder")
    print("recording | channels | largest difference / largest value | lowest r with the given")
    worst, lowest = 0.0, 1.0
    for path in trials:
        raw = read_raw(path)
        done = envelopes(raw, band=BAND, cutoff=CUTOFF)
        ours = done.to_numpy()
        theirs = scipy_envelopes(path, [str(name) for name in raw.columns])
        difference = float((np.abs(ours - theirs) / theirs.max(axis=0)).max())
        worst = max(worst, difference)
        given, text = path.with_name("emg_envelope_200Hz.sto"), ""
        if given.is_file():
            frame = read_storage(given)
            times = frame.index.to_numpy() - frame.index[0] + raw.index[0]
            same = envelopes(raw, band=BAND, cutoff=GIVEN_CUTOFF)
            inside = (times >= same.index[0] + EDGE) & (times <= same.index[-1] - EDGE)
            at_times = make_interp_spline(same.index.to_numpy(), same.to_numpy(), k=3)(
                times[inside]
            )
            both = zip(at_times.T, frame.to_numpy()[inside].T, strict=True)
            r = min(float(np.corrcoef(a, b)[0, 1]) for a, b in both)
            lowest, text = min(lowest, r), f"{r:.6f}"
        print(f"{path.parent.relative_to(DATA)} | {ours.shape[1]} | {difference:.1e} | {text}")
    print(f"{len(trials)} recordings: difference at most {worst:.1e}, r at least {lowest:.6f}")


if __name__ == "__main__":
    main()
