"""The exit codes of every command: what a script or an operator may conclude from the number alone."""

from enum import IntEnum


class ExitCode(IntEnum):
    """A closed list. ``meaning`` is the sentence that the reference page shows."""

    meaning: str

    def __new__(cls, value: int, meaning: str = "") -> "ExitCode":
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "The command did what it was asked to do."
    ERROR = 1, "Something failed that no other code describes; the message says what to do."
    USAGE = 2, "The command line or a configuration file is wrong; nothing was started."
    NOT_APPROVED = 3, "The plan has no valid approval by a second person; nothing was sent to a venue."
    CREDENTIALS = 4, "A key or secret is missing, refused by the venue, or may do more than trade."
    REFUSED = 5, "A rule refused the action (floor, cap, cover, venue or plan rule); the record names the rule."
    STOPPED = 6, "A person or a guard paused, halted or killed the parent order before it was complete."
    UNREACHABLE = 7, "A venue could not be reached; what was sent and stays unanswered counts as exposure."
    RECORD_FAILED = 8, "The journal did not verify: treat it as evidence, do not go on, keep a copy."
    NOT_RECONCILED = 9, "A case does not reconcile to zero: the output names each break and each missing step."
    INTERRUPTED = 130, "Stopped by Ctrl-C or a termination signal; starting again continues from the journal."
