# ruff: noqa: E401, I001, N817, SIM115, T201
"""What somebody who was handed a bundle needs to compute two of its figures again: the average and the shortfall."""

import csv, glob, json
from fractions import Fraction as F

record = json.load(open(glob.glob("benchmark/*.json")[0]))
days = {d["day"]: (d["starts_at"], d["ends_at"]) for d in record["days"]}
closes = {}
for row in csv.DictReader(open("benchmark/" + record["file"])):
    stamp = row["timestamp"].replace(" ", "T").rstrip("Z") + "Z"
    for day, (begin, end) in days.items():
        if begin <= stamp < end:
            closes[day] = F(row["close"])
average = sum(closes.values()) / len(closes)
q = paid = cash = fees = 0
for event in (json.loads(line)["event"] for line in open("events.jsonl")):
    if event["kind"] == "ParentCreated":
        q = F(event["qty"])
    elif event["kind"] == "ArrivalMarked":
        paid = q * F(event["arrival_px"])
    elif event["kind"] == "FillRecorded":
        q, cash, fees = q - F(event["qty"]), cash + F(event["notional"]), fees + F(event["fee"])
print(json.dumps({"average": str(average), "shortfall": str(paid - (cash - fees)), "left": str(q)}))
