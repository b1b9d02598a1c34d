"""verify.py: checks the record of one case with nothing but Python 3.11 or later and a public key.

    python verify.py [FOLDER [KEY [SEEN]]]

KEY: the verifier key that the institution published; without it keys.txt is believed, so compare the fingerprint.
SEEN: a checkpoint that you were given earlier, in a file; the record must still hold it. Prints OK and ends with 0, or
prints NO with the first thing that is wrong and ends with 1. docs/evidence.md describes the files."""

# fmt: off
# ruff: noqa: E401, I001
import base64, hashlib, json, pathlib, sys
from decimal import Decimal, localcontext
from typing import Any
from urllib.parse import quote

HERE = [""]  # the file and the line that is being looked at
WRONG = ValueError, LookupError, TypeError, AttributeError, ArithmeticError
NAMES = "events.jsonl", "leaves.txt", "checkpoints.txt", "keys.txt", "ledger.jsonl"  # the last may be absent
# Ed25519, RFC 8032: points (x, y, z, t) of the curve -x^2 + y^2 = 1 + d x^2 y^2 modulo P; L points in the group.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT, NEUTRAL = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P), (0, 1, 1, 0)

def need(good: object, why: str) -> None:
    if not good:
        raise ValueError(why)

def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()

def unbase64(text: str) -> bytes:
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text, "base64 in a second spelling")
    return raw

def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

def plus(p: Any, q: Any) -> Any:
    a, b, c, d = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0]), 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    e, f, g, h = (b - a) % P, (d - c) % P, (d + c) % P, (b + a) % P
    return e * f % P, g * h % P, f * g % P, e * h % P

def point(raw: bytes, sign: int) -> Any:
    """The point that ``raw`` spells, or for a sign of -1 its negative."""
    y = int.from_bytes(raw, "little") % 2**255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * ROOT % P
    need(len(raw) == 32 and y < P and x * x % P == square and (x or raw[31] < 128), "the key is not on the curve")
    x = (x if x % 2 == raw[31] >> 7 else P - x) * sign % P
    return x, y, 1, x * y % P

def signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """True if s * BASE - k * KEY is, byte for byte, the point that the signature names, and s has its one spelling."""
    s = int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    base, key, total = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"), 1), point(public, -1), NEUTRAL
    addends = NEUTRAL, base, key, plus(base, key)
    for bit in reversed(range(253)):
        total = plus(plus(total, total), addends[(s >> bit & 1) + 2 * (k >> bit & 1)])
    x, y = total[0] * pow(total[2], -1, P) % P, total[1] * pow(total[2], -1, P) % P
    return len(signature) == 64 and s < L and (y | x % 2 << 255).to_bytes(32, "little") == signature[:32]

def read_key(written: str) -> tuple[str, bytes, bytes]:
    """A verifier key (C2SP signed-note): its name, which is the tree's origin, its short id, its 32 bytes."""
    name, short, spelled = written.removesuffix("\n").split("+", 2)
    raw = unbase64(spelled)
    need(len(raw) == 33 and raw[0] == 1 and written[-1] == "\n", "not an Ed25519 verifier key")
    need(sha256(f"{name}\n".encode(), raw)[:4].hex() == short, "the id is not that of the key")
    return name, bytes.fromhex(short), raw[1:]

