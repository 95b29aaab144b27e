"""Files of a public set, fetched once: by their SHA-256, and on from where a cut has left them."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

from nem2e_tf.datasets.registry import Dataset, File
from nem2e_tf.errors import InputError

PATIENCE = (10.0, 30.0)
"""Seconds to wait for a connection, and for the next bytes."""

BLOCK = 1 << 14
"""Bytes taken at once: what a cut connection loses at most."""

Progress = Callable[[int, int], None]
log = logging.getLogger(__name__)


def lacking(dataset: Dataset, folder: Path) -> list[File]:
    """The files that are not there, or not as they were published."""
    import pooch

    return [
        file
        for file in dataset.files
        if not (path := _place(folder, file)).is_file() or pooch.file_hash(path) != file.sha256
    ]


def download(
    dataset: Dataset, folder: Path, mirror: str | None = None, progress: Progress | None = None
) -> int:
    """Fetch the files that a folder lacks.

    What has come of a file is kept beside its place in `<name>.part`, and the next call goes on
    from there. A file whose content is not the published one is removed.

    Args:
        dataset: Dataset with an address.
        folder: path. There already.
        mirror: str or None. An address in place of the set's.
        progress: callable or None. Called with kB there and kB in all.

    Returns:
        How many files were fetched.

    Raises:
        InputError: the server cannot be reached, has no such file or another one, sends elsewhere,
            or the connection was cut.
    """
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    address = f"{(mirror or dataset.address or '').rstrip('/')}/"
    todo = lacking(dataset, folder)
    there = dataset.size - sum(file.size for file in todo)
    for file in todo:
        place = _place(folder, file)
        if place.exists():
            log.info("%s: is not the published file; fetched anew", place)
        place.parent.mkdir(parents=True, exist_ok=True)

        def tell(came: int, before: int = there) -> None:
            if progress is not None:
                progress((before + came) // 1000, dataset.size // 1000)

        url = urljoin(address, quote(file.source))
        part = place.with_name(f"{place.name}.part")
        try:
            pooch.retrieve(
                url, f"sha256:{file.sha256}", fname=place.name, path=place.parent,
                downloader=partial(_fetch, part=part, size=file.size, tell=tell),
            )  # fmt: skip
        except InputError:
            raise
        except ValueError:
            raise InputError(
                f"{url}: is not the published file (its SHA-256 is another); it was removed, run"
                " the same command again or name a --mirror"
            ) from None
        there += file.size
    return len(todo)


def _place(folder: Path, file: File) -> Path:
    """Where a file goes; refused where a link would lead it out of the folder."""
    root = folder.resolve()
    place = (root / file.name).resolve()
    if not place.is_relative_to(root):
        raise InputError(f"{folder / file.name}: leads out of the folder {folder}")
    return place


def _fetch(
    url: str, output: str, _: Any, *, part: Path, size: int, tell: Callable[[int], None]
) -> None:
    """Downloader for pooch: fills `part` up to `size` bytes, then puts it where it is wanted."""
    if part.exists() and part.stat().st_size > size:
        part.unlink()
    if not part.exists() or part.stat().st_size < size:
        with _answer(url, part.stat().st_size if part.exists() else 0, size) as (start, blocks):
            came = start
            with open(part, "ab" if start else "wb") as file:
                for block in blocks:
                    file.write(block)
                    came += len(block)
                    if came > size:
                        break
                    tell(came)
    came = part.stat().st_size
    if came > size:
        part.unlink()
        raise InputError(f"{url}: has more than the {size} bytes that were published; removed")
    if came < size:
        raise _cut(url, came, size)
    part.replace(output)


@contextmanager
def _answer(url: str, have: int, size: int) -> Iterator[tuple[int, Iterator[bytes]]]:
    """The first byte that the server sends, and the blocks from there."""
    import requests

    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    came = have
    try:
        with requests.get(
            url, headers=headers, stream=True, timeout=PATIENCE, allow_redirects=False
        ) as answer:
            start = _first_byte(answer, url, have, size)

            def blocks() -> Iterator[bytes]:
                nonlocal came
                came = start
                for block in answer.iter_content(BLOCK):
                    came += len(block)
                    yield block

            yield start, blocks()
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
        raise _cut(url, came, size) from None
    except requests.RequestException as error:
        raise InputError(f"{url}: cannot be fetched: {error}") from None


def _first_byte(answer: Any, url: str, have: int, size: int) -> int:
    code = answer.status_code
    if answer.is_redirect:
        raise InputError(
            f"{url}: the server sends elsewhere, to {answer.headers['Location']}; this is not"
            " followed, name a --mirror that has the files"
        )
    if code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        return have
    if code != 200:
        raise InputError(f"{url}: the server answers {code} {answer.reason}; name a --mirror")
    length = answer.headers.get("Content-Length", str(size))
    if length != str(size):
        raise InputError(f"{url}: has {length} bytes, not the {size} that were published")
    return 0


def _cut(url: str, came: int, size: int) -> InputError:
    if not came:
        return InputError(f"{url}: no connection; try again, or name a --mirror")
    return InputError(
        f"{url}: the connection was cut after {came} of {size} bytes; they are kept, run the same"
        " command again to go on from there"
    )
