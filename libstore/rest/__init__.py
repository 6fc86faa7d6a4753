"""The toolkit for drivers of HTTP services."""
