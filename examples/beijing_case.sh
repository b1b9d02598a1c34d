#!/bin/sh
# A case under the Beijing preset, from the entrustment to a finished holding: a reserve price, quotes, the best quote.
#
#   examples/beijing_case.sh [FOLDER]     needs about a minute; everything is made in FOLDER, or in a new temporary one
#
# All names, papers and transactions are invented; the venues are simulated and reached over sockets.
set -eu
. "$(dirname "$0")/setup.sh"

say 'People make keys, and an administrator enrols them'
enroll zhang-min 'Zhang Min'
enroll li-wei 'Li Wei'
enroll chen-jie 'Chen Jie'
enroll wang-fang 'Wang Fang'

say 'The mandate: what was entrusted, by whom, on what basis'
echo 'Entrustment letter no. 2026-0601' >entrustment.txt
echo 'Seizure list no. 17' >seizure-list.txt
cat >mandate.toml <<END
case_id = "BJ-2026-0601"
authority = "Beijing Public Security Bureau"
bureau = "Example Sub-bureau"
platform = "Example Property Exchange"
institution = "Example Service Institution"
overseas_agent = "Example Agent (Hong Kong) Limited"
legal_basis = "Disposal entrustment no. 2026-0601"
proceeds_account = "special account of case BJ-2026-0601"
affiliates = [{ name = "Example Trading Limited", relation = "sister company of the institution" }]
plan = "plan.toml"

[deposit]
amount = "1200000"
currency = "USD"
form = "cash"

[[authorised_people]]
person = "zhang-min"
name = "Zhang Min"
role = "operator"

[[authorised_people]]
person = "li-wei"
name = "Li Wei"
role = "checker"

[[authorised_people]]
person = "chen-jie"
name = "Chen Jie"
role = "risk"

[[authorised_people]]
person = "wang-fang"
name = "Wang Fang"
role = "settlement"

[[documents]]
name = "entrustment letter"
sha256 = "$(hash_of entrustment.txt)"

[[documents]]
name = "seizure list"
sha256 = "$(hash_of seizure-list.txt)"

[[holdings]]
asset = "BTC"
network = "bitcoin"
qty = "10"
seizure_ref = "seizure list 17, line 3"
source_addresses = ["bc1q-example-controlled-wallet"]
transactions = ["example-seizure-transaction"]

[[credited]]
venue = "osl"
account = "brokerage"
asset = "BTC"
qty = "10"
END
executor mandate accept mandate.toml --who zhang-min
executor mandate role BJ-2026-0601 zhang-min operator --who zhao-lei
executor mandate role BJ-2026-0601 li-wei checker --who zhao-lei
executor mandate role BJ-2026-0601 chen-jie risk --who zhao-lei
executor mandate role BJ-2026-0601 wang-fang settlement --who zhao-lei

say 'The deposit is posted before any coin is taken'
executor deposit post BJ-2026-0601 --amount 1200000 --currency USD --form cash \
    --evidence deposit_receipt=DEP-1 --who wang-fang

say 'Intake: a small test transfer first, then the rest, each with its papers'
executor mandate move BJ-2026-0601 BTC 0.0001 accepted in_transit --who zhang-min --value-hkd 78 \
    --evidence transaction=example-test-transaction --evidence test_transfer=example-test-transaction \
    --evidence ownership_proof='message signed with the wallet' --evidence kyt='clear, report 8' \
    --evidence clearance='letter of the venue'
executor mandate move BJ-2026-0601 BTC all in_transit credited --who zhang-min \
    --evidence transaction=example-test-transaction --evidence venue_credit='credit advice 1'
executor mandate move BJ-2026-0601 BTC all accepted in_transit --who zhang-min --value-hkd 7800000 \
    --evidence transaction=example-transaction --evidence test_transfer=example-test-transaction \
    --evidence ownership_proof='message signed with the wallet' --evidence kyt='clear, report 9' \
    --evidence clearance='letter of the venue' \
    --evidence originator='Example Sub-bureau' --evidence originator_account=bc1q-example-controlled-wallet \
    --evidence originator_id='organisation code' --evidence recipient='Example Agent (Hong Kong) Limited' \
    --evidence recipient_account='account at the venue'
executor mandate move BJ-2026-0601 BTC all in_transit credited --who zhang-min \
    --evidence transaction=example-transaction --evidence venue_credit='credit advice 2'

say 'The plan: drawn up from the preset, every open question answered'
executor plan draft beijing mandate.toml \
    --set 'venues=[osl, hashkey]' --set quote_asset=USD --set floor_px=90000 \
    --set duration=3m --set legs.0.clip=2.5 --set legs.0.pause=4s --set legs.0.min_quotes=1 \
    --set price_rules.0.px=90000 --set price_rules.0.currency=USD \
    --set price_rules.0.scope=per_fill --set price_rules.0.compare=before_fees \
    --set cover.coins=all --set cover.halt_percent=100 \
    --set 'waiting.tell=[zhang-min]' --set 'waiting.escalate_to=[li-wei]' --set waiting.escalate_after=4h
executor plan show mandate.toml --runs 2 --start-px 100000

say 'A dry run'
executor dry-run mandate.toml

say 'The plan is frozen and two people sign it'
executor plan freeze mandate.toml --drafter zhang-min --valid-hours 24
plan=$(executor plan hash mandate.toml)
executor plan approve BJ-2026-0601 "$plan" --person li-wei --key li-wei.key
executor plan approve BJ-2026-0601 "$plan" --person chen-jie --key chen-jie.key

say 'The sale, at simulated venues over sockets'
serve
executor run mandate.toml --on mock

say 'The finished holding, and the record checked'
executor mandate show BJ-2026-0601 --json >case.json
grep -o '"holdings": {"BTC": {"sold": "10"}}' case.json
executor deposit show BJ-2026-0601
executor fills
executor verify
