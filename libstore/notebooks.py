"""Tables of objects, containers and other items, as notebooks show them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

#: The columns by the attributes that fill them; one that no item has is left out.
_COLUMNS = {
    "name": "Name",
    "number": "Number",
    "size": "Size",
    "object_count": "Objects",
    "last_modified": "Last modified",
    "created": "Created",
    "started": "Started",
}
# As html.escape does; importing that module takes longer than all of this one.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def table(caption: str, items: Sequence[object], *, more: bool = False) -> str:
    """
    Return an HTML table of items, from the attributes that are known without a request.

    Args:
        more: Whether there are more items than these.
    """
    if not items:
        caption += ": empty"
    # The handles have the attributes that are known in `info`; records are such themselves.
    records = [getattr(item, "info", item) for item in items]
    columns = [
        name
        for name in _COLUMNS
        if any(getattr(record, name, None) is not None for record in records)
    ]
    rows = [[_cell(name, getattr(record, name, None)) for name in columns] for record in records]
    if more:
        rows.append(["…"] + [""] * (len(columns) - 1))
    head = "".join(f"<th>{_COLUMNS[name]}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f"<table><caption>{caption.translate(_ESCAPES)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def readable_size(size: int) -> str:
    """Return a number of bytes in the unit that fits, such as ``"1.5 MiB"``."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{size} bytes" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    if name == "size" and isinstance(value, int):
        return readable_size(value)
    return str(value).translate(_ESCAPES)
