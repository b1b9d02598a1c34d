"""What must be shown before coins go to a venue: papers on address, sender, receiver, and a small transfer first.

Ownership of the sending wallet by message or micro-payment, not by declaration alone (Hong Kong AML Guideline 12.10.6,
ChainCatcher); result of the venue's screening (KYT) and its clearance; originator and recipient from HKD 8,000 on
(Travel Rule; ChainCatcher, VerifyVASP). The small transfer first is the house's own rule.
"""

from collections.abc import Collection
from decimal import Decimal

from executor.domain.case_events import HoldingMoved
from executor.domain.money import plain

TRAVEL_RULE_HKD = Decimal(8_000)
PAPERS = frozenset({"transaction", "ownership_proof", "kyt", "clearance", "test_transfer"})
# At or above the threshold: who sends and who receives, with address, identity number or birth date of the sender.
TRAVEL_RULE = frozenset({"originator", "originator_account", "originator_id", "recipient", "recipient_account"})


def papers(move: HoldingMoved) -> frozenset[str]:
    """The kinds of evidence that a transfer of this value to a venue needs."""
    travel = move.value_hkd is None or move.value_hkd >= TRAVEL_RULE_HKD
    return PAPERS | (TRAVEL_RULE if travel else frozenset())


def refuse_transfer(move: HoldingMoved, accepted: Decimal, tested: Collection[str]) -> str:
    """Why these coins cannot be sent to a venue; empty if they can. All kinds of evidence are there already.

    ``accepted``: what could be sent. ``tested``: transactions of this asset whose coins a venue has credited. The test
    itself names its own transaction as ``test_transfer``, and leaves coins behind."""
    if move.value_hkd is None or move.value_hkd <= 0:
        return "the value of the transfer in HKD must be said: from 8,000 on it needs the data of the Travel Rule"
    test = move.evidence["test_transfer"]
    if test in tested:
        return ""
    if test != move.evidence["transaction"]:
        return f"test_transfer {test} is no transfer of this asset that a venue has credited; send a small test first"
    if move.qty >= accepted:
        return f"a test of all {plain(accepted)} {move.asset} is no test: send a small part first"
    return ""
