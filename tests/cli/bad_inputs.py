"""Bad inputs, each with the one line that it gets.

`test_bad_inputs.py` gives every one of them and compares. The page of them is made of the same
table: `python -m tests.cli.bad_inputs -o docs/errors.md`.
"""

import argparse
import html
import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

import nem2e_tf
from nem2e_tf.cohort import Recipe, make_cohort
from nem2e_tf.edge import shipped_refiners
from nem2e_tf.errors import InputError
from nem2e_tf.files import (
    Trial,
    check_new_folder,
    check_output,
    read_c3d,
    read_markers,
    read_motion,
    read_storage,
    read_trials,
)
from nem2e_tf.pipeline import Settings, Shards, prepare
from nem2e_tf.refiner.stream import stream_lines
from nem2e_tf.signals import MuscleMap, low_pass, output_paths, process_session, score_agreement
from nem2e_tf.signals.emg import envelopes, read_raw
from nem2e_tf.simulation import Recording, load_leg, scale_model, simulate_files
from nem2e_tf.simulation.external_loads import read_loads
from nem2e_tf.simulation.model import read_model
from tests.files.c3d_files import plate_groups, write_c3d

Call = Callable[[], Any]
STUDY = "/study"
"""What a message of the table has in the place of the folder that a case lies in."""


@dataclass(frozen=True)
class Case:
    """A bad input.

    Args:
        given: what it is, in a few words.
        call: gives it to the library, in a folder of its own with `person` in it.
        message: what the `InputError` says.
    """

    given: str
    call: Call
    message: str


def wrote(name: str, content: str | bytes) -> Path:
    """A file of the case's folder."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def storage_file(rows: str, head: str = "endheader\n") -> Path:
    """A storage file."""
    return wrote("ik.sto", head + rows)


def storage(rows: str, head: str = "endheader\n") -> Call:
    """Reading a storage file."""
    return lambda: read_storage(storage_file(rows, head))


def series(columns: str, until: float, name: str, rate: float = 100.0, value: float = 0.1) -> Path:
    """A storage file of one value."""
    index = pd.Index(np.arange(0, until + 1e-9, 1 / rate), name="time")
    frame = pd.DataFrame(value, index=index, columns=columns.split())
    return wrote(name, "endheader\n" + frame.to_csv(sep="\t"))


TRC = """PathFileType\t4\t(X/Y/Z)\twalk.trc
DataRate\tNumFrames\tUnits
100\t2\tmm
Frame#\tTime\tRASI\t\t\tRKNE\t\t
\t\tX1\tY1\tZ1\tX2\tY2\tZ2
1\t0.00\t1\t2\t3\t4\t5\t6
2\t0.01\t1\t2\t3\t4\t5\t6
"""


STILL = np.arange(1, 4)[:, None] * [400.0, 300.0, 800.0] + np.zeros((4, 1, 1))
"""Millimetres: three markers in four frames."""


def c3d(scale: float = 1.0, **changes: Any) -> Call:
    """Reading a .c3d of three markers with something else in it."""
    return lambda: read_c3d(write_c3d(Path("walk.c3d"), STILL * scale, **changes))


def plates(kinds: list[int], channels: list[range]) -> Call:
    """The loads of a .c3d with force plates whose channels are in volts."""
    groups = plate_groups(kinds, channels)
    analog = np.zeros((8, sum(map(len, channels))))
    return lambda: read_c3d(
        write_c3d(Path("walk.c3d"), STILL, analog, groups=groups)
    ).ground_reactions()


def name_table(table: str) -> Call:
    """Reading a .trc with a table of marker names."""
    return lambda: read_markers(wrote("walk.trc", TRC), names=wrote("names.yaml", table))


def trc(*changes: tuple[str, str]) -> Call:
    """Reading a .trc with something else in it."""
    text = TRC
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return lambda: read_markers(wrote("walk.trc", text))


def unseen_markers() -> None:
    """Reading a .trc of three thousand markers and frames, and no coordinates."""
    names = "\t\t\t".join(f"M{i}" for i in range(3000))
    rows = "".join(f"{i}\t{i / 100}\n" for i in range(3000))
    read_markers(wrote("walk.trc", f"{TRC[: TRC.index('RASI')]}{names}\n\n{rows}"))


def emg(columns: str, name: str = "emg.sto") -> Path:
    """Two seconds of raw EMG of one value."""
    return series(columns, 2.0, name, 1000.0)


def interrupted() -> Path:
    """Raw EMG that was stopped for a second."""
    times = [i / 1000 + (i > 500) for i in range(1000)]
    return wrote("emg.csv", "time,soleus\n" + "".join(f"{time},1\n" for time in times))


def raw(text: str) -> Call:
    """Reading raw EMG."""
    return lambda: read_raw(wrote("emg.csv", text))


def in_milliseconds() -> Path:
    """Raw EMG at 1000 samples a second whose time is in milliseconds."""
    return wrote("emg.csv", "time,soleus\n" + "".join(f"{time},1\n" for time in range(2000)))


def trials(row: str, head: str = "subject,task,model,motion,loads,moments,emg,start,end") -> Call:
    """Reading a list of trials beside a model and a motion."""

    def call() -> None:
        wrote("leg.osim", "")
        wrote("ik.mot", "")
        read_trials(wrote("trials.csv", f"{head}\n{row}\n"))

    return call


def muscles(text: str) -> Call:
    """Reading a muscle map."""
    return lambda: MuscleMap.load(wrote("muscles.yaml", text))


def theirs(change: Callable[[Path], Any], runtime: str = "keras") -> Call:
    """Loading a copy of a shipped refiner that was changed."""

    def call() -> None:
        folder = Path(shutil.copytree(shipped_refiners()["walking"], "theirs"))
        change(folder)
        nem2e_tf.load(folder, runtime)

    return call


def card(**settings: Any) -> Call:
    """Loading a refiner whose card says something else."""

    def change(folder: Path) -> None:
        path = folder / "card.json"
        path.write_text(json.dumps(json.loads(path.read_bytes()) | settings))

    return theirs(change)


def network(name: str, content: str) -> Call:
    """Loading a refiner whose .keras file holds another file."""

    def change(folder: Path) -> None:
        with zipfile.ZipFile(folder / "refiner.keras", "a") as archive:
            archive.writestr(name, content)

    return theirs(change)


def manifest(runtime: str, **settings: Any) -> Call:
    """Loading an exported refiner whose manifest says something else."""

    def change(folder: Path) -> None:
        path = folder / "exports.json"
        path.write_text(json.dumps(json.loads(path.read_bytes()) | settings))

    return theirs(change, runtime)


def refine(columns: str, value: float = 0.1, until: float = 2.0) -> Call:
    """Refining simulated activity of one value."""

    def call() -> None:
        nem2e_tf.load("walking", "tflite").refine(
            read_storage(series(columns, until, "sim.sto", value=value))
        )

    return call


NINE = "soleus_r med_gas_r lat_gas_r tib_ant_r semimem_r bifemlh_r vas_lat_r rect_fem_r vas_med_r"
MODEL = '<OpenSimDocument Version="40000"><Model name="leg">{}</Model></OpenSimDocument>'
LOADS = """<OpenSimDocument Version="40000"><ExternalLoads name="grf">{}</ExternalLoads>
</OpenSimDocument>"""
FORCE = """<objects><ExternalForce name="right"><applied_to_body>{}</applied_to_body>
<force_expressed_in_body>ground</force_expressed_in_body>
<force_identifier>force_v</force_identifier></ExternalForce></objects>
<datafile>grf.mot</datafile>"""


def model(text: str, name: str = "leg.osim") -> Call:
    """Reading a model, beside or above which lies a bone."""

    def call() -> None:
        wrote("bone.vtp", "")
        read_model(wrote(name, text))

    return call


def loads(text: str, forces: str = "force_vx force_vy force_vz") -> Call:
    """Reading external loads of the person's leg."""

    def call() -> None:
        series(forces, 1.0, "grf.mot")
        read_loads(wrote("grf.xml", LOADS.format(text)), read_model("person/leg.osim")[0])

    return call


