"""What is handed over, by the command: a sealed PDF, a redacted one, and the archive format that a reader relies on."""

import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import NameOID

from executor.domain.case_events import ChangeProposed, HoldingMoved
from executor.domain.events import ControlSet
from executor.exit_codes import ExitCode
from executor.journal.line import Line
from executor.report.casefile import casefile
from executor.report.redact import redacted_blocks
from executor.report.report import html
from executor.report.words import LANGUAGES, Words
from tests.cli.commands import call
from tests.report.case_whole import ACCOUNT, ADDRESSES, PEOPLE, TEST_TRANSFER, TRANSACTION
from tests.report.conftest import CASE
from tests.report.test_report import POPPLER, Finished, needs_fonts, needs_poppler, run

PASSPHRASE = "a passphrase of the test"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, x509.Certificate]:
    """The institution's seal: a key and a certificate of its own, as PKCS#12."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Service Institution")])
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(17)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.KeyUsage(digital_signature=True, content_commitment=True, **usage), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("seal") / "seal.p12"
    locked = BestAvailableEncryption(PASSPHRASE.encode())
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"seal", key, made, None, locked))
    return path, made


@pytest.fixture(scope="module")
def plain(journal: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report in Chinese, as the command writes it."""
    folder = tmp_path_factory.mktemp("plain")
    done = call("report", CASE, folder, "--journal", journal, "--lang", "zh")
    assert done.returncode == ExitCode.OK, done.stderr
    return folder / "report-zh.pdf"


def checked(document: bytes, certificate: x509.Certificate) -> Any:
    """What pyHanko's validator says of the one signature in ``document``, trusting only this certificate."""
    from asn1crypto.x509 import Certificate
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    (signature,) = PdfFileReader(BytesIO(document)).embedded_signatures
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    root = Certificate.load(certificate.public_bytes(Encoding.DER))
    return validate_pdf_signature(signature, ValidationContext(trust_roots=[root]))


@needs_fonts
def test_a_sealed_report_validates_and_any_change_of_it_does_not(
    journal: Path, plain: Path, certificate: tuple[Path, x509.Certificate], tmp_path: Path
) -> None:
    path, issued = certificate
    given = ("report", CASE, tmp_path, "--journal", journal, "--lang", "zh", "--seal", path)
    done = call(*given, env={"EXECUTOR_SEAL_PASSPHRASE": PASSPHRASE})
    assert done.returncode == ExitCode.OK, done.stderr
    sealed, before = (tmp_path / "report-zh.pdf").read_bytes(), plain.read_bytes()
    assert sealed.startswith(before)  # the report itself stays as it was, to the byte
    assert (tmp_path / "report-zh.html").read_bytes() == plain.with_suffix(".html").read_bytes()
    status = checked(sealed, issued)
    assert (status.bottom_line, status.coverage.name) == (True, "ENTIRE_FILE")
    place = before.index(b"stream") + 40
    changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
    assert not checked(changed, issued).intact


@pytest.mark.parametrize(
    ("passphrase", "name", "code", "said"),
    [
        ("wrong", "", ExitCode.CREDENTIALS, "EXECUTOR_SEAL_PASSPHRASE"),
        (PASSPHRASE, "none.p12", ExitCode.USAGE, "no such certificate"),
    ],
)
def test_a_seal_that_cannot_be_made_says_why_and_writes_nothing(
    journal: Path,
    certificate: tuple[Path, x509.Certificate],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    passphrase: str,
    name: str,
    code: ExitCode,
    said: str,
) -> None:
    monkeypatch.setattr("executor.cli.report.pdf", lambda *_: b"%PDF-1.7\n")  # what is sealed does not matter here
    seal = tmp_path / name if name else certificate[0]
    given = ("report", CASE, tmp_path / "out", "--journal", journal, "--lang", "zh", "--seal", seal)
    done = call(*given, env={"EXECUTOR_SEAL_PASSPHRASE": passphrase})
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert not (tmp_path / "out").exists()


# --- redacted --------------------------------------------------------------------------------------------------------


