"""verify.py: checks the evidence of one case with nothing but Python 3.11 or later and a public key.

    python3 verify.py [FOLDER [KEY [SEEN]]]

KEY: the verifier key that the institution published, of the record or of this case; without it keys.txt is believed, so
compare the fingerprint.
SEEN: a file of checkpoints that you were given earlier, of this case and perhaps of others; the record must still hold
every one of this case, and there must be one. Prints OK and ends with 0, or NO with the first thing that is wrong and
ends with 1. docs/evidence.md explains the files and every check."""

import base64, hashlib, json, pathlib, re, sys  # noqa: E401, I001
from decimal import Decimal, localcontext
from typing import Any
from urllib.parse import quote

HERE = [""]  # the file and the line that is being looked at
WRONG = ValueError, LookupError, TypeError, AttributeError, ArithmeticError
RECORD = {"events.jsonl", "leaves.txt", "checkpoints.txt", "keys.txt"}
BUNDLE = {"ledger.jsonl", "ledger-leaves.txt", "SHA256SUMS", "SHA256SUMS.sig"}
STAMP = re.compile(r"timestamp-[0-9]+-[0-9]+\.tsr")
# Ed25519, RFC 8032: points (x, y, z, t) of the curve -x^2 + y^2 = 1 + d x^2 y^2 modulo P; L points in the group.
P, L, NEUTRAL = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493, (0, 1, 1, 0)
D, ROOT = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)


