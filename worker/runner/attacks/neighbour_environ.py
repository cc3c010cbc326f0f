# Reads what other processes were started with.
# tier A: contained
# tier B: contained
# walls: private root, Landlock
import os


def execute_workflow(user_input):
    found = []
    own = ("self", str(os.getpid()))  # where its own folder lies is no secret
    for pid in ["self", "1", str(os.getppid()), *map(str, range(2, 400))]:
        for name in ("environ", "cmdline", "maps", "mem", "pagemap", "stat", "fd", "root", "cwd"):
            if pid in own and name in ("root", "cwd"):
                continue
            try:
                path = f"/proc/{pid}/{name}"
                found.append(os.listdir(path) if name == "fd" else os.readlink(path) if name in ("root", "cwd") else open(path, "rb").read(1))
            except OSError:
                pass
    return f"BREACH: {found[:3]}" if found else "contained"
