"""A folder of files that is there as a whole or not at all, every byte of it under a checksum."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from pymc_bnn._checks import invalid
from pymc_bnn.errors import DamagedError

__all__ = ["SUMS", "checked_folder", "folder_path", "new_folder", "remove_folder"]

SUMS = "SHA256SUMS"  # as ``sha256sum --check`` reads it
_MOST_SUMS = 2**16  # bytes of that file
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_CHUNK = 2**20
_PART = ".part"  # what ends the name of a folder that is being written
_SHOWN = 5


@contextmanager
def new_folder(
    path: str | os.PathLike[str], *, over: bool = False, argument: str = "path"
) -> Iterator[Path]:
    """Make a folder that appears at `path` only once all its files are on the disk.

    Files are written to a hidden folder beside `path`, their SHA-256 is put into ``SHA256SUMS``,
    everything is synced, and the folder renamed. If the block raises, nothing is left. A process
    that is killed leaves at most a hidden folder that ends in ``.part``.

    Parameters
    ----------
    path : str or path
        Where the folder is to be; its parents are made.
    over : bool, optional
        Whether a folder that is there may be replaced. It is moved away only when the new one is
        complete, and removed after that.
    argument : str, optional
        What errors call `path`.

    Yields
    ------
    pathlib.Path
        The folder to put files into, without folders of their own; names are made of letters,
        digits and ``._-``.

    Raises
    ------
    ValueError
        If something is at `path` already.
    OSError
        If the disk is full or may not be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with new_folder(f"{parent}/kept") as folder:
    ...         _ = (folder / "fit.json").write_text("{}")
    ...     sorted(os.listdir(f"{parent}/kept"))
    ['SHA256SUMS', 'fit.json']
    """
    path = Path(os.path.abspath(folder_path(path, argument)))
    taken = _taken(path)
    if taken and not (over and taken == "a folder"):
        repair = "choose another path, or remove what is there"
        raise invalid(argument, "be a path at which nothing is yet", f"{taken} '{path}'", repair)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _hidden(path)
    part.mkdir()
    try:
        yield part
        names = _names(part)
        (part / SUMS).write_bytes(_text({name: _sum(part / name) for name in names}))
        for name in (*names, SUMS):
            _sync(part / name)
        _sync(part)
        _move(part, path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    _sync(path.parent)


def checked_folder(
    path: str | os.PathLike[str], most: Mapping[str, int], *, argument: str = "path"
) -> dict[str, Path]:
    """Return the files of a folder, after a look at every byte of them.

    Nothing is read before sizes are known, and links are not followed.

    Parameters
    ----------
    path : str or path
        The folder, as :func:`new_folder` left it.
    most : mapping from str to int
        Names of the files that there may be, and how many bytes each may have.
    argument : str, optional
        What errors call `path`.

    Returns
    -------
    dict from str to pathlib.Path
        Those that are there, without ``SHA256SUMS``.

    Raises
    ------
    ValueError
        If there is no such folder.
    DamagedError
        If a file was changed, cut, added or taken away, is too large, or is no plain file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with new_folder(f"{parent}/kept") as folder:
    ...         _ = (folder / "fit.json").write_text("{}")
    ...     print(*checked_folder(f"{parent}/kept", {"fit.json": 100}))
    fit.json
    """
    path = folder_path(path, argument)
    if not path.is_dir():
        got = f"'{path}', which is {_taken(path) or 'not there'}"
        raise invalid(argument, "be a folder that was saved before", got, "correct the path")
    sizes = _sizes(path, {**most, SUMS: _MOST_SUMS}, argument)
    if SUMS not in sizes:
        raise _damaged(path, [f"'{SUMS}' is missing"], argument)
    names = sorted(set(sizes) - {SUMS})
    found = {name: _sum(path / name) for name in names}
    with _opened(path / SUMS) as file:
        text = file.read(_MOST_SUMS)
    if text != _text(found):
        raise _damaged(path, _differences(text, found), argument)
    return {name: path / name for name in names}


def remove_folder(path: Path) -> None:
    """Remove a folder that was made here: it is gone as a whole before its files are.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with new_folder(f"{parent}/kept") as folder:
    ...         _ = (folder / "fit.json").write_text("{}")
    ...     remove_folder(Path(parent, "kept"))
    ...     os.listdir(parent)
    []
    """
    away = _hidden(path)
    path.rename(away)
    shutil.rmtree(away)


def _hidden(path: Path) -> Path:
    """Return a new path beside one, of what is being written or removed."""
    return path.with_name(f".{path.name}.{uuid4().hex[:8]}{_PART}")


def _taken(path: Path) -> str:
    """Say what is at a path, in whose place no folder can be put; nothing for an empty folder."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if stat.S_ISLNK(mode):
        return "a link"
    if not stat.S_ISDIR(mode):
        return "a file"
    return "a folder" if any(path.iterdir()) else ""


