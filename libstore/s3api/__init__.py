"""
The S3 API, for drivers of services that speak it: requests, errors, objects, uploads and listings.

`libstore.drivers.s3` uses it for Amazon S3 and the compatible services, and `libstore.drivers.gcs`
for the XML API of Google Cloud Storage. A driver of another service is a subclass of
`libstore.s3api.driver.S3APIDriver` with a `libstore.s3api.service.Service`.
"""