def read_checkpoints(written: str, key: tuple[str, bytes, bytes]) -> dict[int, tuple[bytes, str]]:
    """Signed checkpoints (C2SP tlog-checkpoint): size to root and text. Each names the one before it by its hash."""
    found, before, latest, notes = {}, "-", 0, (written + "\n").split("\n\n")
    need(notes.pop() == "" and len(notes) % 2 == 0 and notes, "not a row of whole checkpoints")
    for number, (text, tail) in enumerate(zip((f"{each}\n" for each in notes[::2]), notes[1::2], strict=True), 1):
        HERE[0] = f"checkpoints.txt, checkpoint {number}"
        good, (origin, size, root, extension, _) = 0, text.split("\n")
        for dash, name, spelled in (line.split(" ") for line in tail.split("\n")):
            need(dash == "\u2014", "not a signature line")
            if (name, unbase64(spelled)[:4]) == key[:2]:  # the signatures of others, say witnesses, are passed over
                need(signed(key[2], text.encode(), unbase64(spelled)[4:]), "its signature is not good")
                good += 1
        need(good and origin == key[0], "not signed by the key of this case")
        need(extension.split(" ")[::3] == ["record/v1", before], "not written after the one that stands before it")
        need(extension.split(" ")[1] == str(number) and int(size) > latest, "out of order")
        found[latest := int(size)] = unbase64(root), text
        before = base64.b64encode(sha256(text.encode())).decode()
    return found

def balanced(entries: list[dict[str, Any]], unit: str) -> None:
    """Postings add up to nothing in every unit: what one account gives another receives."""
    for name in {each[unit] for each in entries}:
        need(sum(Decimal(e["amount"]) for e in entries if e[unit] == name) == 0, f"{name}: the sum is not zero")

def fold(parent: dict[str, Any], trades: set[Any], event: dict[str, Any]) -> None:
    """What an event does to its parent order: no trade twice, not more than was ordered, no price under the floor."""
    name, amount = event.get("client_order_id", ""), Decimal(event.get("qty", 0))
    px = event.get("limit_px", event.get("px"))
    if event["kind"] == "ParentCreated":
        parent |= event | {"sold": Decimal(0), "end": "not finished"}
        frozen = sha256(canonical({"case_id": event["case_id"], "plan": event["plan"]})).hex()
        need(frozen == event["plan_hash"], "the plan is not the one that was frozen")
        need(all(event["plan"][each] == event[each] for each in ("asset", "qty")), "not what the plan says")
    need(px is None or Decimal(px) >= Decimal(parent["floor_px"]), "under the floor")
    if event["kind"] == "ChildIntended":
        need(name not in parent and parent["sold"] + amount <= Decimal(parent["qty"]), "sent twice, or too much")
        parent[name] = amount
    elif event["kind"] == "FillRecorded":
        trade = event["venue"], parent["asset"], parent["quote_asset"], event["trade_id"]
        need(trade not in trades, f"trade {event['trade_id']} of {event['venue']} stands in the record already")
        trades.add(trade)
        parent[name], parent["sold"] = parent[name] - amount, parent["sold"] + amount
        need(parent[name] >= 0 and parent["sold"] <= Decimal(parent["qty"]), "more sold than was ordered")
    elif event["kind"] == "ParentFinished":
        need(parent["sold"] + Decimal(event["leaves_qty"]) == Decimal(parent["qty"]), "the rest is another")
        parent["end"] = "finished"

