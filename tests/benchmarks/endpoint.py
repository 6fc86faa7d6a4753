"""
An endpoint of S3 that does as little as it can, so that what is measured is the client.

nginx sends objects and pages of listings that are made beforehand, and discards what it receives.
It checks neither signatures nor digests. Its data is in memory where there is /dev/shm.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..servers.process import ServerProcess, free_ports

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
BUCKET = "bench"
#: Sizes of objects, by name.
OBJECTS = {"1KiB": KIB, "256MiB": 256 * MIB, "1GiB": GIB}
#: What follows the name of an object whose ETag is its MD5; that of others is of parts.
WITH_MD5 = "-md5"
KEYS_OF_A_PAGE = 1_000

_CONFIGURATION = """\
{modules}
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    types {{ }}
    default_type application/octet-stream;
    client_body_temp_path {folder}/temporary;
    proxy_temp_path {folder}/temporary;
    fastcgi_temp_path {folder}/temporary;
    uwsgi_temp_path {folder}/temporary;
    scgi_temp_path {folder}/temporary;
    client_max_body_size 0;
    client_body_buffer_size 1m;
    lua_socket_buffer_size 256k;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    open_file_cache max=1000 inactive=1h;
    open_file_cache_valid 1h;
    etag off;
    map $uri $etag {{
        default "";
{etags}
    }}
    map "$request_method $uri" $dynamic {{
        default 1;
        "~^(GET|HEAD) /[^/]+/." 0;
    }}
    server {{
        listen 127.0.0.1:{http} backlog=1024;
        listen 127.0.0.1:{https} ssl backlog=1024;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        set $pages {folder}/pages;
        location / {{
            root {folder}/objects;
            add_header ETag $etag;
            add_header x-amz-request-id 0123456789ABCDEF;
            # nginx would compare them with an ETag of its own, and refuse the request.
            rewrite_by_lua_block {{
                if ngx.var.http_if_match then ngx.req.clear_header("If-Match") end
            }}
            if ($dynamic) {{
                add_header x-amz-request-id 0123456789ABCDEF;
                content_by_lua_file {script};
            }}
        }}
    }}
}}
"""
_KEY = "data/year=2026/part-{:08}.parquet"


class NotAvailableError(Exception):
    """What a row needs is not installed."""


@dataclass(frozen=True)
class Endpoint:
    """
    Where the endpoint listens.

    Attributes:
        authority: The file of the certificate authority that clients have to trust.
        folder: Of files that the clients may read and write.
    """

    http: str
    https: str
    authority: str
    folder: Path

    def path(self, name: str) -> Path:
        """Return the file that is the content of an object."""
        return self.folder / "objects" / BUCKET / name


@contextmanager
def null_endpoint(objects: Collection[str], listings: Collection[int]) -> Iterator[Endpoint]:
    """
    Run it.

    Args:
        objects: Names of objects that it has.
        listings: Numbers of keys; bucket `keys-1000` lists 1,000 of them.
    """
    nginx = _nginx()
    with tempfile.TemporaryDirectory(prefix="libstore-bench-", dir=_memory()) as name:
        folder = Path(name)
        for below in ("temporary", "work", "objects/" + BUCKET):
            (folder / below).mkdir(parents=True)
        etags = [_make_object(folder / "objects" / BUCKET, name) for name in sorted(objects)]
        for count in listings:
            _make_listing(folder / "pages" / listing_bucket(count), count)
        _make_certificate(folder)
        http, https = free_ports(2)
        configuration = folder / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                modules=_modules(nginx),
                folder=folder,
                etags="\n".join(etags),
                http=http,
                https=https,
                script=Path(__file__).with_name("endpoint.lua").absolute(),
            )
        )
        command = [nginx, "-p", str(folder), "-c", str(configuration)]
        with ServerProcess("nginx", command, folder, [http, https]):
            yield Endpoint(
                f"http://127.0.0.1:{http}",
                f"https://127.0.0.1:{https}",
                str(folder / "authority.pem"),
                folder,
            )


def listing_bucket(count: int) -> str:
    """Return the name of a bucket with so many keys."""
    return f"keys-{count}"


def key(number: int) -> str:
    """Return a key as listings have it, and as the requests to delete many."""
    return _KEY.format(number)


def _memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _nginx() -> str:
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/openresty/bin"))
    for name in ("nginx", "openresty"):
        found = shutil.which(name, path=path)
        if found is not None:
            return found
    raise NotAvailableError("nginx with its Lua module; on Debian: libnginx-mod-http-lua")


def _modules(nginx: str) -> str:
    """Return the lines that load the modules, unless this nginx has them built in."""
    built = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=True).stderr
    _, _, rest = built.partition("--modules-path=")
    folder = Path(rest.split()[0]) if rest else Path("/usr/lib/nginx/modules")
    files = [folder / "ndk_http_module.so", folder / "ngx_http_lua_module.so"]
    return "\n".join(f"load_module {file};" for file in files if file.exists())


def _make_object(folder: Path, name: str) -> str:
    """Write a file, and return a line that says its ETag."""
    size = OBJECTS[name.removesuffix(WITH_MD5)]
    digest = hashlib.md5()
    block = random.Random(size).randbytes(min(size, MIB))
    with (folder / name).open("wb") as file:
        for _ in range(size // len(block)):
            file.write(block)
            if name.endswith(WITH_MD5):
                digest.update(block)
    etag = digest.hexdigest() + ("" if name.endswith(WITH_MD5) else "-64")
    return f'"/{BUCKET}/{name}" \'"{etag}"\';'


def _make_listing(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for page, first in enumerate(range(0, count, KEYS_OF_A_PAGE)):
        last = min(first + KEYS_OF_A_PAGE, count)
        following = (
            f"<IsTruncated>true</IsTruncated><NextContinuationToken>{last - 1:08}"
            "</NextContinuationToken>"
            if last < count
            else "<IsTruncated>false</IsTruncated>"
        )
        entries = "".join(
            f"<Contents><Key>{key(number)}</Key>"
            f"<LastModified>2026-01-{1 + number % 28:02}T03:04:05.000Z</LastModified>"
            f"<ETag>&quot;{number:032x}&quot;</ETag><Size>{number * 37}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for number in range(first, last)
        )
        (folder / f"{page}.xml").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{folder.name}</Name><Prefix></Prefix><KeyCount>{last - first}</KeyCount>"
            f"<MaxKeys>{KEYS_OF_A_PAGE}</MaxKeys>{following}{entries}</ListBucketResult>"
        )


def _make_certificate(folder: Path) -> None:
    """Make a certificate authority, and a certificate for this machine that it has signed."""
    common = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    common += ["-nodes", "-days", "30", "-subj", "/CN=libstore benchmark"]
    authority = ["-keyout", "authority.key", "-out", "authority.pem"]
    server = [
        "-CA", "authority.pem", "-CAkey", "authority.key", "-keyout", "server.key",
        "-out", "server.pem", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
        "-addext", "basicConstraints=critical,CA:false",
    ]  # fmt: skip
    for options in (authority, server):
        subprocess.run([*common, *options], cwd=folder, check=True, capture_output=True)
