# A hundred links to one large file, for whoever collects it.
# tier A: returned
# tier B: returned
# walls: nobody follows it
import os


def execute_workflow(user_input):
    with open("large", "wb") as file:
        file.write(b"x" * 4_000_000)
    for number in range(100):
        os.symlink("large", f"link{number}")
    return len(os.listdir("."))
