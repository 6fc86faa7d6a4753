"""
Options as data: every argument of a driver's constructor is declared once.

A subclass of `Options` declares the arguments like a dataclass, and `constructor` makes an
``__init__`` of it. The one declaration gives the signature that editors and type checkers show,
the checks, the section ``Args`` of the class's docstring, the tables in docs/providers, the
environment variables that are read, and what may go into a pickle.
"""

from __future__ import annotations

import inspect
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import wraps
from inspect import Parameter, Signature
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    Concatenate,
    Literal,
    ParamSpec,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from typing_extensions import Self, dataclass_transform, override

from . import arguments
from .errors import InvalidOptionError, InvalidTypeError
from .redaction import Hidden, hide, hide_address, type_name
from .retry import RetryPolicy
from .transfer.options import TransferOptions
from .values import CopyOptions, WriteOptions

#: Checks the value of an option: takes the value and what to call it in an error, and returns the
#: value to use.
Check: TypeAlias = Callable[[object, str], object]

D = TypeVar("D")
P = ParamSpec("P")
S = TypeVar("S", bound="Options")

_WIDTH = 92
_UNIONS = {Union, UnionType}
# The names that other libraries have for an option: boto3, s3fs, azure-storage-blob, adlfs,
# google-cloud-storage, swiftclient, openstacksdk, Libcloud, MinIO and object_store. A name that
# stands for more than one option means the first of them in the order of a driver's options.
_NAMES_ELSEWHERE: Mapping[str, str] = {
    "auth_url": "authurl os_auth_url auth host",
    "storage_url": "object_storage_url os_storage_url preauthurl",
    "endpoint": "account_url api_endpoint auth_url authurl aws_endpoint_url base_url"
    " client_kwargs client_options endpoint_override endpoint_url host hostname port"
    " service_endpoint url",
    "service_account": "credentials_file json_key_path key_file keyfile service_account_file"
    " service_account_info service_account_json service_account_key service_account_path",
    "account": "account_name storage_account storage_account_name user username",
    "user": "os_username user_name username",
    "key": "access_id access_key access_key_id account_key aws_access_key_id key_id shared_key"
    " user username",
    "secret": "access_secret api_key api_secret aws_secret_access_key key os_password passwd"
    " password secret_access_key secret_key",
    "token": "access_token auth_token aws_session_token os_token preauthtoken security_token"
    " session_token",
    "sas_token": "sas shared_access_signature",
    "connection_string": "conn_str connect_str connection_str",
    "credential": "credentials",
    "credentials": "boto3_session boto_session botocore_session credential session",
    "application_credential": "application_credential_id",
    "profile": "aws_profile profile_name",
    "region": "aws_region default_region location os_region_name region_name",
    "project": "os_project_name project_id project_name tenant tenant_name",
    "project_id": "os_project_id tenant_id",
    "project_domain": "os_project_domain_name project_domain_name",
    "user_domain": "domain_name os_user_domain_name user_domain_name",
    "interface": "endpoint_type",
    "root": "base_dir base_path base_url directory folder location path",
    "anonymous": "anon no_sign_request skip_signature unsigned",
    "insecure": "allow_http is_secure secure ssl use_ssl",
    "verify": "ca_bundle ca_cert ca_certs ca_file cacert ssl_verify verify_certs verify_ssl",
    "cert": "client_cert",
    "path_style": "addressing_style force_path_style s3_force_path_style url_style",
    "dualstack": "use_dualstack_endpoint",
    "fips": "use_fips_endpoint",
    "accelerate": "use_accelerate_endpoint",
    "requester_pays": "request_payer",
    "user_project": "billing_project quota_project requester_pays",
    "encryption": "server_side_encryption sse",
    "kms_key": "kms_key_id kms_key_name sse_kms_key_id",
    "customer_key": "encryption_key sse_customer_key",
    "retry": "max_attempts max_retries retries retry_config retry_options retry_policy"
    " retry_total",
    "timeout": "connect_timeout connection_timeout read_timeout request_timeout timeouts",
    "proxies": "http_proxy https_proxy proxy proxy_options proxy_url",
    "transfer": "max_concurrency max_pool_connections multipart_chunksize multipart_threshold"
    " transfer_config",
}
# Those of them whose true is the option's false.
_OPPOSITES = {"is_secure", "secure", "ssl", "use_ssl"}
_SWITCHES = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class Option:
    """
    The declaration of an option; calling it checks a value.

    Attributes:
        doc: Its documentation, in whole sentences of reStructuredText.
        check: By default the option's type says what is checked: text and switches are.
        variables: The environment variables that it can come from; the first that is set wins.
        hidden: Whether reprs and tracebacks show ``***`` in place of the value.
        secret: Whether a pickle must not have the value. Secrets are hidden.
        kw_only: Whether it is an argument that must be given by name.
    """

    doc: str
    check: Check | None = None
    variables: tuple[str, ...] = ()
    hidden: bool = False
    secret: bool = False
    kw_only: bool = True
    type: object = None
    default: object = None

    def __call__(self, value: object, label: str) -> object:
        return value if self.check is None else self.check(value, label)

    def hide(self, value: object) -> object:
        """Return a value whose `repr` shows no secret."""
        return hide(value) if self.hidden or self.secret else hide_address(value)

    @property
    def kinds(self) -> frozenset[object]:
        """The types that the option accepts, without `None`."""
        members = get_args(self.type) if get_origin(self.type) in _UNIONS else (self.type,)
        return frozenset(
            str if get_origin(member) is Literal else get_origin(member) or member
            for member in members
        ) - {NoneType}

    def from_text(self, text: str, label: str) -> object:
        """
        Return the value that a text stands for, such as in a URL: a str, a number or a switch.

        Raises:
            InvalidOptionError: The option has none of these types, or the text is no such value.
        """
        kinds = self.kinds
        if bool in kinds and text.lower() in _SWITCHES:
            return _SWITCHES[text.lower()]
        if not kinds.isdisjoint({int, float}):
            try:
                return int(text) if text.isdecimal() else float(text)
            except ValueError:
                raise InvalidOptionError(f"{label} must be a number") from None
        if not kinds.isdisjoint({str, os.PathLike}):
            return hide(text) if self.hidden or self.secret else str(text)
        what = "must be true or false" if bool in kinds else "must be passed as an argument"
        raise InvalidOptionError(f"{label} {what}")


