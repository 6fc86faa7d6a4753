"""
Signatures and tokens: what makes a request a caller's own.

One module a scheme. The schemes are pure functions of the request, the credentials and the time;
the classes at the end of a module put them in the form that the wire asks for.
"""
