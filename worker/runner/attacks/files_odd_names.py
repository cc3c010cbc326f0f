# Names that are no text.
# tier A: returned
# tier B: returned
# walls: none needed
import os


def execute_workflow(user_input):
    for name in (b'\xff\xfe', b'a\nb', b'-rf', b'\x1b[2J', b' '):
        open(name, 'w').close()
    return len(os.listdir(b'.'))
