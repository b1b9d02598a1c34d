"""A PAdES seal (ETSI EN 319 142, baseline B-B) on a finished PDF, by the institution's own certificate."""

import io
from pathlib import Path

from executor.errors import CredentialsRefused, InputRefused


def sealed(document: bytes, certificate: Path, passphrase: str) -> bytes:
    """``document`` with a seal by the key in ``certificate`` (PKCS#12). Everything before it stays byte for byte as it
    was. Raises ``CredentialsRefused`` if the file cannot be opened with ``passphrase``."""
    try:
        from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
        from pyhanko.sign import signers
        from pyhanko.sign.fields import SigSeedSubFilter
    except ImportError as missing:
        raise InputRefused(
            f"a seal needs the extra 'seal': pip install 'disposal-executor[seal]' ({missing})"
        ) from None
    if not certificate.is_file():
        raise InputRefused(f"{certificate}: there is no such certificate (PKCS#12)")
    signer = signers.SimpleSigner.load_pkcs12(certificate, passphrase=passphrase.encode())  # type: ignore[no-untyped-call]
    if signer is None:
        raise CredentialsRefused(f"{certificate} cannot be opened: set EXECUTOR_SEAL_PASSPHRASE to its passphrase")
    terms = signers.PdfSignatureMetadata(
        field_name="Seal", subfilter=SigSeedSubFilter.PADES, md_algorithm="sha256", embed_validation_info=False
    )
    out = signers.PdfSigner(terms, signer=signer).sign_pdf(IncrementalPdfFileWriter(io.BytesIO(document)))
    assert isinstance(out, io.BytesIO)
    return out.getvalue()
