"""Shared access signatures: what Microsoft's own client signs of the same grants."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libstore.auth.sas import (
    OVERRIDES,
    DelegationKey,
    Grant,
    delegation_key,
    delegation_sas,
    service_sas,
    timestamp,
)

ACCOUNT = "someaccount"
KEY = base64.b64encode(b"a key that nobody knows, of some length").decode()
RAW = base64.b64decode(KEY)
KEY_FIELDS = {
    "SignedOid": "11111111-2222-3333-4444-555555555555",
    "SignedTid": "66666666-7777-8888-9999-000000000000",
    "SignedStart": "2026-01-01T00:00:00Z",
    "SignedExpiry": "2026-01-07T00:00:00Z",
    "SignedService": "b",
    "SignedVersion": "2021-12-02",
    "Value": KEY,
}
_ARGUMENTS = {
    "cache-control": "cache_control",
    "content-disposition": "content_disposition",
    "content-encoding": "content_encoding",
    "content-language": "content_language",
    "content-type": "content_type",
}


def seconds(text: str) -> float:
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return moment.timestamp()


def pairs(query: str) -> dict[str, list[str]]:
    return parse_qs(query, strict_parsing=True, keep_blank_values=True)


def test_signatures_equal_the_vectors(shared_vectors: Path) -> None:
    """They are of azure-storage-blob, for unusual names, containers and response headers."""
    path = shared_vectors / "generated" / "azure_sas.json"
    data = json.loads(path.read_text())
    cases = [case for case in data["cases"] if case["kind"] in {"blob", "container"}]
    assert len(cases) >= 40
    for case in cases:
        fields = pairs(case["token"])
        grant = Grant(
            data["account"],
            case["container"],
            case.get("blob"),
            case["permission"],
            seconds(case["expiry"]),
            fields["sv"][0],
            seconds(case["start"]),
            fields.get("spr", [""])[0],
            {header: fields[name][0] for name, header in OVERRIDES.items() if name in fields},
        )
        if "sip" in fields:
            continue  # a range of addresses, which this library does not offer
        assert fields == pairs(service_sas(grant, base64.b64decode(data["key"]))), case


def their_token(grant: Grant, key: Any) -> str:
    """Return the query that azure-storage-blob makes for a grant."""
    module = pytest.importorskip("azure.storage.blob._shared_access_signature")
    made = module.BlobSharedAccessSignature(
        ACCOUNT,
        account_key=None if key else KEY,
        user_delegation_key=key,
    )
    made.x_ms_version = grant.version
    options: dict[str, Any] = {
        _ARGUMENTS[header]: value for header, value in grant.overrides.items()
    }
    options |= {"permission": grant.permissions, "expiry": timestamp(grant.expiry)}
    if grant.start is not None:
        options["start"] = timestamp(grant.start)
    if grant.protocol:
        options["protocol"] = grant.protocol
    if grant.scope:
        options["encryption_scope"] = grant.scope
    if key and grant.headers:
        options["request_headers"] = dict(grant.headers)
    if grant.blob is None:
        return str(made.generate_container(grant.container, **options))
    return str(made.generate_blob(grant.container, grant.blob, **options))


_text = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)
_moments = st.integers(1_000_000_000, 4_000_000_000).map(float)


def grants(*versions: str) -> st.SearchStrategy[Grant]:
    return st.builds(
        Grant,
        account=st.just(ACCOUNT),
        container=st.from_regex(r"[a-z0-9]{3,10}", fullmatch=True),
        blob=st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
        permissions=st.sampled_from(["r", "cw", "d", "racwd"]),
        expiry=_moments,
        version=st.sampled_from(versions),
        start=st.none() | _moments,
        protocol=st.sampled_from(["", "https", "https,http"]),
        overrides=st.dictionaries(st.sampled_from(sorted(_ARGUMENTS)), _text),
        scope=st.sampled_from(["", "scope1"]),
        headers=st.dictionaries(
            st.sampled_from(["content-type", "x-ms-blob-type", "x-ms-meta-a"]), _text
        ),
    )


@settings(max_examples=200, deadline=None)
@given(grant=grants("2020-12-06", "2021-12-02", "2026-10-06"))
def test_signature_of_any_grant_equals_that_of_azure_storage_blob(grant: Grant) -> None:
    assert pairs(their_token(grant, None)) == pairs(service_sas(grant, RAW))


@settings(max_examples=200, deadline=None)
@given(grant=grants("2026-10-06"))
def test_user_delegation_signature_equals_that_of_azure_storage_blob(grant: Grant) -> None:
    """Microsoft's client has only the newest version; Azurite needs that of requests."""
    theirs = SimpleNamespace(
        signed_oid=KEY_FIELDS["SignedOid"],
        signed_tid=KEY_FIELDS["SignedTid"],
        signed_start=KEY_FIELDS["SignedStart"],
        signed_expiry=KEY_FIELDS["SignedExpiry"],
        signed_service=KEY_FIELDS["SignedService"],
        signed_version=KEY_FIELDS["SignedVersion"],
        signed_delegated_user_tid=None,
        value=KEY,
    )
    own = delegation_sas(grant, delegation_key(KEY_FIELDS))
    assert pairs(their_token(grant, theirs)) == pairs(own)


def test_older_version_signs_fewer_lines() -> None:
    """Lines of later versions are not signed in an earlier one."""
    signatures = {
        pairs(
            delegation_sas(Grant(ACCOUNT, "c", "b", "r", 0.0, version), delegation_key(KEY_FIELDS))
        )["sig"][0]
        for version in ("2021-12-02", "2025-07-05", "2026-04-06")
    }
    assert len(signatures) == 3


def test_incomplete_delegation_key_is_rejected() -> None:
    with pytest.raises(KeyError):
        delegation_key({**{name: KEY_FIELDS[name] for name in list(KEY_FIELDS)[:3]}})
    assert KEY not in repr(delegation_key(KEY_FIELDS))
    assert "value" not in repr(DelegationKey("a", "b", "c", "d", "e", "f", RAW))
