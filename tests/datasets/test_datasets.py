"""Public sets of recordings, fetched from a server on loopback that does what servers do wrong."""

import hashlib
import http.server
import json
import os
import pty
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.datasets.download import BLOCK_SIZE, download
from nem2e_tf.datasets.fetching import fetch
from nem2e_tf.datasets.registry import Dataset, find_dataset, parse_registry, read_registry
from nem2e_tf.files import read_motion, read_storage, read_trials, write_storage
from nem2e_tf.pipeline import Shards
from nem2e_tf.simulation import inverse_dynamics
from tests import command
from tests.repository import NEM2E

Refused = Callable[..., AbstractContextManager[None]]
FETCHED = ("ceinms-lower-limb", "opensim-3d-walking")


@dataclass
class Server:
    """What a server has, does wrong, and was asked for.

    Attributes:
        files: content, by path.
        cut: by path, the bytes after which the next connection breaks.
        redirects: by path, where it sends instead.
        ranges: whether it can begin in the middle.
        lengths: whether it says how long its answer is.
        silence: seconds for which it says nothing before it breaks a connection.
        asked: every path and the range asked for.
    """

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    lengths: bool = True
    silence: float = 0.0
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        path, part = request.path.lstrip("/"), request.headers.get("Range")
        self.asked.append((path, part))
        if path in self.redirects:
            request.send_response(302)
            request.send_header("Location", self.redirects[path])
            request.end_headers()
            return
        if path not in self.files:
            request.send_error(404)
            return
        content, start = self.files[path], 0
        if part is not None and self.ranges:
            start = int(part.removeprefix("bytes=").rstrip("-"))
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            request.send_response(200)
        if self.lengths:
            request.send_header("Content-Length", str(len(content) - start))
        request.send_header("Content-Disposition", 'attachment; filename="../../elsewhere"')
        request.end_headers()
        end = self.cut.pop(path, None)
        request.wfile.write(content[start:end])
        if end is not None:
            time.sleep(self.silence)
        request.close_connection = True


@contextmanager
def run_server() -> Iterator[Server]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        served = Server(f"http://127.0.0.1:{listening.server_port}")
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield served
        listening.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with run_server() as served:
        yield served


@pytest.fixture(scope="module")
def published(data: Path) -> Iterator[Server]:
    """A server of the real sets' files, at their places in the repositories they come from."""
    with run_server() as served:
        for name in FETCHED:
            for file in find_dataset(name).files:
                content = (data / name / file.name).read_bytes()
                served.files[f"{name}/{file.source}"] = content
        yield served


@pytest.fixture
def contents() -> dict[str, bytes]:
    random = np.random.default_rng(1)
    return {name: random.bytes(100_000 + i) for i, name in enumerate(("a.sto", "walk/b.sto"))}


