"""
Typical code of a user, for type checkers alone: it is never run.

What is asserted here is part of the public interface. mypy and pyright read it in their strict
modes (``tox -e typing``), so that an annotation that is lost, or widened to `Any`, is an error.
"""

from __future__ import annotations

import csv
import io
import threading
import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from typing_extensions import assert_type

import libstore
from libstore import (
    BufferedObjectReader,
    Container,
    DeleteResult,
    LazyList,
    Object,
    ObjectNotFoundError,
    ObjectTextReader,
    ObjectTextWriter,
    ObjectWriter,
    Prefix,
    RetryPolicy,
    SeekableObjectWriter,
    ServiceResponse,
    SignedURL,
    SigningOptions,
    StorageDriver,
    StorageError,
    TransferOptions,
    Upload,
    clean_partials,
    get_driver,
    list_drivers,
    register_driver,
)
from libstore.drivers.azure import AzureDriver
from libstore.drivers.gcs import GCSDriver
from libstore.drivers.local import LocalDriver
from libstore.drivers.memory import MemoryDriver
from libstore.drivers.s3 import S3Driver
from libstore.drivers.swift import SwiftDriver
from libstore.testing import SignedURLApp, serve_signed_urls


def drivers(name: str) -> None:
    assert_type(get_driver("azure"), type[AzureDriver])
    assert_type(get_driver("gcs"), type[GCSDriver])
    assert_type(get_driver("s3"), type[S3Driver])
    assert_type(get_driver("s3")(profile="prod").credentials_source, str | None)
    get_driver("s3")(credentials=lambda: {"key": "id", "secret": "secret"})
    assert_type(get_driver("r2"), type[S3Driver])
    assert_type(get_driver("swift"), type[SwiftDriver])
    assert_type(get_driver("local"), type[LocalDriver])
    assert_type(get_driver("memory"), type[MemoryDriver])
    assert_type(get_driver(name), type[Any])
    assert_type(list_drivers(), list[str])
    assert_type(libstore.__version__, str)
    register_driver("mine", "mine.store:Driver")

    local = get_driver("local")("/srv/store", fsync=False, attributes="file")
    assert_type(local, LocalDriver)
    get_driver("local")(Path("/srv/store"), transfer=TransferOptions(part_size=1 << 20))
    memory = get_driver("memory")(retry=RetryPolicy(attempts=1))
    assert_type(memory.redeem_url("memory://..."), bytes)
    assert_type(memory.verify_url("memory://...", method="GET"), tuple[Object, SigningOptions])
    with serve_signed_urls(memory) as address:
        assert_type(address, str)
    SignedURLApp(get_driver("local")("/srv/store", base_url=address, signing_key=b"secret"))

    any_driver: StorageDriver = get_driver(name)("key", "secret", region="eu-west-1")
    with any_driver as entered:
        assert_type(entered, StorageDriver)
    with local as same:
        assert_type(same, LocalDriver)
    assert_type(local.supports("copy_object"), bool)
    assert_type(local.limits.max_name, int)


def containers(driver: StorageDriver) -> None:
    container = driver.create_container("photos", exist_ok=True)
    assert_type(container, Container)
    assert_type(driver.get_container("photos"), Container)
    assert_type(driver.list_containers(), LazyList[Container])
    assert_type(container.name, str)
    assert_type(container.driver, StorageDriver)
    assert_type(container.object_count, int | None)
    assert_type(container.created, datetime | None)
    assert_type(container.refresh(), Container)
    assert_type(container.extra, Mapping[str, object])
    assert_type(container.enable_cdn(), str)
    assert_type("cat.jpg" in container, bool)
    assert_type(next(iter(container)), Object)
    container.delete(recursive=False)
    driver.delete_container("photos")


def lists(driver: StorageDriver, container: Container) -> None:
    objects = container.list_objects(prefix="2026/", start_after="2026/03")
    assert_type(objects, LazyList[Object])
    assert_type(objects[0], Object)
    assert_type(objects[:20], list[Object])
    assert_type(len(objects), int)
    for obj in objects:
        assert_type(obj, Object)
    assert_type(container.list_objects(pattern="**/*.jpg"), LazyList[Object])

    assert_type(driver.list_objects("photos"), LazyList[Object])
    folders = driver.list_objects("photos", delimiter="/")
    assert_type(folders, LazyList[Object | Prefix])
    for item in folders:
        if item.is_prefix is True:
            assert_type(item, Prefix)
            assert_type(driver.list_objects("photos", item), LazyList[Object])
        else:
            assert_type(item, Object)
    assert_type(sorted(folders), list[Object | Prefix])
    assert_type(sorted(objects), list[Object])
    assert_type(sorted(driver.list_containers()), list[Container])
    names = [item.name for item in folders]
    assert_type(names, list[str])

    for prefix, prefixes, found in container.walk("2026/"):
        assert_type(prefix, str)
        assert_type(prefixes, list[str])
        assert_type(found, list[Object])


