"""The evidence bundle of a case: one zip with the record, all that was derived from it, and the means to check both.

The same record and the same inputs give the same bytes. Nothing that looks like key material ever goes in. The list of
all files is signed with the record's key, so that none can be changed, added or left out unseen."""

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.resources import files as resources
from pathlib import PurePosixPath

from executor.domain.canonical import canonical
from executor.domain.settlement_events import StatementImported
from executor.errors import InputRefused, RecordBroken, RuleRefused
from executor.journal.note import Signer, VerifierKey, signed
from executor.journal.tree import leaf_hash
from executor.market.benchmark import BenchmarkRecord
from executor.report import page, verify_standalone
from executor.report.averages import is_named
from executor.report.casefile import CaseFile
from executor.report.postings import postings_file
from executor.report.words import LANGUAGES, Words

_KEYS = re.compile(
    rb"PRIVATE\+KEY\+|-----BEGIN [A-Z ]*PRIVATE KEY|\b[xyztuvYZUV]prv[1-9A-HJ-NP-Za-km-z]{90,}|\bAGE-SECRET-KEY-1"
    rb"|PuTTY-User-Key-File-|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\b6P[1-9A-HJ-NP-Za-km-z]{56}\b"  # AWS; BIP 38
)
# What is a key by the name before it; quotation marks may be escaped. 64 hexadecimal digits alone are a hash.
_CALLED = re.compile(
    rb"(?i:private[ _-]?key)\W{1,6}(?:0x)?[0-9a-fA-F]{64}\b"
    rb'|"ciphertext\\?"\s*:\s*\\?"[0-9a-fA-F]{32,}'  # an Ethereum keystore
    rb'|"kty\\?"[^{}]{0,2000}"d\\?"\s*:|"d\\?"\s*:[^{}]{0,2000}"kty\\?"'  # a JSON Web Key with its private part
    rb"|(?i:seed|mnemonic)[A-Za-z_ ]{0,12}\\?[\"']?\s*[:=]\s*\\?[\"']?(?:[a-z]{3,8} ){11}[a-z]{3,8}\b"  # BIP 39
)
_LONG = 8  # a secret of fewer characters, such as a PIN, is looked for as a whole word, and not in the bytes of a PDF
_WIF = re.compile(rb"(?<![1-9A-HJ-NP-Za-km-z])[59KLc][1-9A-HJ-NP-Za-km-z]{50,51}(?![1-9A-HJ-NP-Za-km-z])")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_FILLS = (
    "at", "parent", "asset", "quote_asset", "venue", "method", "client_order_id", "trade_id", "qty", "px", "notional",
    "fee", "fee_asset",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of one
_UNSAFE = re.compile(r"[^\w.-]")
_LONGEST_STEM = 60  # characters of a paper's own name; in UTF-8, with venue and hash, short enough for any file system
_STATED = ("trade_id", "qty", "px", "notional", "fee", "fee_asset", "at", "note")


def bundle_files(
    case: CaseFile, exported: Mapping[str, bytes], reports: Mapping[str, bytes], inputs: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Every file by name but the signed list of them. ``exported`` is the record, ``inputs`` what prices were computed
    from. Raises ``InputRefused`` for the name of an input that the verifier would pass over, or that is none in its
    folder."""
    for name in inputs:
        if name[:1] in ("", ".") or PurePosixPath(name).name != name or name.splitlines() != [name]:
            raise InputRefused(
                f"{name}: a file of prices needs a plain name that does not begin with a point: rename it"
            )
    found = dict(exported)
    found["ledger.jsonl"] = postings_file(case.books)
    hashes = (leaf_hash(line).hex().encode() for line in found["ledger.jsonl"].splitlines())
    found["ledger-leaves.txt"] = b"".join(each + b"\n" for each in hashes)
    found["fills.csv"] = _csv(_FILLS, _fill_rows(case))
    for _, frozen in case.frozen:
        found[f"plan/{frozen.plan_hash}.json"] = canonical(frozen.frozen)
    for sale in case.sales:
        spec = sale.state.spec
        found.setdefault(f"plan/{spec.plan_hash}.json", canonical({"case_id": spec.case_id, "plan": spec.plan}))
    if case.opened is not None:
        found["mandate.json"] = canonical(case.opened.mandate)
    found |= _statements(case)
    found |= {f"benchmark/{name}": content for name, content in inputs.items()}
    given = {hashlib.sha256(content.strip()).hexdigest() for content in inputs.values()}
    for average in case.benchmarks:
        if average.sha256 not in given:
            found[f"benchmark/average-{average.sha256[:12]}.json"] = average.canonical()
    absent = inputs_missing(case, inputs)
    found |= {f"report/{name}": content for name, content in reports.items()}
    for language in LANGUAGES:
        text = (resources(page) / f"readme.{language}.md").read_text("utf-8")
        words = Words(language)
        told = (words("text.input_missing", file=each.file, sha256=each.file_sha256) for each in absent)
        found[f"README.{language}.md"] = "\n".join([text.replace("CASE", case.case_id), *told]).encode()
    return found


def inputs_missing(case: CaseFile, inputs: Mapping[str, bytes]) -> list[BenchmarkRecord]:
    """The averages that a price rule of a sale rests on and whose candle file is not among the ``inputs``."""
    given = {hashlib.sha256(content).hexdigest() for content in inputs.values()}
    specs = [sale.state.spec for sale in case.sales]
    return [
        each
        for each in case.benchmarks
        if each.file_sha256 not in given and any(is_named(spec, each) for spec in specs)
    ]


def listed(found: Mapping[str, bytes], signer: Signer) -> dict[str, bytes]:
    """The files with ``SHA256SUMS`` and the record's signature under it, checked with the verifier that is among them.
    Raises ``RecordBroken`` if it says no, or if ``signer`` holds another key than that of the record."""
    key = VerifierKey.parse(found["keys.txt"].decode().strip())
    if signer.public != key.public:
        raise RecordBroken(f"the key that would sign the list of files is not that of {key.name}")
    sums = "".join(f"{hashlib.sha256(found[name]).hexdigest()}  {name}\n" for name in sorted(found))
    note = str(signed(sums, key.name, signer))
    files = {**found, "SHA256SUMS": sums.encode(), "SHA256SUMS.sig": note[len(sums) + 1 :].encode()}
    try:
        verify_standalone.verify(files)
    except verify_standalone.WRONG as wrong:
        raise RecordBroken(f"the bundle does not verify: {verify_standalone.HERE[0]}: {wrong}") from None
    return files


def refuse_keys(found: Mapping[str, bytes], secrets: Iterable[str] = ()) -> None:
    """Raise ``RuleRefused`` if a file holds what looks like a private key, or one of the ``secrets`` known here. The
    message never holds any of it."""
    given = [secret for secret in secrets if secret]
    known = [secret.encode() for secret in given if len(secret) >= _LONG]
    short = [rb"(?<![\w.])" + re.escape(each.encode()) + rb"(?![\w.])" for each in given if len(each) < _LONG]
    words = re.compile(b"|".join(short)) if short else None
    for name, content in found.items():
        if (
            _KEYS.search(content)
            or _CALLED.search(content)
            or any(_is_wif(text.decode()) for text in _WIF.findall(content))
        ):
            raise RuleRefused(
                f"{name} holds what looks like a private key; nothing was written. Find out how it came there"
            )
        word = words is not None and not name.endswith(".pdf") and words.search(content)
        if word or any(secret in content for secret in known):
            raise RuleRefused(f"{name} holds a secret of this machine; nothing was written. Find out how it came there")


def zipped(found: Mapping[str, bytes], dated: datetime) -> bytes:
    """The files as a zip, dated by the record: the same files always give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(found):
            entry = zipfile.ZipInfo(name, dated.timetuple()[:6])
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            archive.writestr(entry, found[name])
    return packed.getvalue()


def _fill_rows(case: CaseFile) -> Iterable[list[str]]:
    for sale, fill in case.fills():
        spec, order = sale.state.spec, sale.orders[fill.client_order_id]
        yield [
            fill.at.isoformat(),
            *map(_text, (spec.parent_id, spec.asset, spec.quote_asset, fill.venue, order.method)),
            *map(_text, (fill.client_order_id, fill.trade_id)),
            *(f"{each:f}" for each in (fill.qty, fill.px, fill.notional, fill.fee)),
            _text(fill.fee_asset),
        ]


def _statements(case: CaseFile) -> dict[str, bytes]:
    """The venues' papers as they were read, one file for each file that was imported."""
    rows: dict[str, list[list[str]]] = {}
    for entry in case.books.entries.values():
        event = entry.event
        if isinstance(event, StatementImported):
            stem = PurePosixPath(event.file).stem[:_LONGEST_STEM]
            name = f"statements/{_UNSAFE.sub('_', f'{event.venue}-{event.sha256[:12]}-{stem}')}.csv"
            for row in event.rows:
                amounts = [f"{each:f}" for each in (row.qty, row.px, row.notional, row.fee)]
                cells = [_text(row.trade_id), *amounts, _text(row.fee_asset), row.at.isoformat(), _text(row.note)]
                rows.setdefault(name, []).append(cells)
    return {name: _csv(_STATED, found) for name, found in rows.items()}


def _text(cell: str) -> str:
    """A text as a cell that no spreadsheet computes."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _csv(columns: Iterable[str], rows: Iterable[list[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _is_wif(text: str) -> bool:
    """True for a private key in wallet import format: Base58Check over a byte of the network and 32 or 33 more."""
    number = 0
    for each in text:
        number = number * 58 + _BASE58.index(each)
    raw = number.to_bytes(40, "big").lstrip(b"\0")
    body, check = raw[:-4], raw[-4:]
    good = hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4] == check
    return good and body[:1] in (b"\x80", b"\xef") and len(body) in (33, 34)
