"""OpenSim's own solvers of the muscle-redundancy problem, for comparison with `static`.

Each solves the same trial: the leg's muscles, no other force of the model, and a reserve actuator
of `static.RESERVE` at each of the leg's coordinates. Strong actuators drive all other coordinates,
so that only the leg's joint moments matter.

| solver | tool | how it differs from `static` |
| --- | --- | --- |
| `opensim` | StaticOptimization | the same problem by an interior-point method |
| `moco` | MocoInverse, De Groote-Fregly muscles | activation dynamics, wider force-length curves |
| `cmc` | CMCTool, the model's own muscles | forward in time, elastic tendons, passive fibres |
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files import read_storage
from nem2e_tf.signals import resample
from nem2e_tf.simulation.model import LegModel, opensim_reason
from nem2e_tf.simulation.static import MAX_ACTIVATION, MIN_ACTIVATION, RESERVE
from nem2e_tf.simulation.tool_trial import write_tool_trial

CMC_LEAD = 0.05
"""Seconds before the first frame that computed muscle control needs without giving a result: it
takes 0.03 s to find the initial state of the muscles."""

SETTINGS: dict[str, dict[str, Any]] = {
    "opensim": {"tolerance": 1e-3, "iterations": 1000},
    "moco": {"tolerance": 1e-3, "iterations": 500, "mesh_interval": 0.02, "width": 1.5},
    "cmc": {"window": 0.01},
}
"""By solver. Tolerances are the optimisers'; `width` scales the active force-length curve, as in
Moco's examples, since with rigid tendons the fibres lengthen further; `window` is in seconds."""

UNSOLVED_MESSAGE = "could not find a solution"
"""What static optimisation and computed muscle control log for a frame without a solution."""

SOLVER_NAMES = {
    "opensim": "OpenSim's static optimisation",
    "moco": "MocoInverse",
    "cmc": "computed muscle control",
}


