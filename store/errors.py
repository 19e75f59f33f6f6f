"""The one error a user can mend: it names the place and the fix."""

from __future__ import annotations


class InputError(ValueError):
    """Something the user gave is wrong; the message says where it is and what to do about it."""
