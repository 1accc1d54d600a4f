"""Exercise 05: what a receiver of numbered datagrams can say about the path."""


def Answer(numbers: list[int], sent: int) -> tuple[int, int, int]:
    seen: set[int] = set()
    doubled = late = 0
    for number in numbers:
        if number in seen:
            doubled += 1
        else:
            late += any(number < other for other in seen)
            seen.add(number)
    return sent - len(seen), doubled, late
