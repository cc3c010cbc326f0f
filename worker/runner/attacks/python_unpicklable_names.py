# Bidirectional text and twins of letters.
# outcome: returned
# walls: none needed
def execute_workflow(user_input):
    а = 1  # ‮ a Cyrillic letter
    return а
