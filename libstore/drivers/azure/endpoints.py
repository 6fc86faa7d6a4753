"""The URL of an account, and the names that containers and blobs can have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ... import arguments, rest
from ...errors import InvalidNameError, InvalidOptionError

#: The suffix of Azure's public cloud; China's is ``core.chinacloudapi.cn``, that of the US
#: government ``core.usgovcloudapi.net``.
PUBLIC_SUFFIX = "core.windows.net"

# https://learn.microsoft.com/en-us/azure/storage/common/storage-account-overview
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}(-secondary)?", re.ASCII)
_SUFFIX = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII)
# https://learn.microsoft.com/en-us/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
_CONTAINER = re.compile(r"[a-z0-9](-?[a-z0-9])*", re.ASCII)
# The root container, static web sites, logs and the change feed.
_SPECIAL = frozenset({"$root", "$web", "$logs", "$blobchangefeed"})
_MAX_SEGMENTS = 254
# The second location is the same account; private endpoints have other names.
_OWN_HOST = re.compile(
    r"https://(?P<account>[a-z0-9]{3,24})(-secondary)?\.blob\."
    r"(?P<suffix>core\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net))",
    re.ASCII,
)
_AZURE_HOST = re.compile(
    r"https://[^/:]+\.blob\.(core\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)"
    r"|storage\.azure\.net)",
    re.ASCII,
)
# The other services of an account have URLs of their own, such as its web site:
# https://learn.microsoft.com/en-us/azure/storage/common/storage-account-overview
_OTHER_SERVICE = re.compile(
    r"https?://[^./]+(\.z\d+)?\.(dfs|file|queue|table|web)\.(core|storage)\."
)
# The same page forbids control characters. The service turns a backslash into a slash, and drops a
# dot at the end: https://github.com/versity/versitygw/issues/845 and
# https://github.com/Azure/azure-sdk-for-java/issues/36674
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    The URL of an account.

    Attributes:
        url: ``scheme://host[:port]``.
        prefix: The beginning of all paths: a slash, and the account's name where the host does not
            contain it, as with emulators.
    """

    url: str
    prefix: str = "/"

    @property
    def secure(self) -> bool:
        """Whether connections are encrypted."""
        return self.url.startswith("https:")

    @property
    def is_azure(self) -> bool:
        """Whether the host is one of Azure's own."""
        return _AZURE_HOST.fullmatch(self.url) is not None

    @property
    def is_local(self) -> bool:
        """Whether the host is this machine."""
        return arguments.is_loopback(urlsplit(self.url).hostname or "")

    @property
    def store_id(self) -> str | None:
        """The name of the store, if the host is one of Azure's own."""
        found = _OWN_HOST.fullmatch(self.url)
        return None if found is None else f"azure:{found['account']}.{found['suffix']}"

    def path(self, container: str = "", name: str = "") -> str:
        """Return the path of a container, of a blob in it, or of the account."""
        return (
            f"{self.prefix}{container}/{rest.encode_path(name)}"
            if name
            else self.prefix + container
        )

    def url_of(self, container: str, name: str = "") -> str:
        """Return the URL of a container or of a blob in it."""
        return self.url + self.path(container, name)


def find_endpoint(
    account: str | None, endpoint: str | None, suffix: str | None, label: str, *, insecure: bool
) -> Endpoint:
    """Return the URL of an account; the label names the argument or field that it comes from."""
    if endpoint is not None:
        url, path = rest.split_endpoint(endpoint, label, insecure=insecure)
        if path and ".blob." in url:
            raise InvalidOptionError(
                f"endpoint must be the URL of the account, {url}, and not of a container in it"
            )
        other = _OTHER_SERVICE.match(url)
        if other:
            raise InvalidOptionError(
                f"endpoint must be the URL of the account's blobs, with .blob. in place of"
                f" .{other[2]}."
            )
        return Endpoint(url, f"{path}/")
    if not account:
        raise InvalidOptionError(
            "no account is given; pass account=, endpoint= or connection_string=, or set"
            " AZURE_STORAGE_ACCOUNT"
        )
    if not _ACCOUNT.fullmatch(account):
        raise InvalidOptionError(
            f"{label} must be the name of a storage account: 3 to 24 lower-case letters and"
            " digits; pass a URL as endpoint=, and a connection string as connection_string="
        )
    if suffix is not None and not _SUFFIX.fullmatch(suffix):
        raise InvalidOptionError("endpoint_suffix must be like 'core.windows.net'")
    return Endpoint(f"https://{account}.blob.{suffix or PUBLIC_SUFFIX}")


def account_at(endpoint: Endpoint) -> str:
    """Return the account that a URL has in its path or its host."""
    return endpoint.prefix.strip("/") or (urlsplit(endpoint.url).hostname or "").partition(".")[0]


def check_container_name(name: str) -> None:
    """Raise `InvalidNameError` if no container can have this name."""
    if name in _SPECIAL:
        return
    if not (3 <= len(name) <= 63 and _CONTAINER.fullmatch(name)):
        raise InvalidNameError(
            f"invalid container name {name[:80]!r}: use 3 to 63 lower-case"
            " letters, digits and single hyphens between them, or $root or $web"
        )


def check_blob_name(name: str) -> None:
    """Raise `InvalidNameError` for a name that Azure refuses or changes."""
    if len(name) > 1024:
        raise InvalidNameError("a blob name has at most 1,024 characters")
    unfit = _UNFIT.search(name)
    if unfit:
        raise InvalidNameError(
            f"invalid blob name {name[:80]!r}: it contains U+{ord(unfit[0]):04X};"
            " remove control characters and backslashes"
        )
    segments = name.split("/")
    if len(segments) > _MAX_SEGMENTS:
        raise InvalidNameError(f"a blob name has at most {_MAX_SEGMENTS} segments between slashes")
    # Clients and the service resolve segments of dots, and drop a dot at the end of a segment.
    if any(segment.endswith(".") for segment in segments):
        raise InvalidNameError(
            f"invalid blob name {name[:80]!r}: no segment between slashes can end with a dot"
        )


def check_root_name(container: str, name: str) -> None:
    """Raise `InvalidNameError` for a name with a slash in the root container."""
    if container == "$root" and "/" in name:
        raise InvalidNameError("names of blobs in the container $root cannot contain a slash")
