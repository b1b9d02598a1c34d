"""Every error that a command can end with. The first sentence of each docstring says what it means and what to do;
``docs/errors.md`` is made from them. ``exit_code`` is the process's answer (``docs/exit-codes.md``)."""

from executor.exit_codes import ExitCode


class ExecutorError(Exception):
    """Something failed that has no class of its own; the message says what to do."""

    exit_code: ExitCode = ExitCode.ERROR


class InputRefused(ExecutorError):
    """A file or option cannot be understood; correct the named key and run the command again."""

    exit_code = ExitCode.USAGE


class NotApproved(ExecutorError):
    """The plan is not approved for what was asked; have it approved by the people it names."""

    exit_code = ExitCode.NOT_APPROVED


class CredentialsRefused(ExecutorError):
    """A venue key is missing, wrong, or may do more than it should; put the right key in the secrets directory."""

    exit_code = ExitCode.CREDENTIALS


class RuleRefused(ExecutorError):
    """A rule of the plan or the venue forbids it; the message names the rule. Change the plan, not the rule."""

    exit_code = ExitCode.REFUSED


class Stopped(ExecutorError):
    """The parent order is paused, halted or killed; a person must look at the reason and resume it."""

    exit_code = ExitCode.STOPPED


class VenueUnreachable(ExecutorError):
    """A venue gives no usable answer; check the address and the network, then run the same command again."""

    exit_code = ExitCode.UNREACHABLE


class RecordBroken(ExecutorError):
    """The record contradicts itself or cannot be read; stop, keep the file as it is and have it examined."""

    exit_code = ExitCode.RECORD_FAILED


class InvariantBroken(RecordBroken):
    """An event would break a rule that must always hold (never more sold than asked); nothing was written or sent."""


class NotReconciled(ExecutorError):
    """A case is not at zero: steps are missing or figures differ, each named; get the missing paper or correct it."""

    exit_code = ExitCode.NOT_RECONCILED


class JournalFailed(ExecutorError):
    """The record cannot be written (disk full, I/O error) and nothing more is sent; make room or repair, run again."""


class Collided(JournalFailed):
    """Others write what this process asks to write, again and again, and nothing more is sent; run again."""


class GuardHalts(Stopped):
    """A guard froze the parent order; read the rule and the reason, put it right, then resume it."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"{rule}: {reason}")
        self.rule = rule
        self.reason = reason


class Held(Stopped):
    """A person paused or killed this scope; `executor status` shows who and why, `executor resume` lets it go on."""


class NotNow(Stopped):
    """A rule of the plan forbids the order at this moment; the sale waits until it does not."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule


class CapReached(NotNow):
    """An order would go over a cap that others share; nothing was written, and it is tried again when there is room."""

    def __init__(self, counter: str, text: str) -> None:
        super().__init__(f"cap.{counter.partition('/')[0]}", text)
        self.counter = counter


class Outdated(Stopped):
    """What an act rests on has changed since it was read; it is read again and judged anew."""


class TakenOver(Stopped):
    """Another process writes this parent order's record; this one has stopped. Let the other one finish."""


class Interrupted(ExecutorError):
    """Stopped by a signal after resting orders were cancelled; run the same command again to go on."""

    exit_code = ExitCode.INTERRUPTED
