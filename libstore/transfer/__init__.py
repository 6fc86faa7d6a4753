"""
The transfer engine: sources, parts, threads, checksums, resumption.

The path of an upload is `sources` → `upload` (→ `workers` for concurrent parts) → the driver's
hooks; that of a download is the driver's hooks → `reading` (resumption, verification) → `download`
or `files`. This package is independent of HTTP, of handles and of particular services: each module
defines the protocol of the hooks that it calls.
"""