def string(value: object, label: str) -> str:
    """Return a value that must be a text."""
    if not isinstance(value, str):
        raise InvalidTypeError(f"{label} must be a str, not {type_name(value)}")
    return value


def flag(value: object, label: str) -> bool:
    """Return a value that must be true or false."""
    if not isinstance(value, bool):
        raise InvalidTypeError(f"{label} must be True or False, not {type_name(value)}")
    return value


def texts(value: object, label: str) -> dict[str, str]:
    """Return pairs of texts."""
    if not isinstance(value, Mapping):
        raise InvalidTypeError(f"{label} must be a mapping of str to str, not {type_name(value)}")
    for name, item in value.items():
        arguments.text(name, f"a key in {label}")
        arguments.text(item, f"{label}[{name!r}]")
    return dict(value)


# The checks of options that declare none.
_CHECKS: Mapping[object, Check] = {
    str: string,
    str | None: string,
    bool: flag,
    bool | None: flag,
}


def option(
    known: str | Option,
    check: Check | None = None,
    *,
    default: Any = MISSING,
    variables: Sequence[str] = (),
    hidden: bool = False,
    secret: bool = False,
    kw_only: bool = True,
) -> Any:
    """
    Declare an option in the body of an `Options` class; it is required without a default.

    Args:
        known: Its documentation, or an `Option` that is used elsewhere too.
        check: And the arguments after it are described at `Option`.
        kw_only: False for an argument that may also be given by position.
    """
    found = known if isinstance(known, Option) else Option(known, check)
    found = replace(
        found,
        variables=tuple(variables) or found.variables,
        hidden=hidden or found.hidden,
        secret=secret or found.secret,
        kw_only=kw_only,
    )
    return field(default=default, kw_only=kw_only, metadata={"option": found})


