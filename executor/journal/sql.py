"""Every statement of the journal, SQLite and PostgreSQL side by side.

The events are the same in both: ``UNIQUE (stream, version)`` is the fence. The stop controls in force are a projection
of the events that set and clear them, kept in the transaction that writes those events, so that an intent can be
refused in the transaction that would write it. SQLite has one writer at a time and keeps them as rows. PostgreSQL has
many: there they are one row, the gate, which whoever appends under a scope locks in shared mode and whoever changes a
hold rewrites. A row that was rewritten while a statement waited for its lock is read again, which a query over many
rows is not: so no intent passes a hold that was there first.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sql:
    """One statement, or several that belong together, in both dialects."""

    sqlite: str
    postgres: str


# Migration number n (from 1) leads from schema n - 1 to schema n. One that was released is never changed; another is
# added. Each runs in one transaction together with the note that it was done.
MIGRATIONS: tuple[Sql, ...] = (
    Sql(
        sqlite="""
            CREATE TABLE IF NOT EXISTS events (
                seq     INTEGER PRIMARY KEY,
                stream  TEXT NOT NULL,
                version INTEGER NOT NULL,
                case_id TEXT NOT NULL,
                kind    TEXT NOT NULL,
                at      TEXT NOT NULL,
                line    TEXT NOT NULL,
                UNIQUE (stream, version)
            ) STRICT;
            CREATE TABLE IF NOT EXISTS holds (
                scope  TEXT PRIMARY KEY,
                action TEXT NOT NULL,
                cancel INTEGER NOT NULL,
                who    TEXT NOT NULL,
                why    TEXT NOT NULL,
                at     TEXT NOT NULL
            ) STRICT;
        """,
        postgres="""
            CREATE TABLE events (
                seq     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                stream  TEXT COLLATE "C" NOT NULL,
                version BIGINT NOT NULL,
                case_id TEXT NOT NULL,
                kind    TEXT NOT NULL,
                at      TEXT NOT NULL,
                line    TEXT NOT NULL,
                writer  BIGINT NOT NULL, -- who wrote it, and in which of its batches: how a writer whose connection
                batch   BIGINT NOT NULL, -- was lost in mid-commit knows its own lines from another's
                UNIQUE (stream, version)
            );
            CREATE SEQUENCE writers;
            CREATE TABLE gate (
                one   BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
                holds JSONB NOT NULL -- scope -> {action, cancel, who, why, at}
            );
            INSERT INTO gate (holds) VALUES ('{}');
        """,
    ),
    # What is counted against the caps. An intent adds to it, and what was not sold is given back, in the transaction
    # that writes the event which says so. Amounts are exact: text on SQLite, which has no decimals.
    Sql(
        sqlite="""
            CREATE TABLE counters (
                counter TEXT PRIMARY KEY,
                used    TEXT NOT NULL
            ) STRICT, WITHOUT ROWID;
        """,
        postgres="""
            CREATE TABLE counters (
                counter TEXT COLLATE "C" PRIMARY KEY,
                used    NUMERIC NOT NULL CHECK (used >= 0)
            ) WITH (fillfactor = 50);
        """,
    ),
)

SCHEMA_FOUND = Sql(
    sqlite="PRAGMA user_version",
    postgres="SELECT coalesce(max(version), 0) FROM journal_schema",
)
# Written by the same transaction as the migration; PostgreSQL keeps when each was done.
SCHEMA_DONE = Sql(
    sqlite="PRAGMA user_version = {version}",
    postgres="INSERT INTO journal_schema (version) VALUES (%s)",
)
SCHEMA_TABLE = """
    CREATE TABLE IF NOT EXISTS journal_schema (version INTEGER PRIMARY KEY, done TIMESTAMPTZ NOT NULL DEFAULT now())
