"""A home without files, and AWS's services on loopback."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from libstore.auth.aws.chain import Search
from libstore.auth.aws.profiles import load, profile_name
from libstore.http.environment import Environment
from libstore.http.transport import Transport
from servers.aws_credentials import FakeAWS

NOW = 1_800_000_000.0


class Home:
    """A home with the files of AWS, the environment, and a clock."""

    def __init__(self, path: Path, fake: FakeAWS) -> None:
        self.path = path
        self.fake = fake
        self.now = NOW
        self.environ: dict[str, str] = {}
        fake.clock = self.clock

    def clock(self) -> float:
        return self.now

    def write(self, name: str, text: str) -> Path:
        """Write a file below the home, such as ``.aws/config``."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def config(self, text: str) -> None:
        self.write(".aws/config", text)

    def credentials(self, text: str) -> None:
        self.write(".aws/credentials", text)

    def services(self) -> None:
        """Have the requests to AWS's services go to the fake ones."""
        self.environ |= {
            "AWS_ENDPOINT_URL_STS": self.fake.url,
            "AWS_ENDPOINT_URL_SSO": self.fake.url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.fake.url,
        }

    def search(self, profile: str | None = None, **more: object) -> Search:
        environ: Mapping[str, str] = Environment(self.environ)
        files = load(environ)
        found = files.profile(*profile_name(profile, environ))
        transport = Transport(pool_size=4, proxies={})
        return Search(files, found, environ, transport, clock=self.clock, **more)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def fake() -> Iterator[FakeAWS]:
    with FakeAWS(lambda: NOW) as found:
        yield found


@pytest.fixture
def home(tmp_path: Path, fake: FakeAWS) -> Home:
    found = Home(tmp_path, fake)
    found.services()
    return found


@pytest.fixture
def not_called() -> Callable[[str], Exception]:
    def fail(line: str) -> Exception:
        raise AssertionError(line)

    return fail
