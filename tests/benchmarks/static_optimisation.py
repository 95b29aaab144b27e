"""How fast static optimisation is: beside OpenSim's tool, and as recordings grow.

    python -m tests.benchmarks.static_optimisation [--json]

OpenSim's tool and this package solve the same frames of the same stride (80 muscles, 31 reserves)
in one run, one after the other, and processor time is what counts, so that ratios stay what they
are when the machine is busy with other things. The fit of polynomial paths is done before and is
not counted.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.files import read_motion, read_storage, write_storage
from nem2e_tf.signals import low_pass
from nem2e_tf.simulation import CUTOFF, load_leg, simulate_files, simulate_trials
from nem2e_tf.simulation.fitting import fit_polynomial_paths
from nem2e_tf.simulation.geometry import ExactPaths, Paths, coordinate_speeds, iterate_geometry
from nem2e_tf.simulation.static import static_optimisation
from tests.benchmarks.opensim_tool import Stride, static_optimisation_tool, stride
from tests.repository import DATA

START = 0.8
"""Seconds: the right leg is loaded, the left one swings."""


def clock(
    run: Callable[[], Any], now: Callable[[], float] = time.process_time
) -> tuple[float, Any]:
    """Seconds of processor time, or by another clock, and what came of it."""
    begun = now()
    result = run()
    return now() - begun, result


def solve(problem: Stride, paths: Paths, rows: slice) -> np.ndarray:
    """Activations of some rows of the stride."""
    motion = problem.motion.iloc[rows]
    moments = problem.moments.to_numpy()[rows]
    return np.vstack(
        [
            static_optimisation(geometry, moments[frames], problem.reserves)[0]
            for frames, geometry in iterate_geometry(paths, motion)
        ]
    )


def solve_from_files(problem: Stride, folder: Path, kind: str, rows: slice) -> np.ndarray:
    """From files to activations: the model, motion and moments are read and filtered again."""
    leg = load_leg(problem.leg.path, "both", None)
    motion = low_pass(read_motion(folder / "motion.sto", leg.rotations), CUTOFF, "motion")
    moments = low_pass(read_storage(folder / "moments.sto"), CUTOFF, "moments")
    read = Stride(leg, motion, moments[leg.generalised_forces], problem.reserves)
    names = tuple(motion.columns)
    return solve(
        read, ExactPaths(leg, names) if kind == "exact" else fit_polynomial_paths(leg, motion), rows
    )


def time_parts(problem: Stride, rows: slice) -> dict[str, float]:
    """Milliseconds a frame of what exact paths spend."""
    motion = problem.motion.iloc[rows]
    paths = ExactPaths(problem.leg, tuple(motion.columns))
    posture, state = paths.posture, paths.posture.state
    values, speeds = posture.complete(motion.to_numpy(), coordinate_speeds(motion))
    muscles = [problem.leg.model.getMuscles().get(name) for name in problem.leg.muscles]
    spent = dict.fromkeys(("pose", "lengths", "capacity"), 0.0)
    for frame in range(len(values)):
        spent["pose"] += clock(lambda i=frame: posture.set_pose(values[i]))[0]
        spent["lengths"] += clock(lambda: [m.getLength(state) for m in muscles])[0]
        spent["capacity"] += clock(lambda i=frame: posture.set_speeds(speeds[i]))[0]
        spent["capacity"] += clock(
            lambda: [m.calcInextensibleTendonActiveFiberForce(state, 1.0) for m in muscles]
        )[0]
    seconds, geometry = clock(
        lambda: paths(motion.index.to_numpy(), motion.to_numpy(), coordinate_speeds(motion))
    )
    spent["moment arms"] = seconds - sum(spent.values())
    spent["programmes"] = clock(
        lambda: static_optimisation(geometry, problem.moments.to_numpy()[rows], problem.reserves)
    )[0]
    milliseconds = {name: 1e3 * seconds / len(values) for name, seconds in spent.items()}
    # A pose, and every path found once in it, is what exact paths cannot do without.
    return {**milliseconds, "floor": milliseconds["pose"] + milliseconds["lengths"]}


def compare_with_opensim(frames: int) -> dict[str, Any]:
    """Time and agreement beside OpenSim's tool on frames of the stride, 1 ms apart."""
    recording = DATA / "opensim-3d-walking"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problem = stride(recording, folder, 1000.0)
        every, names = len(problem.motion), tuple(problem.motion.columns)
        first = int(np.searchsorted(problem.motion.index, START - 1e-6))
        rows = slice(first, first + frames)
        fit, polynomial = clock(lambda: fit_polynomial_paths(problem.leg, problem.motion))
        exact = ExactPaths(problem.leg, names)
        before = static_optimisation_tool(problem, recording, folder, START, 2)
        tool = static_optimisation_tool(problem, recording, folder, START, frames)
        after = static_optimisation_tool(problem, recording, folder, START, 2)
        a_frame = (tool.seconds - (before.seconds + after.seconds) / 2) / (frames - 2)
        whole = tool.seconds + a_frame * (every - frames)
        results: dict[str, Any] = {
            "frames": frames,
            "opensim_seconds": tool.seconds,
            "opensim_seconds_a_frame": a_frame,
            "opensim_seconds_whole_recording": whole,
            "recording_frames": every,
            "fit_seconds": fit,
        }
        reference = tool.activation.to_numpy()
        for kind, paths in (("exact", exact), ("polynomial", polynomial)):
            seconds, _ = clock(lambda p=paths: solve(problem, p, slice(None)))
            same, _ = clock(lambda k=kind: solve_from_files(problem, folder, k, rows))
            total, _ = clock(lambda k=kind: solve_from_files(problem, folder, k, slice(None)))
            activation = solve(problem, paths, slice(None))[rows]
            inner = slice(1, -1)
            difference = (activation - reference)[inner]
            results[kind] = {
                "ms_a_frame": 1e3 * seconds / every,
                "seconds_same_frames_all_counted": same,
                "seconds_whole_recording_all_counted": total,
                "ratio_a_frame": a_frame * every / seconds,
                "ratio_same_frames_all_counted": tool.seconds / same,
                "ratio_whole_recording_all_counted": results["opensim_seconds_whole_recording"]
                / total,
                "activation_rms_difference": float(np.sqrt((difference**2).mean())),
                "activation_worst_difference": float(np.abs(difference).max()),
            }
        results["exact"]["ms_a_frame_by_part"] = time_parts(problem, slice(first, first + 200))
    return results


