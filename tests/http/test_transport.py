"""Where requests go: hosts, proxies, TLS, processes and threads."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from scripted import Connect, Get, OpenTunnel, Play, Serve, Tunnel, respond
from urllib3.exceptions import InsecureRequestWarning

from libstore.errors import (
    InvalidOptionError,
    LocalFileNotFoundError,
    ServiceError,
    TransportError,
    TransportTimeoutError,
)
from libstore.http.client import Client, Unsigned
from libstore.http.connection import Channel
from libstore.http.environment import Proxies, proxies_from
from libstore.http.message import Request
from libstore.http.transport import Transport
from libstore.retry import RetryPolicy

if TYPE_CHECKING:
    from trustme import CA

ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def tunnel() -> Iterator[OpenTunnel]:
    tunnels = []

    def make(refusal: bytes | None = None) -> Client:
        tunnels.append(Tunnel(refusal))
        return tunnels[-1]

    yield make
    for each in tunnels:
        each.close()


def test_proxy_is_read_from_the_environment_once(
    serve: Serve, connect: Connect, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve()
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    client = connect()
    monkeypatch.delenv("HTTP_PROXY")
    response = client.request(Request("GET", "http://service.test", "/a/../b//%2e%2E/%7e?q=%2f"))
    assert response.read(9) == b"ok"
    assert proxy.seen[0].line == "GET http://service.test/a/../b//%2e%2E/%7e?q=%2f HTTP/1.1"
    assert ("host", "service.test") in proxy.seen[0].headers


def test_password_of_proxy_is_sent_but_not_in_messages(serve: Serve, connect: Connect) -> None:
    proxy = serve(Play(b"", "close"))
    with_password = proxy.url.replace("http://", "http://joe:s%40cret@")
    client = connect(proxies={"http": with_password}, retry=ONCE)
    with pytest.raises(TransportError) as raised:
        client.request(Request("GET", "http://service.test", "/"))
    assert "cret" not in str(raised.value)
    assert f"127.0.0.1:{proxy.port}" in str(raised.value)
    assert ("proxy-authorization", "Basic am9lOnNAY3JldA==") in proxy.seen[0].headers
    assert "cret" not in repr(client.transport.options)
    assert "cret" not in repr(client.transport._proxies)


def test_https_goes_through_a_tunnel(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, bundle: str, tunnel: OpenTunnel
) -> None:
    server, proxy = serve(tls=tls), tunnel()
    with_password = proxy.url.replace("http://", "http://joe:secret@")
    client = connect(proxies={"https": with_password}, verify=bundle)
    for _ in range(2):
        assert client.request(Request("GET", server.url, "/x")).read(9) == b"ok"
    assert len(proxy.heads) == 1
    assert proxy.heads[0].startswith(f"CONNECT 127.0.0.1:{server.port} ".encode())
    assert b"proxy-authorization: basic" in proxy.heads[0].lower()
    assert not any(name.startswith("proxy") for seen in server.seen for name, _ in seen.headers)


@pytest.mark.parametrize(
    ("refusal", "text", "tries"),
    [
        (b"HTTP/1.1 407 Who are you\r\n\r\n", "with status 407; put a valid user and password", 1),
        (b"HTTP/1.1 403 No\r\n\r\n", "with status 403", 1),
        (b"HTTP/1.1 502 Bad\r\n\r\n", "with status 502", 2),
        (b"<html>hello</html>\r\n\r\n", "sent an invalid HTTP response", 2),
        (b"", "the proxy", 2),
    ],
)
def test_proxy_that_refuses_a_tunnel_is_reported(
    connect: Connect, tunnel: OpenTunnel, refusal: bytes, text: str, tries: int
) -> None:
    proxy = tunnel(refusal)
    client = connect(proxies={"https": proxy.url}, retry=RetryPolicy(attempts=2))
    with pytest.raises(TransportError, match=text) as raised:
        client.request(Request("PUT", "https://service.test", "/x?secret=1", idempotent=False))
    assert len(proxy.heads) == tries
    assert "secret" not in str(raised.value)


def test_unreachable_proxy_is_reported(connect: Connect) -> None:
    client = connect(proxies={"all": "http://127.0.0.1:1"}, retry=ONCE)
    with pytest.raises(TransportError, match=r"the proxy 127\.0\.0\.1:1 refused the connection"):
        client.request(Request("GET", "https://service.test", "/"))


def test_socks_proxy_is_rejected(connect: Connect) -> None:
    client = connect(proxies={"all": "socks5://127.0.0.1:1"})
    with pytest.raises(InvalidOptionError, match="SOCKS is not supported"):
        client.request(Request("GET", "https://service.test", "/"))


@pytest.mark.parametrize(
    ("entry", "host", "port", "direct"),
    [
        ("*", "a.test", 443, True),
        ("a.test", "a.test", 443, True),
        ("a.test", "b.a.test", 443, True),
        (".a.test", "b.a.test", 443, True),
        ("*.a.test", "b.a.test", 443, True),
        ("A.Test", "a.test", 443, True),
        ("a.test", "ba.test", 443, False),
        ("a.test:443", "a.test", 443, True),
        ("a.test:444", "a.test", 443, False),
        ("x, a.test", "a.test", 443, True),
        ("x a.test", "a.test", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("10.0.0.0/8", "a.test", 80, False),
        ("10.0.0.1", "10.0.0.1", 80, True),
        ("10.0.0.1:81", "10.0.0.1", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]:80", "::1", 80, True),
        ("fe80::/10", "fe80::7", 80, True),
        ("fe80::/10", "10.0.0.1", 80, False),
        ("", "a.test", 80, False),
        (",", "a.test", 80, False),
        ("%%/%%", "a.test", 80, False),
    ],
)
def test_no_proxy_entry_bypasses_the_proxy(entry: str, host: str, port: int, direct: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        proxies = proxies_from({"ALL_PROXY": "p:1", name: entry})
        assert proxies.choose("https", host, port) == (None if direct else "http://p:1")


def test_precedence_of_proxy_variables() -> None:
    assert proxies_from({"http_proxy": "http://a", "HTTP_PROXY": "http://b"}).by_scheme == {
        "http": "http://a"
    }
    assert proxies_from({"HTTP_PROXY": "http://b", "REQUEST_METHOD": "GET"}) == Proxies()
    chosen = proxies_from({"HTTPS_PROXY": "http://s", "ALL_PROXY": "http://a"})
    assert chosen.choose("https", "h", 1) == "http://s"
    assert chosen.choose("http", "h", 1) == "http://a"


def test_private_certificate_authority_is_accepted(
    serve: Serve,
    connect: Connect,
    get: Get,
    tls: ssl.SSLContext,
    bundle: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve(tls=tls)
    with pytest.raises(TransportError, match=r"certificate of https.* is not trusted") as raised:
        get(server, client=connect())
    assert "REQUESTS_CA_BUNDLE or SSL_CERT_FILE" in str(raised.value)
    assert not raised.value.retryable
    assert (server.connections, server.seen) == (1, [])  # what is wrong stays wrong
    assert get(server, client=connect(verify=bundle)).read(9) == b"ok"
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, bundle)
            client = connect()
        assert get(server, client=client).read(9) == b"ok"
    with pytest.warns(InsecureRequestWarning, match="not checked"):
        assert get(server, client=connect(verify=False)).read(9) == b"ok"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")
def test_directories_of_openssl_are_used_beside_its_file(
    serve: Serve,
    connect: Connect,
    get: Get,
    tls: ssl.SSLContext,
    bundle: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve(tls=tls)
    hashed, other = tmp_path / "certs", tmp_path / "other.pem"
    hashed.mkdir()
    # OpenSSL finds an authority by the hash of its name.
    digest = subprocess.check_output(["openssl", "x509", "-hash", "-noout", "-in", bundle])
    (hashed / f"{digest.decode().strip()}.0").symlink_to(bundle)
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join([str(tmp_path / "none"), str(hashed)]))
    assert get(server, client=connect()).read(9) == b"ok"
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    assert get(server, client=connect()).read(9) == b"ok"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    # The message names the file that was used.
    with pytest.raises(TransportError, match=r"is not trusted.* in place of '.*other\.pem'"):
        get(server, client=connect())


def test_verification_is_off_only_where_disabled(
    serve: Serve, connect: Connect, get: Get, tls: ssl.SSLContext
) -> None:
    server = serve(tls=tls)
    careless, careful = connect(verify=False), connect()
    with pytest.warns(InsecureRequestWarning):
        get(server, client=careless).read(9)
    get(server, client=careless).read(9)  # once is enough
    with pytest.raises(TransportError, match="is not trusted"):
        get(server, client=careful)


def test_certificate_of_another_host_is_rejected(
    serve: Serve, connect: Connect, authority: CA, bundle: str
) -> None:

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.test").configure_cert(context)
    server = serve(tls=context)
    with pytest.raises(TransportError, match=r"not valid for '127.0.0.1'; use a host name"):
        connect(verify=bundle).request(Request("GET", server.url, "/"))


def test_missing_certificate_bundle_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LocalFileNotFoundError, match="does not exist"):
        Transport(verify="/no/such/ca.pem")
    for variable in ("SSL_CERT_DIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(variable, "/no/such/ca.pem")
        with pytest.raises(InvalidOptionError, match=f"{variable} is"):
            Transport()


@pytest.mark.parametrize("option", ["verify", "cert"])
def test_unreadable_certificate_file_is_reported(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, tmp_path: Path, option: str
) -> None:
    path = tmp_path / "no.pem"
    path.write_text("no certificate\n")
    client = connect(**{option: str(path)})
    with pytest.raises(InvalidOptionError, match=r"no\.pem.*could not be loaded"):
        client.request(Request("GET", serve(tls=tls).url, "/"))


def test_client_certificate_is_sent(
    serve: Serve,
    connect: Connect,
    tls: ssl.SSLContext,
    bundle: str,
    authority: CA,
    tmp_path: Path,
) -> None:

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    own = authority.issue_cert("joe.test")
    path = tmp_path / "joe.pem"
    own.private_key_and_cert_chain_pem.write_to_path(str(path))
    server = serve(tls=context)
    client = connect(verify=bundle, cert=str(path))
    assert client.request(Request("GET", server.url, "/")).read(9) == b"ok"


def test_https_to_a_plain_port_is_reported(serve: Serve, connect: Connect) -> None:
    server = serve(default=Play(b"HTTP/1.1 400 Bad\r\n\r\n", "close"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_say_hello, args=(listener,))
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(TransportError, match="does not use TLS"):
            connect().request(Request("GET", url, "/"))
        thread.join()
    assert server.seen == []


def _say_hello(listener: socket.socket) -> None:
    peer, _ = listener.accept()
    with peer:
        peer.sendall(b"220 hello, this is a mail server\r\n" * 9)
        peer.recv(65536)


def test_unknown_host_is_reported(connect: Connect) -> None:
    with pytest.raises(TransportError, match=r"the host name of https://no-such\.invalid"):
        connect(retry=ONCE).request(Request("GET", "https://no-such.invalid", "/?secret=1"))


def test_connect_timeout_is_reported(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = []
        for _ in range(4):  # fill the queue, so that the next one gets no response
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            waiting.append(filler)
        client = connect(retry=ONCE, connect_timeout=0.2)
        with pytest.raises(TransportTimeoutError, match=r"timed out after 0\.2 s"):
            client.request(Request("GET", f"http://127.0.0.1:{address[1]}", "/"))
        for filler in waiting:
            filler.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(serve: Serve, connect: Connect, status: int) -> None:
    other = serve()
    server = serve(respond(b"Moved", status, Location=f"{other.url}/x"))
    with pytest.raises(ServiceError) as raised:
        connect().request(Request("GET", server.url, "/x", {"authorization": "secret"}))
    assert raised.value.status == status
    assert (len(server.seen), other.connections) == (1, 0)


def test_netrc_is_not_read(
    serve: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login joe password x\ndefault login joe password x\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve()
    client = connect()
    client.request(Request("GET", server.url, "/", {"authorization": "ours"}))
    client.request(Request("GET", server.url, "/"))
    assert [dict(seen.headers).get("authorization") for seen in server.seen] == ["ours", None]


def test_cookies_are_not_kept(serve: Serve, connect: Connect) -> None:
    server = serve(respond(b"", Set_Cookie="a=b"))
    client = connect()
    for _ in range(2):
        client.request(Request("GET", server.url, "/")).close()
    assert not any(name == "cookie" for seen in server.seen for name, _ in seen.headers)


def test_threads_use_at_most_pool_size_connections(serve: Serve, connect: Connect) -> None:
    server = serve(default=respond(b"x" * 3000))
    client = connect(pool_size=16)

    def work(number: int) -> None:
        for count in range(100):
            target = f"/{number}/{count}"
            assert client.request(Request("GET", server.url, target)).read(9999) == b"x" * 3000

    with ThreadPoolExecutor(16) as executor:
        list(executor.map(work, range(16)))
    assert len(server.seen) == 1600
    assert server.most <= 16
    assert server.connections <= 16


def test_threads_wait_for_a_free_connection(serve: Serve, connect: Connect) -> None:
    server = serve()
    client = connect(pool_size=2)

    def work(_: int) -> None:
        for _ in range(50):
            assert client.request(Request("GET", server.url, "/")).read(9) == b"ok"

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(work, range(8)))
    assert server.connections <= 2


def test_unread_streams_do_not_block_the_pool_forever(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libstore.http.pool._STUCK", 0.05)
    server = serve(default=respond(b"x" * 1_000_000))
    client = connect(pool_size=1)
    held = [client.request(Request("GET", server.url, "/")) for _ in range(3)]
    assert [len(each.read(1_000_000)) for each in held] == [1_000_000] * 3
    client.request(Request("GET", server.url, "/")).read(1_000_000)
    assert server.connections == 3


def test_pool_of_unread_streams_doubles(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with many slow clients waits once for each doubling, and then no longer."""
    server = serve(default=respond(b"x" * 1_000_000))
    client = connect(pool_size=4)
    monkeypatch.setattr("libstore.http.pool._STUCK", 0.05)
    held = [client.request(Request("GET", server.url, "/")) for _ in range(5)]
    monkeypatch.setattr("libstore.http.pool._STUCK", 60.0)
    held += [client.request(Request("GET", server.url, "/")) for _ in range(3)]
    assert [len(each.read(1_000_000)) for each in held] == [1_000_000] * 8
    again = [client.request(Request("GET", server.url, "/")) for _ in range(8)]
    assert [len(each.read(1_000_000)) for each in again] == [1_000_000] * 8
    assert server.connections == 8


