"""
AWS's keys: the files, commands and services that they are found in.

`chain.find` searches them in the order of the AWS SDKs. The other modules are imported when a
program needs them.
"""
