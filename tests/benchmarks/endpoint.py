"""
An endpoint of S3 that does as little as it can, so that what is measured is the client.

nginx sends objects and pages of listings that are made beforehand, and discards what it receives.
It checks neither signatures nor digests. Where it is not installed, Granian does the same, with an
application in Python: the fastest clients wait for it, but use as much CPU time.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from ..servers.process import ServerProcess, free_ports
from .place import BUCKET, MIB, NotAvailableError, Place, key, listing_bucket

#: What follows the name of an object whose ETag is its MD5; that of others is of parts.
_WITH_MD5 = "-md5"
_KEYS_OF_A_PAGE = 1_000

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
    map_hash_max_size 16384;
    map_hash_bucket_size 128;
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
            root {folder};
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


@contextmanager
def null_endpoint(folder: Path, listings: Iterable[int]) -> Iterator[Place]:
    """
    Run it.

    Args:
        folder: Has its objects, in a directory for each bucket.
        listings: Numbers of keys, for each of which there is a bucket.
    """
    for count in listings:
        _make_listing(folder / "pages" / listing_bucket(count), count)
    _make_certificate(folder)
    etags = dict(_etags(folder))
    http, https = free_ports(2)
    nginx = _nginx()
    serve = partial(_serve_with_nginx, nginx) if nginx else _serve_with_granian
    with serve(folder, etags, http, https):
        yield Place(
            f"http://127.0.0.1:{http}",
            folder,
            str(folder / "authority.pem"),
            f"https://127.0.0.1:{https}",
        )


@contextmanager
def _serve_with_nginx(
    program: str, folder: Path, etags: Mapping[str, str], http: int, https: int
) -> Iterator[None]:
    (folder / "temporary").mkdir()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            modules="\n".join(f"load_module {file};" for file in _modules(program)),
            folder=folder,
            etags="\n".join(f"\"{path}\" '{etag}';" for path, etag in etags.items()),
            http=http,
            https=https,
            script=Path(__file__).with_name("endpoint.lua").absolute(),
        )
    )
    command = [program, "-p", str(folder), "-c", str(configuration)]
    with ServerProcess("nginx", command, folder, [http, https]):
        yield


@contextmanager
def _serve_with_granian(
    folder: Path, etags: Mapping[str, str], http: int, https: int
) -> Iterator[None]:
    if importlib.util.find_spec("granian") is None:
        raise NotAvailableError("nginx with its Lua module, or granian")
    print("The server is Granian, because nginx with its Lua module is not installed.")
    (folder / "etags.json").write_text(json.dumps(etags))
    root = str(Path(__file__).parents[2])
    environment = {"LIBSTORE_BENCH_FOLDER": str(folder), "PYTHONPATH": root}
    certificate = ["--ssl-certificate", f"{folder}/server.pem"]
    certificate += ["--ssl-keyfile", f"{folder}/server.key"]
    with ExitStack() as stack:
        for port, options in ((http, []), (https, certificate)):
            command = [
                sys.executable, "-m", "granian", "--port", str(port), "--http", "1", "--no-log",
                "--no-ws", *options, "tests.benchmarks.endpoint_app:app",
            ]  # fmt: skip
            name = f"granian-{port}"
            stack.enter_context(ServerProcess(name, command, folder, [port], environment))
        yield


def _nginx() -> str | None:
    """Return the program, if it has its Lua module."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/openresty/bin"))
    openresty, nginx = shutil.which("openresty", path=path), shutil.which("nginx", path=path)
    return openresty or (nginx if nginx and _modules(nginx) else None)


def _modules(program: str) -> list[Path]:
    """Return the modules to load; OpenResty has them built in."""
    built = subprocess.run([program, "-V"], capture_output=True, text=True, check=True).stderr
    _, _, rest = built.partition("--modules-path=")
    folder = Path(rest.split()[0]) if rest else Path("/usr/lib/nginx/modules")
    files = [folder / "ndk_http_module.so", folder / "ngx_http_lua_module.so"]
    return files if all(file.exists() for file in files) else []


def _etags(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the path and the ETag of each object."""
    for path in sorted((folder / BUCKET).rglob("*")):
        digest = hashlib.md5()
        if path.name.endswith(_WITH_MD5):
            with path.open("rb") as file:
                while block := file.read(MIB):
                    digest.update(block)
        suffix = "" if path.name.endswith(_WITH_MD5) else "-64"
        yield f"/{path.relative_to(folder)}", f'"{digest.hexdigest()}{suffix}"'


def _make_listing(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for page, first in enumerate(range(0, count, _KEYS_OF_A_PAGE)):
        last = min(first + _KEYS_OF_A_PAGE, count)
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
            f"<MaxKeys>{_KEYS_OF_A_PAGE}</MaxKeys>{following}{entries}</ListBucketResult>"
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
