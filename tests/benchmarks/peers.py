"""The other clients, one class each; `clients.Client` says what their methods do."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from .place import BUCKET, KEY, KIB, MIB, PROJECT, REGION, SECRET, Place

#: Those of Swift's own tests.
SWIFT_USER = ("test:tester", "testing")


def azure_account() -> tuple[str, str]:
    """Return the account that Azurite has, and its key."""
    from ..servers import azurite

    return azurite.ACCOUNT, azurite.KEY


class Boto3:
    def __init__(self, place: Place) -> None:
        import boto3

        self._client = boto3.client(
            "s3",
            endpoint_url=place.url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name=REGION,
            verify=place.authority or None,
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


class Boto3CRT:
    """The transfers of boto3 by the AWS Common Runtime; boto3 itself makes them to AWS only."""

    def __init__(self, place: Place) -> None:
        from botocore.session import Session
        from s3transfer import crt

        session = Session()
        session.set_credentials(KEY, SECRET)
        provider = crt.BotocoreCRTCredentialsWrapper(session.get_credentials())
        # Leaving a manager waits until a file has its name; boto3 makes one for each transfer.
        self._manager = partial(
            crt.CRTTransferManager,
            crt.create_s3_crt_client(
                REGION,
                provider.to_crt_credentials_provider(),
                use_ssl=place.url.startswith("https:"),
                verify=place.authority or None,
            ),
            crt.BotocoreCRTRequestSerializer(
                session, {"region_name": REGION, "endpoint_url": place.url}
            ),
        )

    def upload(self, name: str, path: Path) -> None:
        with self._manager() as manager:
            manager.upload(str(path), BUCKET, name).result()

    def upload_stream(self, name: str, stream: BinaryIO) -> None:
        with self._manager() as manager:
            manager.upload(stream, BUCKET, name).result()

    def download(self, name: str, path: Path) -> None:
        with self._manager() as manager:
            manager.download(BUCKET, name, str(path)).result()


class OpenDAL:
    def __init__(self, place: Place) -> None:
        import opendal

        os.environ["SSL_CERT_FILE"] = place.authority
        self._bucket: Callable[[str], Any] = lambda name: opendal.Operator(
            "s3",
            bucket=name,
            endpoint=place.url,
            region=REGION,
            access_key_id=KEY,
            secret_access_key=SECRET,
        )
        self._operator = self._bucket(BUCKET)

    def get(self, name: str) -> Any:
        return self._operator.read(name)

    def put(self, name: str, data: bytes) -> None:
        self._operator.write(name, data)

    def head(self, name: str) -> Any:
        return self._operator.stat(name).content_length

    def upload(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self.upload_stream(name, file)

    def upload_stream(self, name: str, stream: BinaryIO) -> None:
        with self._operator.open(name, "wb", chunk=8 * MIB, concurrent=4) as target:
            shutil.copyfileobj(stream, target, 8 * MIB)

    def download(self, name: str, path: Path) -> None:
        with self._operator.open(name, "rb") as source, path.open("wb") as file:
            shutil.copyfileobj(source, file, MIB)

    def open(self, name: str) -> Any:
        return self._operator.open(name, "rb")

    def list(self, bucket: str) -> int:
        return sum(1 for _ in self._bucket(bucket).scan(""))

    def walk(self, bucket: str) -> int:
        operator, waiting, count = self._bucket(bucket), [""], 0
        while waiting:
            for entry in operator.list(waiting.pop()):
                if entry.path.endswith("/"):
                    waiting.append(entry.path)
                else:
                    count += 1
        return count


class MinIO:
    def __init__(self, place: Place) -> None:
        import minio
        import urllib3

        address = urlsplit(place.url)
        pool = urllib3.PoolManager(maxsize=16, ca_certs=place.authority or None)
        self._client = minio.Minio(
            address.netloc, KEY, SECRET, secure=address.scheme == "https", region=REGION,
            http_client=pool,
        )  # fmt: skip

    def get(self, name: str) -> Any:
        response = self._client.get_object(bucket_name=BUCKET, object_name=name)
        try:
            return response.read()
        finally:
            response.close()
            response.release_conn()

    def put(self, name: str, data: bytes) -> None:
        import io

        self._client.put_object(
            bucket_name=BUCKET, object_name=name, data=io.BytesIO(data), length=len(data)
        )

    def head(self, name: str) -> Any:
        return self._client.stat_object(bucket_name=BUCKET, object_name=name).size

    def upload(self, name: str, path: Path) -> None:
        self._client.fput_object(bucket_name=BUCKET, object_name=name, file_path=str(path))

    def upload_stream(self, name: str, stream: BinaryIO) -> None:
        self._client.put_object(
            bucket_name=BUCKET, object_name=name, data=stream, length=-1, part_size=8 * MIB
        )

    def download(self, name: str, path: Path) -> None:
        self._client.fget_object(bucket_name=BUCKET, object_name=name, file_path=str(path))

    def list(self, bucket: str) -> int:
        return sum(1 for _ in self._client.list_objects(bucket_name=bucket, recursive=True))

    def delete(self, names: Sequence[str]) -> None:
        from minio.deleteobjects import DeleteObject

        errors = self._client.remove_objects(
            bucket_name=BUCKET, delete_object_list=map(DeleteObject, names)
        )
        assert not list(errors)


class Libcloud:
    """Reading an object takes two requests: libcloud has no object without its attributes."""

    def __init__(self, place: Place) -> None:
        import libcloud.security
        from libcloud.storage.base import Container
        from libcloud.storage.drivers.minio import MinIOStorageDriver

        address = urlsplit(place.url)
        libcloud.security.CA_CERTS_PATH = place.authority
        self._driver: Any = MinIOStorageDriver(
            KEY, SECRET, host=address.hostname, port=address.port,
            secure=address.scheme == "https",
        )  # fmt: skip
        self._bucket: Callable[[str], Any] = lambda name: Container(name, {}, self._driver)
        self._container = self._bucket(BUCKET)

    def _object(self, name: str) -> Any:
        return self._driver.get_object(BUCKET, name)

    def get(self, name: str) -> bytes:
        return b"".join(self._driver.download_object_as_stream(self._object(name)))

    def put(self, name: str, data: bytes) -> None:
        self._driver.upload_object_via_stream(iter([data]), self._container, name)

    def head(self, name: str) -> Any:
        return self._object(name).size

    def upload(self, name: str, path: Path) -> None:
        self._driver.upload_object(str(path), self._container, name, verify_hash=False)

    def upload_stream(self, name: str, stream: BinaryIO) -> None:
        self._driver.upload_object_via_stream(stream, self._container, name)

    def download(self, name: str, path: Path) -> None:
        self._driver.download_object(self._object(name), str(path), overwrite_existing=True)

    def list(self, bucket: str) -> int:
        return sum(1 for _ in self._driver.iterate_container_objects(self._bucket(bucket)))


class S3FS:
    def __init__(self, place: Place) -> None:
        import s3fs

        options = {"endpoint_url": place.url, "region_name": REGION}
        if place.authority:
            options["verify"] = place.authority
        self._files = s3fs.S3FileSystem(
            key=KEY, secret=SECRET, client_kwargs=options, use_listings_cache=False
        )

    def get(self, name: str) -> Any:
        return self._files.cat_file(f"{BUCKET}/{name}")

    def get_many(self, names: Sequence[str]) -> int:
        return sum(map(len, self._files.cat([f"{BUCKET}/{name}" for name in names]).values()))

    def put(self, name: str, data: bytes) -> None:
        self._files.pipe_file(f"{BUCKET}/{name}", data)

    def head(self, name: str) -> Any:
        return self._files.info(f"{BUCKET}/{name}")["size"]

    def upload(self, name: str, path: Path) -> None:
        self._files.put_file(str(path), f"{BUCKET}/{name}")

    def upload_stream(self, name: str, stream: BinaryIO) -> None:
        with self._files.open(f"{BUCKET}/{name}", "wb") as target:
            shutil.copyfileobj(stream, target, 8 * MIB)

    def download(self, name: str, path: Path) -> None:
        self._files.get_file(f"{BUCKET}/{name}", str(path))

    def open(self, name: str) -> Any:
        return self._files.open(f"{BUCKET}/{name}", "rb")

    def read_ranges(self, name: str, starts: Sequence[int], length: int) -> int:
        ends = [start + length for start in starts]
        paths = [f"{BUCKET}/{name}"] * len(starts)
        return sum(map(len, self._files.cat_ranges(paths, list(starts), ends)))

    def list(self, bucket: str) -> int:
        return len(self._files.find(bucket))

    def walk(self, bucket: str) -> int:
        return sum(len(names) for _, _, names in self._files.walk(bucket))

    def delete(self, names: Sequence[str]) -> None:
        self._files.rm([f"{BUCKET}/{name}" for name in names])


class Raw:
    """A socket that sends requests which are written beforehand, and does not sign: the limit."""

    def __init__(self, place: Place) -> None:
        address = urlsplit(place.url)
        self._address = str(address.hostname), address.port or 0
        self._context: ssl.SSLContext | None = None
        if address.scheme == "https":
            self._context = ssl.create_default_context(cafile=place.authority)
        self._local = threading.local()

    def _socket(self) -> socket.socket:
        found: socket.socket | None = getattr(self._local, "socket", None)
        if found is None:
            found = socket.create_connection(self._address)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                found = self._context.wrap_socket(found, server_hostname=self._address[0])
            self._local.socket = found
        return found

    def _request(self, method: str, name: str, size: int = 0, body: bytes = b"") -> bytes:
        head = (
            f"{method} /{BUCKET}/{name} HTTP/1.1\r\nHost: bench\r\nContent-Length: {size}\r\n\r\n"
        )
        self._socket().sendall(head.encode() + body)
        return b"" if size > len(body) else self._head()

    def _head(self) -> bytes:
        """Return what has arrived when the head is there, at most 64 KiB."""
        received = self._socket().recv(64 * KIB)
        while b"\r\n\r\n" not in received:
            received += self._socket().recv(64 * KIB)
        return received

    def get(self, name: str) -> bytes | bytearray:
        head, _, body = self._request("GET", name).partition(b"\r\n\r\n")
        size = _length(head)
        if len(body) == size:
            return body
        whole = bytearray(size)
        whole[: len(body)] = body
        view, filled = memoryview(whole), len(body)
        while filled < size:
            filled += self._socket().recv_into(view[filled:])
        return whole

    def put(self, name: str, data: bytes) -> None:
        self._request("PUT", name, len(data), data)

    def head(self, name: str) -> int:
        return _length(self._request("HEAD", name))

    def upload(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self._request("PUT", name, path.stat().st_size)
            self._socket().sendfile(file)
            self._head()

    def download(self, name: str, path: Path) -> None:
        head, _, body = self._request("GET", name).partition(b"\r\n\r\n")
        left, buffer = _length(head) - len(body), memoryview(bytearray(MIB))
        with path.open("wb", buffering=0) as file:
            file.write(body)
            while left:
                count = self._socket().recv_into(buffer)
                file.write(buffer[:count])
                left -= count


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


class AzureBlob:
    def __init__(self, place: Place) -> None:
        from azure.storage.blob import BlobServiceClient

        self._service = BlobServiceClient(place.url, credential=azure_account()[1])
        self._container = self._service.get_container_client(BUCKET)

    def get(self, name: str) -> Any:
        return self._container.download_blob(name).readall()

    def put(self, name: str, data: bytes) -> None:
        self._container.upload_blob(name, data, overwrite=True)

    def head(self, name: str) -> Any:
        return self._container.get_blob_client(name).get_blob_properties().size

    def upload(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self._container.upload_blob(name, file, overwrite=True)

    def download(self, name: str, path: Path) -> None:
        with path.open("wb") as file:
            self._container.download_blob(name).readinto(file)

    def list(self, bucket: str) -> int:
        return sum(1 for _ in self._service.get_container_client(bucket).list_blobs())


class GoogleStorage:
    def __init__(self, place: Place) -> None:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.storage import Client

        self._client = Client(
            PROJECT,
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": place.url},
        )
        self._bucket = self._client.bucket(BUCKET)

    def get(self, name: str) -> Any:
        return self._bucket.blob(name).download_as_bytes()

    def put(self, name: str, data: bytes) -> None:
        self._bucket.blob(name).upload_from_string(data)

    def head(self, name: str) -> Any:
        return self._bucket.get_blob(name).size

    def upload(self, name: str, path: Path) -> None:
        self._bucket.blob(name).upload_from_filename(str(path))

    def download(self, name: str, path: Path) -> None:
        self._bucket.blob(name).download_to_filename(str(path))

    def list(self, bucket: str) -> int:
        return sum(1 for _ in self._client.list_blobs(bucket))


class SwiftClient:
    def __init__(self, place: Place) -> None:
        from swiftclient import Connection

        self._connection = Connection(place.url, *SWIFT_USER, auth_version="1")

    def get(self, name: str) -> Any:
        return self._connection.get_object(BUCKET, name)[1]

    def put(self, name: str, data: bytes) -> None:
        self._connection.put_object(BUCKET, name, data)

    def head(self, name: str) -> int:
        return int(self._connection.head_object(BUCKET, name)["content-length"])

    def upload(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self._connection.put_object(BUCKET, name, file, path.stat().st_size)

    def download(self, name: str, path: Path) -> None:
        _, chunks = self._connection.get_object(BUCKET, name, resp_chunk_size=MIB)
        with path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)

    def list(self, bucket: str) -> int:
        return len(self._connection.get_container(bucket, full_listing=True)[1])


class Files:
    """What Python itself has for files; a write is not atomic."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def get(self, name: str) -> bytes:
        return self._place.file(name).read_bytes()

    def put(self, name: str, data: bytes) -> None:
        self._place.file(name).write_bytes(data)

    def upload(self, name: str, path: Path) -> None:
        shutil.copyfile(path, self._place.file(name))

    def download(self, name: str, path: Path) -> None:
        shutil.copyfile(self._place.file(name), path)

    def list(self, bucket: str) -> int:
        return sum(
            1
            for folder, _, names in os.walk(self._place.folder / bucket)
            for name in names
            if os.stat(f"{folder}/{name}").st_size >= 0
        )