def test_idle_connections_are_closed_together_after_one_failed(
    serve: Serve, connect: Connect
) -> None:
    """A NAT or a firewall that dropped one idle connection has dropped all of them."""
    server = serve(default=respond(b"x" * 200_000))
    client = connect(read_timeout=0.2)
    under_way = [client.request(Request("GET", server.url, "/")) for _ in range(3)]
    assert [len(each.read(200_000)) for each in under_way] == [200_000] * 3
    server.steps.append(Play(b"", "stall"))
    client.request(Request("GET", server.url, "/")).close()
    first, *again = [seen.connection for seen in server.seen[3:]]
    assert (first, min(again)) == (3, 4)


def test_transport_can_be_used_after_close(serve: Serve, connect: Connect, get: Get) -> None:
    server, client = serve(default=respond(b"x" * 200_000)), connect()
    under_way = get(server, client=client)
    client.close()
    assert len(under_way.read(200_000)) == 200_000
    assert len(get(server, client=client).read(200_000)) == 200_000
    assert server.connections == 2


def test_garbage_collected_transport_closes_its_sockets(serve: Serve) -> None:
    """A driver that was not closed causes no ResourceWarning."""
    server = serve(default=respond(b"x" * 200_000))
    transport = Transport()
    responses = [transport.send(Request("GET", server.url, "/"), {}) for _ in range(3)]
    responses.pop().read(200_000)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        del transport
        responses.pop().read(200_000)
        responses.clear()
        gc.collect()
    assert [] == seen