@pytest.fixture
def small(server: Server, contents: dict[str, bytes]) -> Dataset:
    """A set of two files that the server has, below `data` and with a blank in a name."""
    files = [
        {
            "name": name,
            "source": f"data/the {name}",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for name, content in contents.items()
    ]
    server.files = {f"data/the%20{name}": content for name, content in contents.items()}
    facts = find_dataset("ceinms-lower-limb").model_dump()
    return Dataset.model_validate(facts | {"address": server.address, "files": files})


def read_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_set_comes_whole_and_is_not_asked_for_again(
    small: Dataset, server: Server, contents: dict[str, bytes], tmp_path: Path
) -> None:
    message: list[tuple[int, int]] = []
    folder = tmp_path / "in" / "set"
    folder.mkdir(parents=True)
    assert download(small, folder, progress=lambda done, total: message.append((done, total))) == 2
    # The name that the server proposes leads out of the folder, and is not heard.
    assert read_files(tmp_path) == {f"in/set/{name}": content for name, content in contents.items()}
    assert message[-1] == (200, 200) and message == sorted(message)
    server.asked.clear()
    assert download(small, folder) == 0
    assert server.asked == []


def test_a_cut_download_goes_on_from_where_it_was_cut(
    small: Dataset, server: Server, contents: dict[str, bytes], tmp_path: Path, refused: Refused
) -> None:
    server.cut["data/the%20walk/b.sto"] = 70_000
    with refused("b.sto", "cut after", "of 100001 bytes", "kept", "again"):
        download(small, tmp_path)
    part = (tmp_path / "walk" / "b.sto.part").read_bytes()
    assert 70_000 - BLOCK_SIZE <= len(part) <= 70_000 and contents["walk/b.sto"].startswith(part)
    assert not (tmp_path / "walk" / "b.sto").exists()
    server.asked.clear()
    assert download(small, tmp_path) == 1
    assert server.asked == [("data/the%20walk/b.sto", f"bytes={len(part)}-")]
    assert read_files(tmp_path) == contents


def test_a_cut_is_noticed_though_the_server_did_not_say_how_long_the_file_is(
    small: Dataset, server: Server, contents: dict[str, bytes], tmp_path: Path, refused: Refused
) -> None:
    server.lengths = False
    server.cut["data/the%20a.sto"] = 50_000
    with refused("cut after 50000 of 100000 bytes"):
        download(small, tmp_path)
    assert download(small, tmp_path) == 2
    assert read_files(tmp_path) == contents


def test_a_server_that_cannot_begin_in_the_middle_begins_anew(
    small: Dataset, server: Server, contents: dict[str, bytes], tmp_path: Path, refused: Refused
) -> None:
    server.ranges = False
    server.cut["data/the%20a.sto"] = 50_000
    with refused("cut after"):
        download(small, tmp_path)
    download(small, tmp_path)
    assert read_files(tmp_path) == contents


def test_an_interrupted_download_keeps_what_came(
    small: Dataset, server: Server, contents: dict[str, bytes], tmp_path: Path
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(small, tmp_path, progress=interrupt)
    (part,) = read_files(tmp_path).items()
    assert part[0] == "a.sto.part" and len(part[1]) > 60_000
    server.asked.clear()
    download(small, tmp_path)
    assert server.asked[0][1] == f"bytes={len(part[1])}-"
    assert read_files(tmp_path) == contents


def test_a_server_that_falls_silent_is_a_cut(
    small: Dataset, server: Server, contents: dict[str, bytes], tmp_path: Path, refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("nem2e_tf.datasets.download.TIMEOUT", (5.0, 0.2))
    server.cut["data/the%20a.sto"] = 50_000
    server.silence = 1.0
    with refused("cut after", "of 100000 bytes"):
        download(small, tmp_path)
    download(small, tmp_path)
    assert read_files(tmp_path) == contents


def test_wrong_bytes_are_refused_and_removed(
    small: Dataset, server: Server, contents: dict[str, bytes], tmp_path: Path, refused: Refused
) -> None:
    right = server.files["data/the%20a.sto"]
    server.files["data/the%20a.sto"] = right[:-1] + bytes([right[-1] ^ 1])
    with refused("a.sto", "not the published file", "removed"):
        download(small, tmp_path)
    assert read_files(tmp_path) == {}
    server.files["data/the%20a.sto"] = right
    download(small, tmp_path)
    assert read_files(tmp_path) == contents


def test_what_was_left_by_another_server_does_not_get_in(
    small: Dataset, contents: dict[str, bytes], tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "a.sto.part").write_bytes(b"something else")
    with refused("not the published file"):
        download(small, tmp_path)
    (tmp_path / "a.sto.part").write_bytes(b"too long" * 20_000)
    download(small, tmp_path)
    assert read_files(tmp_path) == contents


@pytest.mark.parametrize("lengths", [True, False])
@pytest.mark.parametrize(
    ("other", "message"), [(99_999, "cut after|99999"), (120_000, "120000|more")]
)
def test_a_file_of_another_length_is_refused(
    small: Dataset, server: Server, tmp_path: Path, refused: Refused,
    lengths: bool, other: int, message: str,
) -> None:  # fmt: skip
    server.lengths = lengths
    server.files["data/the%20a.sto"] = bytes(other)
    with refused("a.sto", "100000", message.split("|")[lengths == (other < 100_000)]):
        download(small, tmp_path)
    assert "a.sto" not in read_files(tmp_path)


def test_a_damaged_file_is_fetched_anew(
    small: Dataset, contents: dict[str, bytes], tmp_path: Path
) -> None:
    download(small, tmp_path)
    (tmp_path / "a.sto").write_bytes(contents["a.sto"][:-5])
    assert download(small, tmp_path) == 1
    assert read_files(tmp_path) == contents


def test_a_file_that_is_not_there_a_redirect_and_no_server_are_told_in_one_line(
    small: Dataset, server: Server, tmp_path: Path, refused: Refused
) -> None:
    with refused("/other/data/the%20a.sto", "404"):
        download(small, tmp_path, mirror=f"{server.address}/other/")
    server.files["elsewhere"] = b"secret"
    server.redirects["data/the%20a.sto"] = f"{server.address}/elsewhere"
    with refused("a.sto", "sends elsewhere", "/elsewhere", "not followed"):
        download(small, tmp_path)
    assert ("elsewhere", None) not in server.asked
    with refused("127.0.0.1:9/", "no connection"):
        download(small, tmp_path, mirror="http://127.0.0.1:9")
    with refused("cannot be fetched"):
        download(small, tmp_path, mirror="file:///etc")
    assert read_files(tmp_path) == {}


@pytest.mark.parametrize(
    "name", ["../a.sto", "/tmp/a.sto", "b/../../a.sto", "..\\a.sto", "C:a.sto"]
)
def test_a_registry_cannot_name_a_file_out_of_the_folder(name: str, refused: Refused) -> None:
    facts = find_dataset("ceinms-lower-limb").model_dump()
    facts["files"][0]["name"] = name
    with refused("mine.yaml", "bad.files.0.name", "within the set's folder"):
        parse_registry(json.dumps({"bad": facts}), "mine.yaml")


def test_a_link_does_not_lead_a_download_out_of_the_folder(
    small: Dataset, tmp_path: Path, refused: Refused
) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "set"
    outside.mkdir()
    folder.mkdir()
    (folder / "walk").symlink_to(outside)
    with refused("walk/b.sto", "leads out of the folder"):
        download(small, folder)
    assert read_files(outside) == {}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"tasks": ["runing"]}, "tasks.0"),
        ({"log_in": "ask"}, "needs either an address"),
        ({"trials": [{"task": "walking", "model": "m", "motion": "k", "emg": "e"}]}, "moments"),
        ({"wheels": 4}, "wheels"),
    ],
)  # fmt: skip
def test_a_fault_in_a_registry_is_named(
    change: dict[str, Any], place: str, refused: Refused
) -> None:
    facts = find_dataset("ceinms-lower-limb").model_dump() | change
    with refused("mine.yaml", "bad", place):
        parse_registry(json.dumps({"bad": facts}), "mine.yaml")


