"""A plan of a case as it was frozen, with what people have signed of it since."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from executor.domain.amendments import Lowered, amended
from executor.domain.caps import Caps
from executor.domain.case_events import FloorRaised, PlanApproved


@dataclass(slots=True)
class FrozenPlan:
    """A plan as it was fixed, and who has approved it (person to signature and key)."""

    plan_hash: str
    frozen: dict[str, Any]
    drafter: str
    expires_at: datetime
    revoked: str = ""
    approvals: dict[str, PlanApproved] = field(default_factory=dict)
    raises: list[FloorRaised] = field(default_factory=list)  # of the floor
    raised_px: Decimal | None = None  # a floor that an approver has set over the plan's own
    lowered: list[Lowered] = field(default_factory=list)  # caps made stricter

    def raise_floor(self, event: FloorRaised) -> None:
        """Take a floor that an approver has set; the highest binds."""
        self.raises.append(event)
        self.raised_px = max(each.floor_px for each in self.raises)

    @property
    def caps(self) -> Caps | None:
        """The caps as they were frozen."""
        caps = self.frozen["plan"].get("caps")
        return Caps.model_validate(caps) if caps else None

    @property
    def lasting_caps(self) -> Caps | None:
        """The caps as single people have left them for good: what binds while no looser one is in force."""
        return amended(self.caps, self.lowered, (), self.expires_at) if self.caps else None
