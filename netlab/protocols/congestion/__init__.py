"""Congestion control: how much may be on its way, and how fast it goes.

Read `control` first: what a control is told, and what it decides.
"""

from netlab.protocols.congestion.control import Ack, CongestionControl, RateSample

__all__ = ["Ack", "CongestionControl", "RateSample"]
