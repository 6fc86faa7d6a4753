"""
What a driver fills in.

A hook takes strings and the frozen records of `libstore.values`, sends one request where the
service allows it, returns records, and raises only `libstore.errors`. The base has checked all
names and options before it calls one, adds operation, container and object to any error, and may
call hooks from several threads at once.

Names and metadata come back exactly as they were given: what a header cannot carry, such as text
beyond ASCII, outer spaces or an empty value, the driver encodes and decodes. A driver works again
after `close()`.

The hooks of the first group are required. Every other one has a default that works or says that
the service cannot do it; `StorageDriver.supports` finds out by looking which of them a driver
overrides.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from .errors import NotSupportedError, StorageError
from .options import WRITE_OPTIONS, Check
from .retry import RetryPolicy
from .transfer.options import TransferOptions
from .transfer.payload import Payload
from .values import (
    Composite,
    Conditions,
    ContainerInfo,
    CopyOptions,
    Limits,
    ListQuery,
    ObjectInfo,
    Page,
    Part,
    Prefix,
    Reading,
    SigningOptions,
    Span,
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
        limits: What the service can take, in numbers. It and `transfer` may be set on an instance.
        options: Which of `OPTIONS` the service honours. The base refuses the others before
            anything is sent.
        upload_extras: What the `extra` of an upload or a copy may have, and how it is checked.
        container_extras: The same for the creation of a container.
        digests: The algorithms of the whole content's digests that the library computes while an
            upload passes. It compares them with what the answer tells, and hands them to
            `_finish_upload`.
        confirms_whole: Whether the digests in the info that `_finish_upload` returns are computed
            by the service. If they are only what it was sent, it has checked those of the parts.
        retry: When to try again.
        transfer: How transfers are cut up.
        cdn: The public address that containers are served at, if the driver was made with one.
        write_tokens: Whether conditional writes get a token; see `Conditions`.
    """

    name: ClassVar[str]
    limits: Limits = Limits()
    options: ClassVar[frozenset[str]] = frozenset()
    upload_extras: ClassVar[Mapping[str, Check]] = {}
    container_extras: ClassVar[Mapping[str, Check]] = {}
    digests: tuple[str, ...] = ("md5",)
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

        `extra` has what the user gave of `container_extras`. Raise `ContainerAlreadyExistsError`
        if there is one of this name.
        """

    @abstractmethod
    def _delete_container(self, name: str) -> None:
        """
        Delete a container that has no objects.

        Raise `ContainerNotFoundError` if there is none, `ContainerNotEmptyError` if it has any.
        """

    @abstractmethod
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        """Return one page of containers, sorted by name; `token` is what the last page gave."""

    @abstractmethod
    def _list_objects(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        """
        Return one page of at most `limit` objects and prefixes, mixed.

        They come in the order of their names' UTF-8 bytes; `token` is what the last page of the
        same query gave. Raise `ContainerNotFoundError` if there is no such container. A driver
        whose service cannot fold or page by itself has `libstore.fold_page` for it.
        """

    @abstractmethod
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        """
        Return all that the service knows of one object, with ``complete=True``.

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
        object. Report in the `Reading` the span that is really sent, and the size of the whole
        object. Raise `ObjectNotFoundError`, `ContainerNotFoundError`, or `ObjectChangedError` if
        ``conditions.if_match`` does not hold. The library closes the reading, reopens it where
        it breaks off, and verifies the bytes.
        """

    @abstractmethod
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        """
        Write one object with one request, as a whole or not at all.

        The payload has at most ``limits.max_put`` bytes. Have the service check a digest if it
        can (`Payload.digest`), and return in the info what it says that it has stored. Raise
        `ContainerNotFoundError`, `ObjectAlreadyExistsError` if ``if_absent`` is asked for and an
        object is there, or `ObjectChangedError` if ``if_match`` does not hold.
        """

    @abstractmethod
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        """
        Delete one object. That there is none is no error, unless ``if_match`` is asked for.

        Raise `ContainerNotFoundError`, or `ObjectChangedError` if ``if_match`` does not hold.
        """

    # ------------------------------------------------------------------ which store it is

    def _identity(self) -> Hashable | None:
        """
        Return the address and the account of this driver, without secrets.

        Drivers of one class with equal identities are equal, and so are their handles. It is
        made of what the driver was made with, sends nothing and never changes. With the default,
        `None`, a driver equals only itself, and not its own copy from a pickle.
        """
        return None

    def _store_id(self) -> str | None:
        """
        Return a name of the store that every driver which reaches it returns, of any class.

        Two drivers with different names reach different stores. The default, `None`, is right
        wherever the store may have another address: by a gateway, a proxy or a mounted directory.
        """
        return None

    def _is_same_object(
        self,
        container: str,
        name: str,
        other: DriverHooks,
        other_container: str,
        other_name: str,
    ) -> bool | None:
        """
        Return whether a name here and one at another driver stand for one object.

        `None` says that this cannot be known beforehand; a move finds it out then. The default
        compares names and stores. One path may also be the end of the other: of a directory that
        is the root of one driver and lies within that of the other.
        """
        raise NotImplementedError

    def _head_newest(self, container: str, name: str) -> ObjectInfo:
        """
        Return what `_head_object` returns, but never a state that a finished write has replaced.

        The default is `_head_object`; a service whose replicas may be behind asks all of them.
        """
        return self._head_object(container, name, None)

    def _is_configured_for(self, operation: str) -> bool:
        """
        Return whether this driver, as it was made, can do one of `CAPABILITIES`.

        It is asked only for what the class has a hook for. A driver that has nothing to sign with
        returns false for ``"sign_url"``. The default is true.
        """
        return True

    # ------------------------------------------------------------------ optional

    def _known_secrets(self) -> Iterable[str | bytes]:
        """Return what no error may say, even if the service repeats it."""
        return ()

    def _check_container_name(self, name: str) -> None:
        """Raise `InvalidNameError` if the service cannot have a container of this name."""

    def _check_object_name(self, name: str) -> None:
        """Raise `InvalidNameError` if the service cannot hold an object of this name."""

    def _head_container(self, name: str) -> ContainerInfo:
        """
        Return all that the service knows of one container, with ``complete=True``.

        Raise `ContainerNotFoundError` if there is none. The default lists one object.
        """
        raise NotImplementedError

    def _list_folders(
        self, container: str, delimiter: str
    ) -> AbstractContextManager[Callable[[str], Sequence[ObjectInfo | Prefix]]]:
        """
        Lend a function that lists one prefix of a container after another, for a walk.

        It returns what `_list_objects` returns for the prefix and the delimiter, on one page. The
        default calls that. A driver that finds its way faster from one folder to the next may
        keep what it needs for that until the end of the walk.
        """
        raise NotImplementedError

    def _compute_checksums(self, container: str, name: str) -> Mapping[str, str]:
        """
        Return digests of an object of which the service keeps none.

        It is asked only when somebody wants the digest. The default knows none.
        """
        return {}

    def _find_composite(self, container: str, name: str, info: ObjectInfo) -> Composite | None:
        """
        Return how to verify an object that has digests of its parts only.

        It is asked when the whole object is about to be read, and `info`, from the same answer,
        has a true ``extra["composite"]`` and no digest of the whole. It may send a request.
        `None` leaves the content unverified, which is also the default.
        """
        return None

    def _empty_container(self, name: str) -> None:
        """
        Delete all that keeps a container from being deleted.

        The default deletes the objects that a listing shows, and unfinished uploads. A service
        that keeps versions, snapshots or delete markers needs a hook that takes them along.
        """
        raise NotImplementedError

    def _delete_full_container(self, name: str) -> None:
        """
        Delete a container with all that is in it. Raise `ContainerNotFoundError` if there is none.

        The default empties it, deletes it, and begins anew if others put something into it.
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
        Copy an object within the service, without its bytes passing through here.

        Source and target may be the same. Raise as `_get_object` and `_put_object` do. Without
        this hook, and where it returns `None`, the library reads the source and writes the target.
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
        Copy an object of another driver into this service, without its bytes passing through here.

        `None` says that this cannot be done: the library then reads the one and writes the other.
        Raise as `_copy_object` does. The default can do nothing.
        """
        return None

    def _delete_objects(
        self, container: str, names: Sequence[str]
    ) -> Sequence[StorageError | None]:
        """
        Delete up to ``limits.batch_size`` objects.

        Return for each, in their order, why it is still there, or `None`. The default deletes them
        one by one, several at once.
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

        Whatever else the service keeps with the object must stay. Raise as `_get_object` does.
        """
        raise self._unsupported("change the metadata of an object")

    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        """Return a URL that allows one kind of request for one object."""
        raise self._unsupported("sign URLs")

    # ------------------------------------------------------------------ public reading
    # All four or none; a service that makes whole containers public and nothing less leaves
    # `_enable_object_cdn` out.

    def _enable_container_cdn(self, container: str) -> None:
        """
        Let everybody read the objects of a container, also those that come later.

        That they may already is no error. Raise `AccessDeniedError` or `NotSupportedError` with a
        message that says what forbids it.
        """
        raise self._unsupported("make containers public; it needs the option cdn")

    def _enable_object_cdn(self, container: str, name: str) -> None:
        """Let everybody read one object. Raise as `_enable_container_cdn` and `_get_object`."""
        raise self._unsupported("make objects public; it needs the option cdn")

    def _get_container_cdn_url(self, container: str) -> str:
        """Return the service's public address of a container. Send nothing."""
        raise self._unsupported("tell public addresses; it needs the option cdn")

    def _get_object_cdn_url(self, container: str, name: str) -> str:
        """Return the service's public address of an object. Send nothing."""
        raise self._unsupported("tell public addresses; it needs the option cdn")

    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        """
        Return one page of the parts that an unfinished upload has, sorted by number.

        Raise `ObjectNotFoundError` if there is no such upload.
        """
        raise self._unsupported("tell which parts an unfinished upload has")

    # ------------------------------------------------------------------ uploads in parts

    def _learn_limits(self, size: int | None) -> None:
        """
        Learn limits that only the service tells, before an upload is cut up by them.

        A driver that has any sets `limits`. It asks the service once at most, and for small
        uploads not at all.

        Args:
            size: Of the upload; `None` if nobody knows.
        """

    # All five or none.

    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        """Begin an upload in parts and return the service's id of it. Raise as `_put_object`."""
        raise self._unsupported("take an object in parts")

    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        """
        Send one part; several threads do so at once, in any order.

        Numbers count from 1. A part that is sent again takes the place of the first.
        """
        raise self._unsupported("take an object in parts")

    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        """
        Publish the object that the parts, sorted by number, make up.

        `checksums` has the digests of the whole content that `digests` asks for. The conditions
        in the options must hold at this moment. Raise as `_put_object`.
        """
        raise self._unsupported("take an object in parts")

    def _abort_upload(self, upload: Upload) -> None:
        """Drop an upload and its parts. One that is not there is no error."""
        raise self._unsupported("take an object in parts")

    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        """Return one page of the uploads that were begun and neither finished nor aborted."""
        raise self._unsupported("take an object in parts")

    def _unsupported(self, what: str) -> NotSupportedError:
        return NotSupportedError(f"the {self.name} driver cannot {what}")


#: The hooks of uploads in parts; a driver overrides all of them or none.
MULTIPART_HOOKS = (
    "_start_upload",
    "_put_part",
    "_finish_upload",
    "_abort_upload",
    "_list_uploads",
)

#: The hooks of public reading; a driver overrides all of them or none. The one for a single object
#: is not among them, for some services have nothing of the kind.
CDN_HOOKS = (
    "_enable_container_cdn",
    "_get_container_cdn_url",
    "_get_object_cdn_url",
)

#: What the service itself can do, by the public operation, and the hook that shows it.
CAPABILITIES = {
    "copy_object": "_copy_object",
    "delete_objects": "_delete_objects",
    "list_uploads": "_list_uploads",
    "list_parts": "_list_parts",
    "abort_upload": "_abort_upload",
    "abort_uploads": "_list_uploads",
    "sign_url": "_sign_url",
    "update_metadata": "_set_metadata",
    "enable_container_cdn": "_enable_container_cdn",
    "enable_object_cdn": "_enable_object_cdn",
}
