# A hundred thousand steps with long titles.
# tier A: timeout|returned
# tier B: timeout|returned
# walls: step limits
def execute_workflow(user_input):
    for _ in range(100_000):
        with step('x' * 1000):
            pass
    return 'stepped'
