"""
The operations of Swift.

https://docs.openstack.org/api-ref/object-store/
"""

from __future__ import annotations

from ...rest.operation import ACCOUNT, CONTAINER, CONTENT, JSON, OBJECT, Operation

HEAD_ACCOUNT = Operation("HeadAccount", "HEAD", ACCOUNT, success=(200, 204))
POST_ACCOUNT = Operation("PostAccount", "POST", ACCOUNT, success=(204,))
LIST_ACCOUNT = Operation("ListAccount", "GET", ACCOUNT, success=(200, 204), response=JSON)
BULK_DELETE = Operation("BulkDelete", "POST", ACCOUNT, response=JSON)
GET_INFO = Operation("GetInfo", "GET", ACCOUNT, response=JSON)
PUT_CONTAINER = Operation("PutContainer", "PUT", CONTAINER, creates=True, success=(201, 202))
HEAD_CONTAINER = Operation("HeadContainer", "HEAD", CONTAINER, success=(200, 204))
POST_CONTAINER = Operation("PostContainer", "POST", CONTAINER, success=(202, 204))
DELETE_CONTAINER = Operation("DeleteContainer", "DELETE", CONTAINER, success=(204,))
LIST_CONTAINER = Operation("ListContainer", "GET", CONTAINER, success=(200, 204), response=JSON)
HEAD_OBJECT = Operation("HeadObject", "HEAD", OBJECT, success=(200, 204))
GET_OBJECT = Operation("GetObject", "GET", OBJECT, success=(200, 206), response=CONTENT)
PUT_OBJECT = Operation("PutObject", "PUT", OBJECT, creates=True, success=(201,), proof=("etag",))
COPY_OBJECT = Operation("CopyObject", "PUT", OBJECT, success=(201,), proof=("etag",))
POST_OBJECT = Operation("PostObject", "POST", OBJECT, success=(202, 204))
DELETE_OBJECT = Operation("DeleteObject", "DELETE", OBJECT, success=(204,))