def simulate(
    motion: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame,
    moments: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame,
    **settings: Any,
) -> Call:
    """Simulating the person's recording with something changed."""

    def call() -> None:
        for name, change in (("motion.mot", motion), ("moments.sto", moments)):
            frame = change(read_storage(f"person/walking/{name}"))
            wrote(name, "endheader\n" + frame.to_csv(sep="\t"))
        simulate_files("person/leg.osim", "motion.mot", "moments.sto", **settings)

    return call


def compare(estimate: str, measured: str, until: float = 2.0) -> Call:
    """Evaluating an estimate."""

    def call() -> None:
        frames = (
            read_storage(series(estimate, until, "estimate.sto")),
            read_storage(series(measured, 2.0, "measured.sto")),
        )
        score_agreement(measured=frames[1], estimate=frames[0], side="r")

    return call


def experiment(change: str) -> Call:
    """Reading an experiment with a line more."""

    def call() -> None:
        from training.experiment import read_experiment
        from training.places import CONFIGS

        text = (CONFIGS / "walking.yaml").read_text(encoding="utf-8")
        read_experiment(wrote("walking.yaml", f"{text}{change}\n"))

    return call


def shards(**settings: Any) -> Call:
    """Opening a folder of shards whose manifest says something else."""
    table = {
        "format": 1, "rate": 100.0, "simulated": ["soleus"], "measured": ["soleus"],
        "angles": ["hip_flexion"], "shards": [],
    }  # fmt: skip
    return lambda: Shards.open(wrote("shards/manifest.json", json.dumps(table | settings)).parent)


