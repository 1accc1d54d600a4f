"""Exercise 03: which socket of a host gets what comes."""


def Answer(sockets, arrival):
    mine = [one for one in sockets if (one.protocol, one.port) == (arrival.protocol, arrival.port)]
    for one in mine:
        if one.peer == arrival.source:
            return one.name
    if arrival.protocol == "udp" or arrival.syn:
        for one in mine:
            if one.peer is None:
                return one.name
    return None
