"""Download of a public set's files, checked by SHA-256; an interrupted download is resumed."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

from nem2e_tf.datasets.registry import Dataset, File
from nem2e_tf.errors import InputError

TIMEOUT = (10.0, 30.0)
"""Seconds to wait for a connection, and for the next bytes."""

BLOCK_SIZE = 1 << 14
"""Bytes of a block; a cut connection loses at most one."""

Progress = Callable[[int, int], None]
log = logging.getLogger(__name__)


def missing_files(dataset: Dataset, folder: Path) -> list[File]:
    """The files that are missing or differ from the published ones."""
    import pooch

    return [
        file
        for file in dataset.files
        if not (path := _file_path(folder, file)).is_file() or pooch.file_hash(path) != file.sha256
    ]


def download(
    dataset: Dataset, folder: Path, mirror: str | None = None, progress: Progress | None = None
) -> int:
    """Fetch the files that a folder lacks.

    The received part of a file is kept beside it in `<name>.part`, and the next call resumes
    there. A file whose content is not the published one is removed.

    Args:
        dataset: Dataset with an address.
        folder: path. There already.
        mirror: str or None. An address that replaces the set's.
        progress: callable or None. Called with the kB present and the total kB.

    Returns:
        How many files were fetched.

    Raises:
        InputError: the server cannot be reached, has no such file or another one, sends elsewhere,
            or the connection was cut.
    """
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    address = f"{(mirror or dataset.address or '').rstrip('/')}/"
    missing = missing_files(dataset, folder)
    present = dataset.size - sum(file.size for file in missing)
    for file in missing:
        path = _file_path(folder, file)
        if path.exists():
            log.info("%s: is not the published file; fetched anew", path)
        path.parent.mkdir(parents=True, exist_ok=True)

        def report(received: int, already_present: int = present) -> None:
            if progress is not None:
                progress((already_present + received) // 1000, dataset.size // 1000)

        url = urljoin(address, quote(file.source))
        part = path.with_name(f"{path.name}.part")
        try:
            pooch.retrieve(
                url, f"sha256:{file.sha256}", fname=path.name, path=path.parent,
                downloader=partial(_fetch_file, part=part, size=file.size, report=report),
            )  # fmt: skip
        except InputError:
            raise
        except ValueError:
            raise InputError(
                f"{url}: is not the published file (its SHA-256 is another); it was removed, run"
                " the same command again or name a --mirror"
            ) from None
        present += file.size
    return len(missing)


def _file_path(folder: Path, file: File) -> Path:
    """The path of a file; `InputError` where a link leads out of the folder."""
    root = folder.resolve()
    path = (root / file.name).resolve()
    if not path.is_relative_to(root):
        raise InputError(f"{folder / file.name}: leads out of the folder {folder}")
    return path


def _fetch_file(
    url: str, output: str, _: Any, *, part: Path, size: int, report: Callable[[int], None]
) -> None:
    """Downloader for pooch: fills `part` up to `size` bytes, then renames it to `output`."""
    if part.exists() and part.stat().st_size > size:
        part.unlink()
    if not part.exists() or part.stat().st_size < size:
        with _open_response(url, part.stat().st_size if part.exists() else 0, size) as (
            start,
            blocks,
        ):
            received = start
            with open(part, "ab" if start else "wb") as file:
                for block in blocks:
                    file.write(block)
                    received += len(block)
                    if received > size:
                        break
                    report(received)
    received = part.stat().st_size
    if received > size:
        part.unlink()
        raise InputError(f"{url}: has more than the {size} bytes that were published; removed")
    if received < size:
        raise _connection_error(url, received, size)
    part.replace(output)


@contextmanager
def _open_response(url: str, offset: int, size: int) -> Iterator[tuple[int, Iterator[bytes]]]:
    """The first byte that the server sends, and the blocks from there."""
    import requests

    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    received = offset
    try:
        with requests.get(
            url, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=False
        ) as response:
            start = _first_byte(response, url, offset, size)

            def blocks() -> Iterator[bytes]:
                nonlocal received
                received = start
                for block in response.iter_content(BLOCK_SIZE):
                    received += len(block)
                    yield block

            yield start, blocks()
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
        raise _connection_error(url, received, size) from None
    except requests.RequestException as error:
        raise InputError(f"{url}: cannot be fetched: {error}") from None


def _first_byte(response: Any, url: str, offset: int, size: int) -> int:
    code = response.status_code
    if response.is_redirect:
        raise InputError(
            f"{url}: the server sends elsewhere, to {response.headers['Location']}; this is not"
            " followed, name a --mirror that has the files"
        )
    if code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        return offset
    if code != 200:
        raise InputError(f"{url}: the server answers {code} {response.reason}; name a --mirror")
    length = response.headers.get("Content-Length", str(size))
    if length != str(size):
        raise InputError(f"{url}: has {length} bytes, not the {size} that were published")
    return 0


def _connection_error(url: str, received: int, size: int) -> InputError:
    if not received:
        return InputError(f"{url}: no connection; try again, or name a --mirror")
    return InputError(
        f"{url}: the connection was cut after {received} of {size} bytes; they are kept, run the"
        " same command again to go on from there"
    )
