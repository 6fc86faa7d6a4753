"""
Authentication: signatures and tokens, with one module per scheme.

The signatures are pure functions of the request, the credentials and the time; the signer classes
adapt them to `libstore.http.message.Signer`.
"""
