"""Coins on their way to a venue, by the transaction that carries them: no more is credited, or comes back, than was
sent."""

from decimal import Decimal

from executor.domain.case_events import HoldingMoved
from executor.domain.dossier import refuse_transfer
from executor.domain.money import ZERO, add, plain


class Transfers:
    """The transfers of one case. Records of long ago may lack a transaction, and are taken as they are."""

    def __init__(self) -> None:
        self._coming: dict[tuple[str, str], Decimal] = {}  # by asset and transaction
        self._arrived: set[tuple[str, str]] = set()

    def sent(self, move: HoldingMoved) -> None:
        """Coins were sent to a venue."""
        self._count(move, move.qty)

    def credited(self, move: HoldingMoved) -> None:
        """A venue has credited coins."""
        self._count(move, -move.qty)
        self._arrived.add(_key(move))

    def came_back(self, move: HoldingMoved) -> None:
        """Coins did not arrive, and are in custody again."""
        self._count(move, -move.qty)

    def _count(self, move: HoldingMoved, qty: Decimal) -> None:
        self._coming[_key(move)] = add(self._coming.get(_key(move), ZERO), qty)

    def refuse_sending(self, move: HoldingMoved, accepted: Decimal) -> str:
        """Why these coins cannot be sent so; empty if they can. ``accepted``: what could be sent."""
        if _key(move) in self._arrived or self._coming.get(_key(move), ZERO) > 0:
            return f"transaction {_key(move)[1]} has carried coins of this case already"
        tested = {transaction for asset, transaction in self._arrived if asset == move.asset}
        return refuse_transfer(move, accepted, tested)

    def refuse_end(self, move: HoldingMoved) -> str:
        """Why so many coins can be neither credited nor taken back by this transaction; empty if they can."""
        coming = self._coming.get(_key(move), ZERO)
        if move.qty <= coming:
            return ""
        return f"{plain(coming)} {move.asset} are on the way by transaction {_key(move)[1]}"


def _key(move: HoldingMoved) -> tuple[str, str]:
    return move.asset, move.evidence.get("transaction", "")