def run(*arguments: object, cache: Path, terminal: str | None = None) -> Any:
    """Run `nem2e data`, without a terminal or typing into one."""
    words = [str(NEM2E), "data", *map(str, arguments)]
    environment = os.environ | {"NEM2E_CACHE": str(cache)}
    ours, theirs = pty.openpty()
    try:
        os.write(ours, (terminal or "").encode())
        return subprocess.run(
            words, capture_output=True, text=True, timeout=120, env=environment,
            stdin=theirs if terminal else subprocess.DEVNULL,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)


def test_nothing_is_fetched_before_the_licence_is_accepted(
    published: Server, tmp_path: Path
) -> None:
    name = "opensim-3d-walking"
    asked = ("fetch", name, "--mirror", f"{published.address}/{name}")
    published.asked.clear()
    for answer, message in ((None, "--accept-licence"), ("n\n", "not accepted")):
        done = run(*asked, cache=tmp_path, terminal=answer)
        assert done.returncode == 2
        assert "licence: Apache-2.0" in done.stderr and "cite: Dembia" in done.stderr
        assert "error: nothing fetched" in done.stderr.splitlines()[-1]
        assert message in done.stderr.splitlines()[-1]
    assert published.asked == [] and read_files(tmp_path) == {}
    done = run(*asked, "--json", cache=tmp_path, terminal="y\n")
    assert done.returncode == 0, done.stderr
    message = json.loads(done.stdout)
    assert message["downloaded"] == 11 and message["trials"] == 1
    assert Path(message["trials_csv"]).parent == tmp_path / "data" / name
    # All is there: neither a licence nor a server is needed.
    again = json.loads(run("fetch", name, "--json", cache=tmp_path).stdout)
    assert again == message | {"downloaded": 0, "found": 11}


