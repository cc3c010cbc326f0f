"""Starts a runner that leaves out walls, on a copy of this machine's files: a hole in what is left reaches the copy.

Appended to a line that names the runner and one that names the folder of temporary files. The copy is an overlay whose
changes lie in memory and go with the last process that sees it. Kernel settings are read-only, devices are the harmless
ones, and of the temporary files only the cells' own folders are the real ones: the worker watches those.
"""
import ctypes
import glob
import os
import platform
import sys

NEW_MOUNTS = 0x20000
RDONLY, NOSUID, REMOUNT, BIND, REC, PRIVATE = 1, 2, 32, 4096, 16384, 1 << 18
DETACH = 2
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[platform.machine()]
DEVICES = ("null", "zero", "full", "random", "urandom")

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        sys.exit(f"no shelter, {what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind, flags, data=None):
    path = os.fsencode(target)
    check(libc.mount(os.fsencode(source), path, kind, flags, data), f"mount {kind or source} on {target}")


def bind(path, root, flags=0):
    mount(path, root + path, None, BIND | flags)


def copy_of_the_machine(folder):
    mount("memory", folder, b"tmpfs", 0, b"size=1g,mode=0700")
    upper, work, root = (os.path.join(folder, name) for name in ("changes", "overlay", "root"))
    for part in (upper, work, root):
        os.mkdir(part, 0o755)
    mount("copy", root, b"overlay", 0, os.fsencode(f"lowerdir=/,upperdir={upper},workdir={work}"))
    return root


def furnish(root):
    bind("/proc", root, REC)
    bind("/proc/sys", root)
    bind("/sys", root)
    for settings in ("/proc/sys", "/sys"):
        mount("none", root + settings, None, REMOUNT | BIND | RDONLY)
    mount("devices", root + "/dev", b"tmpfs", NOSUID, b"size=1m,mode=0755")
    for name in DEVICES:
        open(f"{root}/dev/{name}", "w").close()
        bind(f"/dev/{name}", root)
    os.mkdir(root + "/dev/shm")
    os.chmod(root + "/dev/shm", 0o1777)
    for cells in glob.glob(os.path.join(TEMPORARY, "wf-cells-*")):
        os.makedirs(root + cells, exist_ok=True)
        bind(cells, root)


def main():
    check(libc.unshare(NEW_MOUNTS), "unshare")
    mount("none", "/", None, PRIVATE | REC)
    root = copy_of_the_machine(os.path.join(os.path.dirname(os.path.realpath(__file__)), "machine"))
    furnish(root)
    os.chdir(root)
    check(libc.syscall(PIVOT_ROOT, b".", b"."), "pivot_root")
    check(libc.umount2(b".", DETACH), "umount of the real root")
    os.chdir("/")
    os.execv(RUNNER, [RUNNER])


main()
