"""Objects that are renewed in a forked process."""

from __future__ import annotations

from dataclasses import dataclass

from libstore import forks


@dataclass(frozen=True)
class _Equal:
    """An object that equals all others."""

    def after_fork(self) -> None:
        _renewed.append(id(self))


_renewed: list[int] = []


def test_equal_objects_are_renewed_each() -> None:
    objects = [_Equal(), _Equal()]
    for forkable in objects:
        forks.renew_after_fork(forkable)
    forks._renew()
    assert {*map(id, objects)} == {*_renewed}


def test_object_that_is_gone_is_not_renewed() -> None:
    forks.renew_after_fork(_Equal())
    _renewed.clear()
    forks._renew()
    assert [] == _renewed
