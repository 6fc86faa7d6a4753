"""
Operations that take more than one call of a hook.

Each module has functions that take a driver, names and records, and return records; none knows a
handle. `StorageDriver` has one method for each operation, which turns handles into names, and the
result into a handle.
"""
