"""
The rooms that `StorageDriver` is assembled from beside its core.

Each is a class of sealed public operations over `libstore.core.DriverCore`; a new capability is a
new file here, a name in the bases of `StorageDriver` and a method of the handles.
"""
