"""The error that lists where credentials were searched, and what was found there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from ..errors import CredentialsNotFoundError


def not_found(advice: str, lines: Iterable[str]) -> CredentialsNotFoundError:
    """
    Return the error for missing credentials.

    Args:
        advice: What is missing, and what to pass or to set.
        lines: One for each place: its name, and what is there. None has a secret.
    """
    places = "".join(f"\n  {line}" for line in lines)
    return CredentialsNotFoundError(f"{advice}. These places were searched:{places}")


def variable_line(environ: Mapping[str, str], name: str, unused: str = "") -> str:
    """
    Return the line about a variable, without its value.

    Args:
        unused: Why the variable is not used if it is set.
    """
    if not environ.get(name):
        return f"{name}: not set"
    return f"{name}: set, but {unused}" if unused else f"{name}: set"


def shown_path(path: str) -> str:
    """Return a path with ``~`` in place of the home directory."""
    home = os.path.expanduser("~")
    inside = home != "~" and path.startswith(home.rstrip(os.sep) + os.sep)
    return f"~{path[len(home.rstrip(os.sep)) :]}" if inside else path
