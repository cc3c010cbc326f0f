# Bidirectional text and twins of letters.
# tier A: returned
# tier B: returned
# walls: none needed
def execute_workflow(user_input):
    а = 1  # ‮ a Cyrillic letter
    return а
