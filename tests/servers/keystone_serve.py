"""Serves Keystone. Run as a program, with a port and with the packages of Keystone."""

from __future__ import annotations

import sys

import waitress
from keystone.server.wsgi import initialize_public_application

port = int(sys.argv[1])
sys.argv = ["keystone"]  # which reads them itself
waitress.serve(initialize_public_application(), host="127.0.0.1", port=port, threads=8)
