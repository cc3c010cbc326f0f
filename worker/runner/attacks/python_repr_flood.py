# An exception whose text is hostile to terminals.
# tier A: python_error
# tier B: python_error
# walls: none needed
def execute_workflow(user_input):
    raise ValueError('\x1b]0;owned\x07\x1b[2J\r\n\0')
