"""
Real servers that the tests start by themselves: one module each.

All come from package registries and need no root. Each listens on free ports of this machine, has
its data in a temporary folder, and is stopped by its process id.
"""
