"""The server's certificate: read at the start, and again when it has been renewed."""

from __future__ import annotations

import ssl
from pathlib import Path

from ..errors import StartupError


class Certificate:
    """A certificate and its private key in PEM files.

    Args:
        chain: the certificate, followed by the intermediate certificates.
        key: its private key; None if it is in the same file.

    Raises:
        StartupError: they cannot be read, or do not belong together.
    """

    def __init__(self, chain: Path, key: Path | None) -> None:
        self._chain = chain
        self._key = key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._read(self.context)

    def renew(self) -> None:
        """Reads the files again, for new connections. If they are invalid, the former certificate stays in use.

        Raises:
            StartupError: as at first.
        """
        self._read(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # an invalid pair would replace half of the former one
        self._read(self.context)

    def _read(self, context: ssl.SSLContext) -> None:
        for file in (self._chain, self._key):
            try:
                if file is not None:
                    file.read_bytes()
            except OSError as error:
                raise StartupError(f"The file {str(file)!r} cannot be read: {error.strerror}.") from None
        try:
            context.load_cert_chain(self._chain, self._key, password=_no_password)
        except (ssl.SSLError, OSError):
            key = f" and {str(self._key)!r} its" if self._key is not None else " and its"
            raise StartupError(f"{str(self._chain)!r} must hold a certificate{key} private key, as PEM.") from None


def _no_password() -> str:
    raise StartupError("The private key is encrypted; a server that starts by itself needs one that is not.")
