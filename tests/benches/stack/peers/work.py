"""What a task queue of today does with the same program: exec it where it stands, or start a sandbox around python3.

The program brings its own `paradigm_search`, so that nobody talks to a network: what is compared is the way to a result.
"""

import asyncio
import json
import subprocess

BWRAP = [
    "bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib",
    "--symlink", "usr/lib64", "/lib64", "--tmpfs", "/work", "--chdir", "/work", "/usr/bin/python3", "-I", "-S", "-c",
]
IN_SANDBOX = """
import asyncio, json, sys
job = json.load(sys.stdin)
names = {}
exec(job["code"], names)
json.dump(asyncio.run(names["execute_workflow"](job["user_input"])), sys.stdout)
"""


def plain(code, user_input):
    """No isolation at all: the program has the worker's memory, files, network and keys."""
    names = {}
    exec(code, names)
    return asyncio.run(names["execute_workflow"](user_input))


def jailed(code, user_input):
    """A bubblewrap sandbox and a cold interpreter for each job."""
    job = json.dumps({"code": code, "user_input": user_input})
    done = subprocess.run(BWRAP + [IN_SANDBOX], input=job, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)
