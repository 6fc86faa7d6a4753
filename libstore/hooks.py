"""
The contract of a driver: the hooks that it implements.

A hook takes strings and the frozen records of `libstore.values`, sends one request where the
service allows it, returns records, and raises only `libstore.errors`. All names and options are
checked before a hook is called; operation, container and object are added to its errors. Hooks may
be called by several threads at once, and also after `close()`.

Names and metadata must be returned exactly as they were given. The driver encodes what a header
cannot contain, such as text beyond ASCII, outer spaces or an empty value.

The hooks of the first group are required. All others have a default: it works, or it raises
`NotSupportedError`. `StorageDriver.supports` checks which of them a driver overrides.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from .errors import NotSupportedError
from .options import WRITE_OPTIONS, Check
from .retry import RetryPolicy
from .transfer.options import TransferOptions
from .transfer.payload import Payload
from .values import (
    Composite,
    Conditions,
    ContainerInfo,
    CopyOptions,
    DeleteOutcome,
    Limits,
    ListQuery,
    ObjectInfo,
    Page,
    Part,
    Prefix,
    RawRequest,
    RawResponse,
    Reading,
    SigningOptions,
    Span,
    StartedRead,
    Upload,
    WriteOptions,
)

#: Options that not every service supports. A driver names in `options` those of its service.
OPTIONS = frozenset(
    {
        "if_absent",
        "if_match",
        "delete_if_match",
        "sign_headers",
        "sign_response_headers",
        *WRITE_OPTIONS,
    }
)


class DriverHooks(ABC):
    """
    The contract of a driver.

    Attributes:
        name: The driver's name in the registry, such as ``"s3"``.
        limits: The limits of the service, in numbers. An instance may have its own.
        options: The `OPTIONS` that the service supports. All others are refused before anything
            is sent.
        upload_extras: The names that the `extra` of an upload or a copy may have, and the checks
            of their values.
        container_extras: The same for the creation of a container.
        digests: The algorithms of the digests that are computed of the whole content during an
            upload. They are compared with those in the response, and passed to `_finish_upload`.
        multipart_digests: Those of them that are computed of the whole content of a multipart
            upload; `None` means all. The others are of its parts only. A CRC of the whole is
            combined from those of the parts, which takes no time.
        confirms_whole: Whether the service itself computes the digests in the info that
            `_finish_upload` returns. If it only repeats those that it received, it must have
            checked the digests of the parts.
        retry: When to retry. An instance may have its own.
        transfer: The size of parts, and how many are sent at once. An instance may have its own.
        cdn: The public address that containers are served at, if the driver was made with one.
        write_tokens: Whether conditional writes get a token; see `Conditions`.
    """

    name: ClassVar[str]
    limits: Limits = Limits()
    options: ClassVar[frozenset[str]] = frozenset()
    upload_extras: ClassVar[Mapping[str, Check]] = {}
    container_extras: ClassVar[Mapping[str, Check]] = {}
    digests: tuple[str, ...] = ("md5",)
    multipart_digests: tuple[str, ...] | None = None
    confirms_whole: ClassVar[bool] = True
    retry: RetryPolicy = RetryPolicy()
    transfer: TransferOptions = TransferOptions()
    cdn: str | None = None
    write_tokens: bool = True

    # ------------------------------------------------------------------ required

    @abstractmethod
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        """
        Create an empty container.

        Raise `ContainerAlreadyExistsError` if there is one of this name.

        Args:
            extra: Checked options of `container_extras`.
        """

    @abstractmethod
    def _delete_container(self, name: str) -> None:
        """
        Delete a container that has no objects.

        Raise `ContainerNotFoundError` if there is none, `ContainerNotEmptyError` if it has any.
        """

    @abstractmethod
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        """Return one page of containers, sorted by name; `token` is that of the last page."""

    @abstractmethod
    def _list_objects(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        """
        Return one page of at most `limit` objects and prefixes, in the order of their names.

        The order is that of the names' UTF-8 bytes. `token` is that of the last page of the same
        query. Raise `ContainerNotFoundError` if there is no such container. A driver whose
        service has no delimiters or no pages can use `libstore.fold_page`.
        """

    @abstractmethod
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        """
        Return all attributes of one object, with ``complete=True``.

        `version` is `None` for the current one, here and below. Raise `ObjectNotFoundError` or
        `ContainerNotFoundError`.
        """

    @abstractmethod
    def _get_object(
        self,
        container: str,
        name: str,
        span: Span,
        conditions: Conditions,
        version: str | None,
    ) -> Reading:
        """
        Open one object for reading.

        The span is not empty, but may begin or end past the object's end; ``Span()`` is the whole
        object, and a negative start counts from the end. Return in the `Reading` the span that the
        service sends, and the size of the whole object. Raise `ObjectNotFoundError`,
        `ContainerNotFoundError`, or `ObjectChangedError` if ``conditions.if_match`` does not hold.
        The library compares the ETag with ``conditions.if_none_match``, closes the reading, calls
        the hook again for the rest of a broken body, and verifies the bytes.
        """

    @abstractmethod
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        """
        Write one object with one request, as a whole or not at all.

        The payload has at most ``limits.max_put`` bytes. Send a digest for the service to check if
        it can (`Payload.digest`), and return the attributes that it reports of what it stored.
        Raise `ContainerNotFoundError`, `ObjectAlreadyExistsError` if ``if_absent`` is true and the
        object exists, or `ObjectChangedError` if ``if_match`` does not hold.
        """

    @abstractmethod
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        """
        Delete one object. A missing object is not an error, unless ``if_match`` is given.

        Raise `ContainerNotFoundError`, or `ObjectChangedError` if ``if_match`` does not hold.
        """

    # ------------------------------------------------------------------ which store it is

    def _identity(self) -> Hashable | None:
        """
        Return the address and the account of this driver, without secrets.

        Drivers of one class with equal identities are equal, and so are their handles. The
        identity depends on the constructor's arguments only, sends no request and never changes.
        With the default, `None`, a driver equals only itself, and not its unpickled copy.
        """
        return None

    def _store_id(self) -> str | None:
        """
        Return a name of the store that is equal for all drivers, of any class, that reach it.

        Two drivers with different names reach different stores. Return `None`, as the default
        does, if the store may have another address: a gateway, a proxy or a mounted directory.
        """
        return None

    def _url_options(self) -> Mapping[str, str]:
        """
        Return the constructor's arguments that name the store, as text and without secrets.

        They are the query of the driver's URL. The default returns the options of the attribute
        ``_settings``, if it is a `libstore.options.Options`. Without it, a driver whose
        constructor has arguments of its own has no URLs.
        """
        raise NotImplementedError

    def _is_same_object(
        self,
        container: str,
        name: str,
        other: DriverHooks,
        other_container: str,
        other_name: str,
    ) -> bool | None:
        """
        Return whether a name here and one at another driver are of the same object.

        `None` means that it cannot be known beforehand; a move then finds out. The default
        compares names and stores. If one path is the end of the other, it returns `None`: the root
        directory of one driver may be within that of the other.
        """
        raise NotImplementedError

    def _head_newest(self, container: str, name: str) -> ObjectInfo:
        """
        Return what `_head_object` returns, but never a state before a completed write.

        The default is `_head_object`. Where replicas can lag behind, request all of them.
        """
        return self._head_object(container, name, None)

    def _is_configured_for(self, operation: str) -> bool:
        """
        Return whether this instance can carry out one of `CAPABILITIES` or `OPTIONS`.

        It is called only for those that the class has. Return false, for
        example, for ``"sign_url"`` if there is no key to sign with. The default is true.
        """
        return True

    # ------------------------------------------------------------------ optional

    def _known_secrets(self) -> Iterable[str | bytes]:
        """Return the secrets to remove from errors, even if the service repeats them."""
        return ()

    def _check_container_name(self, name: str) -> None:
        """Raise `InvalidNameError` if the service cannot have a container of this name."""

    def _check_object_name(self, name: str) -> None:
        """Raise `InvalidNameError` if the service cannot have an object of this name."""

    def _head_container(self, name: str) -> ContainerInfo:
        """
        Return all attributes of one container, with ``complete=True``.

        Raise `ContainerNotFoundError` if there is none. The default lists one object.
        """
        raise NotImplementedError

    def _list_folders(
        self, container: str, delimiter: str
    ) -> AbstractContextManager[Callable[[str], Sequence[ObjectInfo | Prefix]]]:
        """
        Provide a function that lists one prefix of a container after another, for a walk.

        The function returns the items of `_list_objects` for the prefix and the delimiter, of all
        pages. The default calls that hook. A driver can keep state between two prefixes, which it
        releases at the end of the ``with`` block.
        """
        raise NotImplementedError

    def _compute_checksums(self, container: str, name: str) -> Mapping[str, str]:
        """
        Compute digests of an object for which the service keeps none.

        It is called when a user reads the digest. The default returns none.
        """
        return {}

    def _find_composite(self, container: str, name: str, info: ObjectInfo) -> Composite | None:
        """
        Return how to verify an object that has digests of its parts only.

        It is called when the whole object is about to be read, and `info`, from the same
        response, has a true ``extra["composite"]`` and no digest of the whole. It may send a
        request. With `None`, the default, the content is not verified.
        """
        return None

    def _start_read(self, container: str, name: str, version: str | None) -> StartedRead | None:
        """
        Send the request to read a whole object, and return without waiting for the response.

        `read_objects` does so with many objects before it receives the first response. The
        request must be the one that `_get_object` sends for ``Span()`` without conditions. Return
        `None` to have the object read by `_get_object` in its turn, such as when too many
        responses are awaited already. With the default, `read_objects` calls `_get_object` in
        threads, and so it does if a subclass overrides `_get_object` and not this hook.
        """
        return None

    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        """
        Return one page of at most `limit` versions of the objects with a prefix.

        The current versions are among them, and each has its `version`. A marker that the service
        keeps for a deleted object is one of them too, with a true ``extra["delete_marker"]``.
        If the listing says which one is current, set ``extra["is_current"]`` of each. They are
        sorted by name. Raise `NotSupportedError` if there are no versions, which is what the
        default does, and `ContainerNotFoundError` if there is no such container.
        """
        raise self._unsupported("list versions")

    def _enable_versioning(self, container: str) -> None:
        """
        Keep the old versions of objects from now on.

        A container that keeps them already is not an error. Raise `ContainerNotFoundError`, and
        `NotSupportedError` if the service or its configuration has no versions.
        """
        raise self._unsupported("enable the versions of a container")

    def _delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]:
        """
        Delete up to ``limits.batch_size`` versions that `_list_versions` has returned.

        Return outcomes as `_delete_objects` does. The default passes what has no version to
        `_delete_objects`, and leaves the others undecided.
        """
        raise NotImplementedError

    def _empty_container(self, name: str) -> None:
        """
        Delete all that keeps a container from being deleted.

        The default deletes all versions that `_list_versions` returns, or where there are none
        the objects that `_list_objects` returns, and aborts unfinished uploads.
        """
        raise NotImplementedError

    def _delete_full_container(self, name: str) -> None:
        """
        Delete a container with all that is in it. Raise `ContainerNotFoundError` if there is none.

        The default empties and deletes it, again if other clients write to it meanwhile.
        """
        raise NotImplementedError

    def _copy_object(
        self,
        source_container: str,
        source: str,
        container: str,
        name: str,
        options: CopyOptions,
    ) -> ObjectInfo | None:
        """
        Copy an object within the service.

        Source and target may be the same. Raise as `_get_object` and `_put_object` do. Without
        this hook, and if it returns `None`, the library reads the source and writes the target.
        """
        raise self._unsupported("copy objects by itself")

    def _copy_across(
        self,
        source_driver: DriverHooks,
        source_container: str,
        source: str,
        container: str,
        name: str,
        options: CopyOptions,
    ) -> ObjectInfo | None:
        """
        Have the service copy an object of another driver.

        Return `None`, as the default does, if that is impossible: the library then reads the
        source and writes the target. Raise as `_copy_object` does.
        """
        return None

    def _delete_objects(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        """
        Delete up to ``limits.batch_size`` objects; no name is given twice.

        Return for each, in their order, `None` if it is gone, the error that says why it is still
        there, or `Undecided`. The library deletes undecided objects by `_delete_object`,
        concurrently, and objects before their directories. They are names that a batch cannot
        carry, or all if the service rejects the batch. The default leaves all undecided. Raise
        only errors about all of them, such as `ContainerNotFoundError`.
        """
        raise NotImplementedError

    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        """
        Replace an object's metadata, its content type or both; `None` leaves them as they are.

        All other attributes must stay. Raise as `_get_object` does.
        """
        raise self._unsupported("change the metadata of an object")

    def _signed_headers(self, method: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """
        Return the headers that a request with a signed URL must have, by lower-case name.

        They are those that the program gave, under the service's names, and those that the
        service or the driver's settings require. They become `SignedURL.headers`.
        """
        return headers

    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        """
        Return a URL that allows one kind of request for one object.

        The headers of the options must be signed; there are none without ``"sign_headers"``.
        """
        raise self._unsupported("sign URLs")

    # ------------------------------------------------------------------ public reading
    # All four or none; `_enable_object_cdn` is left out if only whole containers can be public.

    def _enable_container_cdn(self, container: str) -> None:
        """
        Make all objects of a container public, also future ones.

        Raise `AccessDeniedError` or `NotSupportedError` with a message that says what forbids it.
        A container that is public already is not an error.
        """
        raise self._unsupported("make containers public; it needs the option cdn")

    def _enable_object_cdn(self, container: str, name: str) -> None:
        """Make one object public. Raise as `_enable_container_cdn` and `_get_object`."""
        raise self._unsupported("make objects public; it needs the option cdn")

    def _get_container_cdn_url(self, container: str) -> str:
        """Return the service's public URL of a container, without a request."""
        raise self._unsupported("return public URLs; it needs the option cdn")

    def _get_object_cdn_url(self, container: str, name: str) -> str:
        """Return the service's public URL of an object, without a request."""
        raise self._unsupported("return public URLs; it needs the option cdn")

    def _request(self, container: str, name: str, request: RawRequest) -> RawResponse:
        """
        Send a request that a program describes itself, signed, and return its response.

        An empty container is the account. A status other than 2xx is an error. `RestDriver` has
        this hook.
        """
        raise self._unsupported("send requests of your own")

    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        """
        Return one page of the parts of an unfinished upload, sorted by number.

        Raise `ObjectNotFoundError` if there is no such upload.
        """
        raise self._unsupported("list the parts of an unfinished upload")

    # ------------------------------------------------------------------ multipart uploads

    def _learn_limits(self, size: int | None) -> None:
        """
        Set `limits` from the service, before an upload is divided into parts.

        It is for limits that only the service has. Send at most one request, and none for small
        uploads.

        Args:
            size: The size of the upload; `None` if it is unknown.
        """

    # All five or none.

    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        """Start a multipart upload, and return its id. Raise as `_put_object`."""
        raise self._unsupported("upload objects in parts")

    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        """
        Send one part. Threads call this at the same time, in any order.

        Numbers start at 1. A part that is sent again replaces the first.
        """
        raise self._unsupported("upload objects in parts")

    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        """
        Publish the object that consists of the parts, which are sorted by number.

        The conditions in the options must hold at this moment. Raise as `_put_object`.

        Args:
            checksums: The digests of the whole content, by the algorithms in `digests`.
        """
        raise self._unsupported("upload objects in parts")

    def _abort_upload(self, upload: Upload) -> None:
        """Delete an upload and its parts. A missing upload is not an error."""
        raise self._unsupported("upload objects in parts")

    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        """Return one page of the uploads that were started and neither finished nor aborted."""
        raise self._unsupported("upload objects in parts")

    def _unsupported(self, what: str) -> NotSupportedError:
        return NotSupportedError(f"the {self.name} driver cannot {what}")


#: The hooks of multipart uploads; a driver overrides all of them or none.
MULTIPART_HOOKS = (
    "_start_upload",
    "_put_part",
    "_finish_upload",
    "_abort_upload",
    "_list_uploads",
)

#: The hooks of public access; a driver overrides all of them or none. The hook for a single object
#: is not one of them, since not all services have that.
CDN_HOOKS = (
    "_enable_container_cdn",
    "_get_container_cdn_url",
    "_get_object_cdn_url",
)

#: The operations that depend on the service, and the hook of each.
CAPABILITIES = {
    "copy_object": "_copy_object",
    "delete_objects": "_delete_objects",
    "list_uploads": "_list_uploads",
    "list_parts": "_list_parts",
    "list_versions": "_list_versions",
    "enable_versioning": "_enable_versioning",
    "abort_upload": "_abort_upload",
    "abort_uploads": "_list_uploads",
    "request": "_request",
    "sign_url": "_sign_url",
    "update_metadata": "_set_metadata",
    "enable_container_cdn": "_enable_container_cdn",
    "enable_object_cdn": "_enable_object_cdn",
}