"""
SCHEMA_TABLE_FOUND = "SELECT to_regclass('journal_schema') IS NOT NULL"
# Two processes that open an empty database at once must not both fill it.
MIGRATION_LOCK = "SELECT pg_advisory_xact_lock(hashtext('executor journal schema'))"

# --- readings: PostgreSQL's are read in pages, so that a lost connection costs a page and memory stays small ---------

LINES = Sql(
    sqlite="SELECT line FROM events WHERE stream = ? AND version > ? ORDER BY version",
    postgres="SELECT version, line FROM events WHERE stream = %s AND version > %s ORDER BY version LIMIT %s",
)
LINES_OF_KIND = Sql(
    sqlite="SELECT line FROM events WHERE kind = ? ORDER BY seq",
    postgres="SELECT seq, line FROM events WHERE kind = %s AND seq > %s ORDER BY seq LIMIT %s",
)
# Of the streams that people write: what this costs does not grow with the sales.
LINES_OF_PEOPLE = Sql(
    sqlite="""
        SELECT line FROM events WHERE (stream IN ('control', 'people') OR stream >= 'case/' AND stream < 'case0')
        AND kind IN (SELECT value FROM json_each(?)) ORDER BY seq
    """,
    postgres="""
        SELECT line FROM events WHERE (stream IN ('control', 'people') OR stream >= 'case/' AND stream < 'case0')
        AND kind = ANY (%s::text[]) ORDER BY seq
    """,
)
# From name to name along the index: what this costs grows with the streams, not with their events.
STREAMS = Sql(
    sqlite="""
        WITH RECURSIVE named (stream) AS (
            SELECT min(stream) FROM events WHERE stream >= ?1
            UNION ALL
            SELECT (SELECT min(stream) FROM events WHERE stream > named.stream) FROM named
            WHERE substr(named.stream, 1, length(?1)) = ?1
        )
        SELECT events.stream FROM named JOIN events ON events.stream = named.stream AND events.version = 1
        WHERE substr(named.stream, 1, length(?1)) = ?1 ORDER BY events.seq
    """,
    postgres="""
        WITH RECURSIVE named (stream) AS (
            (SELECT stream FROM events WHERE stream >= %(prefix)s ORDER BY stream LIMIT 1)
            UNION ALL
            SELECT (SELECT events.stream FROM events WHERE events.stream > named.stream ORDER BY events.stream LIMIT 1)
            FROM named WHERE starts_with(named.stream, %(prefix)s)
        )
        SELECT events.stream FROM named JOIN events ON events.stream = named.stream AND events.version = 1
        WHERE starts_with(named.stream, %(prefix)s) ORDER BY events.seq
    """,
)
# Stream by stream along the index, so that what they cost grows with the streams that are asked for alone.
FIRST_LINES = Sql(
    sqlite="SELECT line FROM json_each(?) AS asked CROSS JOIN events ON stream = asked.value AND version = 1",
    postgres="SELECT line FROM events WHERE stream = ANY (%s::text[]) AND version = 1",
)
LAST_LINES = Sql(
    sqlite="""
        SELECT line FROM json_each(?) AS asked CROSS JOIN events ON stream = asked.value
        AND version = (SELECT max(version) FROM events WHERE stream = asked.value)
    """,
    postgres="""
        SELECT line FROM unnest(%s::text[]) AS asked (name) CROSS JOIN LATERAL (
            SELECT line FROM events WHERE stream = asked.name ORDER BY version DESC LIMIT 1
        ) AS found
    """,
)
# SQLite has one writer at a time: places are seen in their order. On PostgreSQL a writer may be slow for as long as a
# statement may run; no more places than this are given out meanwhile.
SETTLED = Sql(
    sqlite="SELECT coalesce(max(seq), 0) FROM events",
    postgres="SELECT greatest(coalesce(max(seq), 0) - 200000, 0) FROM events",
)
TAIL = Sql(
    sqlite="""
        SELECT seq, CASE WHEN kind IN (SELECT value FROM json_each(?)) THEN line ELSE '' END
        FROM events WHERE seq > ? ORDER BY seq
    """,
    postgres="""
        SELECT seq, CASE WHEN kind = ANY (%s::text[]) THEN line ELSE '' END
        FROM events WHERE seq > %s OR seq = ANY (%s::bigint[]) ORDER BY seq
    """,
)
NEWS = Sql(
    sqlite="""
        SELECT line FROM events WHERE stream = ? AND version > ? AND kind IN (SELECT value FROM json_each(?))
        ORDER BY version
    """,
    postgres="""
        SELECT known.stream, found.version, found.line
        FROM unnest(%s::text[], %s::bigint[]) AS known (stream, version) CROSS JOIN LATERAL (
            SELECT version, line FROM events
            WHERE stream = known.stream AND version > known.version AND kind = ANY (%s::text[])
            ORDER BY version LIMIT %s
        ) AS found ORDER BY known.stream, found.version
    """,
)
HOLDS = Sql(
    sqlite="SELECT scope, action, cancel, who, why, at FROM holds ORDER BY action, scope",
    postgres="""
        SELECT scope, hold->>'action', (hold->>'cancel')::boolean, hold->>'who', hold->>'why', hold->>'at'
        FROM gate, jsonb_each(gate.holds) AS held (scope, hold)
        ORDER BY hold->>'action' COLLATE "C", scope COLLATE "C"
    """,
)
HOLDS_ON = Sql(
    sqlite="SELECT scope, action, cancel, who, why, at FROM holds WHERE scope IN ({marks}) ORDER BY action, scope",
    postgres="""
        SELECT scope, hold->>'action', (hold->>'cancel')::boolean, hold->>'who', hold->>'why', hold->>'at'
        FROM gate, jsonb_each(gate.holds) AS held (scope, hold)
        WHERE scope = ANY (%s::text[])
        ORDER BY hold->>'action' COLLATE "C", scope COLLATE "C"
    """,
)

COUNTERS = Sql(
    sqlite="SELECT counter, used FROM counters ORDER BY counter",
    postgres="SELECT counter, used FROM counters WHERE used <> 0 ORDER BY counter",
)
COUNTERS_NAMED = Sql(
    sqlite="SELECT counter, used FROM counters WHERE counter IN ({marks})",
    postgres="SELECT counter, used FROM counters WHERE counter = ANY (%s::text[]) AND used <> 0",
)

# --- writing on SQLite: statement by statement in one transaction, which no other writer can be inside ---------------

INSERT_EVENT = "INSERT INTO events (stream, version, case_id, kind, at, line) VALUES (?, ?, ?, ?, ?, ?)"
# Rows of one statement. Each that runs lets go of the interpreter and must get it back from a busy event loop.
MANY = 16
INSERT_MANY_EVENTS = INSERT_EVENT + ", (?, ?, ?, ?, ?, ?)" * (MANY - 1)
DROP_HOLD = "DELETE FROM holds WHERE scope = ?"
LAST_VERSION = "SELECT coalesce(max(version), 0) FROM events WHERE stream = ?"
PUT_COUNTER = "INSERT INTO counters (counter, used) VALUES (?, ?) ON CONFLICT DO UPDATE SET used = excluded.used"
DROP_COUNTER = "DELETE FROM counters WHERE counter = ?"
PUT_HOLD = "INSERT INTO holds (scope, action, cancel, who, why, at) VALUES (?, ?, ?, ?, ?, ?)"

# --- writing on PostgreSQL: one statement for everything that waits. A client that freezes is never inside a
# transaction, so it never holds a lock; a batch is there whole or not at all. ``part`` numbers the appends. The answer
# has a row for each append that was refused. A version that another writer takes between the look (``there``) and the
# insert fails the whole statement, which is then repeated. ----------------------------------------------------------

_NEW = """
    WITH new AS (
        SELECT * FROM unnest(
            %(part)s::int[], %(stream)b::text[], %(version)s::bigint[], %(case_id)b::text[], %(kind)b::text[],
            %(at)b::text[], %(line)b::text[]
        ) WITH ORDINALITY AS new (part, stream, version, case_id, kind, at, line, place)
    ), door AS (
        {door}
    ), held AS (
        SELECT DISTINCT ON (asked.part) asked.part, asked.scope, door.holds -> asked.scope AS hold
        FROM unnest(%(scoped)s::int[], %(scope)s::text[]) AS asked (part, scope), door
        WHERE door.holds ? asked.scope
        ORDER BY asked.part, door.holds -> asked.scope ->> 'action' COLLATE "C", asked.scope COLLATE "C"
    ), there AS (
        SELECT new.part, bool_and(events.writer = %(writer)s AND events.batch = %(batch)s) AS own
        FROM new JOIN events ON events.stream = new.stream AND events.version = new.version
        GROUP BY new.part
    ), old AS (
        SELECT DISTINCT ON (rests.part) rests.part, rests.stream
        FROM unnest(%(resting)s::int[], %(rests_on)s::text[], %(ends)s::bigint[]) AS rests (part, stream, ends)
        JOIN events ON events.stream = rests.stream AND events.version = rests.ends + 1
        ORDER BY rests.part, rests.stream COLLATE "C"
    ){count}, written AS (
        INSERT INTO events (stream, version, case_id, kind, at, line, writer, batch)
        SELECT stream, version, case_id, kind, at, line, %(writer)s, %(batch)s FROM new
        WHERE {open} AND part NOT IN (SELECT part FROM held) AND part NOT IN (SELECT part FROM there)
        AND part NOT IN (SELECT part FROM old){fits}
        ORDER BY place
        RETURNING seq
    )
