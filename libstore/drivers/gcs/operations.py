"""
The operations of Google's JSON API, and those of its XML API that have no counterpart in it.

https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""

from __future__ import annotations

from ...rest.operation import ACCOUNT, CONTAINER, CONTENT, JSON, OBJECT, UPLOAD, Operation

LIST_BUCKETS = Operation("ListBuckets", "GET", ACCOUNT, response=JSON)
CREATE_BUCKET = Operation(
    "CreateBucket", "POST", CONTAINER, creates=True, idempotent=False, response=JSON
)
GET_BUCKET = Operation("GetBucket", "GET", CONTAINER, response=JSON)
PATCH_BUCKET = Operation("PatchBucket", "PATCH", CONTAINER, response=JSON)
DELETE_BUCKET = Operation("DeleteBucket", "DELETE", CONTAINER, idempotent=False, success=(204,))
GET_POLICY = Operation("GetPolicy", "GET", CONTAINER, response=JSON)
SET_POLICY = Operation("SetPolicy", "PUT", CONTAINER, response=JSON)
LIST_OBJECTS = Operation("ListObjects", "GET", CONTAINER, response=JSON)
PUT_ACL = Operation("PutACL", "PUT", OBJECT, proof=("x-amz", "x-goog-"))
DELETE_BATCH = Operation("DeleteBatch", "POST", ACCOUNT, response=CONTENT)
GET_OBJECT = Operation("GetObject", "GET", OBJECT, response=JSON)
READ_OBJECT = Operation(
    "ReadObject", "GET", OBJECT, success=(200, 206), proof=("x-goog-", "content-range"),
    response=CONTENT,
)  # fmt: skip
INSERT_OBJECT = Operation("InsertObject", "POST", OBJECT, creates=True, response=JSON)
PATCH_OBJECT = Operation("PatchObject", "PATCH", OBJECT, idempotent=False, response=JSON)
REWRITE_OBJECT = Operation("RewriteObject", "POST", OBJECT, response=JSON)
DELETE_OBJECT = Operation("DeleteObject", "DELETE", OBJECT, success=(204,))
PUBLISH_OBJECT = Operation("PublishObject", "POST", OBJECT, response=JSON)
GET_PUBLISHED = Operation("GetPublished", "GET", OBJECT, response=JSON)
START_UPLOAD = Operation(
    "StartUpload", "POST", UPLOAD, creates=True, success=(200, 201), proof=("location",)
)
RESUME_UPLOAD = Operation(
    "ResumeUpload", "PUT", UPLOAD, idempotent=False, success=(200, 201, 308), response=JSON
)
QUERY_UPLOAD = Operation("QueryUpload", "PUT", UPLOAD, success=(200, 201, 308), response=JSON)
CANCEL_UPLOAD = Operation(
    "CancelUpload", "DELETE", UPLOAD, success=(200, 204, 404, 405, 410, 499, 501)
)
