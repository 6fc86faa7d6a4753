"""What is known to be wrong with a server: its faults are expected, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, TypeAlias

import pytest

Raised: TypeAlias = "type[BaseException] | tuple[type[BaseException], ...]"
# The second one says that something should have been raised, and was not.
ASSERTIONS = (AssertionError, pytest.fail.Exception)


class Faulty:
    """
    Part of an adopter of the conformance suite.

    Attributes:
        faults: Reasons by the name of a test, with its parameters. It must fail, so that it is
            noticed when the server gets better.
        sometimes: Reasons by the name of a test, with its parameters or for all of them, that
            fails now and then.
        unfit: Reasons by such a name of a test that is not even run, for it leaves the server in
            a state that other tests suffer from.
        raising: What a test raises that fails for a reason, if it is not one of its assertions;
            what one that fails now and then may raise.
    """

    faults: ClassVar[Mapping[str, str]] = {}
    sometimes: ClassVar[Mapping[str, str]] = {}
    unfit: ClassVar[Mapping[str, str]] = {}
    raising: ClassVar[Mapping[str, Raised]] = {}

    @pytest.fixture(autouse=True)
    def _expect_faults(self, request: pytest.FixtureRequest) -> None:
        item = request.node
        case = _plain(item.name)
        unfit = _reason(self.unfit, case, item.originalname)
        if unfit is not None:
            pytest.skip(unfit)
        for reasons, names, strict in (
            (self.faults, (case,), True),
            (self.sometimes, (case, item.originalname), False),
        ):
            reason = _reason(reasons, *names)
            if reason is not None:
                raises = self.raising.get(reason, ASSERTIONS if strict else None)
                mark = pytest.mark.xfail(reason=reason, strict=strict, raises=raises)
                request.applymarker(mark)
                return


def cases(test: str, reason: str, *parameters: str) -> dict[str, str]:
    """Return the faults of a test with each of these parameters."""
    return {f"{test}[{parameter}]": reason for parameter in parameters}


def _reason(reasons: Mapping[str, str], *names: str) -> str | None:
    """Return the reason that one of the names has."""
    plain = {_plain(name): reason for name, reason in reasons.items()}
    return next((plain[name] for name in names if name in plain), None)


def _plain(name: str) -> str:
    """Return the name of a test without the number of backslashes, in which pytests differ."""
    return re.sub(r"\\+", "", name)
