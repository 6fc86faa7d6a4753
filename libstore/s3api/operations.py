"""
The operations of S3 and of the services that speak its dialect.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

from ..rest.operation import ACCOUNT, CONTAINER, CONTENT, OBJECT, UPLOAD, XML, Operation

# Headers that only S3 and its relatives send; a response of Google's has S3's names here.
_GENUINE = ("x-amz", "x-goog-", "x-trans-id")

LIST_BUCKETS = Operation("ListBuckets", "GET", ACCOUNT, response=XML)
CREATE_BUCKET = Operation(
    "CreateBucket", "PUT", CONTAINER, creates=True, idempotent=False, proof=("location", *_GENUINE)
)
HEAD_BUCKET = Operation("HeadBucket", "HEAD", CONTAINER, proof=_GENUINE)
DELETE_BUCKET = Operation("DeleteBucket", "DELETE", CONTAINER, idempotent=False, success=(204,))
GET_BUCKET_LOCATION = Operation("GetBucketLocation", "GET", CONTAINER, response=XML)
# Not every service that responds here sends JSON; a web page is an error all the same.
GET_BUCKET_POLICY = Operation("GetBucketPolicy", "GET", CONTAINER, response=CONTENT)
PUT_BUCKET_POLICY = Operation(
    "PutBucketPolicy", "PUT", CONTAINER, success=(200, 204), proof=_GENUINE
)
GET_BUCKET_VERSIONING = Operation("GetBucketVersioning", "GET", CONTAINER, response=XML)
PUT_BUCKET_VERSIONING = Operation("PutBucketVersioning", "PUT", CONTAINER, proof=_GENUINE)
GET_PUBLIC_ACCESS_BLOCK = Operation("GetPublicAccessBlock", "GET", CONTAINER, response=XML)
PUT_PUBLIC_ACCESS_BLOCK = Operation("PutPublicAccessBlock", "PUT", CONTAINER, proof=_GENUINE)
PUT_BUCKET_ACL = Operation("PutBucketAcl", "PUT", CONTAINER, proof=_GENUINE)
LIST_OBJECTS = Operation("ListObjects", "GET", CONTAINER, response=XML)
LIST_OBJECTS_V2 = Operation("ListObjectsV2", "GET", CONTAINER, response=XML)
LIST_OBJECT_VERSIONS = Operation("ListObjectVersions", "GET", CONTAINER, response=XML)
DELETE_OBJECTS = Operation("DeleteObjects", "POST", CONTAINER, response=XML)
HEAD_OBJECT = Operation("HeadObject", "HEAD", OBJECT, success=(200, 206))
GET_OBJECT = Operation("GetObject", "GET", OBJECT, success=(200, 206), response=CONTENT)
PUT_OBJECT = Operation("PutObject", "PUT", OBJECT, creates=True, proof=("etag", "x-amz-checksum-"))
COPY_OBJECT = Operation("CopyObject", "PUT", OBJECT, response=XML)
DELETE_OBJECT = Operation("DeleteObject", "DELETE", OBJECT, success=(204,))
GET_OBJECT_TAGGING = Operation("GetObjectTagging", "GET", OBJECT, response=XML)
GET_OBJECT_ACL = Operation("GetObjectAcl", "GET", OBJECT, response=XML)
PUT_OBJECT_ACL = Operation("PutObjectAcl", "PUT", OBJECT, proof=_GENUINE)
LIST_MULTIPART_UPLOADS = Operation("ListMultipartUploads", "GET", CONTAINER, response=XML)
CREATE_MULTIPART_UPLOAD = Operation(
    "CreateMultipartUpload", "POST", UPLOAD, creates=True, idempotent=False, response=XML
)
UPLOAD_PART = Operation("UploadPart", "PUT", UPLOAD, proof=("etag",))
UPLOAD_PART_COPY = Operation("UploadPartCopy", "PUT", UPLOAD, response=XML)
LIST_PARTS = Operation("ListParts", "GET", UPLOAD, response=XML)
COMPLETE_MULTIPART_UPLOAD = Operation(
    "CompleteMultipartUpload", "POST", UPLOAD, idempotent=False, response=XML
)
ABORT_MULTIPART_UPLOAD = Operation("AbortMultipartUpload", "DELETE", UPLOAD, success=(204,))
