"""Where an account is, and which names its containers and blobs can have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...errors import InvalidNameError, InvalidOptionError
from ...http.encoding import encode_path
from ...rest.settings import split_endpoint

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
_MOST_SEGMENTS = 254
# A second location, which can be read, is the same account; private endpoints have other names.
_OWN_HOST = re.compile(
    r"https://(?P<account>[a-z0-9]{3,24})(-secondary)?\.blob\."
    r"(?P<suffix>core\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net))",
    re.ASCII,
)
# What else an account has, each at an address of its own, web sites of a zone among them:
# https://learn.microsoft.com/en-us/azure/storage/common/storage-account-overview
_OTHER_SERVICE = re.compile(
    r"https?://[^./]+(\.z\d+)?\.(dfs|file|queue|table|web)\.(core|storage)\."
)
# The same page forbids control characters. Of a backslash the service makes a slash, and it drops
# a dot at the end: https://github.com/versity/versitygw/issues/845 and
# https://github.com/Azure/azure-sdk-for-java/issues/36674
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where an account's blobs are.

    Attributes:
        url: ``scheme://host[:port]``.
        prefix: What the paths of all requests begin with: a slash, and the account in the path
            style of emulators.
    """

    url: str
    prefix: str = "/"

    @property
    def secure(self) -> bool:
        """Whether nobody on the way can read along."""
        return self.url.startswith("https:")

    @property
    def store_id(self) -> str | None:
        """The name of the store, where the host is one of Azure's own."""
        found = _OWN_HOST.fullmatch(self.url)
        return None if found is None else f"azure:{found['account']}.{found['suffix']}"

    def path(self, container: str = "", name: str = "") -> str:
        """Return the path of a container, of a blob in it, or of the account."""
        return f"{self.prefix}{container}/{encode_path(name)}" if name else self.prefix + container


def find_place(
    account: str | None,
    endpoint: str | None,
    suffix: str | None,
    label: str = "endpoint",
    *,
    insecure: bool,
) -> Place:
    """
    Return where an account is.

    Args:
        label: What the endpoint comes from.

    Raises:
        InvalidOptionError: The arguments name no place, or one that would be spoken to in clear.
    """
    if endpoint is not None:
        url, path = split_endpoint(endpoint, label, insecure=insecure)
        if path and ".blob." in url:
            # All blobs would be written to that container, under the names of others.
            raise InvalidOptionError(
                f"endpoint must be the address of the account, {url}, and not of a container in it"
            )
        other = _OTHER_SERVICE.match(url)
        if other:
            raise InvalidOptionError(
                f"endpoint must be the address of the account's blobs, with .blob. in place of"
                f" .{other[2]}."
            )
        return Place(url, f"{path}/")
    if account is None or not _ACCOUNT.fullmatch(account):
        raise InvalidOptionError(
            "account must be the name of a storage account: 3 to 24 lower-case letters and digits"
        )
    if suffix is not None and not _SUFFIX.fullmatch(suffix):
        raise InvalidOptionError("endpoint_suffix must be like 'core.windows.net'")
    return Place(f"https://{account}.blob.{suffix or PUBLIC_SUFFIX}")


def account_at(place: Place) -> str:
    """Return the account that an address has in its path or its host."""
    return place.prefix.strip("/") or (urlsplit(place.url).hostname or "").partition(".")[0]


def check_container_name(name: str) -> None:
    """Raise `InvalidNameError` for what no container can be called."""
    if name in _SPECIAL:
        return
    if not (3 <= len(name) <= 63 and _CONTAINER.fullmatch(name)):
        raise InvalidNameError(
            f"Azure takes no container of the name {name[:80]!r}: it must have 3 to 63 lower-case"
            " letters, digits and single hyphens between them, or be $root or $web"
        )


def check_blob_name(name: str) -> None:
    """
    Raise `InvalidNameError` for what Azure cannot hold, or would hold under another name.

    Pieces of dots alone are resolved like those of paths, on the way and by the service; a dot at
    the end of any piece is not safe either.
    """
    if len(name) > 1024:
        raise InvalidNameError("Azure takes names of at most 1,024 characters")
    unfit = _UNFIT.search(name)
    if unfit:
        raise InvalidNameError(
            f"Azure cannot hold the name {name[:80]!r}: it has the character"
            f" U+{ord(unfit[0]):04X}; neither control characters nor backslashes are kept"
        )
    segments = name.split("/")
    if len(segments) > _MOST_SEGMENTS:
        raise InvalidNameError(
            f"Azure takes names of at most {_MOST_SEGMENTS} pieces between slashes"
        )
    if any(segment.endswith(".") for segment in segments):
        raise InvalidNameError(
            f"Azure cannot hold the name {name[:80]!r}: none of its pieces between slashes may"
            " end with a dot"
        )


def check_root_name(container: str, name: str) -> None:
    """Raise `InvalidNameError` for a blob in a folder of the root container."""
    if container == "$root" and "/" in name:
        raise InvalidNameError("names of blobs in Azure's container $root have no slash")