"""
# Nearly every batch can be written whole. This writes it so, or nothing of it, and then the others say why.
_WHOLE = """
    WITH door AS (
        {door}
    ), written AS (
        INSERT INTO events (stream, version, case_id, kind, at, line, writer, batch)
        SELECT stream, version, case_id, kind, at, line, %(writer)s, %(batch)s
        FROM unnest(
            %(stream)b::text[], %(version)s::bigint[], %(case_id)b::text[], %(kind)b::text[], %(at)b::text[],
            %(line)b::text[]
        ) WITH ORDINALITY AS new (stream, version, case_id, kind, at, line, place)
        WHERE NOT EXISTS (SELECT FROM door WHERE holds ?| %(scope)s::text[])
        AND NOT EXISTS (
            SELECT FROM unnest(%(rests_on)s::text[], %(ends)s::bigint[]) AS rests (stream, ends)
            JOIN events ON events.stream = rests.stream AND events.version = rests.ends + 1
        )
        ORDER BY place
        RETURNING seq
    )
    SELECT count(*) FROM written
"""
# The counters that are asked for are locked in one order and read as they stand then: a counter that was changed while
# this statement waited is read again, like the gate. Who asks in a crowd is measured as if everybody before them had
# been let in; who is refused so is asked again alone.
_COUNT = """
    , asked AS (
        SELECT * FROM unnest(%(counting)s::int[], %(counter)s::text[], %(amount)s::numeric[], %(most)s::numeric[])
        WITH ORDINALITY AS asked (part, counter, amount, most, place)
    ), stock AS (
        SELECT counter, used FROM counters -- after the gate, always in that order
        WHERE counter = ANY (%(counter)s::text[]) AND (SELECT count(*) FROM door) >= 0
        ORDER BY counter FOR UPDATE
    ), tight AS (
        SELECT DISTINCT ON (part) part, counter, used, amount, most FROM (
            SELECT asked.*, stock.used,
                   sum(greatest(amount, 0)) OVER (PARTITION BY counter ORDER BY part, place) AS so_far
            FROM asked JOIN stock USING (counter)
        ) AS measured
        WHERE used + so_far > most
        ORDER BY part, place
    )"""
_COUNTED = """
    , counted AS (
        UPDATE counters SET used = counters.used + change.amount
        FROM (
            SELECT counter, sum(amount) AS amount FROM asked
            WHERE part NOT IN (SELECT part FROM held) AND part NOT IN (SELECT part FROM there)
            AND part NOT IN (SELECT part FROM old) AND part NOT IN (SELECT part FROM tight)
            GROUP BY counter
        ) AS change
        WHERE counters.counter = change.counter
    )"""
_SHUT = """
    , shut AS (
        UPDATE gate SET holds = (gate.holds - %(changed)s::text[]) || %(put)s::jsonb
        WHERE EXISTS (SELECT FROM written)
    )
