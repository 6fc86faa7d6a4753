"""Run the Python of the documentation: each page in a directory and namespace of its own."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace

import pytest
import sybil
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from drivers.network_drivers import DRIVERS
from drivers.rich_server import RichServer
from network_driver import ExampleDriver
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.myst import CodeBlockParser

from libstore import registry
from libstore.drivers.gcs import GCSDriver
from libstore.rest import RestDriver
from servers.gcs_json import respond
from servers.gcs_model import Model, serve

PROJECT = Path(__file__).parents[1]
#: The packages, apart from those of the library, that a page cannot run without.
NEEDS = {
    "docs/cookbook/fastapi.md": ["fastapi", "python_multipart"],
    "docs/cookbook/pandas-and-parquet.md": ["pandas", "polars", "pyarrow"],
    "docs/cookbook/progress-bar.md": ["tqdm"],
    "docs/guides/credentials.md": ["azure.identity"],
    "docs/guides/files.md": ["PIL"],
    "docs/providers/azure.md": ["azure.identity"],
    "docs/providers/s3.md": ["boto3"],
    "docs/providers/swift.md": ["openstack.config"],
}
#: An account in the file of OpenStack.
CLOUD = {
    "auth": {"auth_url": "https://keystone.example.com:5000/v3", "username": "user",
             "password": "password", "project_name": "photos"},
}  # fmt: skip
#: What is configured on the machine of a reader.
CONFIGURED = {
    "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_CONFIG_FILE": "aws",
    "OS_CLOUD": "prod", "SIGNING_KEY": "the signing key of a server",
}  # fmt: skip
DOCUMENTS = sybil.Sybil(
    [CodeBlockParser("python", PythonEvaluator(future_imports=["annotations"]))]
)
PAGES = [
    page
    for page in [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
    if "_build" not in page.parts and "```python\n" in page.read_text("utf-8")
]


def name_of(page: Path) -> str:
    return page.relative_to(PROJECT).as_posix()


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service_account: dict[str, str]
) -> Path:
    """Enter a directory that has the files that pages name, or that their drivers read."""
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(b"\xff\xd8\xff" + bytes(1000))
    (folder / "key.json").write_text(json.dumps(service_account), "utf-8")
    (folder / "clouds.yaml").write_text(json.dumps({"clouds": {"prod": CLOUD}}), "utf-8")
    (folder / "aws").write_text(
        "[profile prod]\naws_access_key_id = key\naws_secret_access_key = secret\n", "utf-8"
    )
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def service_account() -> dict[str, str]:
    """Return the key of a service account, as Google's console saves it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "type": "service_account",
        "project_id": "my-project",
        "client_email": "robot@my-project.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore the variables that a page sets, and the drivers that it registers."""
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setitem(sys.modules, "my_package", SimpleNamespace(MyDriver=ExampleDriver))
    before = dict(os.environ)
    os.environ.update(CONFIGURED)
    yield
    os.environ.clear()
    os.environ.update(before)


class Services:
    """
    Servers for the drivers of services.

    That of Google's JSON API stores objects; the others accept every request, and respond in full.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._urls: dict[str, str] = {}

    def redirect(self, names: dict[str, object]) -> None:
        """Replace the drivers among the names of a page by drivers of the same kind."""
        for name, value in names.items():
            if isinstance(value, RestDriver) and not isinstance(value, ExampleDriver):
                label = label_of(value)
                names[name] = DRIVERS[label](self._url(label))

    def _url(self, label: str) -> str:
        if label not in self._urls:
            if label == "gcs":
                server: Model | RichServer = self._stack.enter_context(serve(Model(), respond))
            else:
                server = self._stack.enter_context(closing(RichServer(label)))
            self._urls[label] = server.url
        return self._urls[label]


def label_of(driver: RestDriver) -> str:
    """Return the label that the servers have for the kind of a driver."""
    if isinstance(driver, GCSDriver):
        return "gcs" if type(driver) is GCSDriver else "gcs-hmac"
    return driver.name if driver.name in DRIVERS else "s3"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_of_a_page_run(page: Path, folder: Path, environment: None) -> None:
    """
    The blocks run in order, as they are.

    A block that creates the driver of a service sends nothing. Later blocks use it, and get one
    that is connected to a server on this machine.
    """
    for package in NEEDS.get(name_of(page), []):
        pytest.importorskip(package)
    document = DOCUMENTS.parse(page)
    document.namespace["__name__"] = "example"
    with ExitStack() as stack:
        services = Services(stack)
        for example in document:
            example.evaluate()
            services.redirect(document.namespace)


def test_promises_name_tests_that_exist(project: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", (project / "docs/promises.md").read_text("utf-8")))
    sources = [*(project / "tests").rglob("*.py"), *(project / "libstore/testing").rglob("*.py")]
    defined = {
        name
        for source in sources
        for name in re.findall(r"^ *def (test_\w+)\(", source.read_text("utf-8"), re.MULTILINE)
    }

    assert named
    assert set() == named - defined


@pytest.mark.parametrize(
    "word",
    ["presign", "profile", "sso", "glob", "pattern", "parquet", "boto3", "cors", "resume", "tqdm"],
)
def test_a_page_has_a_word_that_readers_search_for(project: Path, word: str) -> None:
    """The full-text search of the site finds whole words, and those with the same beginning."""
    pages = "\n".join(page.read_text("utf-8") for page in (project / "docs").rglob("*.md"))

    assert re.search(rf"\b{word}", pages, re.IGNORECASE)
