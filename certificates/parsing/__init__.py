"""What an uploaded file holds. Pure: nothing of Django, no network, no file, no clock.

Hostile input is read here, so it runs in a process of its own with limits (child.py), which
certificates/importing.py starts.
"""

from __future__ import annotations
