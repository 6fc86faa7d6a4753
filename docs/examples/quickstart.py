"""
Upload a folder, list the objects, open one as a file, and download and verify all of them.

    python docs/examples/quickstart.py                          # these docs, with the local driver
    python docs/examples/quickstart.py ~/Pictures memory        # another folder and driver
    python docs/examples/quickstart.py ~/Pictures local /srv/store fsync=false
    python docs/examples/quickstart.py ~/Pictures s3 KEY SECRET endpoint=http://localhost:9000
    python docs/examples/quickstart.py ~/Pictures s3            # credentials from the environment

The program creates a container and deletes it at the end.
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
    """Run all steps with the options of the command line."""
    options = parse_arguments()
    folder: Path = options.folder
    with tempfile.TemporaryDirectory(prefix="libstore-quickstart-") as scratch:
        driver = connect(options.driver, options.arguments or default_arguments(options, scratch))
        container = driver.create_container(f"quickstart-{secrets.token_hex(4)}")
        try:
            files = store(folder, container)
            list_objects(container)
            open_one(files, container)
            verify(files, container, Path(scratch, "downloads"))
        finally:
            if options.keep:
                print(f"Kept     {container!r}")
            else:
                container.delete()
                print(f"Deleted  container {container.name!r} and its objects")


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description="Upload a folder, list and open its objects, and verify all downloads."
    )
    parser.add_argument(
        "folder", metavar="FOLDER", nargs="?", type=Path, default=DOCS,
        help="the folder to upload, without hidden files (default: the docs of this project)",
    )  # fmt: skip
    parser.add_argument(
        "driver", metavar="DRIVER", nargs="?", default="local",
        help="the name of the driver (default: local)",
    )  # fmt: skip
    parser.add_argument(
        "arguments", metavar="ARGUMENT", nargs="*",
        help="an argument of the driver's constructor, as VALUE or NAME=VALUE"
        " (default for local: a temporary folder)",
    )  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="do not delete the container")
    options = parser.parse_intermixed_args()
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder")
    return options


def default_arguments(options: argparse.Namespace, scratch: str) -> list[str]:
    """Return the constructor's arguments if the command line has none."""
    if options.driver != "local":
        return []
    if options.keep:
        return [tempfile.mkdtemp(prefix="libstore-")]
    return [scratch]


def connect(name: str, arguments: list[str]) -> StorageDriver:
    """Create a driver with arguments from the command line."""
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
    """Upload all files of a folder; return their paths by object name."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): path for path in paths}
    files = {name: path for name, path in files.items() if "/." not in f"/{name}"}
    if not files:
        sys.exit(f"quickstart: folder {folder} has no files")
    for name, path in files.items():
        container.upload_object(path, name)
    size = sum(path.stat().st_size for path in files.values())
    print(f"Stored   {len(files)} files ({size:,} bytes) of {folder} in {container!r}")
    return files


def list_objects(container: Container) -> None:
    """List the objects; only the pages that are needed are requested."""
    objects = container.list_objects()
    for obj in objects[:3]:
        print(f"Listed   {obj.name} ({obj.size:,} bytes, {obj.content_type})")
    print(f"Listed   {len(objects)} objects in all")


def open_one(files: dict[str, Path], container: Container) -> None:
    """Read the end of the largest object through a file object."""
    name = max(files, key=lambda name: files[name].stat().st_size)
    with container.open(name, "rb") as remote, files[name].open("rb") as local:
        remote.seek(-min(16, local.seek(0, 2)), 2)
        local.seek(remote.tell())
        same = remote.read() == local.read()
    if not same:
        sys.exit(f"quickstart: the last bytes of {name!r} differ from {files[name]}")
    print(f"Opened   {name} as a file; its last bytes are those of the original")


def verify(files: dict[str, Path], container: Container, target: Path) -> None:
    """Download every object and compare its SHA-256 with that of the original."""
    target.mkdir()
    for number, (name, path) in enumerate(files.items()):
        copy = container.download_object(name, target / str(number))
        if sha256(copy) != sha256(path):
            sys.exit(f"quickstart: the download of {name!r} differs from {path}")
        copy.unlink()
    print(f"Verified {len(files)} downloads by their SHA-256")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
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
