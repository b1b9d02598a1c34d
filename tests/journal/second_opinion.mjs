// A second implementation of the check of a record, from docs/evidence.md, on Node's own Ed25519 and SHA-256.
// Reads one JSON object a line (file name to base64), writes OK or NO with the reason, a line each.
import { createHash, createPublicKey, verify } from "node:crypto";
import { createInterface } from "node:readline";

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const need = (good, why) => {
  if (!good) throw new Error(why);
};
const text = (raw) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);

function unbase64(spelled) {
  const raw = Buffer.from(spelled, "base64");
  need(raw.toString("base64") === spelled, "base64");
  return raw;
}

// RFC 6962, section 2.1: the definition itself, not the growing form.
function root(leaves) {
  if (leaves.length === 0) return sha256("");
  if (leaves.length === 1) return leaves[0];
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(Buffer.of(1), root(leaves.slice(0, split)), root(leaves.slice(split)));
}

function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

// Every byte of the UTF-8 but letters, digits and -._~ as %XX.
function percent(name) {
  return encodeURIComponent(name).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
}

// In units of 10^-40: exact, and two spellings of one amount are equal.
function amount(spelled) {
  const [, sign, whole, part] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(spelled) ?? need(false, `amount ${spelled}`);
  return BigInt(sign + whole + (part ?? "").padEnd(40, "0"));
}

function balanced(entries, unit) {
  const sums = new Map();
  for (const each of entries) sums.set(each[unit], (sums.get(each[unit]) ?? 0n) + amount(each.amount));
  for (const [name, sum] of sums) need(sum === 0n, `sum of ${name}`);
}

// The lines of a file of canonical JSON, each as it is listed by hash in another.
function readLines(raw, listed) {
  const lines = text(raw).split("\n");
  need(lines.pop() === "", "last line");
  const leaves = lines.map((line) => sha256(Buffer.of(0), line));
  need(leaves.map((leaf) => `${leaf.toString("hex")}\n`).join("") === listed.toString("latin1"), "leaves");
  const values = lines.map((line) => JSON.parse(line));
  for (const [n, value] of values.entries()) need(canonical(value) === lines[n], `canonical, line ${n + 1}`);
  return { values, leaves };
}

function readKey(written) {
  const [, name, id, spelled] = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)\n$/u.exec(written) ?? need(false, "key");
  const raw = unbase64(spelled);
  need(raw.length === 33 && raw[0] === 1, "kind of key");
  need(sha256(`${name}\n`, raw).toString("hex", 0, 4) === id, "key id");
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw.subarray(1)]);
  return { name, id, public: createPublicKey({ key: spki, format: "der", type: "spki" }) };
}

// One good signature of the key at least, and no bad one; those of other keys are passed over.
function checkNote(body, signatures, key) {
  let good = 0;
  for (const line of signatures.split("\n")) {
    const words = line.split(" ");
    need(words.length === 3 && words[0] === "\u2014" && words[1] !== "", "signature line");
    const raw = unbase64(words[2]);
    need(raw.length >= 68, "length of a signature");
    if (words[1] !== key.name || raw.toString("hex", 0, 4) !== key.id) continue;
    need(verify(null, Buffer.from(body), key.public, raw.subarray(4)), "signature");
    good += 1;
  }
  need(good > 0, "signer");
}

function readCheckpoints(written, key) {
  const parts = written.split("\n\n");
  need(parts.length % 2 === 0 && parts.at(-1).endsWith("\n"), "whole checkpoints");
  parts[parts.length - 1] = parts.at(-1).slice(0, -1);
  const heads = [];
  let before = "-";
  for (let at = 0; at < parts.length; at += 2) {
    const body = `${parts[at]}\n`;
    const lines = body.split("\n");
    need(lines.length === 5, "five lines");
    checkNote(body, parts[at + 1], key);
    const words = lines[3].split(" ");
    need(lines[0] === key.name && words.length === 4, "origin");
    need(words[0] === "record/v1" && words[1] === String(heads.length + 1) && words[3] === before, "chain");
    const size = Number(lines[1]);
    need(lines[1] === String(size) && size > (heads.at(-1)?.size ?? 0), "size");
    heads.push({ size, root: lines[2] });
    before = sha256(body).toString("base64");
  }
  return heads;
}