"""
# Why an append was refused: ``part``, what by (a scope, a stream, a counter), and how that stands.
_REFUSED = """
    SELECT part, 'held', scope, hold FROM held WHERE part NOT IN (SELECT part FROM there WHERE own)
    UNION ALL
    SELECT part, 'taken', NULL, NULL FROM there WHERE NOT own AND part NOT IN (SELECT part FROM held)
    UNION ALL
    SELECT part, 'old', stream, NULL FROM old
    WHERE part NOT IN (SELECT part FROM held) AND part NOT IN (SELECT part FROM there)
"""
_REFUSED_FULL = """
    UNION ALL
    SELECT part, 'full', counter, jsonb_build_array(used::text, amount::text, most::text) FROM tight
    WHERE part NOT IN (SELECT part FROM held) AND part NOT IN (SELECT part FROM there)
    AND part NOT IN (SELECT part FROM old)
"""
# The gate is locked before any event is given its ``seq``, so the order of the record is the order of the locks. What
# names no scope needs no lock.
_SHARED = "SELECT holds FROM gate WHERE cardinality(%(scope)s::text[]) > 0 FOR SHARE"
_ALONE = "SELECT holds FROM gate FOR UPDATE"
_FITS = " AND part NOT IN (SELECT part FROM tight)"
COMMIT = _NEW.format(door=_SHARED, open="TRUE", count="", fits="") + _REFUSED
COMMIT_WHOLE = _WHOLE.format(door=_SHARED)
COMMIT_COUNTED = _NEW.format(door=_SHARED, open="TRUE", count=_COUNT, fits=_FITS) + _COUNTED + _REFUSED + _REFUSED_FULL
COMMIT_HOLDS = _NEW.format(door=_ALONE, open="EXISTS (SELECT FROM door)", count="", fits="") + _SHUT + _REFUSED
# A counter must be there before it can be locked. It is made at zero, apart from what is counted.
NEW_COUNTERS = """
    INSERT INTO counters (counter, used) SELECT unnest(%s::text[]), 0 ON CONFLICT DO NOTHING RETURNING counter
"""
# An insert locks the table before it looks at anything, so one that was under way without having seen what is durable
# now has ended when this is answered. One message is one transaction: the lock is let go without the client.
WAIT_FOR_APPENDS = "SELECT 1; LOCK TABLE events IN SHARE MODE"
NEW_WRITER = "SELECT nextval('writers')"

# --- a connection to PostgreSQL --------------------------------------------------------------------------------------

# What must hold whatever the server's or the role's defaults are. Read committed is what reads the gate again.
SESSION = """
    SET default_transaction_isolation = 'read committed';
    SET synchronous_commit = on;
    SET statement_timeout = '30s';
    SET idle_in_transaction_session_timeout = '5s';
"""
# The writer only ever looks up keys. A plan that was made while the table was small must not read it whole later; and
# the price that the planner puts on what is switched off must not make it compile the statement each time.
WRITER_SESSION = """
    SET jit = off;
    SET enable_seqscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET plan_cache_mode = force_generic_plan;
"""
FSYNC = "SHOW fsync"
WHO_AM_I = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
# How many server processes of a lost connection are left; each is told to end.
END_OF = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s"
