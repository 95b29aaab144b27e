"""Coverage-guided fuzzing of every reader: `python -m tests.fuzz [READER] --inputs N`.

A reader is given a file of any bytes. It must return, or raise an `InputError` of one line that
names the file, within ten seconds and two gigabytes. Anything else is a failure: another exception,
a Python warning, a crash of compiled code, a hang. Failing inputs are kept in the corpus folder.

Each reader runs in a process of its own, on coverage of this package's own code as atheris measures
it. Inputs come from the reader's seeds, changed byte by byte as libFuzzer does and token by token,
line by line as `tests.fuzz.mutation` does. Inputs are counted in the corpus folder: interrupted, a
run goes on from there, and a reader that had its inputs is not run again.
"""

import argparse
import json
import mmap
import resource
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

READERS = (
    "storage", "trc", "c3d", "emg-csv", "emg-anc", "trials", "muscles", "experiment", "ablations",
    "card", "exports", "shards", "stream", "xml", "keras", "savedmodel",
)  # fmt: skip
LONGEST_TIME = 10
"""Seconds of processor time that an input may take. After six times as many on the clock, a busy
machine's, it is ended."""
MOST_MEMORY = 2048
"""MB that a reader's process may hold."""
LARGEST = 4096
"""Bytes of an input, where its reader's seeds are not larger."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the readers that are named; 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the readers.")
    parser.add_argument("reader", choices=[*READERS, "all"], nargs="?", default="all")
    parser.add_argument("--inputs", type=int, default=10_000, help="of each reader, in all runs")
    parser.add_argument("--seconds", type=int, default=0, help="of each reader; 0 is no limit")
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir()) / "nem2e-fuzz")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--within", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.within:
        _fuzz(asked.reader, asked.inputs, asked.seconds, asked.corpus / asked.reader)
    readers = READERS if asked.reader == "all" else (asked.reader,)
    results = {name: _run(name, asked) for name in readers}
    total = sum(result["inputs"] for result in results.values())
    failures = sum(len(result["failures"]) for result in results.values())
    if asked.json:
        print(json.dumps({"inputs": total, "failures": failures, "readers": results}, indent=2))
    else:
        print(f"{total} inputs, {failures} failures")
    return 1 if failures else 0


def _run(reader: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Fuzz a reader in a process of its own; what came of all runs with this corpus."""
    folder = asked.corpus / reader
    for kind in ("inputs", "failures"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    counter = _Counter(folder)
    left, began = asked.inputs - counter.inputs, time.monotonic()
    if left > 0:
        command = [sys.executable, "-m", "tests.fuzz", reader, "--within", "--inputs", str(left)]
        command += ["--seconds", str(asked.seconds), "--corpus", str(asked.corpus)]
        with open(folder / "log.txt", "ab") as log:
            done = subprocess.run(command, stdout=log, stderr=log, check=False)
        if done.returncode and not list((folder / "failures").iterdir()):
            (folder / "failures" / "process").write_text(f"status {done.returncode}: see log.txt")
    result = {
        "inputs": counter.inputs,
        "refused": counter.refused,
        "ended_reader_process": counter.ended,
        "corpus": len(list((folder / "inputs").iterdir())),
        "failures": sorted(str(path) for path in (folder / "failures").iterdir()),
        "seconds": round(time.monotonic() - began, 1),
    }
    if not asked.json:
        listed = ", ".join(f"{key} {value}" for key, value in result.items() if key != "failures")
        print(f"{reader}: {listed}", *result["failures"], sep="\n  ", flush=True)
    return result


class _Counter:
    """Inputs of a reader, counted where no crash can lose them.

    Args:
        folder: path. The reader's, in the corpus.
    """

    def __init__(self, folder: Path) -> None:
        with open(folder / "count", "a+b") as file:
            file.truncate(24)
            self._numbers = mmap.mmap(file.fileno(), 24)

    def _get(self, place: int) -> int:
        (number,) = struct.unpack_from("<q", self._numbers, 8 * place)
        return int(number)

    def add(self, place: int) -> None:
        """One more: 0 an input, 1 one that was refused, 2 one that ended the reader's process."""
        struct.pack_into("<q", self._numbers, 8 * place, self._get(place) + 1)

    @property
    def inputs(self) -> int:
        """All of them."""
        return self._get(0)

    @property
    def refused(self) -> int:
        """Those that ended in an `InputError`."""
        return self._get(1)

    @property
    def ended(self) -> int:
        """Those that ended the process in which compiled code reads; refused ones all."""
        return self._get(2)


def _fuzz(name: str, inputs: int, seconds: int, folder: Path) -> None:
    """Fuzz a reader in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["nem2e_tf", "training"]):
        from tests.fuzz import mutation, readers
    scratch = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    reader = readers.open_reader(name, scratch)
    seeds = folder / "seeds"
    seeds.mkdir(exist_ok=True)
    for number, seed in enumerate(reader.seeds):
        (seeds / str(number)).write_bytes(seed)
    counter = _Counter(folder)
    warnings.simplefilter("error")
    limit = 4 * MOST_MEMORY * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    def one_input(data: bytes) -> None:
        counter.add(0)
        began = time.process_time()
        try:
            if reader.refuses(data):
                counter.add(1)
            taken = time.process_time() - began
            assert taken < LONGEST_TIME, f"took {taken:g} s"
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            own_frames = [f for f in frames if "nem2e_tf" in f.filename or "training" in f.filename]
            where = (
                f"{Path(own_frames[-1].filename).stem}-{own_frames[-1].lineno}"
                if own_frames
                else "outside"
            )
            called = f"{type(error).__name__}-{where}"
            (folder / "failures" / called).write_bytes(data)
            (folder / f"{called}.txt").write_text(traceback.format_exc(), "utf-8", "replace")
        if reader.has_ended():
            counter.add(2)

    random = mutation.Mutation(reader.tokens)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        if seed % 4 == 0:
            return bytes(atheris.Mutate(data, most))
        return random.changed(data, most, seed)

    most = max(LARGEST, *(2 * len(seed) for seed in reader.seeds))
    options = [
        f"-max_len={most}", f"-timeout={6 * LONGEST_TIME}", f"-rss_limit_mb={MOST_MEMORY}",
        f"-artifact_prefix={folder / 'failures'}/", "-print_final_stats=1",
        f"-report_slow_units={6 * LONGEST_TIME}", f"-max_total_time={seconds}", f"-runs={inputs}",
        "-len_control=0", str(folder / "inputs"), str(seeds),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
