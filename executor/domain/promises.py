"""What every intent must keep, whoever wants the order: never twice, never more than asked, never under the floor."""

from typing import TYPE_CHECKING

from executor.domain.events import ChildIntended
from executor.domain.money import add
from executor.domain.orders import ParentStatus
from executor.errors import InvariantBroken

if TYPE_CHECKING:
    from executor.domain.parent import Parent

_HALTED = ParentStatus.HALTED


def keep_promises(state: "Parent", intent: ChildIntended) -> None:
    """Raise ``InvariantBroken`` unless ``intent`` keeps every promise of the parent order as it stands."""
    spec, total = state.spec, state.total
    if intent.client_order_id in state.children or intent.number <= state.last_number:
        raise InvariantBroken(f"client order id {intent.client_order_id} is already in the record")
    if not intent.client_order_id.endswith(f"-{intent.number}"):
        raise InvariantBroken(f"client order id {intent.client_order_id} does not carry its number {intent.number}")
    if intent.qty <= 0:
        raise InvariantBroken(f"{intent.client_order_id}: quantity {intent.qty} is not above zero")
    if add(total.cum_qty, add(total.exposure_qty, intent.qty)) > spec.qty:
        raise InvariantBroken(
            f"{intent.client_order_id}: {intent.qty} would exceed the parent order: {total.cum_qty} sold and "
            f"{total.exposure_qty} exposed of {spec.qty} {spec.asset}"
        )
    if intent.limit_px < spec.floor_px:
        raise InvariantBroken(f"{intent.client_order_id}: limit {intent.limit_px} is under the floor {spec.floor_px}")
    if intent.venue not in spec.venues:
        raise InvariantBroken(f"{intent.client_order_id}: venue {intent.venue} is not in the plan")
    if intent.venue in state.broken:
        raise InvariantBroken(f"{intent.client_order_id}: {intent.venue} has unexplained breaks")
    if state.finished or state.status is _HALTED or state.breach:
        raise InvariantBroken(f"{intent.client_order_id}: the parent order is {state.breach or state.status}")