def objects(obj: Object) -> None:
    assert_type(obj.name, str)
    assert_type(obj.size, int)
    assert_type(obj.container, Container)
    assert_type(obj.driver, StorageDriver)
    assert_type(obj.object_hash, str | None)
    assert_type(obj.hash_algorithm, str | None)
    assert_type(obj.checksums, Mapping[str, str])
    assert_type(obj.etag, str | None)
    assert_type(obj.last_modified, datetime | None)
    assert_type(obj.metadata, Mapping[str, str])
    assert_type(obj.extra, Mapping[str, object])
    assert_type(obj.get_cdn_url(), str)
    assert_type(obj.refresh(), Object)
    signed = obj.sign_url(method="PUT", expires=60)
    assert_type(signed, SignedURL)
    assert_type(signed.method, str)
    assert_type(signed.headers, Mapping[str, str])
    obj.sign_url(expires=timedelta(hours=1))
    assert_type(obj.update_metadata({"author": "me"}, if_match=obj.etag), Object)


def uploads(container: Container, blocks: Iterator[bytes], pipe: BinaryIO) -> None:
    def show(done: int, total: int | None) -> None:
        print(done, total)

    cancel = threading.Event()
    assert_type(container.upload_object("cat.jpg", "cat.jpg"), Object)
    container.upload_object(Path("cat.jpg"), "cat.jpg", content_type="image/jpeg")
    container.upload_object(b"meow", "cat.txt", metadata={"language": "cat"}, if_absent=True)
    container.upload_object(bytearray(4), "cat.bin", checksum="crc32:2144df1c")
    container.upload_object(memoryview(b"meow"), "cat.bin", progress=show, cancel=cancel)
    container.upload_object(io.BytesIO(b"meow"), "cat.bin")
    container.upload_object(pipe, "cat.bin")
    container.upload_object(blocks, "cat.bin")
    container.upload_object((block.encode() for block in ("me", "ow")), "cat.bin")
    with open("cat.jpg", "rb") as file:
        container.driver.upload_object(file, container, "cat.jpg")
    assert_type(container.list_uploads(), LazyList[Upload])
    assert_type(container.list_versions("cat"), LazyList[Object])
    assert_type([found.is_current for found in container.list_versions()], list[bool | None])
    assert_type([found.is_delete_marker for found in container.list_versions()], list[bool])
    container.enable_versioning()
    assert_type(container.abort_uploads(older_than=86_400), list[Upload])
    container.abort_uploads(older_than=timedelta(days=7))
    with container.request("GET", query={"versioning": ""}) as response:
        assert_type(response, ServiceResponse)
        assert_type(response.read(), bytes)


def downloads(driver: StorageDriver, container: Container, obj: Object) -> None:
    assert_type(obj.download("copy.jpg", overwrite=True), Path)
    assert_type(container.download_object("cat.jpg", Path("copy.jpg")), Path)
    assert_type(driver.download_object(obj, "copy.jpg"), Path)
    assert_type(obj.download("copy.jpg", resume=True), Path)
    assert_type(clean_partials(Path("folder"), older_than=timedelta(days=1)), list[Path])
    assert_type(obj.read(start=10, stop=20), bytes)
    assert_type(container.read_object(obj), bytes)
    assert_type(obj.stream(chunk_size=1 << 16), Iterator[bytes])
    many = container.read_objects([obj, "b"], concurrency=8)
    assert_type(many, Iterator[tuple[str, bytes | StorageError]])
    assert_type(driver.read_objects(container, ["a"]), Iterator[tuple[str, bytes | StorageError]])
    assert_type(obj.read_ranges([(0, 10), (1_000, None)]), list[bytes])


