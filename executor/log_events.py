"""Every event that the program may log, with its meaning. Logs are for people; the journal is the record.

The list is closed so that an alert can be written against a name and will not rot: a log call names a member.
"""

from enum import StrEnum


class LogEvent(StrEnum):
    """The ``event`` of a log line. ``meaning`` is the sentence that the reference page shows."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> "LogEvent":
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    RUN_STARTED = "run_started", "A command that trades has begun; names the mode, the plan hash and the venues."
    RUN_FINISHED = "run_finished", "The command has ended; names the exit code."
    INTERRUPTED = "interrupted", "A signal asked the program to stop; open orders are cancelled or left as recorded."

    VENUE_READY = "venue_ready", "A venue answered: clock, entity, key permissions and instruments are checked."
    VENUE_FAILED = "venue_failed", "A venue did not answer usably or refused the key; it is not used until it is ready."

    PARENT_STARTED = "parent_started", "The first work on a parent order under an approved plan."
    PARENT_RESUMED = "parent_resumed", "Work goes on from the journal after a stop, with unknowns to resolve first."
    PARENT_WAITING = "parent_waiting", "Nothing to do until the named moment or condition; a normal state."
    WAIT_ESCALATED = "wait_escalated", "The price has held the sale back for long: those whom the plan names are told."
    PARENT_HALTED = "parent_halted", "Selling is frozen and open orders are cancelled; only a checker resumes it."
    PARENT_FINISHED = "parent_finished", "Nothing is left to sell, or the window is over; names what was sold."

    SLICE_STARTED = "slice_started", "A scheduled portion of the parent order is being worked."
    SLICE_FINISHED = "slice_finished", "The portion is done or its time is over; what is left moves to later slices."

    QUOTE_RECEIVED = "quote_received", "A dealer's price arrived and is recorded, whether or not it is taken."
    QUOTE_REFUSED = "quote_refused", "No price, or a price that was not taken; names the rule or the better price."
    QUOTE_ACCEPTED = "quote_accepted", "The acceptance of a quote was sent, once."

    CHILD_INTENDED = "child_intended", "An order is durable in the journal and about to be sent."
    CHILD_ACKNOWLEDGED = "child_acknowledged", "The venue took the order."
    CHILD_REJECTED = "child_rejected", "The venue said no; nothing was placed."
    CHILD_NOT_SENT = "child_not_sent", "The order cannot have reached the venue; nothing was placed."
    CHILD_UNKNOWN = (
        "child_unknown",
        "Sent, and no answer that settles it: it counts as exposure until proved otherwise.",
    )
    CHILD_RESOLVED = "child_resolved", "The venue has told what became of an unknown order."
    CHILD_RESENT = "child_resent", "Proved absent, and sent once more under the same id, as the venue documents it."
    CHILD_PARKED = "child_parked", "The venue cannot prove what became of an order: a person must settle it."
    CHILD_CLOSED = "child_closed", "The venue will not fill this order any further and all its fills are recorded."

    FILL_RECORDED = "fill_recorded", "An execution is in the journal, with price, quantity and fee."
    CANCEL_SENT = "cancel_sent", "Cancellation was asked for; only a later reading proves it."
    CANCEL_FAILED = "cancel_failed", "The request to cancel was refused or stayed unanswered; the order still counts."

    GUARD_WAITS = "guard_waits", "A guard lets nothing be sent for now, for example below the floor; a normal state."
    GUARD_HALTS = "guard_halts", "A guard froze the parent order; names the guard and the reason."
    COVER_CROSSED = "cover_crossed", "The deposit covers less than a warning level of the plan, or enough again."
    CONTROL_CHANGED = "control_changed", "A person paused, resumed or killed; names who and why."
    RECORD_BROKEN = "record_broken", "The record is not as it was signed: nothing more is signed and selling ends."
    CHECKPOINT_WAITS = "checkpoint_waits", "The record cannot be signed for now; the sale goes on. Names why, once."
    BREAK_FOUND = "break_found", "The journal and the venue disagree; nothing is sold until a person explains it."

    WORKER_JOINED = "worker_joined", "A worker is ready to take parent orders; names its kind of venues and version."
    WORKER_DRAINS = "worker_drains", "A worker finishes the orders in flight and hands over what it runs."
    WORKER_LEFT = "worker_left", "A worker has handed everything over and ends."
    WORKER_UNSURE = "worker_unsure", "A heartbeat failed: this worker sends no order until one succeeds again."
    WORKER_DEAD = "worker_dead", "A worker was silent for too long; if it is this one, it ends at once."
    WORK_TAKEN = "work_taken", "A worker has taken a parent order and goes on where the record ends."
    WORK_FREED = "work_freed", "Parent orders of a worker that is gone may be taken by others."
    WORK_GIVEN_BACK = "work_given_back", "A worker ended its work on a parent order; names why if it was not done."
