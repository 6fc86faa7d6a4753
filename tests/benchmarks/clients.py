"""
The clients that are compared: this library, and obstore, at all services; `peers` has the others.

Each is used as its documentation shows, with its own defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from libstore import get_driver

from . import peers
from .place import BUCKET, KEY, KIB, PROJECT, REGION, SECRET, Place


class Client(Protocol):
    """What a client does; one that lacks a method is not in the rows that need it."""

    def get(self, name: str) -> bytes:
        """Return the content of an object."""

    def get_many(self, names: Sequence[str]) -> int:
        """Read many small objects, and return how many bytes they have."""

    def put(self, name: str, data: bytes) -> object:
        """Store an object."""

    def head(self, name: str) -> int:
        """Return the size of an object."""

    def upload(self, name: str, path: Path) -> object:
        """Store a file."""

    def upload_stream(self, name: str, stream: BinaryIO) -> object:
        """Store what a file object has that cannot seek."""

    def download(self, name: str, path: Path) -> object:
        """Write an object to a file, which it replaces."""

    def open(self, name: str) -> Any:
        """Return a file object that reads and seeks."""

    def read_ranges(self, name: str, starts: Sequence[int], length: int) -> int:
        """Read many ranges, and return how many bytes they have."""

    def list(self, bucket: str) -> int:
        """Return how many keys a listing has, after one object for each was made."""

    def walk(self, bucket: str) -> int:
        """Return how many keys there are, from one listing of each directory."""

    def delete(self, names: Sequence[str]) -> object:
        """Delete many objects."""


class Libstore:
    def __init__(self, service: str, place: Place) -> None:
        self._driver = DRIVERS[service](place)
        self._container = self._driver.get_container(BUCKET)

    def get(self, name: str) -> Any:
        return self._container.read_object(name)

    def get_many(self, names: Sequence[str]) -> int:
        return sum(len(data) for _, data in self._container.read_objects(names))

    def put(self, name: str, data: bytes) -> None:
        self._container.upload_object(data, name)

    def head(self, name: str) -> Any:
        return self._container.get_object(name).size

    def upload(self, name: str, path: Path) -> None:
        self._container.upload_object(path, name)

    def upload_stream(self, name: str, stream: BinaryIO) -> None:
        self._container.upload_object(stream, name)

    def download(self, name: str, path: Path) -> None:
        self._container.download_object(name, path, overwrite=True)

    def open(self, name: str) -> Any:
        return self._container.open(name)

    def read_ranges(self, name: str, starts: Sequence[int], length: int) -> int:
        spans = [(start, start + length) for start in starts]
        return sum(map(len, self._container.object(name).read_ranges(spans)))

    def list(self, bucket: str) -> int:
        return sum(1 for _ in self._driver.get_container(bucket).list_objects())

    def walk(self, bucket: str) -> int:
        return sum(len(objects) for _, _, objects in self._driver.get_container(bucket).walk())

    def delete(self, names: Sequence[str]) -> None:
        results = self._container.delete_objects(names)
        assert all(result.error is None for result in results)


class Obstore:
    def __init__(self, make: Callable[[str], Any]) -> None:
        self._bucket = make
        self._store = make(BUCKET)

    def get(self, name: str) -> Any:
        return self._store.get(name).bytes().to_bytes()

    def get_many(self, names: Sequence[str]) -> int:
        with ThreadPoolExecutor(16) as pool:
            return sum(map(len, pool.map(self.get, names)))

    def put(self, name: str, data: bytes) -> None:
        self._store.put(name, data)

    def head(self, name: str) -> Any:
        return self._store.head(name)["size"]

    def upload(self, name: str, path: Path) -> None:
        self._store.put(name, path)

    def upload_stream(self, name: str, stream: BinaryIO) -> None:
        self._store.put(name, iter(lambda: stream.read(1 << 20), b""))

    def download(self, name: str, path: Path) -> None:
        with path.open("wb") as file:
            for chunk in self._store.get(name).stream(min_chunk_size=1 << 20):
                file.write(chunk)

    def open(self, name: str) -> Any:
        import obstore

        return obstore.open_reader(self._store, name)

    def read_ranges(self, name: str, starts: Sequence[int], length: int) -> int:
        parts = self._store.get_ranges(name, starts=starts, lengths=[length] * len(starts))
        return sum(map(len, parts))

    def list(self, bucket: str) -> int:
        return sum(len(page) for page in self._bucket(bucket).list(chunk_size=1000))

    def walk(self, bucket: str) -> int:
        store, waiting, count = self._bucket(bucket), [""], 0
        while waiting:
            found = store.list_with_delimiter(waiting.pop())
            count += len(found["objects"])
            waiting += [f"{prefix}/" for prefix in found["common_prefixes"]]
        return count

    def delete(self, names: Sequence[str]) -> None:
        self._store.delete(names)


#: The library's driver of each service.
DRIVERS: dict[str, Callable[[Place], Any]] = {
    "s3": lambda place: get_driver("s3")(
        KEY, SECRET, region=REGION, endpoint=place.url, verify=place.authority
    ),
    "azure": lambda place: get_driver("azure")(*peers.azure_account(), endpoint=place.url),
    "gcs": lambda place: get_driver("gcs")(token="any", endpoint=place.url, project=PROJECT),
    "swift": lambda place: get_driver("swift")(*peers.SWIFT_USER, auth_url=place.url),
    "local": lambda place: get_driver("local")(place.folder, fsync=False),
    "memory": lambda place: get_driver("memory")(store=BUCKET),
}


def _libstore_memory(place: Place) -> Client:
    DRIVERS["memory"](place).create_container(BUCKET)
    return _with_object(Libstore("memory", place))


def _obstore_s3(place: Place) -> Client:
    from obstore.store import S3Store

    options: Any = {
        "endpoint": place.url,
        "access_key_id": KEY,
        "secret_access_key": SECRET,
        "region": REGION,
        "client_options": {"allow_http": True},
    }
    if place.authority:
        options["client_options"]["root_certificate"] = Path(place.authority).read_text()
    return Obstore(lambda bucket: S3Store(bucket, **options))


def _obstore_azure(place: Place) -> Client:
    from obstore.store import AzureStore

    account, key = peers.azure_account()
    options: Any = {
        "endpoint": place.url,
        "account_name": account,
        "account_key": key,
        "client_options": {"allow_http": True},
    }
    return Obstore(lambda bucket: AzureStore(bucket, **options))


def _obstore_local(place: Place) -> Client:
    from obstore.store import LocalStore

    return Obstore(lambda bucket: LocalStore(place.folder / bucket))


def _obstore_memory(place: Place) -> Client:
    from obstore.store import MemoryStore

    store = MemoryStore()
    return _with_object(Obstore(lambda bucket: store))


def _with_object(client: Client) -> Client:
    client.put("1KiB-md5", bytes(KIB))
    return client


#: By service and by the client's name.
CLIENTS: dict[str, dict[str, Callable[[Place], Any]]] = {
    "s3": {
        "libstore": partial(Libstore, "s3"),
        "obstore": _obstore_s3,
        "opendal": peers.OpenDAL,
        "boto3": peers.Boto3,
        "boto3-awscrt": peers.Boto3CRT,
        "minio": peers.MinIO,
        "libcloud": peers.Libcloud,
        "s3fs": peers.S3FS,
        "raw": peers.Raw,
    },
    "azure": {
        "libstore": partial(Libstore, "azure"),
        "obstore": _obstore_azure,
        "azure-storage-blob": peers.AzureBlob,
    },
    "gcs": {"libstore": partial(Libstore, "gcs"), "google-cloud-storage": peers.GoogleStorage},
    "swift": {"libstore": partial(Libstore, "swift"), "python-swiftclient": peers.SwiftClient},
    "local": {
        "libstore": partial(Libstore, "local"),
        "obstore": _obstore_local,
        "shutil": peers.Files,
    },
    "memory": {"libstore": _libstore_memory, "obstore": _obstore_memory},
}
#: The client that ratios are to, by service.
REFERENCES = {
    "s3": "obstore",
    "azure": "azure-storage-blob",
    "gcs": "google-cloud-storage",
    "swift": "python-swiftclient",
    "local": "obstore",
    "memory": "obstore",
}
