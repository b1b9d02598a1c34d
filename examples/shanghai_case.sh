#!/bin/sh
# A case under the Shanghai preset, on candles in which the price falls below its average of the 20 days before: what is
# sold is sold above it, then the sale waits and says so, and at the end of its window the rest goes back.
#
#   examples/shanghai_case.sh [FOLDER]    needs about a minute; everything is made in FOLDER, or in a new temporary one
#
# All names, papers, transactions and prices are invented; the venues are simulated and reached over sockets.
set -eu
. "$(dirname "$0")/setup.sh"
candles="$project/config/examples/benchmarks"

say 'People make keys, and an administrator enrols them'
enroll zhou-yun 'Zhou Yun'
enroll sun-hao 'Sun Hao'
enroll he-jing 'He Jing'
enroll xu-lan 'Xu Lan'

say 'The mandate: what was entrusted, by whom, on what basis'
echo 'Entrustment of the court no. 2026-0121' >entrustment.txt
cat >mandate.toml <<END
case_id = "SH-2026-0121"
authority = "Shanghai Example People's Court"
bureau = "Enforcement Bureau"
platform = "none: the court entrusts the institution itself"
institution = "Example Service Institution"
overseas_agent = "Example Agent (Hong Kong) Limited"
legal_basis = "Judgment no. 2026-0121, in force"
proceeds_account = "case-fund account of the court for SH-2026-0121"
affiliates = []
plan = "plan.toml"

[deposit]
amount = "60000"
currency = "USD"
form = "guarantee"

[[authorised_people]]
person = "zhou-yun"
name = "Zhou Yun"
role = "operator"

[[authorised_people]]
person = "sun-hao"
name = "Sun Hao"
role = "checker"

[[authorised_people]]
person = "he-jing"
name = "He Jing"
role = "risk"

[[authorised_people]]
person = "xu-lan"
name = "Xu Lan"
role = "settlement"

[[documents]]
name = "entrustment of the court"
sha256 = "$(hash_of entrustment.txt)"

[[holdings]]
asset = "BTC"
network = "bitcoin"
qty = "0.5"
seizure_ref = "judgment, annex 2"
source_addresses = ["bc1q-example-court-wallet"]
transactions = ["example-seizure-transaction"]

[[credited]]
venue = "osl"
account = "exchange"
asset = "BTC"
qty = "0.5"
END
executor mandate accept mandate.toml --who zhou-yun
executor mandate role SH-2026-0121 zhou-yun operator --who zhao-lei
executor mandate role SH-2026-0121 sun-hao checker --who zhao-lei
executor mandate role SH-2026-0121 he-jing risk --who zhao-lei
executor mandate role SH-2026-0121 xu-lan settlement --who zhao-lei
executor deposit post SH-2026-0121 --amount 60000 --currency USD --form guarantee \
    --evidence deposit_receipt=G-1 --who xu-lan

say 'Intake: a small test transfer first, then the rest, each with its papers'
executor mandate move SH-2026-0121 BTC 0.0001 accepted in_transit --who zhou-yun --value-hkd 72 \
    --evidence transaction=example-test-transaction --evidence test_transfer=example-test-transaction \
    --evidence ownership_proof='message signed with the wallet' --evidence kyt='clear, report 3' \
    --evidence clearance='letter of the venue'
executor mandate move SH-2026-0121 BTC all in_transit credited --who zhou-yun \
    --evidence transaction=example-test-transaction --evidence venue_credit='credit advice 1'
executor mandate move SH-2026-0121 BTC all accepted in_transit --who zhou-yun --value-hkd 362000 \
    --evidence transaction=example-transaction --evidence test_transfer=example-test-transaction \
    --evidence ownership_proof='message signed with the wallet' --evidence kyt='clear, report 4' \
    --evidence clearance='letter of the venue' \
    --evidence originator='Example Court' --evidence originator_account=bc1q-example-court-wallet \
    --evidence originator_id='organisation code' --evidence recipient='Example Agent (Hong Kong) Limited' \
    --evidence recipient_account='account at the venue'
executor mandate move SH-2026-0121 BTC all in_transit credited --who zhou-yun \
    --evidence transaction=example-transaction --evidence venue_credit='credit advice 2'

say 'The average of the 20 days before the trade date, which anybody can make again'
executor benchmark compute "$candles/falling-20-day.toml" --candles "$candles/falling-20-day.csv" --json >benchmark.json
executor benchmark recompute benchmark.json --candles "$candles/falling-20-day.csv" | tee same.txt
average=$(sed 's/.*(record \(.*\))/\1/' same.txt)

say 'The plan: drawn up from the preset, every open question answered'
executor plan draft shanghai mandate.toml \
    --set quote_asset=USD --set floor_px=80000 --set duration=50s \
    --set legs.0.slices=10 --set legs.0.min_notional=100 \
    --set price_rules.0.renewal=once --set "price_rules.0.benchmark=$average" --set price_rules.0.currency=USD \
    --set price_rules.0.scope=per_fill --set price_rules.0.compare=before_fees \
    --set cover.coins=all --set cover.release_percent=110 --set cover.halt_percent=100 \
    --set 'waiting.tell=[zhou-yun]' --set 'waiting.escalate_to=[the court]' --set waiting.escalate_after=20s
executor plan show mandate.toml --runs 1 --benchmark benchmark.json --start-px 93400

say 'A dry run on the candles of the minutes in which the price crosses the average; 5: not all could be sold'
executor dry-run mandate.toml --benchmark benchmark.json --market "$candles/falling-minutes.csv" \
    --volume-unit quote --from 2026-01-21T09:10 || [ $? -eq 5 ]

say 'The average goes into the case, the plan is frozen, and two people sign it'
executor benchmark record SH-2026-0121 benchmark.json --candles "$candles/falling-20-day.csv" --who sun-hao
executor plan freeze mandate.toml --drafter zhou-yun --valid-hours 24
plan=$(executor plan hash mandate.toml)
executor plan approve SH-2026-0121 "$plan" --person sun-hao --key sun-hao.key
executor plan approve SH-2026-0121 "$plan" --person he-jing --key he-jing.key

say 'The sale, at simulated venues over sockets that replay the candles'
serve --market "$candles/falling-minutes.csv" --volume-unit quote --from 2026-01-21T09:09
executor run mandate.toml --on mock || [ $? -eq 5 ]
executor fills

say 'What could not be sold above the average goes back, when two others have agreed'
recall=$(executor mandate recall SH-2026-0121 BTC all --to bc1q-example-court-wallet --who zhou-yun \
    --why 'below the 20-day average to the end of the window' | cut -d ' ' -f 4 | tr -d ';')
executor mandate agree SH-2026-0121 "$recall" --person sun-hao --key sun-hao.key
executor mandate agree SH-2026-0121 "$recall" --person he-jing --key he-jing.key
executor mandate move SH-2026-0121 BTC all recalled returned --who zhou-yun \
    --evidence transaction=example-return-transaction

say 'The finished holding, and the record checked'
executor mandate show SH-2026-0121 --json >case.json
grep -o '"holdings": {"BTC": {[^}]*}}' case.json
executor verify
