"""Exercise 06: how a connection ends."""

TABLE = {
    ("ESTABLISHED", "close"): ("FIN-WAIT-1", "FIN"),
    ("ESTABLISHED", "FIN"): ("CLOSE-WAIT", "ACK"),
    ("FIN-WAIT-1", "ACK of FIN"): ("FIN-WAIT-2", None),
    ("FIN-WAIT-1", "FIN"): ("CLOSING", "ACK"),
    ("FIN-WAIT-2", "FIN"): ("TIME-WAIT", "ACK"),
    ("CLOSING", "ACK of FIN"): ("TIME-WAIT", None),
    ("CLOSE-WAIT", "close"): ("LAST-ACK", "FIN"),
    ("LAST-ACK", "ACK of FIN"): ("CLOSED", None),
    ("TIME-WAIT", "2MSL"): ("CLOSED", None),
}


def Answer(state, event):
    return TABLE[state, event]