def test_the_fetched_sets_are_those_of_the_recordings_and_can_be_prepared(
    published: Server, data: Path, tmp_path: Path
) -> None:
    rows = []
    for name in FETCHED:
        folder = tmp_path / name
        fetched = fetch(find_dataset(name), folder, mirror=f"{published.address}/{name}")
        for file in find_dataset(name).files:
            assert (folder / file.name).read_bytes() == (data / name / file.name).read_bytes()
        read_trials(fetched.trials_csv)
        rows.append(pd.read_csv(fetched.trials_csv, dtype=str, keep_default_na=False))
    walk, run81 = rows[0].to_dict("records")
    assert (walk["end"], run81["end"]) == ("59.03", "58.37")
    assert rows[1].loc[0, "motion"] == "coordinates.sto"
    stride = tmp_path / FETCHED[1] / "stride.csv"
    rows[1].assign(start="0.6", end="0.76").to_csv(stride, index=False)
    done = command.start("prepare", stride, "-o", tmp_path / "shards", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert "no trial has EMG of gastrocnemius_lateralis: left out" in done.stderr
    (pair,) = Shards.open(tmp_path / "shards").pairs()
    assert pair.simulated.shape == (17, 9) and pair.measured.shape == (17, 8)
    emg = read_storage(data / FETCHED[1] / "electromyography.sto")
    at = emg.index.get_indexer(pair.measured.index, method="nearest")
    for ours, theirs in (("semimembranosus", "medial_hamstrings"), ("soleus", "soleus")):
        np.testing.assert_allclose(pair.measured[ours], emg[theirs].to_numpy()[at], atol=1e-3)


def test_a_list_of_trials_that_somebody_changed_is_kept(
    published: Server, data: Path, tmp_path: Path
) -> None:
    name = FETCHED[0]
    first = fetch(find_dataset(name), tmp_path, mirror=f"{published.address}/{name}")
    assert not first.kept and first.warnings() == []
    first.trials_csv.write_text("mine")
    again = fetch(find_dataset(name), tmp_path)
    assert again.kept and "kept" in again.warnings()[0]
    assert first.trials_csv.read_text() == "mine"


def write_in_degrees(motion: pd.DataFrame, path: Path) -> None:
    """Write angles as inverse kinematics of OpenSim 3 does."""
    angles = [name for name in motion.columns if not name.endswith(("_tx", "_ty", "_tz"))]
    frame = motion.assign(**np.rad2deg(motion[angles]))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_storage(frame, path, "Coordinates")
    path.write_text(path.read_text().replace("inDegrees=no", "inDegrees=yes"))


def synthetic_raw(envelopes: pd.DataFrame) -> pd.DataFrame:
    """Synthetic raw EMG: noise of 2000 samples a second that real envelopes modulate."""
    random = np.random.default_rng(1)
    return 1e-3 * envelopes * random.standard_normal(envelopes.shape)


@pytest.fixture(scope="module")
def motion(overground: Path) -> pd.DataFrame:
    """A real stride at 100 Hz, its coupled coordinates left to the model."""
    frame = read_motion(overground / "coordinates.sto", []).iloc[::10]
    frame = frame[[name for name in frame.columns if not name.endswith("_beta")]]
    return frame.set_axis(frame.index.to_numpy().round(6)).rename_axis("time")


@pytest.fixture
def hamner(overground: Path, motion: pd.DataFrame, tmp_path: Path) -> Path:
    """The layout of hamner-2013 with one trial: a real stride, and synthetic raw EMG of it."""
    subject = tmp_path / "downloads" / "subject01" / "subject01"
    write_in_degrees(motion, subject / "ik" / "Results_191" / "Run_30002.mot")
    for folder in ("scale", "ExportedData", "EMG"):
        (subject / folder).mkdir()
    model = (overground / "subject_walk_scaled.osim").read_bytes()
    (subject / "scale" / "subject01_scaled.osim").write_bytes(model)
    forces = read_storage(overground / "grf_walk.mot")
    names = {
        name: name.replace(f"_{side.lower()}_", "_").replace("ground", f"{side}_ground", 1)
        for side in "RL"
        for name in forces.columns
        if f"_{side.lower()}_" in name
    }
    place = subject / "ExportedData" / "Run_300 02_newCOP3_v24.mot"
    write_storage(forces.rename(columns=names), place, "forces")
    emg = read_storage(overground / "electromyography.sto")
    raw = synthetic_raw(emg[["soleus", "vastus_lateralis"]]).set_axis(
        ["soleus_r", "vaslat_r"], axis=1
    )
    write_storage(raw, subject / "EMG" / "Run_30002_EMG_RAW.sto", "raw EMG")
    # What macOS puts into archives.
    apple = tmp_path / "downloads" / "__MACOSX" / "subject01" / "ik" / "Results_191"
    apple.mkdir(parents=True)
    (apple / "Run_30002.mot").touch()
    return tmp_path / "downloads"


def test_a_set_behind_a_log_in_is_read_where_it_was_unpacked(
    hamner: Path, overground: Path, motion: pd.DataFrame
) -> None:
    fetched = fetch(find_dataset("hamner-2013"), hamner)
    assert (fetched.trials, fetched.subjects) == (1, 1)
    (trial,) = read_trials(fetched.trials_csv)
    assert (trial.subject, trial.task) == ("subject01", "running")
    assert trial.start == pytest.approx(0.45) and trial.end == pytest.approx(1.79)
    assert trial.moments and trial.emg and trial.loads
    # The same forces by the recording's own ExternalLoads.
    model = overground / "subject_walk_scaled.osim"
    expected = inverse_dynamics(model, motion, overground / "grf_walk.xml")
    made = read_storage(trial.moments)
    np.testing.assert_allclose(made[expected.columns], expected, atol=1e-6)
    envelopes = read_storage(overground / "electromyography.sto")
    for ours, theirs in (("soleus_r", "soleus"), ("vaslat_r", "vastus_lateralis")):
        got = read_storage(trial.emg)[ours].loc[0.45:1.79]
        at = envelopes.index.get_indexer(got.index, method="nearest")
        assert np.corrcoef(got, envelopes[theirs].to_numpy()[at])[0, 1] > 0.8
    gone = "**/subject02*/ik/Results*/Run_400*05.mot"
    assert fetched.missing[gone] == ["subject02 Run_400*05"]
    assert len({trial for trials in fetched.missing.values() for trial in trials}) == 39
    assert fetched.faults == {}
    untouched = trial.moments.stat().st_mtime_ns
    fetch(find_dataset("hamner-2013"), hamner)
    assert trial.moments.stat().st_mtime_ns == untouched


def test_a_trial_that_cannot_be_used_does_not_cost_the_others(hamner: Path, tmp_path: Path) -> None:
    bad = hamner / "subject02"
    shutil.copytree(hamner / "subject01" / "subject01", bad)
    (bad / "scale" / "subject01_scaled.osim").rename(bad / "scale" / "scaled.osim")
    (bad / "ik" / "Results_191" / "Run_30002.mot").write_text("no storage file")
    done = run("fetch", "hamner-2013", "--from", hamner, "--json", cache=tmp_path)
    assert done.returncode == 1, done.stderr
    message = json.loads(done.stdout)
    assert message["trials"] == 1 and list(message["faults"]) == ["subject02 Run_300*02"]
    assert "Run_30002.mot: no 'endheader' line" in message["faults"]["subject02 Run_300*02"]
    assert "warning: subject02 Run_300*02 left out" in done.stderr


def test_what_is_missing_or_doubled_in_a_folder_is_told_in_one_line(
    hamner: Path, tmp_path: Path, refused: Refused
) -> None:
    subject = hamner / "subject01" / "subject01"
    emg = subject / "EMG" / "Run_30002_EMG_RAW.sto"
    raw = emg.read_bytes()
    emg.write_bytes(raw[:5000])
    with refused(emg, "cut short"):
        fetch(find_dataset("hamner-2013"), hamner)
    emg.write_bytes(raw)
    double = subject / "scale" / "subject01_scaled_2.osim"
    double.touch()
    with refused(hamner, "subject01_scaled.osim", "subject01_scaled_2.osim", "move one away"):
        fetch(find_dataset("hamner-2013"), hamner)
    double.unlink()
    (subject / "scale" / "subject01_scaled.osim").unlink()
    with refused(hamner, "no trial has all its files", "'**/subject01*/**/*scaled*.osim'", "more"):
        fetch(find_dataset("hamner-2013"), hamner)
    with refused(tmp_path / "nowhere", "no such folder"):
        fetch(find_dataset("hamner-2013"), tmp_path / "nowhere")


def test_raw_emg_with_names_of_its_own_gets_ours(
    overground: Path, motion: pd.DataFrame, tmp_path: Path
) -> None:
    root = tmp_path / "SimulationDataAndSetupFiles-4.0"
    write_in_degrees(motion, root / "IK" / "results_walk" / "ik_output_walk.mot")
    for folder in ("Scale", "ID/results_walk", "ExpData"):
        (root / folder).mkdir(parents=True)
    for name, place in (
        ("subject_walk_scaled.osim", "Scale/subject_scaled_walk.osim"),
        ("id_walk.sto", "ID/results_walk/inverse_dynamics.sto"),
    ):
        (root / place).write_bytes((overground / name).read_bytes())
    theirs = ["SOL", "GAS", "TA", "MH", "BF", "VL", "VM", "RF", "GMAX", "GMED"]
    raw = synthetic_raw(read_storage(overground / "electromyography.sto")).set_axis(theirs, axis=1)
    head = ["File_Type:\tAnalog R/C ASCII\tGeneration#:\t1", "", "Name\t" + "\t".join(theirs)]
    head += ["Rate" + "\t2000" * 10, "Range" + "\t10000" * 10]
    text = raw.mul(1e6).to_csv(sep="\t", header=False, float_format="%.6g", lineterminator="\n")
    (root / "ExpData" / "emg_walk_raw.anc").write_text("\n".join(head) + "\n" + text)
    fetched = fetch(find_dataset("rajagopal-2016"), tmp_path)
    (trial,) = read_trials(fetched.trials_csv)
    assert fetched.missing == {} and trial.moments == root / "ID/results_walk/inverse_dynamics.sto"
    assert trial.emg
    envelopes = read_storage(trial.emg)
    assert sorted(envelopes.columns) == sorted(
        f"{c}_r" for c in find_dataset("rajagopal-2016").channels
    )
    np.testing.assert_allclose(envelopes.max(), 1.0)
    assert envelopes.min().min() >= 0


def test_every_set_tells_its_licence_its_source_and_how_to_come_by_it(tmp_path: Path) -> None:
    listed = json.loads(run("list", "--json", cache=tmp_path).stdout)
    assert list(listed) == list(read_registry())
    name = "hamner-2013"
    message = run("info", name, cache=tmp_path).stdout
    for fact in ("licence", "doi", "page", "log_in"):
        assert listed[name][fact] in message
    assert f"nem2e data fetch {name} --from FOLDER" in message
    refused = run("fetch", name, cache=tmp_path)
    assert refused.returncode == 2 and f"nem2e data info {name}" in refused.stderr
    unknown = run("info", "hamner", cache=tmp_path)
    assert unknown.returncode == 2 and "nearest is 'hamner-2013'" in unknown.stderr
