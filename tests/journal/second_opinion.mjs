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

function amount(spelled) {
  const [, sign, whole, part] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(spelled) ?? need(false, `amount ${spelled}`);
  return BigInt(sign + whole + (part ?? "").padEnd(40, "0"));
}

function readKey(written) {
  const [, name, id, spelled] = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)\n$/u.exec(written) ?? need(false, "key");
  const raw = unbase64(spelled);
  need(raw.length === 33 && raw[0] === 1, "kind of key");
  need(sha256(`${name}\n`, raw).toString("hex", 0, 4) === id, "key id");
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw.subarray(1)]);
  return { name, id, public: createPublicKey({ key: spki, format: "der", type: "spki" }) };
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
    let good = 0;
    for (const line of parts[at + 1].split("\n")) {
      const words = line.split(" ");
      need(words.length === 3 && words[0] === "\u2014", "signature line");
      const raw = unbase64(words[2]);
      if (words[1] !== key.name || raw.toString("hex", 0, 4) !== key.id) continue;
      need(verify(null, Buffer.from(body), key.public, raw.subarray(4)), "signature");
      good += 1;
    }
    const words = lines[3].split(" ");
    need(good > 0 && lines[0] === key.name, "signer");
    need(words[0] === "record/v1" && Number(words[1]) === heads.length + 1 && words[3] === before, "chain");
    const size = Number(lines[1]);
    need(size > (heads.at(-1)?.size ?? 0), "size");
    heads.push({ size, root: lines[2] });
    before = sha256(body).toString("base64");
  }
  return heads;
}

function readEvents(raw, heads, origin) {
  const lines = text(raw).split("\n");
  need(lines.pop() === "", "last line");
  const leaves = lines.map((line) => sha256(Buffer.of(0), line));
  const versions = new Map();
  const parents = new Map();
  const trades = new Set();
  for (const line of lines) {
    const { stream, version, case_id, event } = JSON.parse(line);
    need(canonical(JSON.parse(line)) === line, "canonical");
    need(origin.endsWith(`/case/${case_id}`), "case");
    need(version === (versions.get(stream) ?? 0) + 1, "version");
    versions.set(stream, version);
    if (event.kind === "ParentCreated") parents.set(stream, { qty: amount(event.qty), sold: 0n });
    if (event.kind !== "FillRecorded") continue;
    const trade = JSON.stringify([event.venue, event.trade_id]);
    const parent = parents.get(stream);
    need(!trades.has(trade), "trade twice");
    trades.add(trade);
    parent.sold += amount(event.qty);
    need(parent.sold <= parent.qty, "oversold");
  }
  for (const { size, root: claimed } of heads) {
    need(size <= leaves.length && root(leaves.slice(0, size)).toString("base64") === claimed, `root at ${size}`);
  }
  need(leaves.length === heads.at(-1).size, "uncovered");
  return leaves;
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const files = JSON.parse(line, (_, value) => (typeof value === "string" ? Buffer.from(value, "base64") : value));
    const key = readKey(text(files["keys.txt"]));
    const heads = readCheckpoints(text(files["checkpoints.txt"]), key);
    const leaves = readEvents(files["events.jsonl"], heads, key.name);
    const listed = leaves.map((leaf) => `${leaf.toString("hex")}\n`).join("");
    need(listed === files["leaves.txt"].toString("latin1"), "leaves");
    console.log("OK");
  } catch (error) {
    console.log(`NO ${error.message.replaceAll("\n", " ")}`);
  }
}