def secrets_of(finished: Finished) -> set[str]:
    """Everything in the record of the case that may not be seen: names, bodies, addresses, accounts, references."""
    case = finished[0]
    told = case.mandate
    found = {each for person, (name, _) in PEOPLE.items() for each in (person, name)} | {ACCOUNT, *ADDRESSES}
    found |= {
        told[name] for name in ("authority", "bureau", "platform", "institution", "overseas_agent", "legal_basis")
    }
    found |= {each["name"] for each in told["documents"]} | {TRANSACTION, TEST_TRANSFER, "osl", "hashkey"}
    found |= {each["seizure_ref"] for each in told["holdings"]}
    found |= {fill.trade_id for sale in case.sales for fill in sale.fills}
    for line in case.lines:
        event: Any = line.event
        evidence = getattr(event, "evidence", {})
        if isinstance(event, HoldingMoved):
            evidence = {kind: text for kind, text in evidence.items() if kind not in ("plan", "parent")}
        found |= set(evidence.values())
        found |= {getattr(event, name, "") for name in ("bank", "to_account", "account", "file")}
    return found - {""}


@needs_fonts
@needs_poppler
def test_a_redacted_report_shows_no_name_address_or_account_anywhere(
    journal: Path, finished: Finished, tmp_path: Path
) -> None:
    done = call("report", CASE, tmp_path, "--journal", journal, "--redacted")
    assert done.returncode == ExitCode.OK, done.stderr
    secret = secrets_of(finished)
    assert len(secret) > 30
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"report-{lang}-redacted.{kind}" for lang in ("en", "zh") for kind in ("html", "pdf")]
    for language in LANGUAGES:
        page = (tmp_path / f"report-{language}-redacted.html").read_text()
        document = tmp_path / f"report-{language}-redacted.pdf"
        text = run(POPPLER, "-layout", document, "-") + run(POPPLER, document, "-")
        about = run(shutil.which("pdfinfo"), document) + run(shutil.which("pdfinfo"), "-meta", document)
        assert [each for each in sorted(secret) if each in page or each in about or each in text] == []
        whole = {"".join(each.split()) for each in secret if len(each) > 8}  # however the lines are broken
        assert [each for each in sorted(whole) if each in "".join(text.split())] == []
        assert "0 embedded files" in run(shutil.which("pdfdetach"), "-list", document)


def test_what_people_write_into_reasons_is_redacted_too(finished: Finished) -> None:
    """Addresses and accounts in free text, a person whom nobody enrolled, a change of the account."""
    case = finished[0]
    end = case.sales[0].events[0][0]
    why = "sent to bc1q9x8w7v6u5t4s3r2 and 0x" + "ab" * 20 + ", account 6222 0000 1111 2222, agreed with 张明"
    change = {"case_id": CASE, "kind": "proceeds_account", "account": "第二账户-7788", "why": "旧账户停用"}
    asked = ChangeProposed(change_hash="5c" * 32, change=change, who="se-chen")
    lines = [*case.lines, Line(stream=f"case/{CASE}", version=999, case_id=CASE, at=case.until, event=asked)]
    stop = ControlSet(scope="venue/osl", action="pause", cancel=True, who="zhao-lei", why=why)
    house = [Line(stream="control", version=1, case_id="", at=end, event=stop)]
    again = casefile(CASE, lines, house)
    for language in LANGUAGES:
        open_page, page = html(again, Words(language)), html(again, Words(language), redacted=True)
        secret = ("bc1q9x8w7v6u5t4s3r2", "ab" * 20, "6222 0000 1111 2222", "张明", "zhao-lei", "第二账户-7788", "osl")
        assert [each for each in secret if each not in open_page] == []
        assert [each for each in secret if each in page] == []
        assert Words(language).term("incident", "ControlPause") in page


