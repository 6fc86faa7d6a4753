"""
`Container` and `Object`: what a user holds.

They are thin. A handle knows its driver and what the service has told so far; every operation is
one call of the driver, so ``obj.delete()`` and ``driver.delete_object(obj)`` are the same.
"""

from __future__ import annotations

from .containers import Container
from .objects import Object

__all__ = ["Container", "Object"]
