"""Answers to exercise 03 that work where each port has one socket and everybody means it."""

from netlab.course.exercises.demultiplex import Arrival, Socket


def by_number(sockets, arrival):
    """A port is a number, TCP's and UDP's alike."""
    mine = [one for one in sockets if one.port == arrival.port]
    for one in mine:
        if one.peer == arrival.source:
            return one.name
    if arrival.protocol == "udp" or arrival.syn:
        return next((one.name for one in mine if one.peer is None), None)
    return None


def a_port_is_a_process(sockets, arrival):
    """Whoever has the port gets what comes to it; only a listener wants a SYN."""
    for one in sockets:
        mine = (one.protocol, one.port) == (arrival.protocol, arrival.port)
        if mine and (one.peer is not None or one.protocol == "udp" or arrival.syn):
            return one.name
    return None


def first_that_fits(sockets, arrival):
    """Takes the first that would take it."""
    for one in sockets:
        if (one.protocol, one.port) == (arrival.protocol, arrival.port) and one.peer in (None, arrival.source):
            if arrival.protocol == "tcp" and one.peer is None and not arrival.syn:
                continue
            return one.name
    return None


def the_listener_takes_all(sockets, arrival):
    """What belongs to nobody goes to the listener."""
    mine = [one for one in sockets if (one.protocol, one.port) == (arrival.protocol, arrival.port)]
    for peer in (arrival.source, None):
        for one in mine:
            if one.peer == peer:
                return one.name
    return None


def only_connections(sockets, arrival):
    """Knows sockets with a peer, and for UDP the others; nobody opens anything."""
    mine = [one for one in sockets if (one.protocol, one.port) == (arrival.protocol, arrival.port)]
    for one in mine:
        if one.peer == arrival.source:
            return one.name
    return next((one.name for one in mine if one.peer is None and one.protocol == "udp"), None)


ANN = ("10.0.0.7", 5000)


def works_on_a_clean_path(answer):
    return (
        answer([Socket("A", "udp", 9000)], Arrival("udp", ANN, 9000)) == "A"
        and answer([Socket("A", "tcp", 80, ANN)], Arrival("tcp", ANN, 80)) == "A"
        and answer([Socket("A", "tcp", 80, ANN)], Arrival("tcp", ANN, 81)) is None
    )


WRONG = {
    by_number: "TCP and UDP have ports of their own",
    a_port_is_a_process: "talks with another peer",
    first_that_fits: "goes before one that takes from everybody",
    the_listener_takes_all: "goes to nobody",
    only_connections: "somebody waits for it",
}
