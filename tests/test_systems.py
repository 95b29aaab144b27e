"""The library needs nothing that only POSIX has; text is the same bytes on every system."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nem2e_tf.files import read_storage
from tests.repository import ROOT

SOURCES = sorted(
    p for top in ("nem2e_tf", "training", "export") for p in (ROOT / top).rglob("*.py")
)


def run(*arguments: str, cwd: Path = ROOT) -> str:
    """What a process without POSIX prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.without_posix", *arguments],
        cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_is_imported_without_posix() -> None:
    names = [path for path in SOURCES if path.name not in ("__init__.py", "__main__.py")]
    assert int(run("modules")) >= len(names) > 100


def test_the_demo_runs_without_posix(tmp_path: Path) -> None:
    assert "synthetic" in run("nem2e", "demo", "-o", "demo", cwd=tmp_path)
    assert len(read_storage(tmp_path / "demo" / "emg.sto")) > 400


@pytest.mark.parametrize(
    "code",
    ["import fcntl", "from resource import setrlimit", "import os; os.fork", "from os import uname",
     "import signal; signal.SIGKILL", "import os; os.O_NOFOLLOW"],
)  # fmt: skip
def test_what_only_posix_has_is_refused_to_us_alone(code: str) -> None:
    begun = "from tests.without_posix import without_posix; without_posix();"
    for importer, status in (("nem2e_tf.x", 1), ("joblib.x", 0)):
        full = f"{begun} exec({code!r}, {{'__name__': {importer!r}}})"
        done = subprocess.run([sys.executable, "-c", full], cwd=ROOT, capture_output=True)
        assert done.returncode == status


def faults(path: Path) -> Iterator[str]:
    """Where text is read or written as the system would have it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        attribute = isinstance(node.func, ast.Attribute)
        name = node.func.attr if attribute else getattr(node.func, "id", "")  # type: ignore
        given = {keyword.arg for keyword in node.keywords}
        place = f"{path.relative_to(ROOT)}:{node.lineno}: {name}"
        if name in ("run", "Popen", "check_output") and given & {"text", "universal_newlines"}:
            yield f"{place} reads text of no certain encoding"
        if name in ("read_text", "write_text") or (name == "open" and not attribute):
            constants = [n for a in node.args[1:2] for n in ast.walk(a)]
            mode = "".join(str(n.value) for n in constants if isinstance(n, ast.Constant))
            if name == "open" and "b" in mode:
                continue
            if "encoding" not in given and not (name == "read_text" and node.args):
                yield f"{place} without encoding"
            if (name == "write_text" or set(mode) & set("wax")) and "newline" not in given:
                yield f"{place} without newline"


def test_text_has_an_encoding_and_what_is_written_the_same_ends_of_lines() -> None:
    assert [fault for path in SOURCES for fault in faults(path)] == []


@pytest.mark.parametrize("place", ["/proc/", "/dev/", "/sys/"])
def test_no_file_of_one_system_is_read(place: str) -> None:
    assert not [path for path in SOURCES if place in path.read_text(encoding="utf-8")]