def _names(folder: Path) -> list[str]:
    """Return the names of all files, in order; raise for what could not be read back."""
    names = sorted(os.listdir(folder))
    for name in names:
        plain = _NAME.fullmatch(name) and stat.S_ISREG((folder / name).lstat().st_mode)
        if not plain or name == SUMS:
            repair = f"use letters, digits and ._- and not '{SUMS}'"
            raise invalid("folder", "hold plain files of plain names", repr(name), repair)
    return names


def _sizes(path: Path, most: Mapping[str, int], argument: str) -> dict[str, int]:
    """Return the size of each file; raise for a name, kind or size that may not be."""
    sizes, wrong = {}, []
    with os.scandir(path) as entries:
        for entry in entries:
            about = entry.stat(follow_symlinks=False)
            if entry.name not in most:
                wrong.append(f"{entry.name!r} does not belong to it")
            elif not stat.S_ISREG(about.st_mode):
                wrong.append(f"'{entry.name}' is no plain file")
            elif about.st_size > most[entry.name]:
                size = f"{about.st_size:,} bytes, and may have {most[entry.name]:,}"
                wrong.append(f"'{entry.name}' has {size}")
            sizes[entry.name] = about.st_size
            if len(wrong) == _SHOWN:
                break
    if wrong:
        raise _damaged(path, sorted(wrong), argument)
    return sizes


def _differences(text: bytes, found: Mapping[str, str]) -> list[str]:
    """Say which files are not as the checksums say."""
    listed = {}
    for line in text.decode("ascii", "replace").splitlines():
        match = re.fullmatch(rf"([0-9a-f]{{64}})  ({_NAME.pattern})", line)
        if not match:
            return [f"'{SUMS}' was changed"]
        listed[match[2]] = match[1]
    wrong = [f"'{name}' is missing" for name in sorted(set(listed) - set(found))]
    wrong += [f"'{name}' does not belong to it" for name in sorted(set(found) - set(listed))]
    both = sorted(set(listed) & set(found))
    wrong += [f"'{name}' was changed" for name in both if listed[name] != found[name]]
    return wrong or [f"'{SUMS}' was changed"]


def _damaged(path: Path, wrong: list[str], argument: str) -> Exception:
    shown = "; ".join(wrong[:_SHOWN]) + ("; …" if len(wrong) > _SHOWN else "")
    rule, repair = "be a folder as it was saved", "take another copy of it"
    return invalid(argument, rule, f"'{path}', where {shown}", repair, DamagedError)


def _text(sums: Mapping[str, str]) -> bytes:
    """Return the one text that stands for these checksums."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()


def _opened(path: Path) -> FileIO:
    """Open a plain file to be read; no link, and nothing that would wait for a writer."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return FileIO(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb")


def _sum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_CHUNK))
    with _opened(path) as file:
        while size := file.readinto(buffer):
            digest.update(buffer[:size])
    return digest.hexdigest()


def _sync(path: Path) -> None:
    """Wait until a file, or what a folder lists, is on the disk."""
    if os.name == "nt" and path.is_dir():  # where folders cannot be synced
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot sync folders; they say so by this number.
        if not (path.is_dir() and error.errno == errno.EINVAL):
            raise
    finally:
        os.close(handle)


def _move(part: Path, path: Path) -> None:
    """Put a folder in the place of nothing, of an empty folder, or of another one."""
    if _taken(path) == "a folder":
        old = _hidden(path)
        path.rename(old)
        try:
            part.rename(path)
        except BaseException:
            old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
        return
    if path.is_dir():  # an empty one, which Windows does not rename over
        path.rmdir()
    part.rename(path)


def folder_path(path: Any, argument: str) -> Path:
    """Return the path of a folder, with the home folder in place of "~".

    Examples
    --------
    >>> folder_path("fits/first", "path").name
    'first'
    """
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        repair = f'pass {argument}="fit", say'
        raise invalid(argument, "be the path of a folder", repr(path), repair, TypeError)
    return Path(path).expanduser()
