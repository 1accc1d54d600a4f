"""A person's end of the chat: what is typed (`slash`, `input_lines`), what is done (`conversation`), what is shown
(`forms`, `forms_json`, `forms_human`), in a terminal (`terminal`) or through pipes (`piped`).
"""