def read_events(lines: list[bytes], leaves: list[bytes], heads: dict[int, tuple[bytes, str]]) -> Any:
    """Every line is the leaf that was sequenced, canonical, the next of its stream; every root is the signed one.
    The parent orders and the fills, by stream and by stream and version."""
    versions, parents, fills, trades, peaks, covered, last = {}, {}, {}, set(), [], 0, max(heads)  # type: ignore[var-annotated]
    for index, raw in enumerate(lines):
        HERE[0], node, level = f"events.jsonl, line {index + 1}", sha256(b"\0", raw), index
        line = json.loads(raw)
        stream, version, event = line["stream"], line["version"], line["event"]
        HERE[0] += f" ({stream} version {version})"
        need(leaves[index : index + 1] == [node.hex().encode()], "not the line that was sequenced")
        need(canonical(line) == raw and index < last, "not canonical, or covered by no checkpoint")
        need(heads[last][1].split("\n")[0].endswith(f"/case/{quote(line['case_id'], safe='')}"), "of another case")
        need(version == versions.get(stream, 0) + 1, "a version is missing or stands twice")
        versions[stream] = version
        if stream.startswith("parent/"):
            fold(parents.setdefault(stream, {}), trades, event)
        balanced(event.get("postings", []), "currency")
        if event["kind"] == "FillRecorded":
            sold = ("sold", Decimal(event["qty"])), (f"venue_cash:{event['venue']}", Decimal(event["notional"]))
            fills[f"{stream}#{version}"] = set(sold)
        while level & 1:  # RFC 6962: complete subtrees of equal size are joined
            node, level = sha256(b"\1", peaks.pop(), node), level >> 1
        peaks.append(node)
        if index + 1 in heads:
            for peak in reversed(peaks[:-1]):
                node = sha256(b"\1", peak, node)
            need(node == heads[index + 1][0], f"or a line before it, from {covered + 1} on: not what was signed")
            covered = index + 1
    HERE[0] = f"events.jsonl, line {len(lines) + 1}"
    need(last == len(lines) == len(leaves), "sequenced and signed, and missing")
    return parents, fills

def read_ledger(lines: list[bytes], fills: dict[str, Any]) -> None:
    """The books that go with the record: every set sums to zero; each fill is booked once, as it was recorded."""
    for number, raw in enumerate(lines, 1):
        HERE[0], row = f"ledger.jsonl, line {number}", json.loads(raw)
        balanced(row["entries"], "unit")
        booked = {(each["account"], Decimal(each["amount"])) for each in row["entries"]}
        need(row["kind"] != "FillRecorded" or fills.pop(row["ref"]) <= booked, "not what the record says of this fill")
    need(not fills, f"no line books {next(iter(fills), '')}")

def verify(files: dict[str, bytes], given: str = "", seen: str = "") -> str:
    """Check a record; what to tell the reader. Raises an error with the first thing that is wrong."""
    HERE[0] = "keys.txt"
    key = read_key(files["keys.txt"].decode())
    need(not given or unbase64(given.strip().split("+", 2)[-1])[1:] == key[2], "not the key that you gave")
    HERE[0] = "checkpoints.txt"
    heads = read_checkpoints(files["checkpoints.txt"].decode(), key)
    HERE[0], texts = "checkpoints.txt: the checkpoint that you have", [text for _, text in heads.values()]
    need(not seen or seen.partition("\n\n")[0] + "\n" in texts, "it is not there")
    lines, leaves = files["events.jsonl"].split(b"\n"), files["leaves.txt"].split(b"\n")
    HERE[0] = f"events.jsonl, line {len(lines)}, or leaves.txt, line {len(leaves)}"
    need(lines.pop() == b"" == leaves.pop(), "cut short")
    with localcontext(prec=100):  # amounts are exact
        parents, fills = read_events(lines, leaves, heads)
        if "ledger.jsonl" in files:
            read_ledger(files["ledger.jsonl"].splitlines(), fills)
    said = [f"{p['sold']} of {p['qty']} {p['asset']} sold, {p['end']}: {each}" for each, p in parents.items()]
    said += [f"signed by the key with the SHA-256 {sha256(key[2]).hex()}: compare it with what was published"]
    return "\n".join([f"{len(lines)} events, {len(heads)} checkpoints; the last:", heads[max(heads)][1], *said, "OK\n"])

if __name__ == "__main__":
    folder, given, seen = [*sys.argv[1:4], *[".", "", ""][len(sys.argv) - 1 :]]
    try:
        there = [path for path in map(pathlib.Path(folder).joinpath, NAMES) if path.exists()]
        files = {path.name: path.read_bytes() for path in there}
        sys.stdout.write(verify(files, given, pathlib.Path(seen).read_text("utf-8") if seen else ""))
    except (OSError, *WRONG) as wrong:
        sys.stdout.write(f"NO: {HERE[0]}: {wrong}\n")
        sys.exit(1)
