"""Options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Side(StrEnum):
    """A leg."""

    right = "r"
    left = "l"


class PathKind(StrEnum):
    """Muscle paths."""

    exact = "exact"
    polynomial = "polynomial"


class Solver(StrEnum):
    """What distributes joint moments over muscles: ours, or one of OpenSim's to compare with."""

    static = "static"
    opensim = "opensim"
    moco = "moco"
    cmc = "cmc"


class Runtime(StrEnum):
    """What runs a refiner's network."""

    keras = "keras"
    savedmodel = "savedmodel"
    tflite = "tflite"
    tflite_int8 = "tflite-int8"
    onnx = "onnx"


class StreamRuntime(StrEnum):
    """What runs a refiner's network step by step; `onnx` and `savedmodel` are refused."""

    auto = "auto"
    keras = "keras"
    savedmodel = "savedmodel"
    tflite = "tflite"
    tflite_int8 = "tflite-int8"
    onnx = "onnx"


class Backend(StrEnum):
    """Where processes run."""

    local = "local"
    dask = "dask"


Model = Annotated[Path, typer.Option(help="OpenSim model (.osim).")]
ModelOfOne = Annotated[
    Path | None, typer.Option("--model", help="OpenSim model (.osim); of one recording.")
]
Trials = Annotated[
    Path | None,
    typer.Option("--trials", help="List of trials (.csv), in place of one recording's files."),
]
Motion = Annotated[
    Path | None, typer.Option(help="Joint motion (.mot, .sto), from inverse kinematics.")
]
Markers = Annotated[
    Path | None, typer.Option(help="Marker positions (.trc, .c3d), in place of --motion.")
]
Moments = Annotated[Path | None, typer.Option(help="Joint moments (.sto), from inverse dynamics.")]
Loads = Annotated[
    Path | None, typer.Option(help="OpenSim ExternalLoads (.xml), in place of --moments.")
]
IKTasks = Annotated[
    Path | None,
    typer.Option("--ik-tasks", help="OpenSim IKTaskSet (.xml); equal weights if left out."),
]
Up = Annotated[str | None, typer.Option(help="Axis of a .c3d that points up, as in +z.")]
MarkerPrefix = Annotated[
    str | None,
    typer.Option("--marker-prefix", help="Subject of a file with several: 'S01' of 'S01:RASI'."),
]
MarkerNames = Annotated[
    Path | None,
    typer.Option(
        "--marker-names", help="Table (.yaml) of the model's marker names and the recorded ones."
    ),
]
RefinerName = Annotated[str, typer.Option(help="Name of a shipped refiner, or a refiner's folder.")]
RuntimeName = Annotated[
    Runtime, typer.Option("--runtime", help="What runs the network; all but keras need an export.")
]
MuscleMapFile = Annotated[
    Path | None,
    typer.Option("--muscles", help="Muscle map (.yaml): which channel is which muscle."),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Storage file to write (.sto).")]
Start = Annotated[float | None, typer.Option(help="First second to use.")]
End = Annotated[float | None, typer.Option(help="Last second to use.")]
OneSide = Annotated[Side, typer.Option(help="Leg: r or l.")]
AnySide = Annotated[
    Side | None, typer.Option(help="Leg: r or l; found from the columns if left out.")
]
SolverName = Annotated[
    Solver, typer.Option("--solver", help="static, or one of OpenSim's own: opensim, moco, cmc.")
]
Paths = Annotated[
    PathKind, typer.Option("--paths", help="The model's own muscle paths, or polynomials fitted.")
]
DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of the recordings; the list's own if left out."),
]
Jobs = Annotated[int, typer.Option(help="Processes; -1 is one for every processor.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Plot = Annotated[Path | None, typer.Option(help="Picture to write (.png, .pdf, .svg).")]
Interval = Annotated[
    bool, typer.Option("--interval", help="Also where 90 % of measured samples are expected.")
]
