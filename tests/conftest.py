"""No test reaches the network: not in this process, and not in the ones it starts."""

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that lets a hurried reader leave out what takes most of a minute: `-m "not slow"`."""
    config.addinivalue_line("markers", "slow: takes most of a minute")


RunPython = Callable[..., subprocess.CompletedProcess[str]]


def block_network(patch=setattr):
    """Refuse every address but loopback and AF_UNIX. It stands alone: subprocesses get it as source text."""
    import ipaddress
    import socket

    class NetworkUsed(BaseException):
        """No `except Exception` may hide that the network was asked for."""

    def refuse_unless_local(call, host):
        host = host.decode() if isinstance(host, bytes) else host
        if host in (None, "", "localhost"):
            return
        try:
            local = ipaddress.ip_address(host.partition("%")[0]).is_loopback
        except ValueError:
            local = False
        if not local:
            raise NetworkUsed(f"no network in tests: {call} to {host!r} was refused")

    def guarded(call):
        original = getattr(socket.socket, call)

        def method(self, *arguments):
            # The address comes last: connect(address), sendto(data, address), sendto(data, flags, address).
            if self.family in (socket.AF_INET, socket.AF_INET6):
                refuse_unless_local(call, arguments[-1][0])
            return original(self, *arguments)

        return method

    for call in ("connect", "connect_ex", "sendto"):
        patch(socket.socket, call, guarded(call))

    look_up = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **keywords):
        # Asking a name server is using the network, and it happens below Python's sockets.
        refuse_unless_local("getaddrinfo", host)
        return look_up(host, *arguments, **keywords)

    patch(socket, "getaddrinfo", getaddrinfo)


def hide_packages(names):
    """Make packages look as if they were not installed. Stands alone, as `block_network` does."""
    import sys

    class Hidden:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in names:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Hidden())


SITECUSTOMIZE = f"""{inspect.getsource(block_network)}

{inspect.getsource(hide_packages)}

import os
block_network()
hide_packages(os.environ.get("HIDDEN_PACKAGES", "").split())
"""


@pytest.fixture(scope="session", autouse=True)
def offline() -> Iterator[None]:
    """Block the network in this process, before any other fixture can use it."""
    with pytest.MonkeyPatch.context() as patch:
        block_network(patch.setattr)
        yield


@pytest.fixture
def offline_env(tmp_path: Path) -> dict[str, str]:
    """An environment for subprocesses: no network, an empty home, one thread.

    `HOME` is the empty folder. `PYTHONPATH` may be added to, not replaced. Packages named in `HIDDEN_PACKAGES`,
    separated by blanks, cannot be imported.
    """
    home, hooks = tmp_path / "offline" / "home", tmp_path / "offline" / "hooks"
    home.mkdir(parents=True)
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    ours = ("PYTHON", "XDG_", "MPL", "PIP_", "CODECARBON_", "HIDDEN_PACKAGES")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    homes = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return env | dict.fromkeys(homes, str(home)) | threads | {"PYTHONPATH": str(hooks)}


@pytest.fixture
def run_python(offline_env: dict[str, str], tmp_path: Path) -> RunPython:
    """A call that runs Python in `offline_env`; keywords are further environment variables."""

    def run(*arguments: str, cwd: Path = tmp_path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env=offline_env | env,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    return run