def _table(cls: type) -> Mapping[str, Option]:
    """Return the options of a dataclass by name, its own before those of its bases."""
    types = get_type_hints(cls)

    def depth(name: str) -> int:
        return sum(name in getattr(base, "__dataclass_fields__", ()) for base in cls.__mro__)

    return {
        item.name: replace(
            known,
            check=known.check or _CHECKS.get(types[item.name]),
            type=types[item.name],
            default=item.default,
        )
        for item in sorted(fields(cls), key=lambda item: depth(item.name))
        if isinstance(known := item.metadata.get("option"), Option)
    }


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(option,))
class Options:
    """
    The arguments of a driver, checked, with secrets hidden.

    Subclasses are frozen dataclasses whose fields are made by `option`. `None` is accepted by
    options whose default it is. Annotations must be importable where the class is defined.

    Attributes:
        table: The declarations of the options, by name.
        sources: What values come from, by option: environment variables, files, or another option
            that contains them.
    """

    table: ClassVar[Mapping[str, Option]] = {}
    sources: Mapping[str, str] = {}

    @override
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True, repr=False)(cls)
        cls.table = _table(cls)

    def __post_init__(self) -> None:
        for name, known in self.table.items():
            value = getattr(self, name)
            if value is not None or known.default is not None:
                checked = known.hide(known(value, self.label(name)))
                object.__setattr__(self, name, checked)

    @override
    def __repr__(self) -> str:
        given = [
            f"{name}={'***' if known.hidden or known.secret else repr(value)}"
            for name, known in self.table.items()
            if (value := getattr(self, name)) != known.default
        ]
        return f"{type(self).__name__}({', '.join(given)})"

    def label(self, name: str) -> str:
        """Return the label of an option in messages: its name, or its environment variable."""
        return self.sources.get(name, name)

    def texts(self, *left_out: str) -> dict[str, str]:
        """
        Return the options that were given as text, as far as `Option.from_text` reads them.

        Secrets are left out, and the options that are named.
        """
        found = {
            name: _text(value)
            for name, known in self.table.items()
            if name not in left_out
            and not (known.hidden or known.secret)
            and (value := getattr(self, name)) != known.default
        }
        return {name: text for name, text in found.items() if text is not None}

    def replaced(self, **changes: Any) -> Self:
        """Return these options with some of them changed."""
        found: Self = replace(cast("Any", self), **changes)
        kept = {name: source for name, source in self.sources.items() if name not in changes}
        object.__setattr__(found, "sources", kept)
        return found

    def with_variables(self, environ: Mapping[str, str], *names: str, prefix: str = "") -> Self:
        """
        Return these options with those that were not given taken from the environment.

        Args:
            names: The options that may come from there.
            prefix: Only variables whose names begin with it are read.

        Raises:
            InvalidOptionError: A variable has a value that the option cannot have.
        """
        values, sources = {}, {}
        for name in names:
            known = self.table[name]
            if getattr(self, name) != known.default:
                continue
            for variable in known.variables:
                if variable.startswith(prefix) and environ.get(variable):
                    values[name] = known(environ[variable], variable)
                    sources[name] = variable
                    break
        return self._with_sources(values, sources)

    def with_found(self, source: str, **values: object) -> Self:
        """
        Return these options with values that were found elsewhere.

        Args:
            source: Where they were found, for messages.

        Raises:
            InvalidOptionError: A value is one that the option cannot have.
        """
        for name, value in values.items():
            self.table[name](value, f"{name} of {source}")
        return self._with_sources(values, dict.fromkeys(values, source))

    def _with_sources(self, values: Mapping[str, Any], sources: Mapping[str, str]) -> Self:
        found = self.replaced(**values)
        object.__setattr__(found, "sources", {**found.sources, **sources})
        return found


def _text(value: object) -> str | None:
    """Return an option's value as text; `None` if it has none, or if it is a secret."""
    if isinstance(value, Hidden):
        return None
    if isinstance(value, (str, os.PathLike)):
        return os.fsdecode(value)
    if isinstance(value, (bool, int, float)):
        return str(value).lower()
    return None


