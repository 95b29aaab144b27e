"""`import nem2e_tf`: quick, and all of the public face is there when it is first used."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nem2e_tf
from nem2e_tf.report import read_result
from nem2e_tf.study import Request

LIGHT = ("tensorflow", "keras", "opensim", "pandas", "scipy", "pydantic", "typer", "rich", "yaml")


def test_importing_the_package_imports_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import nem2e_tf\n"
        "print({n.partition('.')[0] for n in set(sys.modules) - before}"
        " - {*sys.stdlib_module_names, 'nem2e_tf'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_every_public_name_is_listed_documented_and_found() -> None:
    assert set(nem2e_tf.__all__) <= set(dir(nem2e_tf))
    for name in nem2e_tf.__all__:
        documented = getattr(nem2e_tf, name).__doc__
        assert documented and documented.strip()
        if name not in ("InputError", "Refiner"):
            assert "Example:" in documented, name
    with pytest.raises(AttributeError, match="no attribute 'simulated'"):
        _ = nem2e_tf.simulated  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("former", "present"),
    [
        ("nem2e_tf.muscles", "nem2e_tf.signals.muscles"),
        ("nem2e_tf.dataset", "nem2e_tf.pipeline.windows"),
    ],
)
def test_a_module_is_imported_by_its_former_name_with_a_warning(former: str, present: str) -> None:
    sys.modules.pop(former, None)
    with pytest.warns(DeprecationWarning, match=f"{former} is now {present}"):
        module = importlib.import_module(former)
    assert module is importlib.import_module(present)
    assert module.__spec__ is not None and module.__spec__.name == present


def test_a_refiner_and_a_stream_say_what_they_are() -> None:
    refiner = nem2e_tf.load("stream", "tflite-int8")
    told = repr(refiner)
    for part in (
        "Refiner 'stream'",
        "9 inputs -> 9 outputs",
        "100 Hz",
        "window 8 s",
        "tflite-int8",
    ):
        assert part in told
    assert "soleus" in told and "vastus_medialis" in told
    assert "delay 9 frames (90 ms)" in repr(nem2e_tf.StreamingRefiner(refiner))


def test_estimating_in_python_gives_what_the_command_gives(
    walk45_request: Request, walk45_result: Path, tmp_path: Path
) -> None:
    recording = walk45_request.recording
    result = nem2e_tf.estimate(
        model=str(walk45_request.model), motion=recording.motion, moments=recording.moments,
        emg=walk45_request.emg, refiner="walking", start=40, end=45,
    )  # fmt: skip
    written = read_result(walk45_result)
    pd.testing.assert_frame_equal(result.emg, written.refined, rtol=0, atol=1e-6)
    assert result.verdict == written.verdict
    assert "Result of walk45" in repr(result) and "mean r against measured EMG" in repr(result)
    result.write(tmp_path / "walk")
    result.report(tmp_path / "walk.html")
    assert (tmp_path / "walk.html").read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "walk" / "result.json").is_file()


def test_frames_are_simulated_as_their_files_are(lower_limb: Path) -> None:
    from nem2e_tf.files import read_motion, read_storage
    from nem2e_tf.simulation import load_leg

    model, trial = lower_limb / "gait2392.osim", lower_limb / "walk45"
    leg = load_leg(model, "r")
    motion, moments = read_motion(trial / "ik.sto", leg.rotations), read_storage(trial / "id.sto")
    files = nem2e_tf.simulate(model, trial / "ik.sto", trial / "id.sto", start=10, end=10.5)
    frames = nem2e_tf.simulate(leg, motion, moments, start=10, end=10.5)
    np.testing.assert_array_equal(frames, files)


def test_a_light_installation_refines_and_says_what_the_rest_needs() -> None:
    code = (
        f"import sys; sys.modules |= dict.fromkeys({LIGHT!r})\n"
        "import numpy, nem2e_tf\n"
        "refiner = nem2e_tf.load('stream', runtime='tflite-int8')\n"
        "assert refiner.refine(numpy.full((9, 9), 0.5)).shape == (9, 9)\n"
        "stream = nem2e_tf.StreamingRefiner(refiner)\n"
        "stream.push(numpy.full(9, 0.5))\n"
        "print(repr(stream).splitlines()[0], '|', repr(refiner).splitlines()[0])\n"
        "for name in ('estimate', 'simulate', 'stdr_net', 'Refiner'):\n"
        "    try:\n        getattr(nem2e_tf, name)\n"
        "    except ImportError as error:\n        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert "StreamingRefiner" in first and "EdgeRefiner 'stream'" in first
    assert len(others) == 4
    for line in others:
        assert "which is not installed" in line and "pip install nem2e-tf" in line
