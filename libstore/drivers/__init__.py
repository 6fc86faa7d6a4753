"""One module for each service; its name is the driver's name in the registry."""
