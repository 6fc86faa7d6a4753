"""
What runs on one driver runs on all: only the line that makes the driver says where objects are.

    python docs/examples/portable.py

Whatever driver is put there, the program prints the same; the tests run it on every one.
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
    """Use most of what there is, in a container that is made for it."""
    container = driver.create_container(f"portable-{secrets.token_hex(4)}")
    try:
        upload(container)
        look(container)
        read(container)
        change(container)
        fail(container)
    finally:
        container.delete()
    print("deleted:", container.name not in [other.name for other in driver.list_containers()])


def upload(container: Container) -> None:
    """Store what comes from memory, from a file and from a generator that knows no end."""
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
    """Yield 20 MiB in which no two blocks are alike: enough for several parts."""
    for number in range(20):
        yield number.to_bytes(1, "big") * MiB


def look(container: Container) -> None:
    """List, fold, slice and count."""
    print("listed:", [(obj.name, obj.size) for obj in container.list_objects()])
    folded = container.list_objects(delimiter="/")
    print("folded:", [item.name for item in folded if isinstance(item, Prefix)])
    print("some:", [obj.name for obj in container.list_objects("cats/")[:1]], len(folded))
    print("later:", container.list_objects(start_after="empty")[0].name)
    for prefix, _, objects in container.walk("dogs/"):
        print("walked:", prefix, [obj.name for obj in objects])
    tom = container.get_object("cats/tom.txt")
    print("known:", tom.size, tom.content_type, sorted((tom.metadata or {}).items()))


def read(container: Container) -> None:
    """Read the whole, ranges, and as from a file."""
    digest = hashlib.sha256()
    for chunk in container.stream_object("large.bin"):
        digest.update(chunk)
    print("streamed:", digest.hexdigest())
    large = container.object("large.bin")
    print("ranges:", large.read(start=MiB - 1, stop=MiB + 1), large.read(start=99 * MiB))
    print("apart:", large.read_ranges([(0, 1), (19 * MiB, 19 * MiB + 2), (5 * MiB, 5 * MiB + 1)]))
    with large.as_file() as binary:
        binary.seek(-1, io.SEEK_END)
        print("last byte:", binary.read())
    with container.open("written.csv", "rt", encoding="utf-8") as text:
        print("lines:", text.readlines())


def change(container: Container) -> None:
    """Copy, move, describe anew and delete."""
    tom = container.object("cats/tom.txt")
    copy = tom.copy(container, "copies/tom.txt")
    print("copied:", copy.read(), sorted((copy.refresh().metadata or {}).items()))
    moved = copy.move(container, "moved/tom.txt")
    print("moved:", moved.read(), "copies/tom.txt" in container)
    moved.update_metadata({"colour": "black"}, content_type="text/x-cat")
    again = container.get_object(moved.name)
    print("described:", again.content_type, sorted((again.metadata or {}).items()))
    again.delete()
    again.delete()
    results = container.delete_objects(["dogs/ä/日本.bin", "empty", "was never there"])
    print("deleted:", [(result.name, result.ok) for result in results])


def fail(container: Container) -> None:
    """Do what cannot be done: its error has the same name everywhere."""
    for attempt in (
        lambda: container.read_object("missing"),
        lambda: container.upload_object(b"mine", "cats/tom.txt", if_absent=True),
        lambda: container.delete(recursive=False),
    ):
        try:
            attempt()
        except (ObjectNotFoundError, ObjectAlreadyExistsError, ContainerNotEmptyError) as error:
            print("refused:", error.operation, type(error).__name__, error.object)
    print("still:", container.read_object("cats/tom.txt"))


if __name__ == "__main__":
    main()
