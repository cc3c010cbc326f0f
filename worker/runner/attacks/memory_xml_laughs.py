# Entities that multiply.
# tier A: python_error|out_of_memory|timeout
# tier B: python_error|out_of_memory|timeout
# walls: expat
import xml.etree.ElementTree


def execute_workflow(user_input):
    text = '<!DOCTYPE x [<!ENTITY a "' + 'a' * 1000 + '">'
    names = 'abcdefghij'
    for before, name in zip(names, names[1:]):
        text += f'<!ENTITY {name} "' + f'&{before};' * 20 + '">'
    return len(xml.etree.ElementTree.fromstring(text + ']><x>&j;</x>').text)
