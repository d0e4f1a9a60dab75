"""Who else records here: a host-wide note that one component is metered twice, without any file.

A recorder takes a seat per component: a Linux abstract socket, whose name the kernel frees when its process dies,
however it dies. Who comes later finds the seat taken and knocks at it, so that both know. Boundary: one network
namespace; a recorder in a container with a network of its own is not seen.

Source: unix(7), abstract sockets.
"""

import errno
import os
import socket
import sys
import threading
import weakref
from collections.abc import Sequence

from carbon_nas.files import sha256

__all__ = ["Occupancy"]

# Who comes when all seats are taken knocks at all of them, and has none: then later ones go unseen.
_SEATS = 16
# 108 bytes hold an address of this family, the leading zero included.
_LONGEST = 90
_KNOCK = b"\1"


def _address(component: str, seat: int) -> bytes:
    name = component.encode()
    if len(name) > _LONGEST:
        name = sha256(name).encode()
    # The first seat has the plain name, so that `ss -x` shows what is metered.
    return b"\0carbon-nas/" + name + (b"" if seat == 0 else b"#%d" % seat)


def _is_linux() -> bool:
    return sys.platform.startswith("linux") and hasattr(socket, "AF_UNIX")


class Occupancy:
    """Takes a seat at each component and sees who else is there. Claims nothing where it cannot tell.

    Args:
        components: the names of the components that are metered, without those that count one process only.

    Attributes:
        supported: whether this system can tell.
        others: the components that another recorder, of any process, was metering when this one came.
    """

    def __init__(self, components: Sequence[str]) -> None:
        self._mutex = threading.Lock()
        self._seats: dict[str, socket.socket] = {}
        self.supported, self.others = _is_linux(), frozenset[str]()
        if self.supported:
            _OPEN.add(self)
            try:
                self.others = frozenset(name for name in dict.fromkeys(components) if self._sit_down(name))
            except OSError:  # A sandbox without sockets of this family.
                self.supported = False
                self.close()

    def _sit_down(self, component: str) -> bool:
        """Take the first free seat of a component, then knock at all others; say whether anybody was there."""
        mine = None
        for seat in range(_SEATS):
            door = _socket()
            try:
                door.bind(_address(component, seat))
            except OSError as error:
                door.close()
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                self._seats[component], mine = door, seat
                break
        # Seated first: of two who come at once, at least one then finds the other and knocks.
        with _socket() as knocker:
            there = [_knock(knocker, component, seat) for seat in range(_SEATS) if seat != mine]
        return any(there)

    def check(self) -> frozenset[str]:
        """Return the components at which another recorder has knocked since the last check, or since the opening."""
        with self._mutex:
            return frozenset(component for component, door in self._seats.items() if _knocked(door))

    def close(self) -> None:
        """Give the seats back. May be called twice."""
        with self._mutex:
            self.let_go()

    def let_go(self) -> None:
        """In a forked child: close the copies, or a worker that outlives its parent would keep the seats."""
        seats, self._seats = self._seats, {}
        for door in seats.values():
            door.close()

    def renew(self) -> None:
        """In a forked child: hold nothing, with a mutex of its own."""
        self._mutex = threading.Lock()
        self.let_go()


def _socket() -> socket.socket:
    door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    door.setblocking(False)
    return door


def _knock(knocker: socket.socket, component: str, seat: int) -> bool:
    try:
        knocker.sendto(_KNOCK, _address(component, seat))
    except BlockingIOError:  # Somebody is there who has not looked for long.
        return True
    except ConnectionRefusedError:
        return False
    return True


def _knocked(door: socket.socket) -> bool:
    heard = False
    while True:
        try:
            door.recv(len(_KNOCK))
        except OSError:  # Nothing more to hear.
            return heard
        heard = True


_OPEN: "weakref.WeakSet[Occupancy]" = weakref.WeakSet()


def _let_go_of_all() -> None:
    for occupancy in list(_OPEN):
        occupancy.renew()


# Forking exists on POSIX only.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_of_all)
