"""The documents' own commands: found in their Markdown, and run as a reader would."""

import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from tests.repository import ROOT

RUN, READ = ("bash", "python"), ("json", "text", "yaml")
"""Languages of blocks that are there to be run, and to be read. Any other needs a reason."""
_NOTE = re.compile(r"<!--\s*(slow|not run|file):?\s*(.*?)\s*-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code in a page.

    Args:
        page: relative to the repository.
        line: of its first line of code, from 1.
        language: as its fence names it; empty of an indented block.
        text: the code.
        note: of a comment above, `slow`, `not run` or `file`; empty if there is none.
        told: what that comment says: why it is not run, or the name of the file that it shows.
    """

    page: str
    line: int
    language: str
    text: str
    note: str = ""
    told: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether a reader does something with it, and so does a test."""
        return self.note == "file" or (self.language in RUN and self.note != "not run")

    @property
    def slow(self) -> bool:
        """Whether that takes long."""
        return self.note == "slow"


def pages() -> list[Path]:
    """All documents that are written in Markdown."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order; those of its table of contents and includes are left out."""
    found, note = [], None
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            note = _NOTE.fullmatch(token.content.strip())
        elif token.type in ("fence", "code_block"):
            assert token.map is not None
            language = token.info.split()[0] if token.info else ""
            if not language.startswith("{"):
                found.append(
                    Block(
                        str(page.relative_to(ROOT)), token.map[0] + 2, language,
                        token.content, *(note.groups() if note else ()),
                    )
                )  # fmt: skip
            note = None
        elif token.type.endswith("_open"):
            note = None
    return found


class Reader:
    """Runs the blocks of one page, one after the other.

    Args:
        folder: where the reader is, with what the page takes for granted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: dict[str, Any] = {"__name__": "__main__"}

    def run(self, block: Block) -> None:
        """Run a block, or write its file; what Python names is there for the blocks below."""
        if block.note == "file":
            (self.folder / block.told).write_text(block.text)
            return
        if block.language == "python":
            # Where it goes wrong is told by the page's own line.
            code = compile("\n" * (block.line - 1) + block.text, block.page, "exec")
            exec(code, self._names)
            return
        folder, programs, modules = self.folder, Path(sys.executable).parent, str(ROOT)
        if block.text.startswith("pip install"):
            (folder, programs), modules = self._newcomer(), ""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=folder,
            env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": modules},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{block}: {done.stderr[-2000:]}"

    def _newcomer(self) -> tuple[Path, Path]:
        """A copy of the repository, and the programs of a new virtual environment."""
        clone = self.folder / "clone"
        left = shutil.ignore_patterns(".*", "__pycache__", "build", "runs", "*.egg-info")
        shutil.copytree(ROOT, clone, ignore=left)
        venv.create(self.folder / "new", with_pip=True)
        return clone, self.folder / "new" / "bin"
