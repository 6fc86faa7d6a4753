"""
The engine that moves bytes: sources, parts, threads, digests, resume.

An upload goes `sources` → `upload` (→ `crew` for parts side by side) → the driver's hooks; a
download goes the driver's hooks → `reading` (resume, verification) → `download` or `files`.
Nothing here knows of HTTP, of handles or of a particular service: what it needs of a driver is
written down as a protocol where it is used.
"""
