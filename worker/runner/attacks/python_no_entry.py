# Nothing to call.
# outcome: invalid_code
# walls: none needed
x = 1