def files(driver: StorageDriver, container: Container, obj: Object, mode: str) -> None:
    assert_type(obj.as_file(), BufferedObjectReader[Object])
    assert_type(obj.open(), BufferedObjectReader[Object])
    assert_type(obj.open("rb"), BufferedObjectReader[Object])
    assert_type(obj.open("wb"), ObjectWriter[Object])
    assert_type(obj.open("r"), ObjectTextReader[Object])
    assert_type(obj.open("w"), ObjectTextWriter[Object])
    assert_type(container.open("cat.jpg"), BufferedObjectReader[Object])
    assert_type(container.open("cat.jpg", "rb"), BufferedObjectReader[Object])
    assert_type(container.open("cat.jpg", "xb", content_type="image/jpeg"), ObjectWriter[Object])
    assert_type(container.open("cat.txt", "rt", encoding="latin-1"), ObjectTextReader[Object])
    assert_type(
        container.open("cat.txt", "w", newline="", metadata={"a": "b"}), ObjectTextWriter[Object]
    )
    assert_type(driver.open_object("photos", "cat.jpg"), BufferedObjectReader[Object])
    assert_type(driver.open_object(container, obj, "wb", if_match=obj.etag), ObjectWriter[Object])
    assert_type(driver.open_object(container, "cat.txt", "r"), ObjectTextReader[Object])
    assert_type(driver.open_object(container, "cat.txt", "x"), ObjectTextWriter[Object])
    assert_type(container.open("cat.jpg", "w+b", if_match=obj.etag), SeekableObjectWriter[Object])
    assert_type(obj.open("x+b", metadata={"a": "b"}), SeekableObjectWriter[Object])
    assert_type(driver.open_object("photos", "cat.jpg", "wb+"), SeekableObjectWriter[Object])
    assert_type(container.open("cat.txt", "w+", newline=""), ObjectTextWriter[Object])
    assert_type(obj.open("xt+"), ObjectTextWriter[Object])
    assert_type(container.open("cat.txt", "r").mode, str)
    assert_type(container.open("cat.jpg", "wb").object, Object | None)
    assert_type(container.open("cat.jpg", "w+b").object, Object | None)
    assert_type(container.open("cat.txt", "w").object, Object | None)
    assert_type(container.open("cat.jpg").object, Object)
    assert_type(container.open("cat.txt", "r").object, Object)
    as_binary: BinaryIO = obj.open("rb")
    as_text: TextIO = obj.open("r")
    assert_type(obj.download(as_binary), None)
    assert_type(obj.download("cat.jpg", start=-8), Path)
    as_text.close()
    driver.open_object(container, "cat.txt", mode).close()
    container.open("cat.txt", mode, encoding="latin-1", if_absent=True).close()
    obj.open(mode, newline="", version="1").close()


def files_for_other_code(container: Container, obj: Object) -> None:
    with container.open("cat.zip", "rb") as remote, zipfile.ZipFile(remote) as archive:
        assert_type(archive.namelist(), list[str])
    with container.open("cats.csv", "w", newline="") as text:
        csv.writer(text).writerow(["name", "size"])
        assert_type(text.abort(), None)
    with container.open("cat.bin", "wb") as writer:
        assert_type(writer.write(b"meow"), int)
    with container.open("cats.zip", "w+b") as updated:
        assert_type(obj.download(updated), None)
        with zipfile.ZipFile(updated, "a") as archive:
            archive.writestr("cat.txt", "meow")
        show_type(updated)
    with obj.open("r") as lines:
        assert_type([line.strip() for line in lines], list[str])


def show_type(writer: ObjectWriter | SeekableObjectWriter) -> str:
    return type(writer.object).__name__


def copies_and_deletes(driver: StorageDriver, other: Container, obj: Object) -> None:
    assert_type(obj.copy(other, "copy.jpg", if_absent=True), Object)
    assert_type(driver.copy_object(obj, "other"), Object)
    assert_type(obj.move("other"), Object)
    obj.delete(if_match=obj.etag)
    results = driver.delete_objects([obj, driver.object("photos", "cat.jpg")])
    assert_type(results, list[DeleteResult])
    assert_type(other.delete_objects(["a", obj]), list[DeleteResult])
    for result in results:
        assert_type(result.ok, bool)
        assert_type(result.error, StorageError | None)


def errors(container: Container) -> None:
    try:
        container.get_object("cat.jpg")
    except ObjectNotFoundError as error:
        assert_type(error.container, str | None)
        assert_type(error.retryable, bool)
        os_error: FileNotFoundError = error
        print(os_error)
