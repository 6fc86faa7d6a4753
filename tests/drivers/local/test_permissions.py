"""The modes of the local driver's files and directories are what the umask leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from drivers.local.support import Kept, run_python

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
def test_modes_respect_the_umask(tmp_path: Path, umask: str, attributes: Kept) -> None:
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


_DENIED = """
import os, sys
from libstore import get_driver
from libstore.errors import AccessDeniedError
root = sys.argv[1]
driver = get_driver("local")(root, attributes="file")
container = driver.create_container("c")
for name in ("d/e/read", "d/closed/in/it", "d/fixed/name"):
    container.upload_object(b"1", name)
os.chmod(root + "/c/d/e/read", 0)
os.chmod(root + "/c/d/closed", 0)
os.chmod(root + "/c/d/fixed", 0o555)
os.chmod(root, 0o555)
if not os.getuid():
    for directory, _, files in os.walk(root):
        for path in (directory, *(os.path.join(directory, file) for file in files)):
            os.chown(path, 65534, 65534)
    os.setuid(65534)

def delete_many():
    (result,) = container.delete_objects(["d/fixed/name"])
    raise result.error

operations = {
    "read": lambda: container.read_object("d/e/read"),
    "stat": lambda: container.get_object("d/closed/in/it"),
    "list": lambda: list(container.list_objects()),
    "list prefix": lambda: list(container.list_objects("d/closed/in")),
    "walk": lambda: list(container.walk()),
    "upload": lambda: container.upload_object(b"1", "d/fixed/new"),
    "upload below": lambda: container.upload_object(b"1", "d/fixed/new/one"),
    "delete": lambda: container.object("d/fixed/name").delete(),
    "delete many": delete_many,
    "create": lambda: driver.create_container("other"),
}
for name, operation in operations.items():
    try:
        operation()
    except AccessDeniedError as error:
        print(name, "|", error.message.replace(root, "ROOT"))
"""


def test_permission_error_names_the_path() -> None:
    """The whole path, and not the name of the last directory alone."""
    root = tempfile.mkdtemp()
    try:
        os.chmod(root, 0o755)
        lines = run_python(_DENIED, Path(root)).splitlines()
    finally:
        subprocess.run(["chmod", "-R", "u+rwx", root], check=True)
        shutil.rmtree(root)
    told = {name.strip(): message for name, _, message in (line.partition("|") for line in lines)}
    paths = {
        "read": "ROOT/c/d/e/read",
        "stat": "ROOT/c/d/closed",
        "list": "ROOT/c/d/closed",
        "list prefix": "ROOT/c/d/closed",
        "walk": "ROOT/c/d/closed",
        "upload": "ROOT/c/d/fixed/new",
        "upload below": "ROOT/c/d/fixed/new",
        "delete": "ROOT/c/d/fixed/name",
        "delete many": "ROOT/c/d/fixed/name",
        "create": "ROOT/other",
    }
    assert dict.fromkeys(paths, True) == {
        name: f"'{path}'" in told.get(name, "") for name, path in paths.items()
    }, told
