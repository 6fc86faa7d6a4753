"""Between the names of headers of S3 and those of Google."""

from __future__ import annotations

import base64

import pytest

from libstore.http.message import Request
from libstore.s3api.google_headers import request_headers, response_headers
from libstore.s3api.options import ObjectSettings


def sent(headers: dict[str, str], operation: str = "PutObject", **projects: str) -> dict[str, str]:
    request = Request("PUT", "", "/", headers, operation=operation)
    return request_headers(request, projects.get("project"), projects.get("payer"))


def test_metadata_and_storage_class_have_googles_names() -> None:
    headers = {"x-amz-meta-owner": "me", "x-amz-storage-class": "COLDLINE", "cache-control": "x"}

    assert {
        "x-goog-meta-owner": "me",
        "x-goog-storage-class": "COLDLINE",
        "cache-control": "x",
    } == sent(headers)


@pytest.mark.parametrize(
    ("condition", "generation"),
    [({"if-none-match": "*"}, "0"), ({"if-match": '"17"'}, "17"), ({"if-match": '"abc"'}, "1")],
)
def test_conditions_are_about_generations(condition: dict[str, str], generation: str) -> None:
    assert {"x-goog-if-generation-match": generation} == sent(condition)


def test_customer_key_has_a_sha256_and_no_md5() -> None:
    headers = sent(ObjectSettings(customer_key=bytes(32)).writes)
    start = "x-goog-encryption-"

    assert {f"{start}algorithm", f"{start}key", f"{start}key-sha256"} == headers.keys()
    assert 32 == len(base64.b64decode(headers[f"{start}key-sha256"]))


def test_requester_pays_names_the_project() -> None:
    pays = {"x-amz-request-payer": "requester"}

    assert {"x-goog-user-project": "p"} == sent(pays, project="p")
    assert {"x-goog-user-project": "q"} == sent({}, project="p", payer="q")
    assert {"x-goog-project-id": "p"} == sent({}, "ListBuckets", project="p")


def test_reads_request_the_stored_form() -> None:
    assert {"accept-encoding": "gzip"} == sent({}, "GetObject")


def test_generation_is_the_etag_of_a_response() -> None:
    found = response_headers(
        {
            "etag": '"md5"',
            "x-goog-generation": "17",
            "x-goog-hash": "crc32c=AAAAAA==,md5=1B2M2Y8AsgTpgAmY7PhCfg==",
            "x-goog-meta-owner": "me",
            "x-guploader-uploadid": "id",
        }
    )

    assert {
        "etag": "17",
        "x-amz-version-id": "17",
        "x-amz-checksum-crc32c": "AAAAAA==",
        "x-amz-checksum-md5": "1B2M2Y8AsgTpgAmY7PhCfg==",
        "x-amz-meta-owner": "me",
        "x-amz-request-id": "id",
    } == found