def run_tool(
    solver: str,
    leg: LegModel,
    motion: pd.DataFrame,
    moments: pd.DataFrame,
    times: np.ndarray,
    loads: str | os.PathLike[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Activations and reserve moments by one of OpenSim's tools, in a process of its own.

    Without `loads`, equivalent external loads make the tool's own inverse dynamics give `moments`
    (`tool_trial.equivalent_loads`). With `loads`, the tool computes the joint moments from these
    recorded forces, unfiltered, and `moments` is not used.

    Against `static`, from the same moments over 0.2 s of `walk45` (gait2392, 43 muscles) and of
    opensim-3d-walking (40 muscles): `opensim` is within 0.01 and 0.03 in every activation, in some
    seconds; `moco` correlates with it at 0.96 and 0.96 over all muscles and frames, single muscles
    up to 0.06 and 0.38 apart (psoas), in 5-20 s; `cmc` at 0.70 and 0.71, up to 0.28 and 0.74 apart,
    in 20-45 s, since passive fibres, elastic tendons and activation dynamics contribute: at the
    ankle of opensim-3d-walking its reserve reaches 13 N m, and those of the others stay near zero.

    Args:
        solver: str. `opensim`, `moco` or `cmc`.
        leg: LegModel.
        motion: `(rows, coordinates)` at 100 Hz, low-passed, radians and metres; reaching half a
            second beyond `times` where the recording does.
        moments: `(rows, coordinates)` of the leg on the same clock, N m.
        times: `(frames,)`. Seconds, 100 Hz.
        loads: path or None. ExternalLoads (.xml).

    Returns:
        `(frames, muscles)` activations and `(frames, coordinates)` reserve moments in N m.

    Raises:
        InputError: an unknown solver, missing loads, or a tool that failed; the message has
            the tool's own reason.
    """
    if solver not in RESULT_READERS:
        raise InputError(
            f"no solver '{solver}'; {suggest_name(solver, ['static', *RESULT_READERS])}"
        )
    start, end = float(times[0]), float(times[-1])
    if solver == "cmc":
        start, end = start - CMC_LEAD, end + 2 * SETTINGS["cmc"]["window"]
        if start < motion.index[0] - 1e-9 or end > motion.index[-1] + 1e-9:
            raise InputError(
                f"computed muscle control needs the recording from {start:g} to {end:g} s, a little"
                f" more than the range; it covers {motion.index[0]:g}-{motion.index[-1]:g} s, so"
                " choose --start and --end further inside"
            )
    with tempfile.TemporaryDirectory(prefix="nem2e-") as name:
        folder = Path(name)
        trial = write_tool_trial(leg, motion, moments, loads, folder)
        task = {
            "run": solver, "model": str(trial.model), "coordinates": str(trial.coordinates),
            "loads": str(trial.loads), "start": start, "end": end, **SETTINGS[solver],
        }  # fmt: skip
        log = run_tool_process(task, folder, f"{SOLVER_NAMES[solver]} over {start:g}-{end:g} s")
        try:
            return RESULT_READERS[solver](folder, leg, times)
        except (InputError, KeyError) as error:
            reason = explain_failure(log)
            raise InputError(
                f"{SOLVER_NAMES[solver]} failed: {error}; its output ends with '{reason}'"
            ) from None


def run_tool_process(task: dict[str, Any], folder: Path, name: str) -> str:
    """Run `tool_process.py` in the folder.

    Args:
        task: dict. `run` is what to run; the rest is its settings.
        folder: path. Where the run finds and leaves its files.
        name: str. Of the run, for messages.

    Returns:
        Its output.

    Raises:
        InputError: it failed; the message says why.
    """
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8", newline="\n")
    script = Path(__file__).with_name("tool_process.py")
    # -P: modules of this folder must not be imported in place of others of the same name.
    result = subprocess.run(
        [sys.executable, "-X", "utf8", "-P", str(script)],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    # A tool may log errors and still succeed, or succeed with frames that it could not solve.
    if result.returncode or UNSOLVED_MESSAGE in result.stdout:
        explanation = explain_failure(result.stdout)
        if not explanation and result.returncode < 0:
            explanation = f"its process was ended by signal {-result.returncode}"
        raise InputError(f"{name} failed: {explanation or 'it gave no reason'}")
    return result.stdout


def explain_failure(log: str) -> str:
    """Why a tool failed: the line of its output that says so, else the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    unsolved = [line for line in lines if UNSOLVED_MESSAGE in line]
    if unsolved:
        at = re.search(r"time = ([-\d.e+]*\d)", unsolved[0])
        where = f" at {float(at[1]):g} s" if at else ""
        more = f" and in {len(unsolved) - 1} later frames" if len(unsolved) > 1 else ""
        limits = [line.split()[0] for line in lines if "approaching" in line and "bound" in line]
        weak = ", ".join(list(dict.fromkeys(limits))[:3])
        return (
            f"its optimiser found no solution{where}{more}"
            + (f", with {weak} and others at their limit" if weak else "")
            + "; check for a joint moment or load out of reach there"
        )
    ended = [line for line in lines if line.startswith("the optimiser ended with")]
    errors = [line.removeprefix("[error] ") for line in lines if line.startswith("[error]")]
    thrown = [i for i, line in enumerate(lines) if line.startswith("RuntimeError: ")]
    if thrown:
        text = "\n".join(lines[thrown[-1] :]).removeprefix("RuntimeError: ")
        return opensim_reason(RuntimeError(text))
    # Computed muscle control prints its exception on separate lines, with an empty one after.
    printed = [
        " ".join(text.split()) for text in re.findall(r"Exception:\n(.+?)\n\s*\n", log, re.S)
    ]
    raised = [line for line in lines if re.match(r"\w*Error: ", line)]
    return next(iter([*ended, *errors, *printed, *raised, *lines[-1:]]), "")


def _read_static_results(
    folder: Path, leg: LegModel, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    activation = read_storage(folder / "tool_StaticOptimization_activation.sto")
    force = read_storage(folder / "tool_StaticOptimization_force.sto")
    return _resample_results(activation[list(leg.muscles)], force[_reserve_names(leg)], times)


def _read_moco_results(
    folder: Path, leg: LegModel, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    solution = read_storage(folder / "solution.sto")
    controls = solution[[f"/forceset/{name}" for name in _reserve_names(leg)]]
    return _resample_results(solution[_activation_states(leg)], controls * RESERVE, times)


def _read_cmc_results(
    folder: Path, leg: LegModel, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    states = read_storage(folder / "tool_StatesReporter_states.sto")
    force = read_storage(folder / "tool_Actuation_force.sto")
    return _resample_results(states[_activation_states(leg)], force[_reserve_names(leg)], times)


ResultReader = Callable[[Path, LegModel, np.ndarray], tuple[np.ndarray, np.ndarray]]
RESULT_READERS: dict[str, ResultReader] = {
    "opensim": _read_static_results,
    "moco": _read_moco_results,
    "cmc": _read_cmc_results,
}


def _resample_results(
    activation: pd.DataFrame, reserves: pd.DataFrame, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    for frame in (activation, reserves):
        if frame.index[0] > times[0] + 1e-6 or frame.index[-1] < times[-1] - 1e-6:
            raise InputError(f"it stopped at {frame.index[-1]:g} s")
    activations = resample(activation, times).to_numpy()
    return (
        np.clip(activations, MIN_ACTIVATION, MAX_ACTIVATION),
        resample(reserves, times).to_numpy(),
    )


def _reserve_names(leg: LegModel) -> list[str]:
    return [f"{name}_reserve" for name in leg.coordinates]


def _activation_states(leg: LegModel) -> list[str]:
    return [f"/forceset/{name}/activation" for name in leg.muscles]
