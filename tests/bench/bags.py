"""Loads a warehouse: full-size tables with a ledger and counters that agree, as if every bag had been scanned."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from tests.bench.workload import PARENT_CODES

FILLED = 29
LOAD = 30
SCANNERS = 200


@dataclass(frozen=True, slots=True)
class Stock:
    """`filled` parents hold 29 children each, half of them are on bills; every other parent there can be is empty."""

    filled: int

    @property
    def bags(self) -> int:
        return PARENT_CODES + self.filled * FILLED


# Parent `n` has id n + 1. Without triggers and foreign keys, which would only find that all of it agrees.
_LOAD = """
SET session_replication_role = replica;
SET synchronous_commit = off;
SET maintenance_work_mem = '512MB';
CREATE TEMP TABLE scanned AS
    SELECT row_number() OVER (ORDER BY parent, place) AS id, parent, place
    FROM generate_series(0, {parents} - 1) AS parent,
         generate_series(0, CASE WHEN parent < {filled} THEN {children} ELSE 0 END) AS place;
CREATE FUNCTION pg_temp.parent_code(n integer) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT CASE WHEN n < 100000 THEN 'SB' || lpad(n::text, 5, '0')
                   ELSE 'M444-' || lpad((n - 100000)::text, 5, '0') END $$;
CREATE FUNCTION pg_temp.child_code(n integer, place integer) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT 'C' || lpad(n::text, 6, '0') || lpad(place::text, 2, '0') $$;
CREATE FUNCTION pg_temp.area(n integer) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT (ARRAY['lucknow', 'indore', 'jaipur', 'hisar', 'sangaria', 'bathinda', 'raipur', 'ranchi', 'akola'])
              [1 + n % 9] $$;
INSERT INTO bags (id, code, kind, status, capacity, child_count, product_id, area)
    SELECT n + 1, pg_temp.parent_code(n), 'parent', CASE WHEN n < {filled} THEN 'in_progress' ELSE 'pending' END,
           30, CASE WHEN n < {filled} THEN {children} ELSE 0 END,
           (SELECT id FROM products WHERE is_default), pg_temp.area(n)
    FROM generate_series(0, {parents} - 1) n;
INSERT INTO bags (id, code, kind, area)
    SELECT {parents} + n * {children} + place, pg_temp.child_code(n, place), 'child', pg_temp.area(n)
    FROM generate_series(0, {filled} - 1) n, generate_series(1, {children}) place;
INSERT INTO links (child_id, parent_id, entry_id)
    SELECT {parents} + parent * {children} + place, parent + 1, id FROM scanned WHERE place > 0 ORDER BY id;
INSERT INTO scan_ledger (id, scan_id, outcome, code, kind, parent, child_count, capacity, made_bag, fleet, scanner,
                         source, station, captured_at, recorded_at, area)
    SELECT id, gen_random_uuid(), CASE WHEN place = 0 THEN 'parent_created' ELSE 'child_linked' END,
           CASE WHEN place = 0 THEN pg_temp.parent_code(parent) ELSE pg_temp.child_code(parent, place) END,
           CASE WHEN place = 0 THEN 'parent' ELSE 'child' END,
           CASE WHEN place > 0 THEN pg_temp.parent_code(parent) END, place, 30, true,
           'bench', 'bench-' || lpad((1 + parent % {scanners})::text, 4, '0'), 'v1', 'gate-' || parent % 40,
           now() - interval '90 days' + id * interval '1 second', now() - interval '90 days' + id * interval '1 second',
           pg_temp.area(parent)
    FROM scanned ORDER BY id;
INSERT INTO bills (id, code, destination, vehicle_number, capacity, bag_count, status, created_at)
    SELECT n + 1, 'BILL-' || lpad(n::text, 5, '0'), 'Lucknow', 'UP32 ' || n, {load}, {load}, 'processing',
           now() - interval '60 days' + n * interval '1 minute'
    FROM generate_series(0, {bills} - 1) n;
INSERT INTO bill_bags (bill_id, bag_id, entry_id)
    SELECT n / {load} + 1, n + 1, (SELECT count(*) FROM scanned) + n + 1
    FROM generate_series(0, {bills} * {load} - 1) n;
INSERT INTO scan_ledger (id, scan_id, outcome, code, kind, bill, child_count, capacity, bill_count, bill_capacity,
                         fleet, scanner, source, captured_at, recorded_at, area)
    SELECT (SELECT count(*) FROM scanned) + n + 1, gen_random_uuid(), 'bill_linked', pg_temp.parent_code(n), 'parent',
           'BILL-' || lpad((n / {load})::text, 5, '0'), {children}, 30, 1 + n % {load}, {load},
           'bench', 'bench-0001', 'v1', now() - interval '30 days' + n * interval '1 second',
           now() - interval '30 days' + n * interval '1 second', pg_temp.area(n)
    FROM generate_series(0, {bills} * {load} - 1) n;
INSERT INTO daily_counts (actor, day, accepted, parents_created, children_created)
    SELECT 'scanner:' || fleet || '/' || scanner, (recorded_at AT TIME ZONE 'Asia/Kolkata')::date, count(*),
           count(*) FILTER (WHERE made_bag AND kind = 'parent'), count(*) FILTER (WHERE made_bag AND kind = 'child')
    FROM scan_ledger GROUP BY 1, 2;
SELECT setval(pg_get_serial_sequence('bags', 'id'), (SELECT max(id) FROM bags)),
       setval(pg_get_serial_sequence('bills', 'id'), (SELECT max(id) FROM bills)),
       setval(pg_get_serial_sequence('scan_ledger', 'id'), (SELECT max(id) FROM scan_ledger));
"""


async def load(dsn: str, stock: Stock) -> None:
    """Fill an empty, migrated database as its superuser; about 20 s for a million bags."""
    words = _LOAD.format(
        parents=PARENT_CODES,
        filled=stock.filled,
        children=FILLED,
        scanners=SCANNERS,
        bills=stock.filled // (2 * LOAD),
        load=LOAD,
    )
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(words)
        await connection.execute("VACUUM (ANALYZE, PARALLEL 0)")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
