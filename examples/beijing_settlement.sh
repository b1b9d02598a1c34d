#!/bin/sh
# From finished sale to treasury: everything that a settlement officer records for one case, then the proof that nothing
# is left over. It goes on where examples/beijing_case.sh has ended, in the same FOLDER:
#
#   examples/beijing_case.sh FOLDER && examples/beijing_settlement.sh FOLDER
#
# The papers of venues and banks are made up here from the record, with invented fees and an invented rate. In a real case
# they are what the venue and the bank have sent. STEPS says which steps are done: leave one out and see it missing. For
# another case set CASE, SETTLER (settlement in it), SECOND (checker or risk) and KEY (the file of the second's key).
set -eu
[ $# = 1 ] || { echo "usage: $0 FOLDER, in which examples/beijing_case.sh has run" >&2; exit 2; }
project=$(cd "$(dirname "$0")/.." && pwd)
command -v executor >/dev/null || PATH="$project/.venv/bin:$PATH"
WORK=$1
EXECUTOR_JOURNAL=${EXECUTOR_JOURNAL:-$WORK/journal.sqlite}
CASE=${CASE:-BJ-2026-0601}
SETTLER=${SETTLER:-wang-fang}
SECOND=${SECOND:-li-wei}
KEY=${KEY:-$WORK/$SECOND.key}
STEPS=${STEPS:-deposit statements withdrawal bank safe conversion case_account receipt delivery release}
export EXECUTOR_JOURNAL
PYTHON=${PYTHON:-python3}
me="--who $SETTLER"
signed="--who $SETTLER --second $SECOND --key $KEY"

# What the papers will say: cash at each venue less a fee of 25, 20 for the bank, a rate of 7.1234 less a charge of 55.10.
executor ledger balance "$CASE" --json > "$WORK/balance.jsonl"
executor mandate show "$CASE" --json > "$WORK/case.json"
executor fills --json > "$WORK/fills.jsonl"
"$PYTHON" - "$WORK" "$CASE" > "$WORK/figures" <<'PYTHON'
import csv, json, pathlib, sys
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

work, case = pathlib.Path(sys.argv[1]), sys.argv[2]
cent = Decimal("0.01")
mandate = json.loads((work / "case.json").read_text(encoding="utf-8"))
rows = [json.loads(line) for line in (work / "balance.jsonl").read_text().splitlines()]
cash = {r["account"].partition(":")[2]: Decimal(r["amount"]) for r in rows if r["account"].startswith("venue_cash:")}
currencies = {r["currency"] for r in rows if r["account"].startswith("venue_cash:")}
currency = currencies.pop() if len(currencies) == 1 else ""  # none before the sale
sent = {venue: (held - 25).quantize(cent, ROUND_DOWN) for venue, held in cash.items()}
banked = sum((net - 20 for net in sent.values()), Decimal(0))
gross = (banked * Decimal("7.1234")).quantize(cent, ROUND_HALF_UP)
for name, value in {
    "venues": " ".join(sorted(cash)), "currency": currency, "banked": banked, "gross": gross,
    "rmb": gross - Decimal("55.10"), "deposit": mandate["mandate"]["deposit"]["amount"],
    "deposit_currency": mandate["mandate"]["deposit"]["currency"], "account": mandate["proceeds_account"],
    **{f"sent_{venue}": net for venue, net in sent.items()}, **{f"got_{venue}": net - 20 for venue, net in sent.items()},
}.items():
    print(f"{name}='{value}'")
columns = ("trade_id", "qty", "px", "notional", "fee", "fee_asset", "at")
fills = [json.loads(line) for line in (work / "fills.jsonl").read_text().splitlines()]
for venue in cash:
    with (work / f"notes-{venue}.csv").open("w", encoding="utf-8", newline="") as out:
        table = csv.writer(out)
        table.writerow((*columns, "note"))
        for number, fill in enumerate((f for f in fills if f["venue"] == venue and f["case"] == case), start=1):
            table.writerow((*(fill[column] for column in columns), f"CN-{venue}-{number}"))
PYTHON
. "$WORK/figures"

deposit() { # before the coins were taken, if it is not there yet
    executor deposit show "$CASE" --json | grep -q '"deposit": {}' || return 0
    executor deposit post "$CASE" --amount "$deposit" --currency "$deposit_currency" --form cash \
        --evidence deposit_receipt=DEP-1 $me
}

statements() {
    for venue in $venues; do
        executor reconcile import "$CASE" "$WORK/notes-$venue.csv" --venue "$venue" --paper contract-note $me
    done
}

withdrawal() {
    for venue in $venues; do
        eval "net=\$sent_$venue"
        executor settlement withdraw "$CASE" --venue "$venue" --currency "$currency" --amount all --fee 25 --net "$net" \
            --to-account 'trust account 88' --evidence "withdrawal_advice=W-$venue" $signed
    done
}

bank() {
    for venue in $venues; do
        eval "came=\$sent_$venue got=\$got_$venue"
        executor settlement bank "$CASE" --bank 'Example Bank' --currency "$currency" --amount "$came" --charge 20 \
            --net "$got" --evidence "bank_statement=B-$venue" $me
    done
}

safe() {
    executor settlement safe "$CASE" --currency "$currency" --amount "$banked" --evidence approval_document=SAFE-1 $me
}

conversion() {
    executor settlement convert "$CASE" --bank 'Example Bank' --currency "$currency" --amount "$banked" --rate 7.1234 \
        --gross "$gross" --charge 55.10 --net "$rmb" --evidence conversion_slip=FX-1 $me
}

case_account() {
    executor settlement credit "$CASE" --account "$account" --currency CNY --amount "$rmb" --net "$rmb" \
        --evidence credit_advice=CR-1 $me
}

receipt() {
    executor settlement receipt "$CASE" --by police --currency CNY --amount "$rmb" --evidence receipt=R-1 $me
}

delivery() {
    executor settlement deliver "$CASE" --to treasury --currency CNY --amount "$rmb" \
        --evidence delivery_record=TREASURY-1 $me
}

release() { # on the receipt by the police, named as the record names it
    named=$(executor settlement show "$CASE" --json | sed -n 's/.*"step": "receipt".*"refs": \["\([^"]*\)"\].*/\1/p')
    executor deposit release "$CASE" --amount "$deposit" --currency "$deposit_currency" --receipt "$named" \
        --evidence release_record=REL-1 $signed
}

for step in $STEPS; do
    "$step"
done

executor settlement show "$CASE"
executor reconcile check "$CASE" # exit code 9 unless every line is ok
