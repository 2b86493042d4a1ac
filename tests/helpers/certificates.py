"""Certificates for tests of TLS: an authority, and certificates that it signs."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Signed:
    """Paths of an authority's certificate, and of a certificate and key that it signed."""

    ca: str
    cert: str
    key: str

    @property
    def words(self) -> list[str]:
        """For ``dask scheduler`` and ``dask worker``."""
        return ["--tls-ca-file", self.ca, "--tls-cert", self.cert, "--tls-key", self.key]

    @property
    def settings(self) -> dict[str, str]:
        """For ``ClusterSettings``."""
        return {"tls_ca": self.ca, "tls_cert": self.cert, "tls_key": self.key}


def signed(folder: Path, *, expired: bool = False, passphrase: bytes = b"") -> Signed:
    """Make an authority and one certificate of it, for all sides."""
    folder.mkdir(parents=True)
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("authority", root, "authority", root, authority=True)
    cert = _certificate("dask", key, "authority", root, days=(-3, -1) if expired else (-1, 2))
    hidden = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    made = Signed(str(folder / "ca.pem"), str(folder / "cert.pem"), str(folder / "key.pem"))
    pem = serialization.Encoding.PEM
    Path(made.ca).write_bytes(ca.public_bytes(pem))
    Path(made.cert).write_bytes(cert.public_bytes(pem))
    Path(made.key).write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, hidden))
    return made


def _certificate(subject, key, issuer, issuer_key, *, authority=False, days=(-1, 2)):
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * _DAY)
        .not_valid_after(now + days[1] * _DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
