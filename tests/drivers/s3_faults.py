"""What is known to be wrong with a server: its faults are expected, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

import pytest


class Faulty:
    """
    Part of an adopter of the conformance suite.

    Attributes:
        faults: Reasons by the name of a test. A name with its parameters must fail, so that it is
            noticed when the server gets better; one without stands for all of its parameters,
            some of which may pass.
        sometimes: Reasons by the name of a test that fails now and then.
        unfit: Reasons by the name of a test that is not even run, for it leaves the server in a
            state that other tests suffer from.
    """

    faults: ClassVar[Mapping[str, str]] = {}
    sometimes: ClassVar[Mapping[str, str]] = {}
    unfit: ClassVar[Mapping[str, str]] = {}

    @pytest.fixture(autouse=True)
    def _expect_faults(self, request: pytest.FixtureRequest) -> None:
        item = request.node
        if item.originalname in self.unfit:
            pytest.skip(self.unfit[item.originalname])
        exact_faults = {_plain(name): reason for name, reason in self.faults.items()}
        exact = exact_faults.get(_plain(item.name))
        if exact is not None:
            request.applymarker(pytest.mark.xfail(reason=exact, strict=True))
        loose = {**self.faults, **self.sometimes}
        if exact is None and item.originalname in loose:
            reason = loose[item.originalname]
            request.applymarker(pytest.mark.xfail(reason=reason, strict=False))


def _plain(name: str) -> str:
    """Return the name of a test without the number of backslashes, in which pytests differ."""
    return re.sub(r"\\+", "", name)