def test_number_of_origins_is_limited(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libstore.http.transport._MAX_ORIGINS", 2)
    servers = [serve() for _ in range(4)]
    client = connect()
    for server in servers * 2:
        assert client.request(Request("GET", server.url, "/")).read(9) == b"ok"
    assert len(client.transport._origins) == 2


def test_pickle_contains_the_options(serve: Serve) -> None:
    server = serve()
    transport = Transport(pool_size=3, read_timeout=7.0, user_agent="me")
    client = Client(transport, Unsigned(), None, RetryPolicy())
    client.request(Request("GET", server.url, "/")).close()
    copy = pickle.loads(pickle.dumps(client))
    assert copy.transport.options == transport.options
    assert copy.request(Request("GET", server.url, "/")).read(9) == b"ok"
    client.close()
    copy.close()


def in_child(function: Callable[[], object]) -> str:
    """Return the result of a function in a forked child, or its exception's text."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            said = function()
        except BaseException as error:
            said = repr(error)
        os.write(writer, str(said).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("secure", [False, True])
def test_forked_process_has_its_own_connections(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, bundle: str, secure: bool
) -> None:
    server = serve(tls=tls if secure else None)
    client = connect(verify=bundle)
    held = [client.request(Request("GET", server.url, "/")) for _ in range(4)]
    for each in held:
        each.read(9)
    connections = server.connections

    def child() -> object:
        for number in range(20):
            client.request(Request("GET", server.url, f"/child/{number}")).read(9)
        return "done"

    assert in_child(child) == "done"
    for number in range(20):
        client.request(Request("GET", server.url, f"/parent/{number}")).read(9)
    by_child = {seen.connection for seen in server.seen if "/child/" in seen.target}
    by_parent = {seen.connection for seen in server.seen if "/parent/" in seen.target}
    assert by_child.isdisjoint(by_parent)
    assert min(by_child) > connections
    assert max(by_parent) <= connections


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_fork_while_threads_send_requests_is_safe(serve: Serve, connect: Connect) -> None:
    server = serve(default=respond(b"x" * 100_000))
    client = connect(pool_size=2)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            assert len(client.request(Request("GET", server.url, "/")).read(100_000)) == 100_000

    def child() -> object:
        for _ in range(10):
            if len(client.request(Request("GET", server.url, "/")).read(100_000)) != 100_000:
                return "wrong"
        return "done"

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        assert [in_child(child) for _ in range(6)] == ["done"] * 6
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_response_opened_before_fork_fails_in_the_child(serve: Serve, connect: Connect) -> None:
    server = serve(default=respond(b"x" * 3_000_000))
    client = connect()
    response = client.request(Request("GET", server.url, "/"))

    def child() -> object:
        try:
            response.read(3_000_000)
        except TransportError:
            response.close()
            return len(client.request(Request("GET", server.url, "/")).read(3_000_000))
        return "no error"

    assert in_child(child) == "3000000"
    assert in_child(response.close) == "None"
    assert len(response.read(3_000_000)) == 3_000_000


def test_pool_size_must_be_at_least_one() -> None:
    with pytest.raises(InvalidOptionError, match="pool_size"):
        Transport(pool_size=0)


def test_line_whose_end_is_split_between_two_segments_is_found() -> None:
    near, far = socket.socketpair()
    with near, far:
        channel = Channel(near, 5.0)
        far.sendall(b"5\r")
        channel.fill()
        far.sendall(b"\nrest")
        assert b"5" == channel.line(100)
        assert 4 == channel.buffered