class DriverOptions(Options):
    """The arguments that every driver has; each is also an attribute that can be set later."""

    retry: RetryPolicy | None = option(
        "When and how often to retry after a temporary failure.",
        lambda value, label: arguments.instance(value, RetryPolicy, label), default=None
    )  # fmt: skip
    transfer: TransferOptions | None = option(
        "How large transfers are split, and how many parts are sent at once.",
        lambda value, label: arguments.instance(value, TransferOptions, label), default=None
    )  # fmt: skip
    cdn: str | None = option(
        "The public address that containers are served at, such as"
        ' ``"https://cdn.example.com/base"``, in place of the service\'s own; see'
        " `get_object_cdn_url`.",
        arguments.public_address, default=None
    )  # fmt: skip
    write_tokens: bool = option(
        "Store a random token in the metadata of each object that is written on a condition. It"
        " shows whether a write whose response was lost took effect; without it, such a write"
        " raises `OutcomeUnknownError`.",
        default=True
    )  # fmt: skip


def _base_url(value: object, label: str) -> str:
    found = arguments.address(value, label)
    return found.origin + found.path


#: The address of presigned URLs, for drivers that have no service.
BASE_URL = Option(
    "The address that presigned URLs begin with, such as ``http://localhost:8000``. A server there"
    " must carry out their requests, such as `libstore.testing.SignedURLApp`.",
    _base_url,
)


# ---------------------------------------------------------------------- constructors


def constructor(
    kind: Callable[P, S],
) -> Callable[[Callable[[D, S], None]], Callable[Concatenate[D, P], None]]:
    """
    Make an ``__init__`` that takes options by name of one that takes an `Options` object.

    The arguments, their types and their defaults are shown by editors, type checkers and `help`::

        class Settings(DriverOptions):
            url: str = option("The address of the service.", kw_only=False)
            token: str | None = option("A token.", default=None, secret=True)

        class OwnDriver(StorageDriver):
            @constructor(Settings)
            def __init__(self, settings: Settings) -> None: ...

        OwnDriver("https://store.example", token="...")

    Args:
        kind: The class of the options.

    Raises:
        InvalidTypeError: An argument is unknown or missing; by the ``__init__`` that is made.
    """
    options = cast("type[Options]", kind)
    known = options.table

    def decorate(init: Callable[[D, S], None]) -> Callable[Concatenate[D, P], None]:
        @wraps(init)
        def __init__(self: D, /, *args: P.args, **given: P.kwargs) -> None:  # noqa: N807 - it becomes one
            mistake = _mistake(known, type(self).__name__, args, given)
            named = _hidden(known, args, given)
            del args, given  # from here on no traceback shows a secret
            if mistake:
                raise InvalidTypeError(mistake)
            init(self, cast("Any", options)(**named))
            if getattr(self, "_has_options", None) is False:
                raise InvalidTypeError(
                    f"{init.__qualname__} does not call super().__init__(), so that the driver"
                    f" would ignore its arguments {', '.join(DriverOptions.table)}"
                )

        made = cast("Any", __init__)
        made.options = options
        made.__signature__ = _signature(known)
        made.__annotations__ = {name: one.type for name, one in known.items()} | {"return": None}
        return __init__

    return decorate


def _mistake(
    known: Mapping[str, Option], driver: str, args: Sequence[object], given: Mapping[str, object]
) -> str:
    """Return the error in the arguments of a call, without repeating a value."""
    positional = [name for name, one in known.items() if not one.kw_only]
    if len(args) > len(positional):
        return (
            f"{driver} takes at most {len(positional)} positional arguments, but {len(args)} were"
            " given; pass the others by name"
        )
    for name in given:
        if name not in known:
            meant = _own_name(name, known) or arguments.nearest(name, known)
            opposite = " It means the opposite." if _plain(name) in _OPPOSITES else ""
            return f"{driver} has no argument {name!r}; " + (
                f"did you mean {meant!r}?{opposite}" if meant else f"it has {', '.join(known)}"
            )
    both = [name for name in positional[: len(args)] if name in given]
    if both:
        return f"{driver} was given {both[0]!r} twice, by position and by name"
    required = [name for name, one in known.items() if one.default is MISSING]
    missing = [name for name in required if name not in {*positional[: len(args)], *given}]
    return f"{driver} needs the argument {missing[0]!r}" if missing else ""


