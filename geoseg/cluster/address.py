"""Address: which schedulers may be talked to, and with which certificates.

Whoever reaches a Dask scheduler, or is reached as one, can run code: tasks are pickles. So plain TCP is for this machine; for
another one both sides show a certificate of one authority (TLS), or the caller insists on going without.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import UsageError

_ADDRESS = re.compile(r"(?:(?P<protocol>\w+)://)?(?P<host>\[[0-9a-fA-F:.%\w]+\]|[^\s/:\[\]]+):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM: the authority that both sides must be of, and this side's certificate and key."""

    ca: str
    cert: str
    key: str

    def check(self) -> None:
        """UsageError TLS where a file is not what it should be; a key behind a passphrase is refused, never asked for."""
        for name, path in (("--tls-ca", self.ca), ("--tls-cert", self.cert), ("--tls-key", self.key)):
            if not Path(path).is_file():
                raise UsageError.of("TLS", path, "is no file", f"Name a PEM file with {name}")
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (OSError, ValueError) as error:
            what = f"holds no certificate of an authority ({error})"
            raise UsageError.of("TLS", self.ca, what, "Name a PEM file with --tls-ca") from None
        try:
            context.load_cert_chain(self.cert, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            what = f"and {self.key} are no certificate and its key ({error})"
            raise UsageError.of("TLS", self.cert, what, "Name PEM files with --tls-cert and --tls-key") from None


def certificates(ca: str | None, cert: str | None, key: str | None) -> Certificates | None:
    """All three, or none; UsageError TLS otherwise."""
    given = {"--tls-ca": ca, "--tls-cert": cert, "--tls-key": key}
    missing = [name for name, path in given.items() if not path]
    if len(missing) == len(given):
        return None
    if not (ca and cert and key):
        raise UsageError.of("TLS", missing[0], "is missing", "Give --tls-ca, --tls-cert and --tls-key together")
    return Certificates(ca, cert, key)


def checked(address: str, tls: Certificates | None, *, insecure: bool = False) -> str:
    """The address with its protocol, once it may be talked to.

    Raises
    ------
    UsageError
        ``SCHEDULER``: it is no address. ``TLS``: certificates and protocol do not go together. ``INSECURE``: it is on
        another machine, would be talked to in the clear, and nobody insists.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 65536:
        remedy = "Write it like tls://host:8786, or tcp://127.0.0.1:8786"
        raise UsageError.of("SCHEDULER", address or "''", "is no address of a scheduler", remedy)
    protocol = match["protocol"] or ("tls" if tls else "tcp")
    if protocol not in ("tcp", "tls"):
        raise UsageError.of("SCHEDULER", address, f"{protocol} is not spoken", "Use tls://, or tcp:// on this machine")
    if protocol == "tls" and tls is None:
        raise UsageError.of("TLS", address, "needs certificates", "Add --tls-ca, --tls-cert and --tls-key")
    if protocol == "tcp" and tls is not None:
        raise UsageError.of("TLS", address, "is plain TCP, which certificates do not protect", "Write tls:// instead")
    host = match["host"].strip("[]")
    if protocol == "tcp" and not insecure and not is_loopback(host):
        what = "is not on this machine, and whoever can listen or answer there can run code here and there"
        remedy = "Use tls:// with certificates, or insist with --insecure on a network that you trust"
        raise UsageError.of("INSECURE", address, what, remedy)
    return f"{protocol}://{match['host']}:{match['port']}"


def is_loopback(host: str) -> bool:
    """True when every address that ``host`` stands for is this machine's own; a name that resolves to none is not."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ipaddress.ip_address(one.partition("%")[0]).is_loopback for one in found)


def _no_password() -> str:
    raise ValueError("the key is behind a passphrase, and nobody is there to type it")
