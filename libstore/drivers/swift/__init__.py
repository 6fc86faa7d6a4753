"""
OpenStack Swift, and services that speak its API.

An account of Swift is a driver here. https://docs.openstack.org/api-ref/object-store/
"""

from __future__ import annotations

from .driver import SwiftDriver

__all__ = ["SwiftDriver"]
