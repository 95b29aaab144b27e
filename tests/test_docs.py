"""The documents: what they say to do works, their site builds, their examples say what is so."""

import doctest
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from documents import REPOSITORY, READ, RUN, Block, Reader, blocks, pages

CEINMS, OVERGROUND = "ceinms-lower-limb", "opensim-3d-walking"
GIVEN: dict[str, dict[str, str]] = {
    "README.md": {
        "gait2392.osim": f"{CEINMS}/gait2392.osim",
        "ik.mot": f"{CEINMS}/walk45/ik.sto",
        "id.sto": f"{CEINMS}/walk45/id.sto",
    },
}
"""Files of the recordings that a page takes for granted, by the names that it gives them."""

BLOCKS = [block for page in pages() for block in blocks(page)]
INTERNAL = {"c3d_process", "options", "processes", "terminal"}
"""Modules that serve the others."""


def with_(what: str) -> list[str]:
    """Pages with blocks to run, all of them or those with slow ones."""
    chosen = [b for b in BLOCKS if b.runs and (b.slow if what == "slow" else not b.slow)]
    return list(dict.fromkeys(block.page for block in chosen))


@pytest.fixture
def reader(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """A reader in an empty folder, but for what the page of the test takes for granted."""
    page = request.node.callspec.params["page"]
    for name, recorded in GIVEN.get(page, {}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(request.getfixturevalue("data") / recorded)
    for name in ("saved_models", "tests", "training"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.chdir(tmp_path)
    return Reader(tmp_path)


@pytest.mark.parametrize("page", with_("fast"))
def test_what_a_page_says_to_do_works(page: str, reader: Reader) -> None:
    for block in BLOCKS:
        if block.page == page and block.runs and not block.slow:
            reader.run(block)


@pytest.mark.slow
@pytest.mark.parametrize("page", with_("slow"))
def test_what_a_page_says_to_do_works_to_its_end(page: str, reader: Reader) -> None:
    for block in BLOCKS:
        if block.page == page and block.runs:
            reader.run(block)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.note == "not run"], ids=str)
def test_a_block_that_is_not_run_says_why(block: Block) -> None:
    assert len(block.told.split()) > 3
    pytest.skip(f"{block} is not run: it {block.told}")


def test_every_block_says_what_language_it_is_in_and_code_runs_or_says_why_not() -> None:
    for block in BLOCKS:
        assert block.language in RUN + READ, f"{block}: {block.language or 'no language'}"
        assert block.runs or block.note == "not run" or block.language in READ, block
        if block.language == "json":
            json.loads(block.text)