def _own_name(name: str, known: Mapping[str, Option]) -> str | None:
    """Return the option of a driver that another library has under this name, if any."""
    plain = _plain(name)
    if plain in known:
        return plain
    return next((own for own in known if plain in _NAMES_ELSEWHERE.get(own, "").split()), None)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _hidden(
    known: Mapping[str, Option], args: Sequence[object], given: Mapping[str, object]
) -> dict[str, object]:
    """Return arguments by name with secrets hidden; unknown ones may be misspelt secrets."""
    positional = (name for name, one in known.items() if not one.kw_only)
    named = {**dict(zip(positional, args, strict=False)), **given}
    return {
        name: known[name].hide(value) if name in known else hide(value)
        for name, value in named.items()
    }


def _signature(known: Mapping[str, Option]) -> Signature:
    """Return the signature of an ``__init__`` that takes these options."""
    parameters = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY if one.kw_only else Parameter.POSITIONAL_OR_KEYWORD,
            default=Parameter.empty if one.default is MISSING else one.default,
            annotation=one.type,
        )
        for name, one in known.items()
    ]
    itself = Parameter("self", Parameter.POSITIONAL_ONLY)
    return Signature([itself, *parameters], return_annotation=None)


def document(cls: type, *, environment: bool = True) -> None:
    """
    Add the section ``Args`` to the docstring of a class whose ``__init__`` has options.

    Args:
        environment: Name the variables that options can come from.
    """
    options = getattr(getattr(cls, "__init__", None), "options", None)
    if options is None or cls.__doc__ is None:
        return
    lines = ["Args:"]
    for name, known in options.table.items():
        lines += textwrap.wrap(
            f"{name}: {described(known) if environment else known.doc}",
            _WIDTH,
            initial_indent=" " * 4,
            subsequent_indent=" " * 8,
            break_on_hyphens=False,
            break_long_words=False,
        )
    text, raises, errors = inspect.cleandoc(cls.__doc__).partition("Raises:\n")
    cls.__doc__ = "\n".join(
        ["", text.rstrip(), "", *lines, *(["", raises + errors] if raises else []), ""]
    )


def described(known: Option) -> str:
    """Return the documentation of an option, with the variables that it can come from."""
    if not known.variables:
        return known.doc
    *others, last = (f"``{name}``" for name in known.variables)
    names = f"{', '.join(others)} or {last}" if others else last
    return f"{known.doc} By default, the environment's {names}."


# ---------------------------------------------------------------------- options of a write

_WRITE_CHECKS: Mapping[object, Check] = {
    str | None: arguments.header_value,
    Mapping[str, str] | None: texts,
}


def write_checks(kind: type) -> Mapping[str, Check]:
    """
    Return the checks of the optional fields of `WriteOptions`.

    Raises:
        TypeError: A field has a type without a check.
    """
    types = get_type_hints(kind)
    optional = [item.name for item in fields(kind) if item.default is None]
    for name in optional:
        if types[name] not in _WRITE_CHECKS:
            raise TypeError(
                f"{kind.__name__}.{name} has the type {types[name]}, which has no check; add one"
                f" to _WRITE_CHECKS in {__name__}"
            )
    return {name: _WRITE_CHECKS[types[name]] for name in optional}


#: The options of a write that not every service supports, with their checks. They are the fields
#: of `WriteOptions` whose default is `None`.
WRITE_OPTIONS = write_checks(WriteOptions)

#: Those that can be given for a copy. The others are carried over from the source.
COPY_OPTIONS = tuple(item.name for item in fields(CopyOptions) if item.name in WRITE_OPTIONS)