WRITTEN = [
    "4f8a" * 16,  # a transaction
    "0x" + "9C" * 20,
    "BC1QAR0SRRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ",
    "f1abjxfbp274xpdqcpuaykwkfb43omjotacm2p3za",
    "f410fkkld55ioe7qg24wvt7fu6pbknb56ht7ptloy",
    "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV",  # Solana
    "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1",  # Litecoin
    "rEb8TK3gBgk5auZkwc6sHnwrGVJH8DuaLh",  # XRP
    "DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L",  # Dogecoin
    "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8",  # Tron
    "GB29NWBK60161331926819",
    "DE89 3704 0044 0532 0130 00",
    "6222000011112222",
]


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("around", ["sent to {}.", "汇入{}，已核对", "({})", "{}"])
def test_addresses_and_accounts_in_any_text_are_masked(finished: Finished, written: str, around: str) -> None:
    redact = redacted_blocks(finished[0], Words("zh"))
    assert written not in str(redact(around.format(written)))


@pytest.mark.parametrize(
    "text",
    [
        "sold 0.50000000 BTC at 99,000.12 USD, 500000000.00 CNY, 2026-03-02 09:00:00",
        "internationalisation of responsibilities; Implementation shortfall; participation_percent 1.5%",
        "成交数量×（最高＋最低＋收盘）÷3，USD 50,000,001.00；章程 PAdES-B-B，PDF/A-3",
    ],
)
def test_figures_and_words_are_not_masked(finished: Finished, text: str) -> None:
    assert redacted_blocks(finished[0], Words("en"))(text) == text


def test_what_a_reader_compares_is_not_masked(finished: Finished) -> None:
    case = finished[0]
    assert case.opened is not None
    page = html(case, Words("en"), redacted=True)
    wanted = (case.key, case.fingerprint, case.opened.mandate_hash, case.sales[0].state.spec.plan_hash)
    assert [each for each in wanted if not each or each not in page] == []


# --- PDF/A-3a --------------------------------------------------------------------------------------------------------


def tags(root: Any) -> tuple[Counter[str], list[str]]:
    """How often each kind of structure element stands in a document, and the texts of its figures."""
    kinds, figures, left = Counter[str](), list[str](), [root["/StructTreeRoot"]["/K"]]
    while left:
        each = left.pop()
        each = each.get_object() if hasattr(each, "get_object") else each
        if isinstance(each, list):
            left += list(each)
        elif isinstance(each, dict) and "/S" in each:
            kinds[str(each["/S"])] += 1
            figures += [str(each.get("/Alt", ""))] if each["/S"] == "/Figure" else []
            left += [each["/K"]] if "/K" in each else []
    return kinds, figures


@needs_fonts
def test_the_document_is_built_as_pdf_a_3a_asks(plain: Path, finished: Finished) -> None:
    """ISO 19005-3, level A, as far as it shows in the structure: identification, output intent, no encryption, no
    script, tags with heads of tables and texts of figures, a language, attachments with type and relationship."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    read = PdfFileReader(BytesIO(plain.read_bytes()))
    root = read.root
    about = root["/Metadata"].data.decode()
    assert ('pdfaid:part="3"' in about, 'pdfaid:conformance="A"' in about) == (True, True)
    (intent,) = root["/OutputIntents"]
    assert (intent["/S"], intent["/DestOutputProfile"]["/N"]) == ("/GTS_PDFA1", 3)
    assert not read.encrypted
    assert {"/OpenAction", "/AA", "/AcroForm", "/Collection"}.isdisjoint(root.keys())
    assert (root["/MarkInfo"]["/Marked"], str(root["/Lang"])) == (True, "zh-CN")
    kinds, figures = tags(root)
    assert {"/Document", "/H1", "/H2", "/Table", "/THead", "/TR", "/TH", "/TD", "/Figure", "/Caption"} <= set(kinds)
    assert len(figures) == 3
    assert all(figures)
    found = [each.get_object() for each in root["/AF"]]
    attached = {str(each["/UF"]): each for each in found}
    assert set(attached) == set(finished[1])
    for name, each in attached.items():
        assert (each["/AFRelationship"], str(each["/F"])) == ("/Source", name)
        assert str(each["/EF"]["/F"]["/Subtype"]).count("/") == 2  # a media type, as a name
