"""Commands on public sets of recordings: `data list`, `data info`, `data fetch`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nem2e_tf.cli import terminal
from nem2e_tf.cli.options import Json
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    from nem2e_tf.datasets import Dataset

app = terminal.make_app("Public sets of recordings.")
Name = Annotated[str, typer.Argument(help="Name of the set, as nem2e data list has it.")]


@app.command("list")
def list_sets(as_json: Json = False) -> None:
    """List the sets."""
    from rich.table import Table

    from nem2e_tf.datasets import read_registry

    known = read_registry()
    if as_json:
        terminal.print_json({name: dataset.as_json() for name, dataset in known.items()})
        return
    table = Table("set", "what", "people", "MB", "licence", box=None, pad_edge=False)
    for name, dataset in known.items():
        size = f"{dataset.size / 1e6:.1f}" if dataset.size else "log in"
        table.add_row(name, dataset.what, str(dataset.people), size, dataset.licence)
    terminal.stdout.print(table)


@app.command()
def info(name: Name, as_json: Json = False) -> None:
    """Print what a set holds, its licence, and how to get it."""
    from nem2e_tf.datasets import find_dataset

    dataset = find_dataset(name)
    if as_json:
        terminal.print_json({"name": name, **dataset.as_json()})
        return
    terminal.print_lines(
        [
            f"{name}: {dataset.what}",
            f"people: {dataset.people}; tasks: {', '.join(dataset.tasks)}",
            f"rates: {dataset.rates}",
            f"cite: {dataset.citation}, doi {dataset.doi}",
            f"licence: {dataset.licence}",
            f"page: {dataset.page}",
        ]
    )
    if dataset.log_in is None:
        lines = [f"  {file.size / 1e6:6.2f} MB  {file.name}" for file in dataset.files]
        lines += ["checked: every file, by its SHA-256", f"get it: nem2e data fetch {name}"]
    else:
        first = dataset.recorded_trials[0]
        lines = [
            f"get it: {dataset.log_in}",
            f"then: nem2e data fetch {name} --from FOLDER",
            f"which looks there, for {first.subject}, say, for:",
            *(f"  {file}" for file in first.files.values()),
            "checked: that these are there; names are from scripts that others published with work"
            " on this set, and no SHA-256 is known",
        ]
    terminal.print_lines(lines)


@app.command()
def fetch(
    name: Name,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to make the set's folder; a cache if left out."),
    ] = None,
    downloaded: Annotated[
        Path | None, typer.Option("--from", help="Folder of a set that you downloaded.")
    ] = None,
    accept: Annotated[bool, typer.Option("--accept-licence", help="Do not ask.")] = False,
    mirror: Annotated[
        str | None, typer.Option(help="Address to fetch from, in place of the set's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch a set and write its trials.csv, for nem2e prepare.

    What is there already is not fetched again, and a fetch that was cut goes on. Exits with status
    1 if the files of a trial cannot be used.
    """
    from nem2e_tf.datasets import fetching, find_dataset

    dataset = find_dataset(name)
    if dataset.log_in is not None:
        if downloaded is None:
            raise InputError(
                f"{name}: a person has to log in for it: nem2e data info {name} says how; then"
                f" nem2e data fetch {name} --from FOLDER"
            )
        if output is not None or mirror is not None:
            raise InputError(
                f"{name}: is read where it is; --from goes without --output and --mirror"
            )
        folder = downloaded
    elif downloaded is not None:
        raise InputError(f"{name}: is fetched, without --from")
    else:
        folder = (output or fetching.default_folder()) / name
        _ask_for_licence(dataset, folder, accept)
    fetched = fetching.fetch(dataset, folder, mirror=mirror, stages=terminal.progress_bar)
    terminal.print_warnings(fetched.warnings())
    if as_json:
        terminal.print_json({"name": name, **fetched.as_json()})
    else:
        listed = f"{fetched.trials_csv}: trials {fetched.trials}, people {fetched.subjects}"
        lines = [
            f"{fetched.folder}: {fetched.downloaded} files fetched, {fetched.found} found",
            f"{'kept' if fetched.kept else 'wrote'} {listed}",
            f"next: nem2e prepare {fetched.trials_csv} -o shards",
        ]
        terminal.print_lines(lines if dataset.files else lines[1:])
    if fetched.faults:
        raise typer.Exit(1)


def _ask_for_licence(dataset: "Dataset", folder: Path, accept: bool) -> None:
    """Show size and licence of what is to be fetched; `InputError` unless it is accepted."""
    from nem2e_tf.datasets import missing_files

    size = sum(file.size for file in missing_files(dataset, folder))
    if not size:
        return
    terminal.print_messages(
        [
            f"{size / 1e6:.1f} MB from {dataset.page}",
            f"licence: {dataset.licence}",
            f"cite: {dataset.citation}, doi {dataset.doi}",
        ]
    )
    if accept:
        return
    if not sys.stdin.isatty():
        raise InputError(
            f"nothing fetched: accept the licence, {dataset.licence}, by --accept-licence"
        )
    if not typer.confirm("Do you accept this licence?", err=True):
        raise InputError("nothing fetched: the licence was not accepted")
