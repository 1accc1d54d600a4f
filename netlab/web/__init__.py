"""The page in the browser: the bench, the real rooms, and a class with its teacher's hand.

Read `server` for what it answers to whom, `rooms` for the chat beside the page, `classroom` for the class.
"""
