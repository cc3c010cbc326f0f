# Nothing to call.
# tier A: invalid_code
# tier B: invalid_code
# walls: none needed
x = 1
