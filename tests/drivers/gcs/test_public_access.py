"""Public objects and buckets."""

from __future__ import annotations

import pytest
from drivers.gcs.support import (
    TOKEN,
    Once,
)

from libstore import (
    AccessDeniedError,
    NotSupportedError,
)
from libstore.drivers.gcs import GCSDriver
from servers.gcs_model import Model, RefusedError


def test_objects_and_buckets_are_made_public(model: Model, driver: GCSDriver) -> None:
    import urllib.request

    model.tokens = {TOKEN}
    obj = driver.upload_object(b"1", "box", "a b/ü")
    assert f"{model.url}/box/a%20b/%C3%BC" == obj.get_cdn_url()
    with urllib.request.urlopen(obj.enable_cdn()) as reply:
        assert b"1" == reply.read()
    model.buckets["box"].fields["iamConfiguration"] = {"uniformBucketLevelAccess": True}
    with pytest.raises(NotSupportedError, match="uniform access"):
        obj.enable_cdn()
    model.buckets["box"].fields["iamConfiguration"] = {"publicAccessPrevention": "enforced"}
    with pytest.raises(AccessDeniedError, match="public access prevention"):
        obj.container.enable_cdn()
    text = "One or more users named in the policy do not belong to a permitted customer."
    model.before = Once(
        "(PUT|POST) .*/(iam|acl)", RefusedError(412, "conditionNotMet", text), times=2
    )
    for enable in (obj.container.enable_cdn, obj.enable_cdn):
        with pytest.raises(AccessDeniedError, match="organisation"):
            enable()