PERSON = Trial(
    "s01", "walking", Path("person/leg.osim"), Path("person/walking/motion.mot"), None,
    Path("person/walking/moments.sto"), Path("person/walking/emg.sto"), 1.0, 2.0,
)  # fmt: skip
SHARD = {"subject": "s01", "task": "walking", "start": 0.0, "frames": 100}
# fmt: off
TABLE: dict[str, list[Case]] = {
    "Storage files (.sto, .mot)": [
        Case("no such file", lambda: read_storage("ik.sto"),
             "ik.sto: no such file; expected a storage file"),
        Case("a folder", lambda: read_storage("person"),
             "person: is a folder; expected a storage file"),
        Case("a file of another kind", lambda: read_storage(wrote("ik.csv", "time\n")),
             "ik.csv: not a storage file; expected a name ending in .sto or .mot"),
        Case("an empty file", storage("", ""),
             "ik.sto: the file is empty; export it again"),
        Case("a file without `endheader`", storage("time\tx\n0\t1\n", ""),
             "ik.sto: no 'endheader' line; this is not an OpenSim storage file, or it is cut"
             " short; export it again as .sto or .mot"),
        Case("nothing after `endheader`", storage("\n"),
             "ik.sto: no column names after 'endheader'; the file is cut short: export it again"),
        Case("column names and no rows", storage("time\tknee\n"),
             "ik.sto: no rows after the column names; export it again"),
        Case("a first column that is not time", storage("frame\tknee\n1\t2\n"),
             "ik.sto: the first column is 'frame'; it must be 'time', in seconds"),
        Case("the same column twice", storage("time\tknee\tknee\n0\t1\t2\n"),
             "ik.sto: column 'knee' is there twice; remove one"),
        Case("a word where a number should be", storage("time\tknee\n0\t1\n0.01\tleft\n"),
             "ik.sto: column 'knee', row 2: 'left' is not a number; write numbers with a decimal"
             " point"),
        Case("a gap in a column", storage("time\tknee\n0\t1\n0.01\tnan\n0.02\t1\n"),
             "ik.sto: column 'knee' has no number at time 0.01 s (1 such row); fill the gap or"
             " leave these rows out"),
        Case("a row that is too long", storage("time\tknee\n0\t1\n0.01\t1\t2\n"),
             "ik.sto: row 2 has more values than the 2 columns; name every column"),
        Case("a row that is too short", storage("time\tknee\n0\n0.01\t1\n"),
             "ik.sto: row 1 has 1 values for the 2 columns; give every column a value"),
        Case("a last row that is cut short", storage("time\tknee\thip\n0\t1\t1\n0.01\t1\n"),
             "ik.sto: cut short: its last row ends before column 'hip'; export it again"),
        Case("fewer rows than the header announces, the last one without a line break",
             storage("time\tknee\n0\t1", "nRows=500\nendheader\n"),
             "ik.sto: cut short: the header announces 500 rows, the file has 1, the last without a"
             " line break; copy or export it again"),
        Case("time that stands still", storage("time\tknee\n0\t1\n0\t1\n"),
             "ik.sto: time stands still after row 1, from 0 to 0 s; sort the rows or remove the"
             " doubled ones"),
        Case("time that goes backwards", storage("time\tknee\n0.01\t1\n0\t1\n"),
             "ik.sto: time goes backwards after row 1, from 0.01 to 0 s; sort the rows or remove"
             " the doubled ones"),
        Case("a coordinate under two names",
             lambda: read_motion(storage_file("time\t/jointset/k/knee/value\tknee\n0\t1\t1\n"), []),
             "ik.sto: coordinate 'knee' is there twice; remove one"),
    ],
    "Markers (.trc)": [
        Case("a file of another kind", lambda: read_markers(wrote("walk.txt", TRC)),
             "walk.txt: not marker positions; expected a name ending in .trc or .c3d"),
        Case("another format under this name", trc(("PathFileType", "Frame")),
             "walk.trc: the first line has no 'PathFileType'; this is not a .trc file; export"
             " markers as .trc or .c3d"),
        Case("a file that is cut in its header", lambda: read_markers(wrote("walk.trc", TRC[:60])),
             "walk.trc: no row of marker names; the file is cut short; export it"
             " again"),
        Case("an unknown unit", trc(("100\t2\tmm", "100\t2\tinch")),
             "walk.trc: its unit is 'inch'; expected mm, cm, dm, m"),
        Case("a header without `Frame#`", trc(("Frame#", "Number")),
             "walk.trc: its fourth line does not begin with 'Frame#' and 'Time'; export it again"),
        Case("no markers", trc(("RASI\t\t\tRKNE\t\t", "")),
             "walk.trc: no marker names after 'Time'; export it again"),
        Case("the same marker twice", trc(("RKNE", "RASI")),
             "walk.trc: marker 'RASI' is there twice; rename one"),
        Case("no rows", lambda: read_markers(wrote("walk.trc", TRC[: TRC.index("1\t0.00")])),
             "walk.trc: no rows below the marker names; export it again"),
        Case("a row with too many numbers", trc(("6\n2", "6\t7\n2")),
             "walk.trc: row 1 has more than the coordinates of 2 markers; name every marker"),
        Case("a word where a number should be", trc(("2\t0.01\t1", "2\t0.01\tlost")),
             "walk.trc: 'RASI x', row 2: 'lost' is not a number"),
        Case("a row without time", trc(("2\t0.01", "2\t")),
             "walk.trc: row 2 has no time; export it again"),
        Case("fewer rows than the header announces, the last one without a line break",
             trc(("100\t2\tmm", "100\t900\tmm"), ("2\t0.01\t1\t2\t3\t4\t5\t6\n",
                                                   "2\t0.01\t1\t2\t3\t4\t5\t6")),
             "walk.trc: cut short: the header announces 900 frames, the file has 2, the last"
             " without a line break; copy or export it again"),
        Case("a last row that is cut short",
             trc(("2\t0.01\t1\t2\t3\t4\t5\t6\n", "2\t0.01\t1\t2\t3\t4")),
             "walk.trc: cut short: its last row ends within a marker's coordinates; export it"
             " again"),
        Case("many thousand markers that were never seen",
             unseen_markers,
             "walk.trc: names 3000 markers, and nearly all of their coordinates in its 3000 rows"
             " are blank; leave out markers that were not recorded"),
    ],
    "C3D files": [
        Case("another format under this name",
             lambda: read_c3d(wrote("walk.c3d", b"RIFF" + bytes(600))),
             "walk.c3d: not a C3D file, or cut short: it has no C3D header"),
        Case("a file that is cut in its header", lambda: read_c3d(wrote("walk.c3d", b"\x02P")),
             "walk.c3d: not a C3D file, or cut short: it has no C3D header"),
        Case("a damaged file", lambda: read_c3d(wrote("walk.c3d", b"\x02P" + bytes(1022))),
             "walk.c3d: not a C3D file that can be read: Could not read the processor type;"
             " export it again"),
        Case("a unit of positions that is not known", c3d(groups={"POINT": {"UNITS": ["inch"]}}),
             "walk.c3d: positions are in 'inch'; expected mm, cm, dm, m"),
        Case("no unit of positions, and positions that are no millimetres",
             c3d(scale=0.001, groups={"POINT": {"UNITS": []}}),
             "walk.c3d: POINT:UNITS is blank, and in mm the markers would be 0.0016 m apart; write"
             " the unit into the file"),
        Case("no rate", c3d(rate=0.0),
             "walk.c3d: neither POINT:RATE nor ANALOG:RATE is a number above 0; export it again"),
        Case("nothing that says which axis points up",
             c3d(groups={"POINT": {"Y_SCREEN": [""]}}),
             "walk.c3d: does not name the axis that points up; name it with --up, as in +z"),
        Case("a force plate of a type that is not supported", plates([7], [range(1, 7)]),
             "walk.c3d: no force plate that gives loads; plate 1 is of type 7, which is not"
             " supported; types 1, 2, 3, 4 are"),
        Case("a unit of moments that is not known", plates([2], [range(1, 7)]),
             "walk.c3d: no force plate that gives loads; plate 1 has channel 'A1' in 'V', which is"
             " not known; expected a force in N or kN"),
        Case("a channel without a number",
             lambda: read_raw(write_c3d(Path("walk.c3d"), STILL, np.full((8, 1), np.nan))),
             "walk.c3d: channel 'A1' has no number at time 0 s (8 such rows); fill the gap, or"
             " leave this channel or these rows out"),
    ],
    "Names of markers": [
        Case("two people in one file",
             lambda: read_markers(write_c3d(Path("walk.c3d"), STILL[:, :2].repeat(3, axis=1),
                 labels=[f"{who}:{name}" for who in ("Ann", "Bob") for name in "abc"])),
             "walk.c3d: has the markers of 2 subjects, 'Ann' (3) and 'Bob' (3); choose one with"
             " --marker-prefix"),
        Case("a subject that is not there",
             lambda: read_markers(wrote("walk.trc", TRC), prefix="S1"),
             "walk.trc: no marker name begins with 'S1:'; there are none"),
        Case("a table that is a list", name_table("- RASI"),
             "names.yaml: not a table of marker names; expected lines as in 'R.ASIS: RASI', the"
             " model's name and the recorded one"),
        Case("a name that was not recorded", name_table("R.ASIS: RASIS"),
             "names.yaml: 'R.ASIS': no marker 'RASIS' in walk.trc; the nearest is 'RASI'"),
        Case("one marker with two names", name_table("a: RASI\nb: RASI"),
             "names.yaml: 'RASI' is the name of 'a' and of 'b'; leave one out"),
        Case("a name that another marker has", name_table("RKNE: RASI"),
             "names.yaml: 'RKNE' is also the name of another marker in walk.trc; give that one a"
             " name too"),
        Case("a table without markers",
             lambda: Recording(motion=Path("ik.sto"), moments=Path("id.sto"),
                               marker_names=Path("names.yaml")),
             "a table of marker names goes with markers; give markers, not motion"),
    ],
    "Raw EMG": [
        Case("a file of another kind", lambda: read_raw(wrote("emg.xls", "")),
             "emg.xls: not raw EMG; expected .sto, .mot, .c3d, .csv, .tsv, .txt, .emt, .anc"),
        Case("an empty file", raw(""),
             "emg.csv: the file is empty; export it again"),
        Case("no numbers", raw("time,soleus\n"),
             "emg.csv: no rows of numbers in two columns or more; expected time and EMG channels,"
             " separated by commas, semicolons or tabs"),
        Case("no time", raw("soleus,tib_ant\n1,2\n"),
             "emg.csv: no column 'time' and no sampling rate above the numbers; name the column of"
             " time 'time', in seconds, or write a line such as 'Frequency: 2000 Hz'"),
        Case("no names of columns", raw("0,1\n0.001,2\n"),
             "emg.csv: no column names above its numbers; name 'time' and the channels"),
        Case("time in milliseconds that is not called so",
             lambda: envelopes(read_raw(in_milliseconds())),
             "emg.csv: 1 samples a second are too few for raw EMG (at least 200 are needed); is"
             " its time in ms? write seconds, or name the column 'time (ms)'"),
        Case("a word where a number should be", raw("time,soleus\n0,1\n0.001,off\n"),
             "emg.csv: column 'soleus', row 2: 'off' is not a number; leave such rows out"),
        Case("a decimal comma where it separates columns", raw("time,soleus\n0,1,5\n0.001,1,5\n"),
             "emg.csv: rows have more values than the 2 columns; where the decimal mark is a"
             " comma, separate columns by semicolons or tabs"),
        Case("time that stands still", raw("time,soleus\n0,1\n0,2\n"),
             "emg.csv: time stands still after row 1, from 0 to 0 s; sort the rows or remove the"
             " doubled ones"),
        Case("columns that no row has", raw("time" + ",x" * 300 + "\n" + "0,1\n" * 500),
             "emg.csv: names 301 columns, and its rows are shorter; give every column a value in"
             " every row"),
        Case("a channel that is not there",
             lambda: read_raw(wrote("emg.csv", "time,soleus\n0,1\n0.1,2\n"), ["soleu"]),
             "emg.csv: no channel 'soleu'; the nearest is 'soleus'"),
        Case("an envelope, taken for raw EMG",
             lambda: envelopes(read_raw(series("soleus", 2.0, "emg.sto"))),
             "emg.sto: 100 samples a second are too few for raw EMG (at least 200 are needed); is"
             " this an envelope already, or its time not in seconds?"),
        Case("a gap in time",
             lambda: envelopes(read_raw(interrupted())),
             "emg.csv: no sample between 0.5 and 1.501 s; use --start and --end to stay on one"
             " side of the gap"),
        Case("an impossible band",
             lambda: envelopes(read_raw(emg("soleus")), band=(400.0, 20.0)),
             "emg.sto: no band from 400 to 20 Hz at 1000 samples a second"),
        Case("a cut-off that is not above zero",
             lambda: process_session([emg("soleus")], cutoff=0.0),
             "emg.sto: no low-pass at 0 Hz at 1000 samples a second; --cutoff is above 0 and at"
             " most 250 Hz, a quarter of the rate"),
        Case("a notch beyond the sampling rate",
             lambda: envelopes(read_raw(emg("soleus")), notch=900.0),
             "emg.sto: no notch at 900 Hz at 1000 samples a second"),
        Case("electrodes that are all dead",
             lambda: process_session([emg("soleus")]),
             "emg.sto: all channels are dead: soleus"),
        Case("two trials with other channels",
             lambda: process_session([emg("soleus", "a.sto"), emg("tib_ant", "b.sto")]),
             "b.sto: its channels are not those of a.sto ('soleus' is in one of them); trials"
             " that are normalised together need the same ones; name them with --channel"),
        Case("two trials and one output file",
             lambda: output_paths([Path("a.c3d"), Path("b.c3d")], Path("emg.sto")),
             "emg.sto: 2 trials cannot go into one file; name a folder"),
        Case("two trials of one name",
             lambda: output_paths([Path("1/a.c3d"), Path("2/a.c3d")], Path("out")),
             "out: two trials have the same name; rename one"),
    ],
    "Models, loads and tasks (.osim, .xml)": [
        Case("a file of another kind", lambda: read_model(wrote("leg.xml", "")),
             "leg.xml: not an OpenSim model; expected a name ending in .osim"),
        Case("a file that is no XML", model("not a model"),
             "leg.osim: not an OpenSim model: not well-formed XML: syntax error: line 1, column 0;"
             " export it again"),
        Case("XML that is cut short", model(MODEL[:60]),
             "leg.osim: not an OpenSim model: not well-formed XML: unclosed token: line 1, column"
             " 53; export it again"),
        Case("another document of OpenSim's", model(MODEL.replace("Model", "ScaleTool")),
             "leg.osim: holds <ScaleTool>, not <Model>; expected an OpenSim model"),
        Case("a document type, as XML bombs have", model("<!DOCTYPE x [<!ENTITY a 'ha'>]>" + MODEL),
             "leg.osim: declares a document type (<!DOCTYPE); OpenSim files have none: remove it"),
        Case("elements nested beyond measure, which crash OpenSim",
             model(MODEL.format("<a>" * 500 + "</a>" * 500)),
             "leg.osim: more than 100 elements within each other, at line 1; this is not an"
             " OpenSim model"),
        Case("geometry outside the model's folder",
             model(MODEL.format("<mesh_file>../bone.vtp</mesh_file>"), "models/leg.osim"),
             "models/leg.osim: <mesh_file> names '../bone.vtp', outside its folder; put a copy"
             " beside the model and write 'bone.vtp'"),
        Case("a component that OpenSim does not have, as of a plug-in",
             model(MODEL.format("<ForceSet><objects><TheirMuscle/></objects></ForceSet>")),
             "leg.osim: OpenSim cannot read this model: it has a 'TheirMuscle', which is"
             " not a class of OpenSim; plug-ins are not loaded"),
        Case("a model without legs", lambda: load_leg(wrote("leg.osim", MODEL.format("")), "r"),
             "leg.osim: the model has no coordinate 'hip_flexion_r'; there are none"),
        Case("a side that there is none of", lambda: load_leg("person/leg.osim", "right"),
             "there is no side 'right'; there are 'both', 'l', 'r'"),
        Case("loads without a force", loads("<objects></objects>"),
             "grf.xml: holds no external force; expected OpenSim ExternalLoads"),
        Case("loads without a data file", loads(FORCE.format("calcn_r").replace("grf.mot", "")),
             "grf.xml: names no data file; name the one with the forces in <datafile>"),
        Case("loads whose data file is not there",
             loads(FORCE.format("calcn_r").replace("grf.mot", "walk.mot")),
             "grf.xml: its data file 'walk.mot' does not exist (looked for walk.mot); put it"
             " there"),
        Case("a force on a body that the model has not", loads(FORCE.format("foot_r")),
             "grf.xml: 'right' acts on 'foot_r', which is not a body of the model; there are"
             " 'calcn_r', 'femur_r', 'ground', 'pelvis', 'tibia_r'"),
        Case("a force whose column is not there",
             loads(FORCE.format("calcn_r"), "force_1_vx force_1_vy force_1_vz"),
             "grf.mot: no column 'force_vx', which grf.xml names; the nearest is 'force_1_vx'"),
    ],
    "A recording (`nem2e estimate`, `nem2e simulate`)": [
        Case("neither motion nor markers", lambda: Recording(moments=Path("id.sto")),
             "neither motion nor markers is given; name one of them"),
        Case("motion and markers",
             lambda: Recording(motion=Path("a.mot"), markers=Path("a.trc"), moments=Path("id.sto")),
             "motion and markers are both given; name one of them"),
        Case("a coordinate under another name",
             simulate(lambda frame: frame.rename(columns={"knee_angle_r": "knee_r"})),
             "motion.mot: no coordinate 'knee_angle_r', which leg.osim needs; the nearest is"
             " 'knee_r'"),
        Case("a motion without the knee",
             simulate(lambda frame: frame.drop(columns="knee_angle_r")),
             "motion.mot: no coordinate 'knee_angle_r', which leg.osim needs; the nearest is"
             " 'ankle_angle_r'"),
        Case("moments without the knee",
             simulate(moments=lambda frame: frame.drop(columns="knee_angle_r_moment")),
             "moments.sto: no column 'knee_angle_r_moment'; the nearest is"
             " 'ankle_angle_r_moment'"),
        Case("degrees, taken for radians", simulate(lambda frame: np.degrees(frame)),
             "motion.mot: 'knee_angle_r' reaches 56.9 rad at 3.1 s, which is impossible; if these"
             " are degrees, the header must say inDegrees=yes"),
        Case("moments in N mm", simulate(moments=lambda frame: 1000 * frame),
             "moments.sto: 'ankle_angle_r_moment' reaches 973.6 N m a kilogram of the model's 62"
             " kg at 2.78 s, which is impossible; check the inverse dynamics"),
        Case("a gap in the motion", simulate(lambda frame: frame.drop(frame.index[100:150])),
             "motion.mot: no sample between 0.99 and 1.5 s; use --start and --end to stay on one"
             " side of the gap"),
        Case("a part beyond the recording", simulate(start=1.0, end=60.0),
             "the time range 1-60 s is outside the recording: motion.mot covers 0-5.72 s,"
             " moments.sto covers 0-5.72 s"),
        Case("an end before the start", simulate(start=2.0, end=1.0),
             "the time range 2-1 s is empty; --start comes before --end"),
        Case("two clocks", simulate(moments=lambda frame: frame.set_axis(frame.index + 100.0)),
             "the recordings have no time in common: motion.mot covers 0-5.72 s, moments.sto"
             " covers 100-105.72 s; synchronise them"),
        Case("a part that is too short", simulate(start=1.0, end=1.02),
             "0.02 s are too few to simulate; at least 0.16 s are needed"),
        Case("an unknown solver", simulate(solver="mocco"),
             "no solver 'mocco'; the nearest is 'moco'"),
        Case("time in milliseconds",
             lambda: low_pass(read_storage(series("x", 200.0, "ik.sto", 0.1)), 6.0, "ik.sto"),
             "ik.sto: 0.1 rows a second are too few to low-pass at 6 Hz; is its time in seconds?"),
        Case("a body mass in newtons",
             lambda: scale_model("person/leg.osim", "stance.trc", 720.0, "subject.osim"),
             "a body mass of 720 kg is not a person's; give it in kilograms"),
        Case("a height in centimetres",
             lambda: scale_model("person/leg.osim", "a.trc", 72.5, "subject.osim", height=178.0),
             "a height of 178 m is not a person's; give it in metres"),
    ],
    "Outputs": [
        Case("a name that ends otherwise", lambda: check_output("emg.txt", (".sto",)),
             "emg.txt: the name of this output must end in .sto"),
        Case("a folder", lambda: check_output("person", ("",)),
             "person: is a folder; name a file to write"),
        Case("a folder that is not there", lambda: check_output("results/emg.sto", (".sto",)),
             "results/emg.sto: the folder results does not exist; create it first"),
        Case("an input", lambda: check_output(wrote("emg.sto", ""), (".sto",), [Path("emg.sto")]),
             "emg.sto: is also an input of this command; name another output"),
        Case("a folder that holds something", lambda: check_new_folder("person"),
             "/study/person: already exists; name a new folder, or remove it first"),
    ],
    "Refiners": [
        Case("a name that there is none of", lambda: nem2e_tf.load("runing"),
             "runing: no such refiner or folder; the nearest is 'running'"),
        Case("a folder that is no refiner", lambda: nem2e_tf.load("person"),
             "person: no card.json in this folder; it is not a refiner"),
        Case("an unknown runtime", lambda: nem2e_tf.load("walking", "tflight"),
             "there is no runtime 'tflight'; the nearest is 'tflite'"),
        Case("a card that is no JSON",
             theirs(lambda folder: (folder / "card.json").write_text("{")),
             "theirs/card.json: the whole: Invalid JSON: EOF while parsing an object at line 1"
             " column 1"),
        Case("a card without a rate", card(rate=None),
             "theirs/card.json: rate: Input should be a valid number"),
        Case("a card with a rate beyond use", card(rate=1e12),
             "theirs/card.json: rate: Input should be less than or equal to 10000"),
        Case("a card with an unknown setting", card(on_load="os.system"),
             "theirs/card.json: on_load: Extra inputs are not permitted"),
        Case("a card of other channels", card(outputs=["../../etc"]),
             "theirs/card.json: the whole: Value error, channel '../../etc' is not in muscles"),
        Case("a network that is no Keras file",
             theirs(lambda folder: (folder / "refiner.keras").write_bytes(b"theirs")),
             "theirs/refiner.keras: Keras cannot load this network: File is not a zip file"),
        Case("a network with another file in it", network("../evil.py", ""),
             "theirs/refiner.keras: holds 'metadata.json', 'config.json', 'model.weights.h5',"
             " '../evil.py'; a network has metadata.json, config.json, model.weights.h5 and"
             " nothing else"),
        Case("a network that is missing",
             theirs(lambda folder: (folder / "refiner.keras").unlink()),
             "theirs: no refiner.keras in this folder; it is not a refiner"),
        Case("a refiner that was not exported",
             theirs(lambda folder: (folder / "exports.json").unlink(), "onnx"),
             "theirs: no exports.json in this folder; export first: nem2e export theirs"),
        Case("a manifest that is none",
             theirs(lambda folder: (folder / "exports.json").write_text("[]"), "onnx"),
             "theirs/exports.json: not a manifest of exports: TypeError: list indices must be"
             " integers or slices, not str; export again: nem2e export theirs"),
        Case("a manifest of another format", manifest("tflite", format=7),
             "theirs/exports.json: format 7, known is 1; export again: nem2e export"
             " theirs"),
        Case("an exported file that was changed",
             theirs(lambda folder: (folder / "refiner.onnx").write_bytes(b""), "onnx"),
             "theirs/refiner.onnx: not the file that exports.json names; export again: nem2e"
             " export theirs"),
        Case("an exported file outside the folder",
             manifest("onnx", forms={"onnx": {"files": {"../a.onnx": {"bytes": 1, "sha256": ""}}}}),
             "theirs/exports.json: '../a.onnx': outside the refiner's folder"),
        Case("a SavedModel with a file that was not exported",
             theirs(lambda folder: (folder / "savedmodel/saved_model.cpb").touch(), "savedmodel"),
             "theirs/savedmodel/saved_model.cpb: is not in the manifest of exports; remove it"),
        Case("activity in per cent", refine(NINE, 40.0),
             "sim.sto: column 'bifemlh_r' is 40 at time 0 s; simulated activity is 0-1"),
        Case("activity without a muscle", refine(NINE.replace("soleus_r ", "")),
             "sim.sto: no muscle 'soleus_r' for channel 'soleus'; there are 'bifemlh_r',"
             " 'lat_gas_r', 'med_gas_r', 'rect_fem_r', 'semimem_r', 'tib_ant_r', …"),
        Case("activity of one sample", refine(NINE, until=0.0),
             "sim.sto: 1 rows are too few; at least 16 are needed"),
        Case("a stream without names",
             lambda: list(stream_lines(nem2e_tf.load("stream", "tflite-int8"), ["0,0.1,0.2"])),
             "standard input: the first line must name the columns: time and muscles, each once,"
             " between commas"),
        Case("a stream without a muscle",
             lambda: list(stream_lines(nem2e_tf.load("stream", "tflite-int8"), ["time,soleus_r"])),
             "standard input: no muscle 'med_gas_r' or 'gasmed_r' for channel"
             " 'gastrocnemius_medialis'; there is 'soleus_r'"),
        Case("a refiner that cannot stream",
             lambda: list(stream_lines(nem2e_tf.load("walking", "tflite-int8"), [])),
             "this refiner looks at a whole window and cannot stream; a causal one can: stream"),
    ],
    "Muscle maps (.yaml)": [
        Case("a file that is no YAML", muscles("soleus: ["),
             "muscles.yaml: not YAML: while parsing a flow node expected the node content, but"
             " found '<stream end>' in \"<unicode string>\", line 1, column 10: soleus: [ ^"),
        Case("a list", muscles("- soleus"),
             "muscles.yaml: a muscle map is a table of channels, 'channel: muscle'"),
        Case("a channel that stands for a number", muscles("soleus: 3"),
             "muscles.yaml: channel 'soleus' stands for 3; expected a muscle or a table of"
             " muscles and weights"),
        Case("a weight that is no number", muscles("calf: {soleus: half}"),
             "muscles.yaml: channel 'calf', muscle 'soleus': weight 'half' is not a positive"
             " number"),
        Case("a Python object", muscles("calf: !!python/object/apply:os.system [ls]"),
             "muscles.yaml: not YAML: could not determine a constructor for the tag"
             " 'tag:yaml.org,2002:python/object/apply:os.system' in \"<unicode string>\", line"
             " 1, column 7: calf: !!python/object/apply:os.system [ls] ^"),
        Case("an alias, as YAML bombs have", muscles("a: &a soleus\nb: *a\n"),
             "muscles.yaml: not YAML: holds an alias (*name); write out what it stands for"),
    ],
    "Evaluation (`nem2e evaluate`)": [
        Case("no muscle in common", compare("knee hip", "soleus_r"),
             "measured measured.sto: has none of the muscles that are estimated; for 'soleus_r'"
             " there are 'hip', 'knee'; pair them in a map with --muscles"),
        Case("too little time in common", compare("soleus_r", "soleus_r", 0.02),
             "estimate estimate.sto: 3 rows are too few; at least 16 are needed"),
    ],
    "Lists of trials (.csv)": [
        Case("an empty file", trials("", ""),
             "trials.csv: not a CSV table: No columns to parse from file"),
        Case("a column that is missing",
             trials("s,walking,leg.osim,ik.mot", "subject,task,model,motion"),
             "trials.csv: no column 'loads'; there are 'model', 'motion', 'subject', 'task'"),
        Case("no rows", trials(""),
             "trials.csv: no trials below the column names"),
        Case("a row without a model", trials("s01,walking,,ik.mot,,,,0,1"),
             "trials.csv: line 2, column 'model': is empty; a trial needs it"),
        Case("a file that is not there", trials("s01,walking,leg.osim,ik2.mot,,,,0,1"),
             "trials.csv: line 2, column 'motion': no file 'ik2.mot' in /study"),
        Case("a file outside the folder", trials("s01,walking,leg.osim,../ik.mot,,,,0,1"),
             "trials.csv: line 2, column 'motion': '../ik.mot' leads out of the folder /study"),
        Case("an unknown task", trials("s01,walk,leg.osim,ik.mot,,,,0,1"),
             "trials.csv: line 2, column 'task': 'walk' is not a task; the nearest is 'walking'"),
        Case("a time that is no number", trials("s01,walking,leg.osim,ik.mot,,,,start,1"),
             "trials.csv: line 2, column 'start': 'start' is not a time in seconds"),
        Case("an end before the start", trials("s01,walking,leg.osim,ik.mot,,,,2,1"),
             "trials.csv: line 2, column 'end': 1 s is not after the start, 2 s"),
        Case("a row without a subject", trials(",walking,leg.osim,ik.mot,,,,0,1"),
             "trials.csv: line 2, column 'subject': is empty; name who moved"),
        Case("two models of one subject",
             trials("s01,walking,leg.osim,ik.mot,,,,0,1\ns01,walking,ik.mot,ik.mot,,,,0,1"),
             "trials.csv: line 3, column 'model': subject 's01' has another model in line 2,"
             " leg.osim; one subject has one model"),
    ],
    "Studies (`nem2e prepare`, `nem2e cohort`, training)": [
        Case("an unknown backend",
             lambda: prepare([PERSON], Path("shards"), Settings.standard(), backend="spark"),
             "there is no backend 'spark'; there are local and dask"),
        Case("a folder that was not prepared", lambda: Shards.open(Path("person")),
             "person: no manifest.json in this folder; run nem2e prepare first"),
        Case("a shard that is missing", shards(shards=[{"file": "a.tfrecord"} | SHARD]),
             "shards: a.tfrecord is missing; run nem2e prepare again"),
        Case("a shard outside the folder", shards(shards=[{"file": "../a.tfrecord"} | SHARD]),
             "shards/manifest.json: shards.0.file: Value error, must be a .tfrecord beside the"
             " manifest"),
        Case("a cohort of nobody", lambda: make_cohort("people", 0),
             "0 subjects are too few; 1 is the least"),
        Case("a cohort of too few strides", lambda: Recipe(strides=1),
             "1 strides are too few; 3 are the least"),
        Case("a cohort of an unknown task", lambda: Recipe(tasks=("walkng",)),
             "there is no task 'walkng'; the nearest is 'walking'"),
        Case("a folder that holds a cohort",
             lambda: make_cohort(wrote("people/trials.csv", "").parent, 1),
             "people: holds a cohort already (trials.csv); name another folder"),
        Case("an experiment with an unknown setting", experiment("epoch: 3"),
             "walking.yaml: epoch: Extra inputs are not permitted"),
        Case("an experiment with a wrong setting", experiment("learning_rate: fast"),
             "walking.yaml: learning_rate: Input should be a valid number, unable to parse"
             " string as a number"),
        Case("an experiment that is no YAML", experiment("epochs: ]"),
             "walking.yaml: not YAML: while parsing a block node expected the node content, but"
             " found ']' in \"<unicode string>\", line 25, column 9: epochs: ] ^"),
    ],
}
# fmt: on


