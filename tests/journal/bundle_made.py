"""A small finished case as a whole bundle, made in memory: the record, its ledger, other files, the signed list of all.
And ways to tamper with it, by somebody who knows the format and puts right whatever needs no key."""

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from itertools import count
from typing import Any

from executor.domain.books import books_of
from executor.domain.canonical import canonical
from executor.domain.settlement_events import LedgerCorrected, PostingEntry
from executor.journal.line import Line, decode, encode
from executor.journal.note import HeldKey, signed
from executor.journal.tree import leaf_hash
from executor.report.postings import postings_file
from tests.domain.case_settled import SECOND, coins, money, opened, paper
from tests.domain.events_made import AT, filled
from tests.journal.case_made import CASE, KEY, OTHER, TAMPERINGS, Files, events, files_of, lines_of

RECORD = ("events.jsonl", "leaves.txt", "checkpoints.txt", "keys.txt")
LISTS = ("SHA256SUMS", "SHA256SUMS.sig")


def case_lines(children: int, holding: str = "10", before: Sequence[Any] = ()) -> list[Line]:
    """The whole record of a case: mandate and coins, the sale, the way of the money, one correction."""
    stream, sale = f"case/{CASE}", lines_of(events(children))
    head: list[Any] = [*before, opened(holding)]
    head += [coins("10", *way) for way in (("accepted", "in_transit"), ("in_transit", "credited"))]
    head.append(coins("10", "credited", "reserved"))
    wrong = f"{stream}#{len(head) + 2}"  # the first withdrawal
    tail = [paper("alpha", [filled(1, "t1a", "1")]), *money()]
    entries = [("rounding", "USD", "0.02"), ("venue_cash:osl", "USD", "-0.02")]
    postings = [PostingEntry(account=a, currency=c, amount=Decimal(amount)) for a, c, amount in entries]
    tail.append(LedgerCorrected(reverses=wrong, postings=postings, why="误记", who="se", second=SECOND))

    def line(n: int, event: Any) -> Line:
        return Line(stream=stream, version=n, case_id=CASE, at=AT + timedelta(hours=n), event=event)

    own = [line(n, event) for n, event in enumerate([*head, *tail], start=1)]
    return [*own[: len(head)], *sale, *own[len(head) :]]


def listed(files: Files, key: HeldKey = KEY) -> Files:
    """The files with a list of them, signed."""
    found = {name: raw for name, raw in files.items() if name not in LISTS}
    sums = "".join(f"{hashlib.sha256(found[name]).hexdigest()}  {name}\n" for name in sorted(found))
    note = str(signed(sums, files["keys.txt"].decode().partition("+")[0], key))
    return found | {"SHA256SUMS": sums.encode(), "SHA256SUMS.sig": note[len(sums) + 1 :].encode()}


def bundle_of(texts: Sequence[str], sizes: Sequence[int], key: HeldKey = KEY) -> Files:
    """The bundle over ``texts`` with checkpoints at ``sizes``."""
    files = files_of(texts, sizes, key)
    ledger = postings_file(books_of(map(decode, texts)))
    created = next(event for event in (json.loads(text)["event"] for text in texts) if event["kind"] == "ParentCreated")
    files |= {
        "ledger.jsonl": ledger,
        "ledger-leaves.txt": _hashes(ledger.splitlines()),
        "mandate.json": canonical(json.loads(texts[0])["event"].get("mandate", {})),
        f"plan/{created['plan_hash']}.json": canonical({"case_id": CASE, "plan": created["plan"]}),
        "fills.csv": b"at,qty\n2026-03-02T01:00:00Z,1.5\n",
        "statements/osl-abc.csv": "trade_id,qty,note\nt1,1.5,成交单\n".encode(),
        "benchmark/average.json": b'{"result":"97000.12","days":[]}\n',
        "benchmark/candles.csv": b"timestamp,close\n2026-03-01 00:00:00,97000.12\n",
        "report/report-en.html": b"<p>97,000.12</p>",
        "README.en.md": b"# Evidence\n",
        "verify.py": b"# the verifier\n",
        "timestamp-9-1.tsr": b"\x30\x00",
    }
    return listed(files, key)


def _hashes(lines: Sequence[bytes]) -> bytes:
    return b"".join(leaf_hash(line).hex().encode() + b"\n" for line in lines)


@cache
def random_bundle(seed: int) -> Files:
    """A finished case of random size with checkpoints at random places, the last over everything."""
    chance = random.Random(seed)
    texts = [encode(line) for line in case_lines(chance.randint(1, 4))]
    sizes = [*sorted(chance.sample(range(1, len(texts)), chance.randint(0, min(5, len(texts) - 1)))), len(texts)]
    return bundle_of(texts, sizes)


