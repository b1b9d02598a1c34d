"""What others say about a checkpoint: cosignatures of witnesses and RFC 3161 timestamps.

Both are made outside and brought here as files: nothing is fetched. A cosignature becomes one more signature line of
the checkpoint; a timestamp is an authority's answer over the SHA-256 of the checkpoint's text and is kept beside it.
"""

from collections.abc import Sequence
from datetime import datetime

from cryptography.x509 import load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from executor.errors import InputRefused, RecordBroken
from executor.journal.note import SIGNATURES_MAX, Note, VerifierKey


def cosign(held: Note, offered: Note, witnesses: Sequence[VerifierKey]) -> Note:
    """The checkpoint with the good signatures of ``witnesses`` that ``offered`` adds. Raises ``RecordBroken`` for
    another text, a bad signature, or none that is new."""
    if offered.text != held.text:
        raise RecordBroken("the cosignature is over another checkpoint than the one in the record")
    good = {(key.name, key.id) for key in offered.checked(witnesses)}
    fresh = [each for each in offered.signatures if each[:2] in good and each not in held.signatures]
    if not fresh:
        raise RecordBroken("no signature of these witnesses that the checkpoint does not have already")
    if len(held.signatures) + len(fresh) > SIGNATURES_MAX:
        raise RecordBroken(f"a checkpoint holds {SIGNATURES_MAX} signatures at most")
    return Note(held.text, (*held.signatures, *fresh))


def timestamp_request(note: Note) -> bytes:
    """What to send to a timestamping authority (DER). No nonce: the answer is over a text that occurs once."""
    builder = TimestampRequestBuilder().data(note.text.encode()).hash_algorithm(HashAlgorithm.SHA256)
    return builder.nonce(nonce=False).cert_request(cert_request=True).build().as_bytes()


def timestamped(note: Note, answer: bytes, roots: bytes) -> datetime:
    """The time that an authority under ``roots`` (PEM) gave the checkpoint. Raises ``RecordBroken``."""
    try:
        certificates = load_pem_x509_certificates(roots)
    except ValueError as error:
        raise InputRefused(f"the roots are no PEM certificates: {error}") from None
    builder = VerifierBuilder()
    for certificate in certificates:
        builder = builder.add_root_certificate(certificate)
    try:
        response = decode_timestamp_response(answer)
        builder.build().verify_message(response, note.text.encode())
    except (VerificationError, ValueError) as error:
        raise RecordBroken(f"the timestamp is not good: {error}") from None
    return response.tst_info.gen_time
