"""What must hold between the ledger, the counters and the bags, as queries for what breaks it.

Each query gives one row a fault: a code (of a bag, a bill, a ticket or an actor) and what is wrong with it. They are
joins of whole tables rather than look-ups, so that PostgreSQL reads each table once and keeps to its `work_mem`.
"""

from __future__ import annotations

from dataclasses import dataclass

_BY_HAND = "Find what wrote past the recording functions; then mend the row as the owner of the tables"
_COUNTER = "The rows are right, the counter is not: set it to the number of rows"
_LEDGER = "Compare with a backup: rows were added or removed without their ledger entry"


@dataclass(frozen=True, slots=True)
class Rule:
    """`says` is what must hold, `remedy` what to do about what breaks it, `sql` gives (code, detail) of each fault."""

    name: str
    says: str
    remedy: str
    sql: str


RULES: tuple[Rule, ...] = (
    Rule(
        "codes",
        "codes are folded and have the form of their kind",
        f"{_BY_HAND}; a code is never changed: remove the bag and register the right one.",
        """
        SELECT code, format('a %s must not have this code', kind) FROM bags
        WHERE code <> upper(code) OR code <> btrim(code)
           OR CASE kind WHEN 'parent' THEN code !~ '^(SB|M444-)[0-9]{5}$'
                        ELSE code !~ '^[A-Z0-9]{4,20}$' OR code ~ '^SB[0-9]{5}$' END
        """,
    ),
    Rule(
        "bag_once",
        "a code belongs to one bag",
        f"{_BY_HAND}; the unique constraint bags_code_once is missing: create it again afterwards.",
        "SELECT upper(code), format('%s bags have it', count(*)) FROM bags GROUP BY upper(code) HAVING count(*) > 1",
    ),
    Rule(
        "bag_made_once",
        "a living bag has been made by one entry more than it was deleted",
        f"{_LEDGER}; a bag that came another way needs its `bag_registered` entry.",
        """
        SELECT b.code, format('made %s times, deleted %s times', coalesce(l.made, 0), coalesce(l.deleted, 0))
        FROM bags b LEFT JOIN (
            SELECT code, kind, count(*) FILTER (WHERE made_bag) AS made,
                   count(*) FILTER (WHERE outcome = 'bag_deleted') AS deleted
            FROM scan_ledger WHERE made_bag OR outcome = 'bag_deleted' GROUP BY code, kind
        ) l ON l.code = b.code AND l.kind = b.kind
        WHERE coalesce(l.made, 0) - coalesce(l.deleted, 0) <> 1
        """,
    ),
    Rule(
        "bag_gone",
        "a bag that was made and is not there has been deleted by an entry",
        f"{_LEDGER}; restore the bag, or enter its `bag_deleted`.",
        """
        SELECT l.code, format('a %s, made %s times, deleted %s times', l.kind, l.made, l.deleted)
        FROM (
            SELECT code, kind, count(*) FILTER (WHERE made_bag) AS made,
                   count(*) FILTER (WHERE outcome = 'bag_deleted') AS deleted
            FROM scan_ledger WHERE made_bag OR outcome = 'bag_deleted' GROUP BY code, kind
        ) l LEFT JOIN bags b ON b.code = l.code AND b.kind = l.kind
        WHERE b.id IS NULL AND l.made <> l.deleted
        """,
    ),
    Rule(
        "making",
        "only an entry that can make a bag says that it made one",
        f"{_LEDGER}.",
        """
        SELECT code, format('entry %s (%s) of a %s, made_bag %s', id, outcome, kind, made_bag) FROM scan_ledger
        WHERE (made_bag AND (kind IS NULL OR outcome NOT IN ('parent_created', 'child_linked', 'bag_registered')))
           OR (outcome IN ('parent_created', 'bag_registered') AND NOT made_bag)
           OR (kind = 'child' AND outcome = 'parent_created') OR (kind = 'parent' AND outcome = 'child_linked')
        """,
    ),
    Rule(
        "link_ends",
        "a link joins a child with a parent",
        f"{_BY_HAND}.",
        """
        SELECT coalesce(c.code, p.code, 'child ' || k.child_id),
               format('child %s is %s, parent %s is %s', coalesce(c.code, k.child_id::text),
                      coalesce(c.kind, 'missing'), coalesce(p.code, k.parent_id::text), coalesce(p.kind, 'missing'))
        FROM links k LEFT JOIN bags c ON c.id = k.child_id LEFT JOIN bags p ON p.id = k.parent_id
        WHERE c.kind IS DISTINCT FROM 'child' OR p.kind IS DISTINCT FROM 'parent'
        """,
    ),
    Rule(
        "child_count",
        "a parent's child_count is the number of its links",
        f"{_COUNTER}, in bags.child_count.",
        """
        SELECT b.code, format('child_count is %s, links are %s', b.child_count, coalesce(k.n, 0))
        FROM bags b LEFT JOIN (SELECT parent_id, count(*) AS n FROM links GROUP BY parent_id) k ON k.parent_id = b.id
        WHERE b.child_count <> coalesce(k.n, 0)
        """,
    ),
    Rule(
        "capacity",
        "no parent and no bill holds more than its capacity",
        "Undo the newest scans past the limit, or raise the capacity of that parent or bill.",
        """
        SELECT code, format('%s of %s', child_count, capacity) FROM bags WHERE child_count > capacity
        UNION ALL
        SELECT code, format('%s of %s', bag_count, capacity) FROM bills WHERE bag_count > capacity
        """,
    ),
    Rule(
        "status",
        "a parent's status agrees with its count, a bill's with its own",
        f"{_BY_HAND}: pending is empty, in_progress is not empty and not full; a new or deleted bill holds nothing.",
        """
        SELECT code, format('%s with %s of %s', status, child_count, capacity) FROM bags
        WHERE kind = 'parent' AND (status = 'pending' AND child_count > 0
           OR status = 'in_progress' AND (child_count = 0 OR child_count = capacity))
        UNION ALL
        SELECT code, format('%s with %s bags%s', status, bag_count, CASE WHEN deleted_at IS NOT NULL
                            THEN ', deleted' END) FROM bills
        WHERE status = 'new' AND bag_count > 0 OR deleted_at IS NOT NULL AND bag_count > 0
        """,
    ),
    Rule(
        "link_entry",
        "a link has its child_linked entry, of those very codes and not reversed",
        f"{_LEDGER}; a link without an entry is undone by deleting it and scanning the child again.",
        """
        SELECT c.code, CASE WHEN l.id IS NULL THEN format('linked to %s by entry %s, which is not there', p.code,
                                                          k.entry_id)
                            WHEN r.id IS NOT NULL THEN format('entry %s was reversed by %s', l.id, r.id)
                            ELSE format('linked to %s, but entry %s is %s of %s into %s', p.code, l.id, l.outcome,
                                        l.code, coalesce(l.parent, 'none')) END
        FROM links k JOIN bags c ON c.id = k.child_id JOIN bags p ON p.id = k.parent_id
        LEFT JOIN scan_ledger l ON l.id = k.entry_id
        LEFT JOIN scan_ledger r ON r.reverses = k.entry_id
        WHERE l.id IS NULL OR r.id IS NOT NULL OR l.outcome <> 'child_linked' OR l.code <> c.code
           OR l.parent IS DISTINCT FROM p.code
        """,
    ),
    Rule(
        "entry_link",
        "a child_linked entry that was not reversed has its link",
        f"{_LEDGER}; scan the child into its parent again, or restore the link.",
        """
        SELECT l.code, format('entry %s put it into %s, and there is no such link', l.id, l.parent)
        FROM scan_ledger l LEFT JOIN links k ON k.entry_id = l.id LEFT JOIN scan_ledger r ON r.reverses = l.id
        WHERE l.outcome = 'child_linked' AND k.child_id IS NULL AND r.id IS NULL
        """,
    ),
    Rule(
        "reversals",
        "a reversing entry names an earlier entry of the right kind and the same bag, and no other one names it",
        f"{_LEDGER}.",
        """
        SELECT r.code, CASE WHEN l.id IS NULL THEN format('entry %s reverses %s, which is not there', r.id, r.reverses)
                            ELSE format('entry %s (%s) reverses %s (%s of %s)', r.id, r.outcome, l.id, l.outcome,
                                        l.code) END
        FROM scan_ledger r LEFT JOIN scan_ledger l ON l.id = r.reverses
        WHERE r.reverses IS NOT NULL AND (l.id IS NULL OR l.id >= r.id OR l.code <> r.code
           OR (r.outcome = 'unlinked' AND (l.outcome <> 'child_linked' OR l.parent IS DISTINCT FROM r.parent))
           OR (r.outcome IN ('bill_unlinked', 'returned') AND l.outcome <> 'bill_linked')
           OR r.outcome NOT IN ('unlinked', 'bill_unlinked', 'returned'))
        UNION ALL
        SELECT min(code), format('entry %s is reversed %s times', reverses, count(*)) FROM scan_ledger
        WHERE reverses IS NOT NULL GROUP BY reverses HAVING count(*) > 1
        UNION ALL
        SELECT code, format('entry %s is %s and reverses nothing', id, outcome) FROM scan_ledger
        WHERE outcome IN ('unlinked', 'bill_unlinked', 'returned') AND reverses IS NULL
        """,
    ),
    Rule(
        "bill_count",
        "a bill's bag_count is the number of bags on it",
        f"{_COUNTER}, in bills.bag_count.",
        """
        SELECT b.code, format('bag_count is %s, bags are %s', b.bag_count, coalesce(k.n, 0))
        FROM bills b LEFT JOIN (
            SELECT bill_id, count(*) AS n FROM bill_bags WHERE removed_at IS NULL GROUP BY bill_id
        ) k ON k.bill_id = b.id
        WHERE b.bag_count <> coalesce(k.n, 0)
        """,
    ),
    Rule(
        "one_bill",
        "a parent is on one active bill at most",
        "Take it off all bills but one. The index bill_bags_one_active_bill is missing: create it again afterwards.",
        """
        SELECT p.code, format('on %s bills: %s', count(*), string_agg(b.code, ', ' ORDER BY b.code))
        FROM bill_bags k JOIN bags p ON p.id = k.bag_id JOIN bills b ON b.id = k.bill_id
        WHERE k.removed_at IS NULL GROUP BY p.code HAVING count(*) > 1
        """,
    ),
    Rule(
        "bill_entry",
        "a bag on a bill has its bill_linked entry, not reversed; one that left it has it reversed",
        f"{_LEDGER}.",
        """
        SELECT coalesce(p.code, 'bag ' || k.bag_id),
               CASE WHEN l.id IS NULL THEN format('on bill %s by entry %s, which is not there', b.code, k.entry_id)
                    WHEN k.removed_at IS NULL AND r.id IS NOT NULL
                        THEN format('on bill %s, but entry %s was reversed by %s', b.code, l.id, r.id)
                    WHEN k.removed_at IS NOT NULL AND r.id IS NULL
                        THEN format('left bill %s, but entry %s was not reversed', b.code, l.id)
                    ELSE format('on bill %s, but entry %s is %s of %s', coalesce(b.code, 'missing'), l.id, l.outcome,
                                l.code) END
        FROM bill_bags k LEFT JOIN bags p ON p.id = k.bag_id LEFT JOIN bills b ON b.id = k.bill_id
        LEFT JOIN scan_ledger l ON l.id = k.entry_id
        LEFT JOIN scan_ledger r ON r.reverses = k.entry_id
        WHERE p.id IS NULL OR p.kind <> 'parent' OR b.id IS NULL OR l.id IS NULL
           OR (k.removed_at IS NULL) <> (r.id IS NULL)
           OR l.outcome <> 'bill_linked' OR l.code <> p.code OR upper(l.bill) IS DISTINCT FROM upper(b.code)
        """,
    ),
    Rule(
        "entry_bill",
        "a bill_linked entry has its row among the bags of the bill",
        f"{_LEDGER}; scan the bag onto its bill again, or restore the row.",
        """
        SELECT l.code, format('entry %s put it on bill %s, and there is no such row', l.id, l.bill)
        FROM scan_ledger l LEFT JOIN bill_bags k ON k.entry_id = l.id
        WHERE l.outcome = 'bill_linked' AND k.id IS NULL
        """,
    ),
    Rule(
        "returns",
        "a returned bag has its entry, and a returned entry its bag on a ticket",
        f"{_LEDGER}.",
        """
        SELECT coalesce(p.code, 'bag ' || t.bag_id),
               format('on ticket %s by entry %s, which is %s', coalesce(x.code, t.ticket_id::text), t.entry_id,
                      coalesce(l.outcome || ' of ' || l.code, 'not there'))
        FROM return_ticket_bags t LEFT JOIN return_tickets x ON x.id = t.ticket_id LEFT JOIN bags p ON p.id = t.bag_id
        LEFT JOIN scan_ledger l ON l.id = t.entry_id
        WHERE x.id IS NULL OR p.id IS NULL OR l.id IS NULL OR l.outcome <> 'returned' OR l.code <> p.code
        UNION ALL
        SELECT l.code, format('entry %s returned it, and it is on no ticket', l.id)
        FROM scan_ledger l LEFT JOIN return_ticket_bags t ON t.entry_id = l.id
        WHERE l.outcome = 'returned' AND t.entry_id IS NULL
        """,
    ),
    Rule(
        "return_bill",
        "a returned bag left the bill that its ticket names",
        f"{_LEDGER}.",
        """
        SELECT p.code, format('its ticket names bill %s, it left bill %s', b.code, coalesce(l.bill, 'none'))
        FROM return_ticket_bags t JOIN bags p ON p.id = t.bag_id JOIN scan_ledger r ON r.id = t.entry_id
        LEFT JOIN bills b ON b.id = t.bill_id LEFT JOIN scan_ledger l ON l.id = r.reverses
        WHERE upper(b.code) IS DISTINCT FROM upper(l.bill)
        """,
    ),
    Rule(
        "areas",
        "a child in a parent is of the parent's area",
        "Set the child's area to its parent's: UPDATE bags SET area = … WHERE code = ….",
        """
        SELECT c.code, format('of %s, its parent %s of %s', coalesce(c.area, 'no area'), p.code,
                              coalesce(p.area, 'no area'))
        FROM links k JOIN bags c ON c.id = k.child_id JOIN bags p ON p.id = k.parent_id
        WHERE c.area IS DISTINCT FROM p.area
        """,
    ),
    Rule(
        "daily_counts",
        "the daily counts of an actor add up to his ledger entries",
        "The ledger is right: correct his newest row of daily_counts by the difference.",
        """
        SELECT coalesce(l.actor, d.actor),
               format('accepted %s/%s, refused %s/%s, created %s+%s/%s+%s, deleted %s+%s/%s+%s (counted/ledger)',
                      coalesce(d.accepted, 0), coalesce(l.accepted, 0), coalesce(d.refused, 0),
                      coalesce(l.refused, 0), coalesce(d.parents_made, 0), coalesce(d.children_made, 0),
                      coalesce(l.parents_made, 0), coalesce(l.children_made, 0), coalesce(d.parents_gone, 0),
                      coalesce(d.children_gone, 0), coalesce(l.parents_gone, 0), coalesce(l.children_gone, 0))
        FROM (
            SELECT coalesce('user:' || user_id, 'scanner:' || fleet || '/' || scanner) AS actor,
                   count(*) FILTER (WHERE refusal IS NULL) AS accepted,
                   count(*) FILTER (WHERE refusal IS NOT NULL) AS refused,
                   count(*) FILTER (WHERE made_bag AND kind = 'parent') AS parents_made,
                   count(*) FILTER (WHERE made_bag AND kind = 'child') AS children_made,
                   count(*) FILTER (WHERE outcome = 'bag_deleted' AND kind = 'parent') AS parents_gone,
                   count(*) FILTER (WHERE outcome = 'bag_deleted' AND kind = 'child') AS children_gone
            FROM scan_ledger GROUP BY user_id, fleet, scanner
        ) l FULL JOIN (
            SELECT actor, sum(accepted) AS accepted, sum(refused) AS refused, sum(parents_created) AS parents_made,
                   sum(children_created) AS children_made, sum(parents_deleted) AS parents_gone,
                   sum(children_deleted) AS children_gone
            FROM daily_counts GROUP BY actor
        ) d ON d.actor = l.actor
        WHERE (coalesce(l.accepted, 0), coalesce(l.refused, 0), coalesce(l.parents_made, 0),
               coalesce(l.children_made, 0), coalesce(l.parents_gone, 0), coalesce(l.children_gone, 0))
           <> (coalesce(d.accepted, 0), coalesce(d.refused, 0), coalesce(d.parents_made, 0),
               coalesce(d.children_made, 0), coalesce(d.parents_gone, 0), coalesce(d.children_gone, 0))
        """,
    ),
)
