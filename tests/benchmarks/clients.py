"""The clients that are compared: one class each, as their documentation shows their use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from .endpoint import BUCKET

KEY, SECRET, REGION = "AKIDEXAMPLE", "secret", "us-east-1"


class Client(Protocol):
    """What a client of S3 does; one that lacks a method is not in the rows that need it."""

    def get(self, name: str) -> bytes:
        """Return the content of an object."""

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

    def list(self, bucket: str) -> int:
        """Return how many keys a listing has, after one object for each was made."""

    def delete(self, names: Sequence[str]) -> object:
        """Delete many objects."""


class Libstore:
    def __init__(self, url: str, authority: str) -> None:
        from libstore.drivers.s3 import S3Driver

        self._driver = S3Driver(
            KEY, SECRET, region=REGION, endpoint=url, verify=authority, proxies={}
        )
        self._container = self._driver.get_container(BUCKET)

    def get(self, name: str) -> bytes:
        return self._container.read_object(name)

    def put(self, name: str, data: bytes) -> None:
        self._container.upload_object(data, name)

    def head(self, name: str) -> int:
        return self._container.get_object(name).size

    def upload(self, name: str, path: Path) -> None:
        self._container.upload_object(path, name)

    def upload_stream(self, name: str, stream: BinaryIO) -> None:
        self._container.upload_object(stream, name)

    def download(self, name: str, path: Path) -> None:
        self._container.download_object(name, path, overwrite=True)

    def list(self, bucket: str) -> int:
        return sum(1 for _ in self._driver.get_container(bucket).list_objects())

    def delete(self, names: Sequence[str]) -> None:
        results = self._container.delete_objects(names)
        assert all(result.error is None for result in results)


class Obstore:
    def __init__(self, url: str, authority: str) -> None:
        self._options = {
            "endpoint": url,
            "access_key_id": KEY,
            "secret_access_key": SECRET,
            "region": REGION,
            "client_options": {
                "allow_http": True,
                "root_certificate": Path(authority).read_text(),
            },
        }
        self._store = self._bucket(BUCKET)

    def _bucket(self, name: str) -> Any:
        from obstore.store import S3Store

        return S3Store(name, **self._options)

    def get(self, name: str) -> Any:
        return self._store.get(name).bytes().to_bytes()

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

    def list(self, bucket: str) -> int:
        return sum(len(page) for page in self._bucket(bucket).list(chunk_size=1000))

    def delete(self, names: Sequence[str]) -> None:
        self._store.delete(names)


class Boto3:
    def __init__(self, url: str, authority: str) -> None:
        import boto3

        self._client = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name=REGION,
            verify=authority,
        )

    def get(self, name: str) -> Any:
        return self._client.get_object(Bucket=BUCKET, Key=name)["Body"].read()

    def put(self, name: str, data: bytes) -> None:
        self._client.put_object(Bucket=BUCKET, Key=name, Body=data)

    def head(self, name: str) -> Any:
        return self._client.head_object(Bucket=BUCKET, Key=name)["ContentLength"]

    def upload(self, name: str, path: Path) -> None:
        self._client.upload_file(str(path), BUCKET, name)

    def upload_stream(self, name: str, stream: BinaryIO) -> None:
        self._client.upload_fileobj(stream, BUCKET, name)

    def download(self, name: str, path: Path) -> None:
        self._client.download_file(BUCKET, name, str(path))

    def list(self, bucket: str) -> int:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sum(len(page["Contents"]) for page in pages)

    def delete(self, names: Sequence[str]) -> None:
        for first in range(0, len(names), 1000):
            batch = [{"Key": name} for name in names[first : first + 1000]]
            self._client.delete_objects(Bucket=BUCKET, Delete={"Objects": batch, "Quiet": True})


#: Each is made of the URL of an endpoint and the file of the authority of its certificate.
CLIENTS: dict[str, Callable[[str, str], Client]] = {
    "libstore": Libstore,
    "obstore": Obstore,
    "boto3": Boto3,
}
