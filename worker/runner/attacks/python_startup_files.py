# Leaves startup files for the next interpreter.
# tier A: returned
# tier B: returned
# walls: mount namespace, user
import os
import sys


def execute_workflow(user_input):
    found = [name for name in ("sitecustomize.py", "usercustomize.py", "evil.pth") if os.path.exists(name)]
    for name in ("sitecustomize.py", "usercustomize.py", "evil.pth"):
        with open(name, "w") as file:
            file.write("import os; os._exit(1)")
    os.environ["PYTHONSTARTUP"] = os.path.abspath("sitecustomize.py")
    return f"BREACH: {found}" if found or "sitecustomize" in sys.modules else "returned"
