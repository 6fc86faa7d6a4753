"""The operations of Azure Blob Storage."""

from __future__ import annotations

from ...rest.operation import ACCOUNT, CONTAINER, CONTENT, OBJECT, UPLOAD, XML, Operation

# https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-rest-api

# Headers that only Azure sends; and those of its responses about blobs and containers.
_GENUINE = ("x-ms-",)
_STORED = ("etag", "last-modified", *_GENUINE)

LIST_CONTAINERS = Operation("ListContainers", "GET", ACCOUNT, response=XML)
GET_USER_DELEGATION_KEY = Operation("GetUserDelegationKey", "POST", ACCOUNT, response=XML)
CREATE_CONTAINER = Operation(
    "CreateContainer", "PUT", CONTAINER,
    creates=True, idempotent=False, success=(201,), proof=_STORED,
)  # fmt: skip
GET_CONTAINER = Operation("GetContainer", "HEAD", CONTAINER, proof=_STORED)
DELETE_CONTAINER = Operation(
    "DeleteContainer", "DELETE", CONTAINER, idempotent=False, success=(202,), proof=_GENUINE
)
GET_CONTAINER_ACL = Operation("GetContainerACL", "GET", CONTAINER, response=XML)
SET_CONTAINER_ACL = Operation("SetContainerACL", "PUT", CONTAINER, proof=_STORED)
LIST_BLOBS = Operation("ListBlobs", "GET", CONTAINER, response=XML)
DELETE_BATCH = Operation(
    "DeleteBatch", "POST", CONTAINER, idempotent=False, success=(202,), response=CONTENT
)
GET_BLOB_PROPERTIES = Operation("GetBlobProperties", "HEAD", OBJECT, proof=_STORED)
GET_BLOB = Operation("GetBlob", "GET", OBJECT, success=(200, 206), response=CONTENT)
PUT_BLOB = Operation("PutBlob", "PUT", OBJECT, creates=True, success=(201,), proof=("etag",))
COPY_BLOB = Operation("CopyBlob", "PUT", OBJECT, success=(202,), proof=("x-ms-copy-",))
ABORT_COPY_BLOB = Operation("AbortCopyBlob", "PUT", OBJECT, success=(204,))
DELETE_BLOB = Operation("DeleteBlob", "DELETE", OBJECT, success=(202,), proof=_GENUINE)
#: The changes of a blob, by the part that they replace.
CHANGES = {
    "metadata": Operation("SetBlobMetadata", "PUT", OBJECT, proof=("etag",)),
    "properties": Operation("SetBlobProperties", "PUT", OBJECT, proof=("etag",)),
}
LEASE_BLOB = Operation("LeaseBlob", "PUT", OBJECT, success=(200, 201), proof=_GENUINE)
PUT_BLOCK = Operation("PutBlock", "PUT", UPLOAD, success=(201,), proof=("content-md5", *_GENUINE))
PUT_BLOCK_FROM_URL = Operation(
    "PutBlockFromURL", "PUT", UPLOAD, success=(201,), proof=("content-md5", *_GENUINE)
)
GET_BLOCK_LIST = Operation("GetBlockList", "GET", UPLOAD, response=XML)
PUT_BLOCK_LIST = Operation(
    "PutBlockList", "PUT", UPLOAD, idempotent=False, success=(201,), proof=("etag",)
)
