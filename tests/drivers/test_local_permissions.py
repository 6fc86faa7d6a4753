"""The modes of the local driver's files and directories are what the umask leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from drivers.local_support import Kept, run_python

_PROGRAM = """
import os, sys
from libstore import TransferOptions, get_driver
root, umask, attributes = sys.argv[1], int(sys.argv[2], 8), sys.argv[3]
os.umask(umask)
transfer = TransferOptions(part_size=1000, multipart_threshold=1000)
driver = get_driver("local")(root + "/made/root", attributes=attributes, transfer=transfer)
container = driver.create_container("c")
container.upload_object(b"1", "d/e/put")
container.upload_object(bytes(3000), "d/f/parts")
container.upload_object(b"1", "absent", if_absent=True)
container.get_object("d/e/put").copy("c", "g/copy")
container.get_object("absent").move("c", "h/moved")
container.upload_object(b"1", "replaced")
os.chmod(root + "/made/root/c/replaced", 0o640)
container.upload_object(b"2", "replaced").update_metadata({"k": "v"})
with container.open("i/writer", "w") as file:
    file.write("x")
container.get_object("d/f/parts").download(root + "/made/download")
for directory, folders, files in os.walk(root + "/made"):
    for name in folders + files:
        path = os.path.join(directory, name)
        kind = "d" if name in folders else "f"
        print(kind, oct(os.stat(path).st_mode & 0o7777), os.path.relpath(path, root))
"""


@pytest.mark.parametrize("attributes", ["auto", "file"])
@pytest.mark.parametrize("umask", ["000", "022", "027", "077"])
def test_modes_are_what_the_umask_leaves(tmp_path: Path, umask: str, attributes: Kept) -> None:
    """Each file has 0666 and each directory 0777 without the umask's bits, however it is made."""
    lines = run_python(_PROGRAM, tmp_path, umask, attributes).splitlines()
    left = {"f": oct(0o666 & ~int(umask, 8)), "d": oct(0o777 & ~int(umask, 8))}
    seen = {path: mode == left[kind] for kind, mode, path in map(str.split, lines)}
    assert {
        "made/root/c/d/e/put",
        "made/root/c/d/f/parts",
        "made/root/c/g/copy",
        "made/root/c/h/moved",
        "made/root/c/replaced",
        "made/root/c/i/writer",
        "made/download",
    } <= set(seen)
    assert [] == [path for path, right in seen.items() if not right]
