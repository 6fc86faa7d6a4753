"""Trees of objects and files: what differs between two of them, and how one becomes the other."""
