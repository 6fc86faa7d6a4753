"""
The wire: one request, as exact bytes, and its answer.

A driver makes a `Request`, hands it to its `Client` and gets a `Response` or one of the library's
errors. The client signs every attempt afresh, tries again where that is safe, and tells apart
what went wrong; the transport below it keeps connections, proxies and TLS as requests' adapter
sets them up, and puts the bytes on the socket itself. Nothing here knows of containers, objects
or a particular service.

`message` says what is asked and answered and `client` tries until there is an answer; below them
`transport` finds the way, `pool` keeps connections, `connection` moves bytes, `head` and
`response` read what came, `faults` says what went wrong. `names`, `headers` and `xml` are pure
functions for drivers, and `environment` is what is taken from environment variables.
"""
