"""How long a laboratory waits for the report of one minute: `python -m tests.benchmarks.minute`.

One command, from files to page, of the recorded minute `walk45`: once from its joint motion and
moments, once from markers and forces. The forces are the recorded ones. The markers are synthetic:
where the model's own markers are in the recorded motion, each coordinate with 1 mm of noise.
"""

import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import opensim
import pandas as pd

from nem2e_tf.files import read_motion
from nem2e_tf.simulation import LegModel, load_leg
from tests.repository import NEM2E
from training.places import data_folder

NOISE = 0.001
"""Metres, standard deviation."""

LOADS = """<?xml version="1.0" encoding="UTF-8"?>
<OpenSimDocument Version="40000"><ExternalLoads name="loads"><objects>{forces}</objects>
<datafile>{file}</datafile></ExternalLoads></OpenSimDocument>
"""
FORCE = """<ExternalForce name="{body}"><applied_to_body>{body}</applied_to_body>
<force_expressed_in_body>ground</force_expressed_in_body>
<point_expressed_in_body>ground</point_expressed_in_body>
<force_identifier>{side}ground_force_v</force_identifier>
<point_identifier>{side}ground_force_p</point_identifier>
<torque_identifier>{side}ground_torque_</torque_identifier></ExternalForce>"""


def main() -> None:
    """Measure both ways and print a line of each."""
    data = data_folder() / "ceinms-lower-limb"
    trial, model = data / "walk45", data / "gait2392.osim"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        leg = load_leg(model, "r")
        motion = read_motion(trial / "ik.sto", leg.rotations)
        _write_trc(folder / "markers.trc", *_markers(leg, motion))
        forces = "".join(
            FORCE.format(body=body, side=side)
            for body, side in (("calcn_r", ""), ("calcn_l", "l_"))
        )
        file = os.path.relpath(trial / "XLD.mot", folder)
        (folder / "loads.xml").write_text(LOADS.format(forces=forces, file=file))
        ways = {
            "motion and moments": ["--motion", trial / "ik.sto", "--moments", trial / "id.sto"],
            "synthetic markers and forces": [
                "--markers", folder / "markers.trc", "--loads", folder / "loads.xml",
            ],
        }  # fmt: skip
        print(f"{motion.index[-1]:.0f} s of walking on {len(os.sched_getaffinity(0))} cores")
        for what, files in ways.items():
            page = folder / "report.html"
            command = [
                NEM2E, "estimate", "--model", model, *files,
                "--emg", trial / "emgFilt.sto", "--refiner", "walking",
                "-o", folder / what.split()[0], "--report", page,
            ]  # fmt: skip
            before, began = _processor_time(), time.monotonic()
            subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
            waited = time.monotonic() - began
            print(
                f"from {what}: {waited:.0f} s, {_processor_time() - before:.0f} s of processor"
                f" time, a page of {page.stat().st_size / 1000:.0f} kB"
            )


def _markers(leg: LegModel, motion: pd.DataFrame) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, times and positions `(frames, markers, 3)` in metres."""
    state = leg.model.initSystem()
    markers = [leg.model.getMarkerSet().get(i) for i in range(leg.model.getMarkerSet().getSize())]
    coordinates = [leg.model.getCoordinateSet().get(name) for name in motion.columns]
    places = np.empty((len(motion), len(markers), 3))
    for frame, values in enumerate(motion.to_numpy()):
        for coordinate, value in zip(coordinates, values, strict=True):
            coordinate.setValue(state, float(value), False)
        leg.model.realizePosition(state)
        for i, marker in enumerate(markers):
            place = marker.getLocationInGround(state)
            places[frame, i] = place[0], place[1], place[2]
    places += NOISE * np.random.default_rng(1).standard_normal(places.shape)
    return [marker.getName() for marker in markers], motion.index.to_numpy(), places


def _write_trc(path: Path, names: list[str], times: np.ndarray, places: np.ndarray) -> None:
    labels = "\t".join(f"{name}\t\t" for name in names)
    axes = "\t".join(f"{axis}{i + 1}" for i in range(len(names)) for axis in "XYZ")
    rows = [
        "\t".join([str(i + 1), repr(float(at)), *(f"{v:.3f}" for v in 1000 * place.ravel())])
        for i, (at, place) in enumerate(zip(times, places, strict=True))
    ]
    head = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits",
        f"100\t100\t{len(times)}\t{len(names)}\tmm",
        f"Frame#\tTime\t{labels}",
        f"\t\t{axes}",
    ]
    path.write_text("\n".join([*head, *rows]) + "\n")


def _processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    opensim.Logger.setLevelString("Off")
    main()