# --- tampering with what lies beside the record ----------------------------------------------------------------------


def _put_right(files: Files, chance: random.Random) -> Files:
    """Sometimes the list too, and sometimes signed with a key that is not the record's."""
    how = chance.randrange(3)
    return files if how == 0 else {**listed(files, OTHER), **({} if how == 2 else {LISTS[1]: files[LISTS[1]]})}


def _bytes(raw: bytes, chance: random.Random) -> bytes:
    changed = bytearray(raw)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(changed))
        changed[place] = chance.choice([chance.randrange(256), chance.choice(b'0123456789",:{}Aaz\n')])
    return bytes(changed)


def _digit(line: bytes, chance: random.Random) -> bytes:
    place = chance.choice([at for at, each in enumerate(line) if chr(each).isdigit()])
    return line[:place] + chance.choice(b"0123456789").to_bytes(1, "big") + line[place + 1 :]


def _posting(line: bytes, chance: random.Random) -> bytes:
    """Money moved to another account, or to other sums that still add up to zero: what only the signed hash shows."""
    row = json.loads(line)
    entry = chance.choice(row["entries"])
    if chance.random() < 0.5:
        entry["account"] = chance.choice(["treasury", "victims", "fees:bank", "sold"])
    else:
        for each in row["entries"]:
            each["amount"] = str(Decimal(each["amount"]) * 2)
    return canonical(row)


def _ledger(files: Files, chance: random.Random) -> Files:
    """One line edited, dropped, doubled, swapped, dated anew, or the file cut short."""
    lines = files["ledger.jsonl"].splitlines()
    at, other = chance.sample(range(len(lines)), 2)
    match chance.randrange(8):
        case 0:
            lines[at] = _digit(lines[at], chance)
        case 1:
            lines[at] = _posting(lines[at], chance)
        case 2:
            del lines[at]
        case 3:
            lines.insert(at, chance.choice([lines[other], b"", b"{}", b"[1]", b"\xff\xfe"]))
        case 4:
            lines[at], lines[other] = lines[other], lines[at]
        case 5:
            lines[at] = lines[at].replace(b'"at":"2026-11-2', b'"at":"2026-11-1')
        case 6:
            del lines[at:]
        case _:
            raw = files["ledger.jsonl"]
            return files | {"ledger.jsonl": raw[: chance.randrange(len(raw))]}
    changed = files | {"ledger.jsonl": b"".join(line + b"\n" for line in lines)}
    if chance.random() < 0.5:
        changed["ledger-leaves.txt"] = _hashes(lines)
    return _put_right(changed, chance)


def _other_file(files: Files, chance: random.Random) -> Files:
    """Any other file edited, dropped, added, renamed, or put in the place of another."""
    names = [name for name in files if name not in RECORD]
    name, other = chance.sample(names, 2)
    match chance.randrange(6):
        case 0 | 1:
            return _put_right(files | {name: _bytes(files[name], chance)}, chance)
        case 2:
            return _put_right({each: raw for each, raw in files.items() if each != name or name in LISTS}, chance)
        case 3:
            return _put_right(files | {"statements/osl-more.csv": b"trade_id,qty\nt9,1\n"}, chance)
        case 4:
            return _put_right(files | {name: files[other], other: files[name]}, chance)
        case _:
            gone = chance.choice([LISTS, LISTS[:1], LISTS[1:]])
            return {each: raw for each, raw in files.items() if each not in gone}


def _resign_all(files: Files, chance: random.Random) -> Files:
    """Every signature, that under the list included, by another key, or by none for the list."""
    texts = files["events.jsonl"].decode().split("\n")[:-1]
    forged = bundle_of(texts, [len(texts)], OTHER)
    return forged if chance.random() < 0.5 else files | {name: forged[name] for name in LISTS}


BESIDE: tuple[Callable[[Files, random.Random], Files], ...] = (_ledger, _ledger, _ledger, _other_file, _resign_all)


def tampered_bundle(files: Files, seed: int) -> tuple[str, Files]:
    """The name of a tampering and the files after it; never the same files."""
    chance = random.Random(seed)
    ways = (*TAMPERINGS, *BESIDE)
    for attempt in count(seed):  # some do not apply: a single checkpoint cannot be cut back to an earlier one
        how = ways[attempt % len(ways)]
        changed = how(files, chance)
        if changed != files:
            return how.__name__, changed
    raise AssertionError
