"""
Keys that a command prints.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field

from ...errors import AuthenticationError, InvalidOptionError
from ...redaction import Hidden, HiddenBytes, hide
from .keys import Clock, Key, check_valid, document, read_expiry, read_key

# The seconds after which a command is ended; it may ask a person to log in.
_TIMEOUT = 300.0


@dataclass(frozen=True)
class ProcessSource:
    """
    The keys that a command prints; it is run without a shell.

    Attributes:
        command: The command with its arguments, which may be secrets.
        label: The setting that it is from, for messages.
    """

    name: str
    command: str = field(repr=False)
    label: str
    clock: Clock = time.time

    def __call__(self) -> Key:
        """Run the command."""
        words = self._words()
        program = os.path.basename(words[0].strip('"'))
        where = f"{self.label} (program {program})"
        # Windows splits a command itself, by other rules: a backslash separates directories.
        command = Hidden(self.command) if sys.platform == "win32" else words
        fields = document(self._output(command, where))
        if fields.get("Version") != 1:
            raise AuthenticationError(
                f"{where} must print a JSON object with Version 1; see"
                " https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html"
            )
        now = self.clock()
        expires = read_expiry(fields.get("Expiration"), now, where)
        return check_valid(read_key(fields, where, expires=expires), now, where)

    def _words(self) -> list[str]:
        try:
            split = shlex.split(self.command, posix=sys.platform != "win32")
            words: list[str] = [Hidden(word) for word in split]
        except ValueError:
            words = []
        if not words:
            raise InvalidOptionError(f"{self.label} is not a command; check its quotes")
        return words

    @staticmethod
    def _output(command: str | list[str], where: str) -> bytes:
        fault = ""
        try:
            ended = subprocess.run(command, capture_output=True, check=False, timeout=_TIMEOUT)
        except OSError as error:
            fault = f"could not be run: {error.strerror}"
        except subprocess.TimeoutExpired:
            fault = f"did not end within {_TIMEOUT:.0f} s"
        else:
            ended.stdout, ended.stderr = hide(ended.stdout), hide(ended.stderr)
            if ended.returncode == 0:
                return HiddenBytes(ended.stdout)
            fault = f"ended with exit code {ended.returncode}"
        raise AuthenticationError(f"{where} {fault}; run it in a shell to see why")
