"""From raw laboratory files to EMG: `python -m tests.benchmarks.raw_to_emg` writes the page."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files import read_motion, read_storage, replace_file
from nem2e_tf.refiner import load
from nem2e_tf.signals import RATE, MuscleMap, combine, low_pass, metrics, resample, time_grid
from nem2e_tf.simulation import (
    COORDINATES,
    CUTOFF,
    Recording,
    Simulation,
    load_leg,
    simulate_recording,
)
from tests.repository import ROOT

PAGE = ROOT / "docs" / "raw-to-emg.md"
MUSCLES = Path(__file__).with_name("overground_emg.yaml")
RANGE = (0.5, 1.79)
"""Seconds: somewhat more than a stride, all of it on the force plates."""


@dataclass(frozen=True)
class Comparison:
    """Simulated and refined activity of a recording against its EMG.

    Args:
        simulation: what was made of the raw files.
        raw: a row a channel, as `metrics.score_table`, and `gain_rmse`, the RMSE after the
            best factor for that channel, and `aligned_r`, Pearson r once the lag is taken out.
        refined: the same for the channels that the refiner gives.
    """

    simulation: Simulation
    raw: pd.DataFrame
    refined: pd.DataFrame


def compare(recording: Path, start: float, end: float, refiner: str = "walking") -> Comparison:
    """Markers and forces to EMG, and the EMG beside it.

    Args:
        recording: path. The folder of opensim-3d-walking.
        start: float. Seconds.
        end: float. Seconds.
        refiner: str.
    """
    leg = load_leg(recording / "subject_walk_scaled.osim", "r")
    files = Recording(
        markers=recording / "markers_walk.trc",
        tasks=recording / "ik_tasks_walk.xml",
        loads=recording / "grf_walk.xml",
    )
    simulation = simulate_recording(leg, files, start=start, end=end)
    refined = load(refiner).refine(simulation.activity, "r")
    measured = read_storage(recording / "electromyography.sto")
    return Comparison(simulation, scores(measured, simulation.activity), scores(measured, refined))


def scores(measured: pd.DataFrame, estimate: pd.DataFrame) -> pd.DataFrame:
    """Errors and scores by EMG channel, of the channels that the estimate has.

    Args:
        measured: `(rows, channels)`, envelopes whose maximum is 1.
        estimate: `(frames, columns)` at 100 Hz.
    """
    columns = MuscleMap.load(MUSCLES).columns(estimate.columns, "r")
    times = time_grid(estimate.index[0], estimate.index[-1])
    truth = resample(measured, times)[list(columns)]
    estimated = combine(resample(estimate, times), columns)
    m, e = truth.to_numpy(), estimated.to_numpy()
    gain = (m * e).sum(axis=0) / (e**2).sum(axis=0)
    table = metrics.score_table(truth, estimated, RATE)
    frames = (table["lag_ms"].fillna(0.0) * RATE / 1000).round().astype(int)
    aligned = [_shifted_correlation(m[:, i], e[:, i], lag) for i, lag in enumerate(frames)]
    return table.assign(gain_rmse=metrics.root_mean_square_error(m, e * gain), aligned_r=aligned)


def _shifted_correlation(measured: np.ndarray, estimate: np.ndarray, frames: int) -> float:
    """Pearson r once an estimate that is `frames` late has been moved back."""
    rows = len(measured)
    truth = measured[max(0, -frames) : rows - max(0, frames), None]
    estimated = estimate[max(0, frames) : rows - max(0, -frames), None]
    return float(metrics.correlation_score(truth, estimated)[0])


def moment_differences(recording: Path, simulation: Simulation) -> pd.DataFrame:
    """Angles and moments of the raw way beside those that the recording brings along.

    Returns:
        A row a coordinate of the right leg: `angle` in degrees and `moment` in N m, RMS of the
        difference; `peak` the largest moment of the recording's own.
    """
    leg = load_leg(recording / "subject_walk_scaled.osim", "r")
    names = [f"{name}_r" for name in COORDINATES]
    moments = [f"{name}_moment" for name in names]
    times = simulation.activity.index.to_numpy()
    angles = read_motion(recording / "coordinates.sto", leg.rotations)[names]
    published = read_storage(recording / "id_walk.sto")[moments]

    def at_times(frame: pd.DataFrame) -> np.ndarray:
        return resample(low_pass(frame, CUTOFF, "compared"), times).to_numpy()

    def rms(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sqrt(((a - b) ** 2).mean(axis=0))

    theirs = at_times(published)
    return pd.DataFrame(
        {
            "angle": np.rad2deg(rms(at_times(simulation.motion[names]), at_times(angles))),
            "moment": rms(at_times(simulation.moments[moments]), theirs),
            "peak": np.abs(theirs).max(axis=0),
        },
        index=names,
    )


def page(comparison: Comparison, differences: pd.DataFrame) -> str:
    """The page, as Markdown."""
    errors = comparison.simulation.marker_errors
    assert errors is not None
    rms = 1000 * float(np.sqrt((errors["rms"] ** 2).mean()))
    worst = errors["worst"].idxmax()
    lines = [
        "# Raw files to EMG",
        "",
        "Written by `python -m tests.benchmarks.raw_to_emg`.",
        "",
        "One adult walks overground (`opensim-3d-walking`, recorded by Rajagopal et al. 2016). The"
        " inputs are `markers_walk.trc`, `ik_tasks_walk.xml`, `grf_walk.xml` and the scaled model;"
        f" the results are ten right-leg muscles over {RANGE[0]:g}-{RANGE[1]:g} s. The refiner"
        " `walking` was fitted on another person, in another laboratory, with another model.",
        "",
        f"Inverse kinematics: marker RMS {rms:.1f} mm; worst {worst},"
        f" {1000 * errors.loc[worst, 'worst']:.0f} mm at {errors.loc[worst, 'time']:.2f} s.",
        "",
        "| coordinate | angle, RMS difference (°) | moment, RMS difference (N m) | peak (N m) |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {str(name).replace('_', ' ')} | {row['angle']:.1f} | {row['moment']:.1f} |"
            f" {row['peak']:.0f} |"
            for name, row in differences.iterrows()
        ),
        "",
        "The differences are from `coordinates.sto` and `id_walk.sto` of the recording, which its"
        " authors adjusted by residual reduction (RRA) after inverse kinematics.",
        "",
        "## Ten muscles compared with their EMG",
        "",
        "The EMG is 1 at its maximum and the refiner's envelopes are 1 at the maximum of another"
        " person: amplitudes are not comparable. The table has Pearson's r; the lag in ms, positive"
        " where the estimate comes late; r without that lag; and the RMSE after the best factor for"
        " each channel.",
        "",
        "| muscle | raw r | raw lag | raw r, aligned | raw RMSE | refined r | refined lag |"
        " refined r, aligned | refined RMSE | refined is better |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for channel, raw in comparison.raw.iterrows():
        cells = _cells(raw)
        if channel in comparison.refined.index:
            refined = comparison.refined.loc[channel]
            better = [
                word
                for word, wins in (
                    ("r", refined["r"] > raw["r"]),
                    ("aligned r", refined["aligned_r"] > raw["aligned_r"]),
                    ("RMSE", refined["gain_rmse"] < raw["gain_rmse"]),
                )
                if wins
            ]
            cells += [*_cells(refined), ", ".join(better) or "no"]
        else:
            cells += ["–", "–", "–", "–", "no output of the refiner"]
        lines.append(f"| {str(channel).replace('_', ' ')} | {' | '.join(cells)} |")
    shared = comparison.raw.loc[comparison.refined.index]
    refined = comparison.refined
    wins = [
        int((refined["r"] > shared["r"]).sum()),
        int((refined["aligned_r"] > shared["aligned_r"]).sum()),
        int((refined["gain_rmse"] < shared["gain_rmse"]).sum()),
    ]
    kinds = ["r", "aligned_r", "gain_rmse", "lag_ms"]
    raw, done = shared[kinds].mean(), refined[kinds].mean()
    lines += [
        "",
        f"Of the {len(shared)} muscles that the refiner estimates, refining is better by r for"
        f" {wins[0]}, by r without the lag for {wins[1]}, and by RMSE for {wins[2]}. Means, raw and"
        f" refined: r {raw['r']:.2f} and {done['r']:.2f}; aligned r {raw['aligned_r']:.2f} and"
        f" {done['aligned_r']:.2f}; RMSE {raw['gain_rmse']:.3f} and {done['gain_rmse']:.3f}; lag"
        f" {raw['lag_ms']:.0f} and {done['lag_ms']:.0f} ms.",
        "",
        f"The refiner shifts the muscles by {done['lag_ms'] - raw['lag_ms']:.0f} ms on average, as"
        " it learnt from the EMG of another laboratory. One stride of one person is too little to"
        " judge a refiner; it shows that the complete pipeline runs.",
        "",
    ]
    return "\n".join(lines)


def _cells(row: pd.Series) -> list[str]:
    return [
        f"{row['r']:.2f}", f"{row['lag_ms']:.0f}", f"{row['aligned_r']:.2f}",
        f"{row['gain_rmse']:.3f}",
    ]  # fmt: skip


def main() -> None:
    """Write the page."""
    data = Path(os.environ.get("NEM2E_DATA") or ROOT.parent / "shared" / "data")
    recording = data / "opensim-3d-walking"
    if not recording.is_dir():
        raise InputError(f"{recording}: not there; NEM2E_DATA names the folder of recordings")
    comparison = compare(recording, *RANGE)
    differences = moment_differences(recording, comparison.simulation)
    with replace_file(PAGE) as temporary:
        temporary.write_text(page(comparison, differences), encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