def need(good: object, why: str) -> None:
    if not good:
        raise ValueError(why)


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def spell(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def ordered(value: Any) -> Any:
    if isinstance(value, dict):  # RFC 8785 orders keys by their UTF-16 units
        return {key: ordered(value[key]) for key in sorted(value, key=lambda key: key.encode("utf-16-be"))}
    return [ordered(each) for each in value] if isinstance(value, list) else value


def canonical(value: Any) -> bytes:
    return json.dumps(ordered(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def plus(p: Any, q: Any) -> Any:
    a, b, c, d = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0]), 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    e, f, g, h = (b - a) % P, (d - c) % P, (d + c) % P, (b + a) % P
    return e * f % P, g * h % P, f * g % P, e * h % P


def point(raw: bytes) -> Any:
    y = int.from_bytes(raw, "little") % 2**255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * ROOT % P
    need(len(raw) == 32 and y < P and x * x % P == square and (x or raw[31] < 128), "the key is not on the curve")
    x = x if x % 2 == raw[31] >> 7 else P - x
    return x, y, 1, x * y % P


def signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """True if s * BASE - k * KEY is, byte for byte, the point that the signature names, and s has its one spelling."""
    s = int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    (x, y, z, t), base, total = point(public), point(b"\x58" + b"\x66" * 31), NEUTRAL
    addends = NEUTRAL, base, (-x, y, z, -t), plus(base, (-x, y, z, -t))
    for bit in reversed(range(253)):
        total = plus(plus(total, total), addends[(s >> bit & 1) + 2 * (k >> bit & 1)])
    x, y = (each * pow(total[2], -1, P) % P for each in total[:2])
    return len(signature) == 64 and s < L and (y | x % 2 << 255).to_bytes(32, "little") == signature[:32]


def key_id(name: str, key: bytes) -> bytes:
    return sha256(f"{name}\n\1".encode(), key)[:4]


def verifier(name: str, key: bytes) -> str:
    """A key as C2SP signed-note spells it."""
    return "+".join((name, key_id(name, key).hex(), spell(b"\1" + key)))


def check_note(text: str, lines: str, name: str, key: bytes) -> None:
    """A signed note (C2SP) has a good signature of the key, and under its text nothing but lines of signatures: an em
    dash, a name, base64. Those of others, say of witnesses, are passed over."""
    own = []
    for words in (row.split(" ") for row in lines.split("\n")):
        need(len(words) == 3 and words[0] == "\u2014" and words[1], "a line under it is not a signature")
        raw = base64.b64decode(words[2])
        need(spell(raw) == words[2] and len(raw) >= 68, "a line under it is not a signature")
        own += [raw] if words[1] == name and raw[:4] == key_id(name, key) else []
    need(own, "not signed by the key of this case")
    need(all(signed(key, text.encode(), raw[4:]) for raw in own), "its signature is not good")


def notes_of(written: str) -> list[tuple[str, str]]:
    """Text and signature lines of each note in a file; an empty line stands between two notes."""
    parts = written.removesuffix("\n").split("\n\n")
    need(written.endswith("\n") and len(parts) % 2 == 0, "not a row of whole checkpoints")
    return list(zip(parts[::2], parts[1::2], strict=True))


def read_checkpoints(written: str, name: str, key: bytes) -> dict[int, str]:
    """Signed checkpoints (C2SP tlog-checkpoint): text by size. Each names the one before it by its hash."""
    found, before = {0: ""}, "-"
    for number, (text, lines) in enumerate(notes_of(written), 1):
        HERE[0] = f"checkpoints.txt, checkpoint {number}"
        check_note(text + "\n", lines, name, key)
        size, root, extension = text.split("\n")[1:4]
        expected = f"{name}\n{int(size)}\n{root}\nrecord/v1 {number} {extension.split(' ')[2]} {before}"
        need(text == expected and int(size) > max(found), "not one that follows the one before it")
        found[int(size)], before = text + "\n", spell(sha256(text.encode(), b"\n"))
    return found


def check_seen(written: str, name: str, key: bytes, heads: dict[int, str]) -> None:
    """Checkpoints kept from before: at least one is of this case, and each that is stands in the record. Those of other
    trees are passed over: `executor verify --head` writes one of each."""
    kept = [(text + "\n", lines) for text, lines in notes_of(written) if text.startswith(f"{name}\n")]
    need(kept, "none in it is of this case")
    for text, lines in kept:
        check_note(text, lines, name, key)
        need(text in heads.values(), f"the one of size {text.split(chr(10))[1]} is not in the record")


def read_lines(files: dict[str, bytes], name: str, hashes: str) -> Any:
    """What each line says, in canonical JSON (RFC 8785), and its leaf hash (RFC 6962), which is the one listed."""
    lines, listed = files[name].split(b"\n"), files[hashes].split(b"\n")
    for number, raw in enumerate(lines[:-1], 1):
        HERE[0], leaf = f"{name}, line {number}", sha256(b"\0", raw)
        need(listed[number - 1] == leaf.hex().encode(), "not the line whose hash is listed")
        need(canonical(line := json.loads(raw)) == raw, "not canonical")
        yield line, leaf
    HERE[0] = f"{name}, line {len(lines)}"
    need(lines[-1] == b"" == listed[-1] and len(lines) == len(listed), "cut off, or missing")


def balanced(entries: Any, unit: str) -> None:
    for name in {each[unit] for each in entries}:
        need(sum(Decimal(e["amount"]) for e in entries if e[unit] == name) == 0, f"{name}: the sum is not zero")


def follow(stream: str, event: Any, parents: dict[str, Any], left: dict[str, Decimal]) -> set[Any]:
    """No trade twice, none under the floor, nothing beyond what is ``left`` of the mandate, the parent order and the
    order. Gives what the books must say of a fill."""
    kind, qty, parent, order = event["kind"], event.get("qty"), parents.get(stream, {}), event.get("client_order_id")
    if kind == "CaseOpened":
        for held in event["mandate"]["holdings"]:
            left[held["asset"]] = left.get(held["asset"], Decimal(0)) + Decimal(held["qty"])
    elif kind == "ParentCreated":
        frozen = sha256(canonical({"case_id": event["case_id"], "plan": event["plan"]})).hex()
        agrees = event["plan"]["qty"] == qty and event["plan"]["asset"] == event["asset"]
        need(frozen == event["plan_hash"] and agrees, "not the plan that was frozen")
        parents[stream], left[stream] = event | {"end": "not finished"}, Decimal(qty)
    elif kind == "ChildIntended":
        need(order not in left and Decimal(qty) <= left[stream], f"order {order} was sent already, or is too large")
        need(Decimal(event["limit_px"]) >= Decimal(parent["floor_px"]), "under the floor")
        left[order] = Decimal(qty)
    elif kind == "FillRecorded":
        asset, unit, venue = parent["asset"], parent["quote_asset"], event["venue"]
        trade = f"trade {event['trade_id']} of {venue} in {asset}/{unit}"
        need(trade not in left, f"{trade} stands in the record already")
        need(Decimal(event["px"]) >= Decimal(parent["floor_px"]), "under the floor")
        left[trade] = Decimal(0)
        for what in order, stream, asset:
            left[what] = left.get(what, Decimal(0)) - Decimal(qty)
            need(left[what] >= 0, "more sold than was ordered, or than the mandate has")
        return {("sold", asset, Decimal(qty)), (f"venue_cash:{venue}", unit, Decimal(event["notional"]))}
    elif kind == "ParentFinished":
        need(left[stream] == Decimal(event["leaves_qty"]), "the rest is another")
        parent["end"] = "finished"
    return set()


def read_events(files: dict[str, bytes], heads: dict[int, str], tree: str) -> Any:
    """Each line is of this case and the next of its stream; each root is the signed one. Gives what to say of the
    parent orders, and of each event what the books must say."""
    versions, parents, left, books, peaks, index = {}, {}, {}, {}, [], 0  # type: ignore[var-annotated]
    for index, (line, leaf) in enumerate(read_lines(files, "events.jsonl", "leaves.txt"), 1):
        stream, version, event, node = line["stream"], line["version"], line["event"], leaf
        HERE[0] += f" ({stream} version {version})"
        need(tree.endswith(f"/case/{quote(line['case_id'], safe='')}"), "of another case")
        need(version == versions.get(stream, 0) + 1, "a version is missing or stands twice")
        versions[stream] = version
        balanced(event.get("postings", ()), "currency")
        books[f"{stream}#{version}"] = line["at"], event["kind"], follow(stream, event, parents, left)
        for _ in range((index & -index).bit_length() - 1):  # RFC 6962: complete subtrees of equal size are joined
            node = sha256(b"\1", peaks.pop(), node)
        peaks.append(node)
        if index in heads:
            for peak in reversed(peaks[:-1]):
                node = sha256(b"\1", peak, node)
            need(spell(node) == heads[index].split("\n")[2], "it, or a line before it, is not what was signed")
    HERE[0] = f"events.jsonl, line {min(index, max(heads)) + 1}"
    need(index == max(heads), "covered by no checkpoint, or signed and missing")
    sold = {each: (Decimal(parent["qty"]) - left[each]).normalize() for each, parent in parents.items()}
    return [f"{sold[each]:f} of {p['qty']} {p['asset']} sold, {p['end']}: {each}" for each, p in parents.items()], books


def read_ledger(files: dict[str, bytes], books: dict[str, Any]) -> None:
    """Each set of the ledger sums to zero and is that of one event, and every fill is booked."""
    for row, _ in read_lines(files, "ledger.jsonl", "ledger-leaves.txt"):
        balanced(row["entries"], "unit")
        entries = {(each["account"], each["unit"], Decimal(each["amount"])) for each in row["entries"]}
        *event, fill = books.pop(row["ref"], [set()])
        need([row["at"], row["kind"]] == event and fill <= entries, "not what the record says of this event")
    for ref, (_, _, fill) in books.items():
        need(not fill, f"no line books {ref}")


def read_sums(files: dict[str, bytes], name: str, key: bytes) -> None:
    """Every file of a bundle has the SHA-256 of the signed list, and all that are listed are here."""
    HERE[0] = "SHA256SUMS, or SHA256SUMS.sig"
    sums = files["SHA256SUMS"].decode()
    check_note(sums, files["SHA256SUMS.sig"].decode().removesuffix("\n"), name, key)
    listed = {line[66:]: line[:64] for line in sums.removesuffix("\n").split("\n")}
    for HERE[0] in sorted({*listed, *files} - {"SHA256SUMS", "SHA256SUMS.sig"}):
        found = hashlib.sha256(files.get(HERE[0], b"")).hexdigest()
        need(HERE[0] in files and listed.get(HERE[0]) == found, "missing, changed, or not in SHA256SUMS")


def verify(files: dict[str, bytes], given: str | None = None, seen: str | None = None) -> str:
    """Check all files, with the key and the checkpoints that the reader has; what to say. Raises an error with what
    is wrong first."""
    more = [name for name in files if name not in {*RECORD, "verify.py"} and not STAMP.fullmatch(name)]
    for HERE[0] in sorted(RECORD | BUNDLE if more else RECORD):
        need(HERE[0] in files, "missing")
    HERE[0] = "keys.txt"
    name, _, spelled = files["keys.txt"].decode().split("+", 2)
    key = base64.b64decode(spelled)[1:]
    own, record = verifier(name, key), verifier(name.rpartition("/case/")[0], key)
    need(files["keys.txt"].decode() == f"{own}\n", "not an Ed25519 verifier key")
    need(given is None or given.strip() in (own, record), "not the key that you gave")
    HERE[0] = "checkpoints.txt"
    heads = read_checkpoints(files["checkpoints.txt"].decode(), name, key)
    HERE[0] = "checkpoints.txt, against the checkpoints that you have"
    if seen is not None:
        check_seen(seen, name, key, heads)
    with localcontext(prec=100):  # amounts are exact
        said, books = read_events(files, heads, name)
        if more:
            read_ledger(files, books)
            read_sums(files, name, key)
    said += [f"{len(more)} more files signed for" if more else "the record alone: no ledger, no other files"]
    said += [f"signed by the key with the SHA-256 {sha256(key).hex()}: compare it with what was published", "OK\n"]
    return "\n".join([f"{max(heads)} events, {len(heads) - 1} checkpoints; the last:", heads[max(heads)], *said])


if __name__ == "__main__":
    folder, *more = sys.argv[1:] or ["."]
    known, told = [*more, None, None][:2]
    try:
        HERE[0] = "the arguments"
        need(folder and all(more) and len(more) <= 2, "one is empty, or there are more than FOLDER KEY SEEN")
        HERE[0], found = "the folder", list(pathlib.Path(folder).rglob("[!.]*"))
        for path in found:  # nothing is passed over unseen but names that begin with a point
            plain = path.is_file() or (path.is_dir() and not path.is_symlink())
            need(plain, f"{path} is neither a file nor a folder: put there what it leads to, or take it away")
        read = {path.relative_to(folder).as_posix(): path.read_bytes() for path in found if path.is_file()}
        HERE[0] = "the checkpoints that you have"
        sys.stdout.write(verify(read, known, pathlib.Path(told).read_text("utf-8") if told else None))
    except (OSError, *WRONG) as wrong:
        sys.stdout.write(f"NO: {HERE[0]}: {wrong}\n")
        sys.exit(1)
