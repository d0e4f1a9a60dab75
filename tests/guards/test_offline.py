"""The block that keeps every test off the network must itself be seen to work."""

import socket

import pytest

# TEST-NET-1 (RFC 5737): belongs to nobody, so nothing is disturbed should the block ever fail.
FOREIGN = ("192.0.2.1", 80)
REFUSED = "no network in tests"


def test_a_foreign_address_is_refused():
    with socket.socket() as stream, pytest.raises(BaseException, match=REFUSED):
        stream.connect(FOREIGN)
    with socket.socket() as stream, pytest.raises(BaseException, match=REFUSED):
        stream.connect_ex(FOREIGN)
    with socket.socket(type=socket.SOCK_DGRAM) as datagram, pytest.raises(BaseException, match=REFUSED):
        datagram.sendto(b"", FOREIGN)


def test_a_foreign_name_is_not_even_looked_up():
    with pytest.raises(BaseException, match=REFUSED):
        socket.create_connection(("example.org", 80), timeout=1)


def test_loopback_is_allowed():
    with socket.create_server(("127.0.0.1", 0)) as server:
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, server.getsockname()[1]), timeout=5).close()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")
def test_unix_sockets_are_allowed(tmp_path):
    with socket.socket(socket.AF_UNIX) as stream, pytest.raises(FileNotFoundError):
        stream.connect(str(tmp_path / "nobody-listens"))


def test_a_subprocess_is_refused_too(run_python):
    done = run_python("-c", f"import socket; socket.create_connection({FOREIGN}, timeout=1)")
    assert done.returncode != 0
    assert REFUSED in done.stderr


def test_a_subprocess_does_not_get_around_it_by_catching_exceptions(run_python):
    script = f"import contextlib, socket\nwith contextlib.suppress(Exception): socket.create_connection({FOREIGN})"
    assert run_python("-c", script).returncode != 0


def test_a_hidden_package_cannot_be_imported(run_python):
    done = run_python("-c", "import numpy", HIDDEN_PACKAGES="numpy pandas")
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'numpy'"