@contextmanager
def folder_of_a_case(person: Path) -> Iterator[Path]:
    """A new folder to be in, with the files of a synthetic person in it."""
    with TemporaryDirectory() as folder, chdir(folder):
        Path("person").symlink_to(person)
        yield Path(folder).resolve()


def make_person(folder: Path) -> Path:
    """A virtual person's model, motion, moments and EMG in walking; synthetic."""
    make_cohort(folder, 1, Recipe(seed=1, strides=3, tasks=("walking",)), jobs=1)
    (person,) = (path for path in folder.iterdir() if path.is_dir())
    return person


def told(case: Case, person: Path) -> str:
    """The message of a bad input, and that nothing is written."""
    with folder_of_a_case(person) as folder:
        try:
            case.call()
        except InputError as error:
            return str(error).replace(str(folder), STUDY)
    raise AssertionError(f"{case.given}: was taken")


def page() -> str:
    """docs/errors.md."""
    count = sum(len(cases) for cases in TABLE.values())
    lines = [
        "# Error messages",
        "",
        "Written by `python -m tests.cli.bad_inputs -o docs/errors.md`.",
        "",
        "If an input is wrong, one line names the file, the column or time, the error, and what to"
        " do. Commands",
        "print it on standard error after `error:`, end with status 2, and leave no incomplete"
        " file. In Python it",
        "is the message of an `nem2e_tf.errors.InputError`. `tests/cli/test_bad_inputs.py` tests"
        f" these {count}",
        f"inputs and their messages; `{STUDY}` is the folder of the files.",
    ]
    for title, cases in TABLE.items():
        lines += ["", f"## {title}", "", "| input | message |", "| --- | --- |"]
        lines += [f"| {case.given} | {html.escape(case.message, quote=False)} |" for case in cases]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.cli.bad_inputs")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.parse_args(arguments).output.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
