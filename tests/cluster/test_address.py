"""Address: nothing is said in the clear to another machine unasked, and certificates are looked at before anything starts."""

from __future__ import annotations

import pytest

from geoseg.cluster.address import Certificates, certificates, checked, is_loopback
from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.errors import UsageError
from tests.helpers.certificates import signed

PAPERS = Certificates("ca", "cert", "key")


@pytest.mark.parametrize(
    ("given", "spoken"),
    [
        ("127.0.0.1:8786", "tcp://127.0.0.1:8786"),
        ("tcp://localhost:1", "tcp://localhost:1"),
        ("tcp://127.9.9.9:65535", "tcp://127.9.9.9:65535"),
        ("tcp://[::1]:8786", "tcp://[::1]:8786"),
    ],
)
def test_this_machine_may_be_talked_to_in_the_clear(given, spoken):
    assert checked(given, None) == spoken


@pytest.mark.parametrize(
    "address",
    [
        "tcp://192.0.2.1:8786",
        "192.0.2.1:8786",
        "tcp://0.0.0.0:8786",
        "tcp://[2001:db8::1]:8786",
        "tcp://no.invalid:8786",
    ],
)
def test_another_machine_may_not_unless_the_caller_insists_or_shows_certificates(address):
    with pytest.raises(UsageError, match=r"^INSECURE: .*--insecure"):
        checked(address, None)
    host = address.partition("://")[2] or address
    assert checked(address, None, insecure=True) == f"tcp://{host}"
    assert checked(f"tls://{host}", PAPERS) == f"tls://{host}"
    assert checked(host, PAPERS) == f"tls://{host}"


@pytest.mark.parametrize(
    "address", ["ucx://127.0.0.1:1", "ws://127.0.0.1:1", "inproc://127.0.0.1:1", "http://127.0.0.1:1"]
)
def test_other_protocols_are_not_spoken(address):
    with pytest.raises(UsageError, match="SCHEDULER"):
        checked(address, None, insecure=True)


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:0", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:99999999", "tcp://a/b:1", "tcp://127.0.0.1:1\n",
     "tcp://u@[::1]:1", "tcp://::1:1", "x" * 100_000, "tcp://127.0.0.1:1 --insecure"],
)  # fmt: skip
def test_what_is_no_address_is_said_to_be_none(address):
    with pytest.raises(UsageError, match="SCHEDULER") as refused:
        checked(address, None)
    assert "\n" not in str(refused.value)


def test_certificates_go_with_tls_and_only_whole():
    with pytest.raises(UsageError, match=r"TLS: .* needs certificates"):
        checked("tls://127.0.0.1:1", None)
    with pytest.raises(UsageError, match=r"TLS: .*plain TCP"):
        checked("tcp://127.0.0.1:1", PAPERS)
    with pytest.raises(UsageError, match="TLS: --tls-key: is missing"):
        certificates("ca", "cert", None)
    with pytest.raises(UsageError, match=r"TLS: .* goes with a scheduler"):
        connect(ClusterSettings(2, tls_key="key.pem"))


def test_files_that_are_no_certificates_are_named(tmp_path):
    good, other = signed(tmp_path / "good"), signed(tmp_path / "other")
    hidden = signed(tmp_path / "hidden", passphrase=b"word")
    empty = tmp_path / "empty.pem"
    empty.touch()
    Certificates(good.ca, good.cert, good.key).check()
    for papers, named in [
        (Certificates(str(empty), good.cert, good.key), "empty.pem"),
        (Certificates(good.key, good.cert, good.key), "key.pem"),
        (Certificates(good.ca, good.cert, other.key), "cert.pem"),
        (Certificates(good.ca, str(tmp_path), good.key), tmp_path.name),
        (Certificates(good.ca, good.cert, str(tmp_path / "none.pem")), "none.pem"),
        (Certificates(hidden.ca, hidden.cert, hidden.key), "passphrase"),
    ]:
        with pytest.raises(UsageError, match=f"^TLS: .*{named}") as refused:
            papers.check()
        assert "\n" not in str(refused.value)


def test_a_name_is_this_machine_only_where_all_its_addresses_are(monkeypatch):
    import socket

    def resolve(host, port):
        return [(0, 0, 0, "", (one, 0)) for one in {"both": ["127.0.0.1", "192.0.2.1"], "one": ["127.0.0.1"]}[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert is_loopback("one")
    assert not is_loopback("both")
