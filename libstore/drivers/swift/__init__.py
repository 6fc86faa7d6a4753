"""
OpenStack Swift, and whatever speaks its API.

What it knows as an account, a container and an object this library knows as a driver, a
`Container` and an `Object`. https://docs.openstack.org/api-ref/object-store/
"""

from __future__ import annotations

from .driver import SwiftDriver

__all__ = ["SwiftDriver"]
