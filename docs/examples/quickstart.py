"""
Store a folder of files, list them, open one, read all of them back, and say what was done.

    python docs/examples/quickstart.py                          # the local driver, on these docs
    python docs/examples/quickstart.py ~/Pictures memory        # another folder and driver
    python docs/examples/quickstart.py ~/Pictures local /srv/store fsync=false
    python docs/examples/quickstart.py ~/Pictures s3 KEY SECRET endpoint=http://localhost:9000
    python docs/examples/quickstart.py ~/Pictures s3            # what the environment says

All files travel through a container that is made for the purpose and deleted at the end.
"""

from __future__ import annotations

import argparse
import hashlib
import secrets
import sys
import tempfile
from pathlib import Path

from libstore import Container, StorageDriver, StorageError, get_driver

DOCS = Path(__file__).parents[1]


def main() -> None:
    """Run the tour with what the command line asks for."""
    options = parse_arguments()
    folder: Path = options.folder
    with tempfile.TemporaryDirectory(prefix="libstore-quickstart-") as scratch:
        driver = connect(options.driver, options.arguments or default_arguments(options, scratch))
        container = driver.create_container(f"quickstart-{secrets.token_hex(4)}")
        try:
            files = store(folder, container)
            look(container)
            open_one(files, container)
            verify(files, container, Path(scratch, "downloads"))
        finally:
            if options.keep:
                print(f"Kept     {container!r}")
            else:
                container.delete()
                print(f"Deleted  the container {container.name!r} and all objects in it")


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description="Store, list, open, read back and verify a folder."
    )
    parser.add_argument(
        "folder", metavar="FOLDER", nargs="?", type=Path, default=DOCS,
        help="what to store; hidden files are left out (default: the docs of this project)",
    )  # fmt: skip
    parser.add_argument(
        "driver", metavar="DRIVER", nargs="?", default="local",
        help="where to store it: the name of a driver (default: local)",
    )  # fmt: skip
    parser.add_argument(
        "arguments", metavar="ARGUMENT", nargs="*",
        help="what the driver's constructor takes, as VALUE or NAME=VALUE"
        " (default for local: a temporary folder)",
    )  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="do not delete the container")
    options = parser.parse_intermixed_args()
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder")
    return options


def default_arguments(options: argparse.Namespace, scratch: str) -> list[str]:
    """Return what the driver is made with if the command line does not say."""
    if options.driver != "local":
        return []
    if options.keep:
        return [tempfile.mkdtemp(prefix="libstore-")]
    return [scratch]


def connect(name: str, arguments: list[str]) -> StorageDriver:
    """Return a driver, made with arguments from the command line."""
    words = {"true": True, "false": False}
    positional: list[object] = []
    named: dict[str, object] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals and key.isidentifier():
            named[key] = words.get(value.lower(), value)
        else:
            positional.append(argument)
    try:
        driver: StorageDriver = get_driver(name)(*positional, **named)
    except TypeError as error:
        sys.exit(f"quickstart: {error}")
    return driver


def store(folder: Path, container: Container) -> dict[str, Path]:
    """Upload all files of a folder; return them by the names of their objects."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): path for path in paths}
    files = {name: path for name, path in files.items() if "/." not in f"/{name}"}
    if not files:
        sys.exit(f"quickstart: there are no files in {folder}")
    for name, path in files.items():
        container.upload_object(path, name)
    size = sum(path.stat().st_size for path in files.values())
    print(f"Stored   {len(files)} files ({size:,} bytes) of {folder} in {container!r}")
    return files


def look(container: Container) -> None:
    """List the objects; only the pages that are needed are asked for."""
    objects = container.list_objects()
    for obj in objects[:3]:
        print(f"Listed   {obj.name} ({obj.size:,} bytes, {obj.content_type})")
    print(f"Listed   {len(objects)} objects in all")


def open_one(files: dict[str, Path], container: Container) -> None:
    """Read the end of the largest object as one does with a file, without the rest of it."""
    name = max(files, key=lambda name: files[name].stat().st_size)
    with container.open(name, "rb") as remote, files[name].open("rb") as local:
        remote.seek(-min(16, local.seek(0, 2)), 2)
        local.seek(remote.tell())
        same = remote.read() == local.read()
    print(f"Opened   {name} as a file; its last bytes are {'' if same else 'NOT '}the original's")
    if not same:
        sys.exit("quickstart: the object differs from its file")


def verify(files: dict[str, Path], container: Container, target: Path) -> None:
    """Download every object and compare it with the original, by their digests."""
    target.mkdir()
    for number, (name, path) in enumerate(files.items()):
        copy = container.download_object(name, target / str(number))
        if sha256(copy) != sha256(path):
            sys.exit(f"quickstart: the download of {name!r} differs from {path}")
        copy.unlink()
    print(f"Verified {len(files)} downloads: each has the SHA-256 of its original")


def sha256(path: Path) -> str:
    """Return the digest of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


if __name__ == "__main__":
    try:
        main()
    except StorageError as error:
        sys.exit(f"quickstart: {error}")
