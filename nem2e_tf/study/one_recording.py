"""One recording to its result in one call: `nem2e_tf.estimate`."""

import os
from pathlib import Path

from nem2e_tf.report import Result
from nem2e_tf.simulation import Recording
from nem2e_tf.study import estimation
from nem2e_tf.study.request import Request

File = str | os.PathLike[str]


def estimate(
    *,
    model: File,
    motion: File | None = None,
    markers: File | None = None,
    moments: File | None = None,
    loads: File | None = None,
    ik_tasks: File | None = None,
    up: str | None = None,
    emg: File | None = None,
    muscles: File | None = None,
    side: str = "r",
    start: float | None = None,
    end: float | None = None,
    refiner: File = "walking",
    solver: str = "static",
    paths: str = "exact",
    runtime: str = "keras",
    name: str | None = None,
) -> Result:
    """Estimate EMG envelopes from a recorded motion: simulate muscle activity, then refine it.

    Does what the command `nem2e estimate` does.

    Args:
        model: path. OpenSim model (.osim), scaled to the subject.
        motion: path or None. Joint motion (.mot, .sto) from inverse kinematics; degrees where the
            header says so, else radians, and metres.
        markers: path or None. Marker positions (.trc, .c3d), in place of `motion`.
        moments: path or None. Joint moments (.sto) from inverse dynamics, N m.
        loads: path or None. OpenSim ExternalLoads (.xml), in place of `moments`.
        ik_tasks: path or None. OpenSim IKTaskSet (.xml) for `markers`; None: equal weights.
        up: str or None. Axis of a .c3d that points up, as `+z`; None: as the file says.
        emg: path or None. Measured EMG envelopes (.sto), to score the result against.
        muscles: path or None. Muscle map (.yaml) of `emg`; None: the package's own.
        side: str. `r` or `l`.
        start: float or None. First second to use; None: where all files have begun.
        end: float or None. Last second to use; None: where a file ends.
        refiner: str or path. Name of a shipped refiner, or a refiner's folder.
        solver: str. `static`, or one of OpenSim's own: `opensim`, `moco`, `cmc`.
        paths: str. `exact` muscle paths, or `polynomial` ones fitted to them.
        runtime: str. What runs the network; see `nem2e_tf.load`.
        name: str or None. What the result is called; None: the motion's folder and file.

    Returns:
        Result. `emg` `(frames, muscles)` envelopes at the refiner's rate (100 Hz), `simulated`
        `(frames, muscles + coordinates)` activations 0-1 and reserve moments in N m, both with an
        index `time` in seconds; `verdict` on the simulation; `write(folder)`; `report(path)`.

    Raises:
        InputError: a file is missing or wrong, or model, recording, refiner and EMG do not fit.

    Example:

        result = nem2e_tf.estimate(
            model="gait2392.osim", motion="ik.mot", moments="id.sto", refiner="walking"
        )
        print(result)
        result.emg["soleus_r"].plot()
        result.report("walk.html")
    """
    recording = Recording(
        motion=_as_path(motion), markers=_as_path(markers), moments=_as_path(moments),
        loads=_as_path(loads), tasks=_as_path(ik_tasks), up=up,
    )  # fmt: skip
    request = Request(
        Path(model), recording, str(refiner), side, start, end, solver, paths, runtime,
        _as_path(emg), _as_path(muscles), name,
    )  # fmt: skip
    return estimation.estimate(request)


def _as_path(file: File | None) -> Path | None:
    return None if file is None else Path(file)
