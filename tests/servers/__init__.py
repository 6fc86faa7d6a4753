"""
Real servers that the tests start by themselves: one module each.

All are installed from package registries and need no root. Each listens on free ports, has its
data in a temporary folder, and is stopped by its process id.
"""
