"""The one exception of starting: a sentence for the person at the terminal."""

from __future__ import annotations


class LaunchError(Exception):
    """The product cannot start; the message is the one line that says why and what to do."""
