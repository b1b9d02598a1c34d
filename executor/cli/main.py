"""The `executor` command. Sub-commands are imported when they are called, so that light ones start fast."""

import sys
from importlib import import_module

import click

from executor.errors import ExecutorError
from executor.exit_codes import ExitCode

# Command -> module that holds it under the same name (dashes as underscores) and its line in the help.
_COMMANDS = {
    "demo": ("executor.cli.dry_run", "Sell 500 BTC on mocked OSL and HashKey: eight hours in seconds."),
    "dry-run": ("executor.cli.dry_run", "Rehearse a mandate on mocked venues under a virtual clock."),
    "run": ("executor.cli.run", "Sell a mandate's holding on venues, on the wall clock; again to go on."),
    "submit": ("executor.cli.workers", "Hand a mandate's plan to the workers."),
    "worker": ("executor.cli.worker", "Be one of many processes that run what was submitted (PostgreSQL)."),
    "workers": ("executor.cli.workers", "Who is alive, what each runs, what waits."),
    "drain": ("executor.cli.workers", "Have a worker finish, hand over and end."),
    "mock-venues": ("executor.cli.mock_venues", "Serve mocked OSL and HashKey on sockets."),
    "mandate": ("executor.cli.mandate", "A case: accept it, give its people roles, move its coins."),
    "plan": ("executor.cli.plan", "A plan: freeze it, have it approved by two people, revoke it."),
    "keys": ("executor.cli.keys", "Keys of people: make, enrol, revoke."),
    "ledger": ("executor.cli.ledger", "The books of a case: balances, postings, corrections."),
    "settlement": ("executor.cli.settlement", "The money of a case, from the venue's cash to the treasury."),
    "deposit": ("executor.cli.deposit", "The institution's deposit: post, release, show."),
    "reconcile": ("executor.cli.reconcile", "A case to zero; venues' papers and what does not match them."),
    "benchmark": ("executor.cli.benchmark", "The average a price rule rests on: compute it, make it again."),
    "market": ("executor.cli.market", "Fetch candles from exchanges into files."),
    "venues": ("executor.cli.venues", "Check venues: connection, signature, clock, pairs, permissions."),
    "status": ("executor.cli.look", "Every parent order and how it stands."),
    "orders": ("executor.cli.look", "Every child order."),
    "fills": ("executor.cli.look", "Every execution."),
    "pause": ("executor.cli.control", "Stop new orders for a parent, case, venue or all."),
    "resume": ("executor.cli.control", "Clear a pause, a kill or a halt."),
    "kill": ("executor.cli.control", "Cancel everything and refuse new orders until resumed."),
    "resolve": ("executor.cli.control", "Settle an order that was left for a person."),
    "explain": ("executor.cli.control", "Explain a difference between the record and a venue."),
    "record-key": ("executor.cli.evidence", "Make the key that signs the record."),
    "checkpoint": ("executor.cli.evidence", "Sign the record as it stands now."),
    "verify": ("executor.cli.evidence", "Check the whole record; names the first bad line."),
    "export": ("executor.cli.evidence", "Write a case as evidence, with a verifier that needs only Python."),
    "report": ("executor.cli.report", "The disposal report of a case, Chinese and English, HTML and PDF."),
    "bundle": ("executor.cli.report", "All the evidence of a case in one zip, with the verifier."),
    "tca": ("executor.cli.tca", "How well a parent order or a case was executed, with definitions."),
    "attest": ("executor.cli.evidence", "Witness cosignatures and timestamps on checkpoints."),
    "simulate": ("executor.cli.simulate", "Seeded worlds full of faults: shows that nothing is sold twice."),
}


class Lazy(click.Group):
    """A group that knows its commands by name and imports each only to run it or to show its own help."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), cmd_name.replace("-", "_"))
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="disposal-executor")
def cli() -> None:
    """Sell a large seized crypto holding on licensed Hong Kong venues, and prove it.

    Begin with `executor demo`. Data goes to stdout, messages for people to stderr; `--json` gives data for programs.
    The exit code says how it ended (docs/exit-codes.md).
    """


def main() -> None:
    """Run the command line; every failure is one clear sentence and a documented exit code."""
    try:
        result = cli.main(standalone_mode=False)
        code = result if isinstance(result, int) else ExitCode.OK
    except ExecutorError as error:
        click.echo(f"executor: {error}", err=True)
        code = error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = ExitCode.USAGE
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("executor: interrupted", err=True)
        code = ExitCode.INTERRUPTED
    except SystemExit:
        # How click answers when the reader of our output has gone (`executor fills | head`): quiet, and no failure.
        code = ExitCode.OK
    except UnicodeError:
        click.echo("executor: an argument or a file is not UTF-8 text; type it anew, or save it as UTF-8", err=True)
        code = ExitCode.USAGE
    except OSError as error:
        click.echo(f"executor: {error}; check the path, the permissions and the disk", err=True)
        code = ExitCode.ERROR
    except Exception:
        click.echo(
            "executor: something failed that nobody foresaw; what is in the record stands: run the same command again, "
            "and give the lines below to whoever maintains the program",
            err=True,
        )
        raise  # with its traceback, and exit code 1
    sys.exit(int(code))
