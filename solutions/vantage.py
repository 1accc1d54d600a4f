"""Exercise 02: how many packets were sent?"""


def Answer(records):
    return len({frame for _, frame in records})
