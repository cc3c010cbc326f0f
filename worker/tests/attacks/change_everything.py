"""What no program may do, for a runner without walls."""
import os, shutil
def execute_workflow(x):
    with open(os.__file__, "a") as library:
        library.write("# changed by a program")
    shutil.rmtree(os.path.join(os.path.dirname(os.__file__), "json"))
    for folder in ("/", "/etc", "/usr", "/tmp"):
        open(os.path.join(folder, "left-by-a-program"), "w").close()
    return open(os.__file__).read().rsplit("# ", 1)[1]
