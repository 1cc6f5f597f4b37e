"""Where a secret of the machine's owner is read from, and its text as it is now."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

MAX_SECRET = 64 * 1024  # bytes


@dataclasses.dataclass(frozen=True)
class Secret:
    """Where a secret is read from: a variable's own value, or else a file.

    The file is the one that VARIABLE_FILE names, or, where ``is_ours``, the one that the product
    makes and may write.
    """

    value: str = dataclasses.field(repr=False)
    file: Path
    is_ours: bool
    variable: str

    @classmethod
    def of(cls, environ: Mapping[str, str], variable: str, own_file: Path) -> Secret:
        """The first of the three that is given."""
        value = environ.get(variable, "").strip()
        given = environ.get(f"{variable}_FILE", "")
        return cls(
            value=value,
            file=Path(given) if given else own_file,
            is_ours=not value and not given,
            variable=f"{variable}_FILE" if given and not value else variable,
        )

    @property
    def own_file(self) -> Path | None:
        """The file that the product may write; None where the owner gives the secret."""
        return self.file if self.is_ours else None

    def read(self) -> str:
        """The text as it is now; empty while our own file is missing.

        Raises OSError, or ValueError for what is no text or too long; the text is one line.
        """
        if self.value:
            return self.value
        try:
            with self.file.open("rb") as stream:
                raw = stream.read(MAX_SECRET + 1)
        except OSError as error:
            if self.is_ours and isinstance(error, FileNotFoundError | NotADirectoryError):
                return ""
            raise OSError(f"{self._name} cannot be read: {error.strerror}.") from error
        if len(raw) > MAX_SECRET:
            raise ValueError(f"{self._name} is larger than {MAX_SECRET // 1024} KiB.")
        try:
            # Some editors put a byte order mark in front.
            return raw.decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise ValueError(f"{self._name} cannot be read: it is not UTF-8 text.") from error

    @property
    def _name(self) -> str:
        return str(self.file) if self.is_ours else f"{self.variable} names {self.file}, which"
