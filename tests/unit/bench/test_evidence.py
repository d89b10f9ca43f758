"""What is read from metrics and from PostgreSQL's log."""

from tests.bench.metrics import by_label, parse
from tests.bench.plans import parse as parse_plans

METRICS = """# HELP tracetrack_cache_reads_total Reads
tracetrack_cache_reads_total{level="process"} 90.0
tracetrack_cache_reads_total{level="redis"} 9.0
tracetrack_cache_reads_total{level="database"} 1.0
tracetrack_http_requests_total{method="GET",route="/api/v1/bags/{code}",status="200"} 5.0
tracetrack_ready 1.0
"""

LOG = """2026-01-05 10:00:00 UTC [7] LOG:  duration: 0.1 ms  plan:
\tQuery Text: SELECT * FROM bags
\tWHERE code = $1
\tIndex Scan using bags_code_once on bags  (cost=0.42..8.44 rows=1 width=100)
\t  Index Cond: (code = 'SB00001'::text)
2026-01-05 10:00:00 UTC [7] CONTEXT:  SQL function "f" statement 1
2026-01-05 10:00:01 UTC [7] LOG:  duration: 9.1 ms  plan:
\tQuery Text: SELECT count(*) FROM links, products, public.scan_ledger
\tNested Loop  (cost=0.00..1.00 rows=1 width=8)
\t  ->  Seq Scan on links  (cost=0.00..1.00 rows=1 width=8)
\t  ->  Seq Scan on products  (cost=0.00..1.00 rows=1 width=8)
\t  ->  Parallel Seq Scan on scan_ledger l  (cost=0.00..1.00 rows=1 width=8)
2026-01-05 10:00:02 UTC [7] LOG:  checkpoint complete
"""


def test_metrics_are_summed_by_a_label() -> None:
    samples = parse(METRICS)
    assert samples[("tracetrack_ready", "")] == 1.0
    assert by_label(samples, "tracetrack_cache_reads_total", "level") == {"process": 90.0, "redis": 9.0, "database": 1}
    assert by_label(samples, "tracetrack_cache_reads_total", "route") == {}


def test_plans_that_read_a_large_table_are_found() -> None:
    first, second = parse_plans(LOG)
    assert (first.statement, first.sequential) == ("SELECT * FROM bags WHERE code = $1", frozenset())
    assert second.statement == "SELECT count(*) FROM links, products, public.scan_ledger"
    assert second.sequential == {"links", "scan_ledger"}


NEVER = """LOG:  duration: 0.1 ms  plan:
\tQuery Text: SELECT id FROM bags WHERE kind = $1 AND kind = 'parent'
\tNested Loop  (cost=0.00..1.00 rows=1 width=8)
\t  ->  Sort  (cost=0.00..1.00 rows=1 width=8)
\t        ->  Result  (cost=0.00..1.00 rows=1 width=8)
\t              One-Time Filter: false
\t              ->  Parallel Seq Scan on bags b_1  (cost=0.00..1.00 rows=1 width=8)
\t                    Filter: (kind = 'child'::text)
\t  ->  {scan} on links  (cost=0.43..8.45 rows=1 width=63)
"""


def test_what_a_false_condition_keeps_from_running_is_no_scan() -> None:
    assert [plan.sequential for plan in parse_plans(NEVER.format(scan="Index Scan using links_pkey"))] == [frozenset()]
    assert [plan.sequential for plan in parse_plans(NEVER.format(scan="Seq Scan"))] == [{"links"}]
