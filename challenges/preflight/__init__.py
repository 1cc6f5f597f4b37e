"""The preflight: looks at the surroundings before a CA is asked, and says what it finds.

It advises and never blocks: the staging test has the final word.
"""

from __future__ import annotations

from challenges.preflight.report import Report
from challenges.preflight.running import SECONDS, run
from challenges.preflight.surroundings import Surroundings

__all__ = ["SECONDS", "Report", "Surroundings", "run"]
