"""Meter and ledger in one hand: the only place where they meet."""

from carbon_nas.recorder.recorder import HEARTBEAT_S, Recorder

__all__ = ["HEARTBEAT_S", "Recorder"]
