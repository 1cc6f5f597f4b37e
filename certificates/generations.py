"""Sets of files on disk: written beside, flushed, and put into use by the rename of one link.

``live/NAME`` is a link to one directory below ``archive/NAME``. A directory there whose name
begins with a dot is half written or half removed, and is never in use. One writer at a time: the
caller holds a lock.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import logging
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from certificates import disk, milestones

logger = logging.getLogger("gateway_admin.store")

KEPT = 3
_NEW = ".new"
_NO_LINK = frozenset({errno.ENOENT, errno.EINVAL})


@dataclasses.dataclass(frozen=True)
class Shelf:
    """Where the sets of one name are."""

    root: Path
    name: str

    @property
    def link(self) -> Path:
        """Where readers find the set in use."""
        return self.root / "live" / self.name

    @property
    def archive(self) -> Path:
        """Where the sets are."""
        return self.root / "archive" / self.name

    def in_use(self) -> str | None:
        """Which set is in use; None without any. Raises OSError."""
        try:
            return str(self.link.readlink())
        except OSError as error:
            if error.errno in _NO_LINK:
                return None
            raise

    def put(self, label: str, files: Mapping[str, bytes]) -> None:
        """Write a set and put it into use.

        Raises OSError; then the set before is in use, unless even going back to it failed.
        Whatever is in use is complete at every moment, and after a power cut.
        """
        self._make_directories()
        self._clear()
        generation = self._write(label, files)
        milestones.reached("files-written")
        try:
            # Relative, so that the data directory can be moved or mounted elsewhere as a whole.
            self._switch(os.path.relpath(generation, self.link.parent))
        except OSError:
            self._remove(generation)
            raise
        self._clear()

    def use(self, target: str | None) -> None:
        """Put a set into use that has been before; None: none at all. Raises OSError."""
        if target is None:
            self.link.unlink(missing_ok=True)
        else:
            self._point(target)
        disk.synchronize(self.link.parent)

    def _make_directories(self) -> None:
        for directory in (self.archive.parent, self.archive, self.link.parent):
            with contextlib.suppress(FileExistsError):
                disk.make_directory(directory)
        # Until there is a link, since whoever made them may have been killed before this.
        if self.in_use() is None:
            disk.synchronize(self.root)
            disk.synchronize(self.archive.parent)

    def _write(self, label: str, files: Mapping[str, bytes]) -> Path:
        fresh = self.archive / _NEW
        generation = self.archive / f"{label}-{secrets.token_hex(4)}"
        try:
            disk.make_directory(fresh)
            for name, content in files.items():
                disk.write_file(fresh / name, content)
            disk.synchronize(fresh)
            fresh.replace(generation)
            disk.synchronize(self.archive)
        except OSError:
            shutil.rmtree(fresh, ignore_errors=True)
            self._remove(generation)
            raise
        return generation

    def _switch(self, target: str) -> None:
        before = self.in_use()
        self._point(target)
        try:
            disk.synchronize(self.link.parent)
        except OSError:
            # The caller will say that the set before is in use, so it has to be.
            with contextlib.suppress(OSError):
                self.use(before)
            raise

    def _point(self, target: str) -> None:
        """Make the link, or let it point elsewhere, in one step."""
        # Always the same name, so that crashes cannot leave more than one behind.
        fresh = self.link.with_name(f".{self.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target, target_is_directory=True)
        try:
            fresh.replace(self.link)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise

    def _clear(self) -> None:
        """Remove what crashed writers left behind, and all but the newest sets.

        A service may still be reading the set before. What cannot be removed costs room and no
        more; it is tried again at the next write.
        """
        try:
            in_use = self.in_use()
            generations = [path for path in self.archive.iterdir() if not _is_rest(path)]
            others = sorted(
                (path for path in generations if in_use is None or path.name != Path(in_use).name),
                key=lambda path: path.stat().st_mtime_ns,
                reverse=True,
            )
            surplus = others[KEPT - 1 :]
            rests = [path for path in self.archive.iterdir() if _is_rest(path)]
        except OSError as error:
            logger.warning("Old files of %s could not be looked for: %s", self.name, error)
            return
        for path in rests:
            shutil.rmtree(path, ignore_errors=True)
        for path in surplus:
            self._remove(path)

    def _remove(self, generation: Path) -> None:
        """Remove a set, unless it is in use or that cannot be told."""
        # Renamed first, so that what is half removed never looks like a set.
        rest = generation.with_name(f".{generation.name}")
        with contextlib.suppress(OSError):
            in_use = self.in_use()
            if in_use is not None and Path(in_use).name == generation.name:
                return
            generation.rename(rest)
            shutil.rmtree(rest, ignore_errors=True)


def _is_rest(path: Path) -> bool:
    return path.name.startswith(".")