// Gives what the books must say of each event, by stream and version.
function readEvents(raw, listed, heads, origin) {
  const { values, leaves } = readLines(raw, listed);
  const versions = new Map();
  const parents = new Map();
  const orders = new Map();
  const coins = new Map();
  const trades = new Set();
  const books = new Map();
  for (const { at, stream, version, case_id, event } of values) {
    need(origin.endsWith(`/case/${percent(case_id)}`), "case");
    need(version === (versions.get(stream) ?? 0) + 1, "version");
    versions.set(stream, version);
    balanced(event.postings ?? [], "currency");
    const book = { at, kind: event.kind, fill: [] };
    books.set(`${stream}#${version}`, book);
    const parent = parents.get(stream);
    if (event.kind === "CaseOpened") {
      for (const { asset, qty } of event.mandate.holdings) coins.set(asset, (coins.get(asset) ?? 0n) + amount(qty));
    } else if (event.kind === "ParentCreated") {
      const frozen = canonical({ case_id: event.case_id, plan: event.plan });
      need(sha256(frozen).toString("hex") === event.plan_hash && event.plan.qty === event.qty, "plan");
      need(event.plan.asset === event.asset, "asset of the plan");
      parents.set(stream, { ...event, left: amount(event.qty) });
    } else if (event.kind === "ChildIntended") {
      need(!orders.has(event.client_order_id) && amount(event.qty) <= parent.left, "order twice, or too large");
      need(amount(event.limit_px) >= amount(parent.floor_px), "floor of an order");
      orders.set(event.client_order_id, amount(event.qty));
    } else if (event.kind === "FillRecorded") {
      const { asset, quote_asset: unit } = parent;
      const trade = JSON.stringify([event.venue, asset, unit, event.trade_id]);
      need(!trades.has(trade), "trade twice");
      trades.add(trade);
      need(amount(event.px) >= amount(parent.floor_px), "floor");
      const qty = amount(event.qty);
      orders.set(event.client_order_id, orders.get(event.client_order_id) - qty);
      parent.left -= qty;
      coins.set(asset, coins.get(asset) - qty);
      need(orders.get(event.client_order_id) >= 0n && parent.left >= 0n && coins.get(asset) >= 0n, "oversold");
      book.fill = [["sold", asset, qty], [`venue_cash:${event.venue}`, unit, amount(event.notional)]];
    } else if (event.kind === "ParentFinished") {
      need(parent.left === amount(event.leaves_qty), "rest");
    }
  }
  for (const { size, root: claimed } of heads) {
    need(size <= leaves.length && root(leaves.slice(0, size)).toString("base64") === claimed, `root at ${size}`);
  }
  need(leaves.length === heads.at(-1).size, "uncovered");
  return books;
}

function readLedger(raw, listed, books) {
  for (const row of readLines(raw, listed).values) {
    balanced(row.entries, "unit");
    const book = books.get(row.ref);
    need(book !== undefined && row.at === book.at && row.kind === book.kind, `ref ${row.ref}`);
    const said = ({ account, unit, amount: spelled }, [where, what, much]) =>
      account === where && unit === what && amount(spelled) === much;
    need(book.fill.every((wanted) => row.entries.some((entry) => said(entry, wanted))), "fill");
    books.delete(row.ref);
  }
  for (const [ref, { fill }] of books) need(fill.length === 0, `unbooked ${ref}`);
}

function readSums(files, key) {
  const sums = text(files.SHA256SUMS);
  const signature = text(files["SHA256SUMS.sig"]);
  need(sums.endsWith("\n") && signature.endsWith("\n"), "end of line");
  checkNote(sums, signature.slice(0, -1), key);
  const listed = new Map(sums.slice(0, -1).split("\n").map((line) => [line.slice(66), line.slice(0, 64)]));
  for (const name of listed.keys()) need(name in files, `${name} missing`);
  for (const [name, raw] of Object.entries(files)) {
    if (name === "SHA256SUMS" || name === "SHA256SUMS.sig") continue;
    need(listed.get(name) === sha256(raw).toString("hex"), `${name} changed`);
  }
}

const RECORD = ["events.jsonl", "leaves.txt", "checkpoints.txt", "keys.txt", "verify.py"];

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const files = JSON.parse(line, (_, value) => (typeof value === "string" ? Buffer.from(value, "base64") : value));
    const key = readKey(text(files["keys.txt"]));
    const heads = readCheckpoints(text(files["checkpoints.txt"]), key);
    const books = readEvents(files["events.jsonl"], files["leaves.txt"], heads, key.name);
    if (Object.keys(files).some((name) => !RECORD.includes(name) && !/^timestamp-\d+-\d+\.tsr$/.test(name))) {
      readLedger(files["ledger.jsonl"], files["ledger-leaves.txt"], books);
      readSums(files, key);
    }
    console.log("OK");
  } catch (error) {
    console.log(`NO ${error.message.replaceAll("\n", " ")}`);
  }
}
