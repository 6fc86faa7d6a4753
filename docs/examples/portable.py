"""
Use most of the library on any driver; only the line that creates the driver changes.

    python docs/examples/portable.py

The output is the same for every driver; the tests run the program on all of them.
"""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Iterator

from libstore import (
    Container,
    ContainerNotEmptyError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    Prefix,
    get_driver,
)

driver = get_driver("memory")()

MiB = 1024 * 1024


def main() -> None:
    """Run all steps in a new container."""
    container = driver.create_container(f"portable-{secrets.token_hex(4)}")
    try:
        upload(container)
        list_objects(container)
        read(container)
        change(container)
        cause_errors(container)
    finally:
        container.delete()
    print("deleted:", container.name not in [other.name for other in driver.list_containers()])


def upload(container: Container) -> None:
    """Upload bytes, a file object and a generator, and write a file."""
    container.upload_object(b"meow", "cats/tom.txt", metadata={"Colour": "grey", "note": "größer"})
    container.upload_object(io.BytesIO(b"purr"), "cats/a b+c#d?e%20.txt", cache_control="no-store")
    container.upload_object(b"woof", "dogs/ä/日本.bin", content_type="image/png")
    container.upload_object(b"", "empty")
    large = container.upload_object(blocks(), "large.bin")
    print("stored:", large.size, large.content_type)
    with container.open("written.csv", "wt", encoding="utf-8", newline="") as file:
        file.write("name,sound\n")
        file.write("tom,meow\n")


def blocks() -> Iterator[bytes]:
    """Yield 20 different MiB, which are uploaded in parts."""
    for number in range(20):
        yield number.to_bytes(1, "big") * MiB


def list_objects(container: Container) -> None:
    """List objects and folders, slice and count."""
    print("listed:", [(obj.name, obj.size) for obj in container.list_objects()])
    folded = container.list_objects(delimiter="/")
    print("folded:", [item.name for item in folded if isinstance(item, Prefix)])
    print("slice:", [obj.name for obj in container.list_objects("cats/")[:1]], len(folded))
    print("later:", container.list_objects(start_after="empty")[0].name)
    for prefix, _, objects in container.walk("dogs/"):
        print("walked:", prefix, [obj.name for obj in objects])
    tom = container.get_object("cats/tom.txt")
    print("attributes:", tom.size, tom.content_type, sorted((tom.metadata or {}).items()))


def read(container: Container) -> None:
    """Read an object as a stream, in ranges, and as a file."""
    digest = hashlib.sha256()
    for chunk in container.stream_object("large.bin"):
        digest.update(chunk)
    print("streamed:", digest.hexdigest())
    large = container.object("large.bin")
    print("ranges:", large.read(start=MiB - 1, stop=MiB + 1), large.read(start=99 * MiB))
    print("ranges:", large.read_ranges([(0, 1), (19 * MiB, 19 * MiB + 2), (5 * MiB, 5 * MiB + 1)]))
    with large.as_file() as binary:
        binary.seek(-1, io.SEEK_END)
        print("last byte:", binary.read())
    with container.open("written.csv", "rt", encoding="utf-8") as text:
        print("lines:", text.readlines())


def change(container: Container) -> None:
    """Copy, move, update metadata and delete."""
    tom = container.object("cats/tom.txt")
    copy = tom.copy(container, "copies/tom.txt")
    print("copied:", copy.read(), sorted((copy.refresh().metadata or {}).items()))
    moved = copy.move(container, "moved/tom.txt")
    print("moved:", moved.read(), "copies/tom.txt" in container)
    moved.update_metadata({"colour": "black"}, content_type="text/x-cat")
    again = container.get_object(moved.name)
    print("updated:", again.content_type, sorted((again.metadata or {}).items()))
    again.delete()
    again.delete()
    results = container.delete_objects(["dogs/ä/日本.bin", "empty", "was never there"])
    print("deleted:", [(result.name, result.ok) for result in results])


def cause_errors(container: Container) -> None:
    """Cause errors, which have the same class on every driver."""
    for attempt in (
        lambda: container.read_object("missing"),
        lambda: container.upload_object(b"mine", "cats/tom.txt", if_absent=True),
        lambda: container.delete(recursive=False),
    ):
        try:
            attempt()
        except (ObjectNotFoundError, ObjectAlreadyExistsError, ContainerNotEmptyError) as error:
            print("refused:", error.operation, type(error).__name__, error.object)
    print("unchanged:", container.read_object("cats/tom.txt"))


if __name__ == "__main__":
    main()
