"""
The HTTP layer: exact requests, and their responses.

A driver passes a `Request` to its `Client`, which returns a `Response` or raises one of the
library's errors. The client signs each attempt, retries where that is safe, and classifies errors.
The transport below it manages connections, proxies and TLS with the adapter of requests, and
writes requests to the socket itself. This package is independent of containers, objects and
particular services.

`message` defines requests and responses, and `client` sends and retries; below them `transport`
chooses a connection, `pool` keeps connections, `connection` sends and receives bytes,
`response_head` and `response` parse responses, and `network_errors` describes failures.
`encoding`, `headers`, `json` and `xml` are functions for drivers, and `environment` reads the
environment variables for proxies and certificates.
"""
