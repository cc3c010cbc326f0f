# Walks to every class there is.
# tier A: returned
# tier B: returned
# walls: nothing secret is there
def execute_workflow(user_input):
    found = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == 'Popen']
    return len(found)
