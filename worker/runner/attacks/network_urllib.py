# What every program tries first.
# tier A: contained
# tier B: contained
# walls: seccomp, network namespace
import urllib.request


def execute_workflow(user_input):
    try:
        done = urllib.request.urlopen('http://example.com', timeout=1)
    except OSError:
        return "contained"
    return f"BREACH: {done!r}"