def time_by_length(seconds: tuple[int, ...]) -> dict[str, Any]:
    """Time and memory of the 43-muscle leg at 100 Hz on recordings of growing length."""
    trial = DATA / "ceinms-lower-limb" / "walk45"
    leg = load_leg(DATA / "ceinms-lower-limb" / "gait2392.osim", "r")
    motion = read_motion(trial / "ik.sto", leg.rotations).iloc[:5800]
    moments = read_storage(trial / "id.sto").iloc[:5800]
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for length in seconds:
            files = []
            for what, frame in (("motion", motion), ("moments", moments)):
                # There and back again, so that the repetition does not jump.
                both = np.vstack([frame.to_numpy(), frame.to_numpy()[::-1]])
                rows = np.resize(np.arange(len(both)), 100 * length)
                index = pd.Index(np.arange(100 * length) / 100, name="time")
                files.append(Path(name) / f"{what}.sto")
                repeated = pd.DataFrame(both[rows], index=index, columns=frame.columns)
                write_storage(repeated, files[-1], what)
            for kind in ("exact", "polynomial"):
                if kind == "polynomial":
                    fit_polynomial_paths(
                        leg, low_pass(read_motion(files[0], leg.rotations), CUTOFF, "m")
                    )
                spent, result = clock(lambda k=kind, f=files: simulate_files(leg, *f, paths=k))
                results[f"{kind} {length} s"] = {
                    "seconds": spent,
                    "ms_a_frame": 1e3 * spent / len(result),
                    "times_real_time": length / spent,
                    "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                }
    return results


def sum_numbers() -> int:
    """Plain work, to measure the gain by a second process on this machine."""
    return sum(range(60_000_000))


def time_two_processes() -> dict[str, float]:
    """Eight trials of 59 s with exact paths, by one process and by two."""
    folder = DATA / "ceinms-lower-limb"
    trial = folder / "walk45"
    files = (folder / "gait2392.osim", trial / "ik.sto", trial / "id.sto")
    results = {}
    for n in (1, 2):
        run = partial(simulate_trials, [files] * 8, jobs=n)
        results[f"seconds_{n}"] = clock(run, time.perf_counter)[0]
    spent = {}
    for n in (1, 2):
        with multiprocessing.get_context("spawn").Pool(n) as pool:
            pool.map(abs, range(n))
            spent[n] = clock(
                lambda p=pool: [r.get() for r in [p.apply_async(sum_numbers) for _ in range(4)]],
                time.perf_counter,
            )[0]
    return {
        **results,
        "ratio": results["seconds_1"] / results["seconds_2"],
        "ratio_of_plain_work": spent[1] / spent[2],
    }


def print_results(results: dict[str, Any], indent: str = "") -> None:
    """Print figures, a line each."""
    for name, value in results.items():
        if isinstance(value, dict):
            print(f"{indent}{name}")
            print_results(value, indent + "  ")
        else:
            print(f"{indent}{name:<40}{value:>12.4g}")


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=30, help="frames given to OpenSim's tool")
    parser.add_argument("--long", action="store_true", help="a recording of 600 s too")
    parser.add_argument("--only", choices=("opensim", "growth", "processes"))
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    if arguments.only in (None, "opensim"):
        results["beside OpenSim's tool"] = compare_with_opensim(arguments.frames)
    if arguments.only in (None, "growth"):
        results["as recordings grow"] = time_by_length(
            (1, 10, 60, 600) if arguments.long else (1, 10, 60)
        )
    if arguments.only in (None, "processes"):
        results["eight trials"] = time_two_processes()
    if arguments.json:
        json.dump(results, sys.stdout, indent=2)
        print()
    else:
        print_results(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
