"""What a program writes to read its first object, for each client: its start is measured."""

from __future__ import annotations

from .place import BUCKET, KEY, REGION, SECRET

_OBJECT = "1KiB-md5"
#: Code with the place for the URL of an endpoint.
FIRST_CALLS = {
    "libstore": f"""\
import libstore
driver = libstore.get_driver("s3")("{KEY}", "{SECRET}", region="{REGION}", endpoint="{{url}}")
driver.get_container("{BUCKET}").read_object("{_OBJECT}")
""",
    "obstore": f"""\
from obstore.store import S3Store
store = S3Store(
    "{BUCKET}", access_key_id="{KEY}", secret_access_key="{SECRET}", region="{REGION}",
    endpoint="{{url}}", client_options={{{{"allow_http": True}}}},
)
store.get("{_OBJECT}").bytes()
""",
    "opendal": f"""\
import opendal
operator = opendal.Operator(
    "s3", bucket="{BUCKET}", access_key_id="{KEY}", secret_access_key="{SECRET}",
    region="{REGION}", endpoint="{{url}}",
)
operator.read("{_OBJECT}")
""",
    "boto3": f"""\
import boto3
client = boto3.client(
    "s3", aws_access_key_id="{KEY}", aws_secret_access_key="{SECRET}", region_name="{REGION}",
    endpoint_url="{{url}}",
)
client.get_object(Bucket="{BUCKET}", Key="{_OBJECT}")["Body"].read()
""",
    "minio": f"""\
import minio
host = "{{url}}".removeprefix("http://")
client = minio.Minio(host, "{KEY}", "{SECRET}", secure=False, region="{REGION}")
client.get_object(bucket_name="{BUCKET}", object_name="{_OBJECT}").read()
""",
    "s3fs": f"""\
import s3fs
options = {{{{"endpoint_url": "{{url}}", "region_name": "{REGION}"}}}}
s3fs.S3FileSystem(key="{KEY}", secret="{SECRET}", client_kwargs=options).cat("{BUCKET}/{_OBJECT}")
""",
    "raw": """\
import socket
socket.create_connection(("127.0.0.1", int("{url}".rpartition(":")[2]))).close()
""",
}
