"""A progress bar for transfers, drawn by tqdm or rich."""

from __future__ import annotations

from importlib import import_module
from types import TracebackType
from typing import Any, Protocol

from typing_extensions import Self, override

from .errors import NotSupportedError


class _Bar(Protocol):
    def show(self, done: int, total: int | None) -> None: ...
    def close(self) -> None: ...


class ProgressBar:
    """
    A progress bar, to be passed as `progress` to one transfer after another.

    It is drawn from the first call until the transfer ends; at the latest, the end of a ``with``
    block removes the bar of a transfer that failed. See `progress_bar`.
    """

    def __init__(self, description: str, package: str, options: dict[str, Any]) -> None:
        self._description = description
        self._draw = _TqdmBar if package == "tqdm" else _RichBar
        self._options = options
        self._bar: _Bar | None = None

    def __call__(self, done: int, total: int | None) -> None:
        """Show the number of bytes that are transferred, of a total that may be unknown."""
        if self._bar is None:
            self._bar = self._draw(self._description, self._options)
        self._bar.show(done, total)
        if done == total:
            self.close()

    def close(self) -> None:
        """Stop drawing; a further transfer draws another bar."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @override
    def __repr__(self) -> str:
        return f"<ProgressBar {self._description!r}>"


def progress_bar(description: str = "", **options: Any) -> ProgressBar:
    """
    Return a progress bar for an upload, a download, a copy or a move.

    It is drawn by tqdm, also in notebooks, or by rich if only that is installed.
    ``pip install 'libstore[progress]'`` installs tqdm.

    Args:
        description: The text in front of the bar, such as the object's name.
        options: Arguments of ``tqdm.auto.tqdm`` or ``rich.progress.Progress``, such as ``file``
            or ``disable``.

    Raises:
        NotSupportedError: Neither package is installed.

    Example:
        >>> photos.upload_object("cat.jpg", "cat.jpg", progress=progress_bar("cat.jpg"))
        <Object 'cat.jpg' in 'photos', 4 bytes>
    """
    for package in ("tqdm", "rich"):
        try:
            import_module(package)
        except ImportError:
            continue
        return ProgressBar(description, package, options)
    raise NotSupportedError(
        "progress bars require tqdm or rich; install one with: pip install 'libstore[progress]'"
    )


class _TqdmBar:
    def __init__(self, description: str, options: dict[str, Any]) -> None:
        make = import_module("tqdm.auto").tqdm
        self._bar = make(**{
            "desc": description or None, "unit": "B", "unit_scale": True, "unit_divisor": 1024,
            **options,
        })  # fmt: skip

    def show(self, done: int, total: int | None) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        self._bar.refresh()
        self._bar.close()


class _RichBar:
    def __init__(self, description: str, options: dict[str, Any]) -> None:
        rich = import_module("rich.progress")
        columns = (
            rich.TextColumn("{task.description}"), rich.BarColumn(), rich.DownloadColumn(),
            rich.TransferSpeedColumn(), rich.TimeRemainingColumn(),
        )  # fmt: skip
        self._bars = rich.Progress(*columns, **options)
        self._task = self._bars.add_task(description, total=None)
        self._bars.start()

    def show(self, done: int, total: int | None) -> None:
        self._bars.update(self._task, completed=done, total=total)

    def close(self) -> None:
        self._bars.stop()
