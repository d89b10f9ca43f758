-- The ways to write the ledger, now with the area of who scans and the product of new parents. The functions of 0002
-- stay for a version of the app that still calls them. Locks are taken in the same order everywhere: bills, bags by
-- code, new bags by code, daily counts by actor.

CREATE OR REPLACE FUNCTION count_entries(entries scan_ledger[], time_zone text) RETURNS void LANGUAGE sql
    SET enable_seqscan = off SET jit = off AS $$
    INSERT INTO daily_counts AS d (actor, day, accepted, refused, parents_created, children_created,
                                   parents_deleted, children_deleted)
    SELECT coalesce('user:' || e.user_id, 'scanner:' || e.fleet || '/' || e.scanner),
           (now() AT TIME ZONE time_zone)::date,
           count(*) FILTER (WHERE e.refusal IS NULL),
           count(*) FILTER (WHERE e.refusal IS NOT NULL),
           count(*) FILTER (WHERE e.made_bag AND e.kind = 'parent'),
           count(*) FILTER (WHERE e.made_bag AND e.kind = 'child'),
           count(*) FILTER (WHERE e.outcome = 'bag_deleted' AND e.kind = 'parent'),
           count(*) FILTER (WHERE e.outcome = 'bag_deleted' AND e.kind = 'child')
    FROM unnest(entries) e
    GROUP BY 1
    ORDER BY 1
    ON CONFLICT (actor, day) DO UPDATE
    SET accepted = d.accepted + excluded.accepted,
        refused = d.refused + excluded.refused,
        parents_created = d.parents_created + excluded.parents_created,
        children_created = d.children_created + excluded.children_created,
        parents_deleted = d.parents_deleted + excluded.parents_deleted,
        children_deleted = d.children_deleted + excluded.children_deleted
$$;

-- The product and the capacity of a new parent: the longest prefix that fits its code, else the default product.
CREATE FUNCTION product_of(p_code text, p_capacity integer, OUT product_id bigint, OUT capacity integer)
    LANGUAGE sql STABLE AS $$
    SELECT p.id, coalesce(p.capacity, p_capacity)
    FROM products p
    WHERE p.is_default OR starts_with(p_code, p.code_prefix)
    ORDER BY p.is_default, length(p.code_prefix) DESC
    LIMIT 1
$$;

-- Records a batch of parent and child scans: one array element each, scan_ids and child codes distinct.
-- p_area is the area that the actor is limited to; NULL for one who may touch every bag.
-- Returns the ledger entry of every scan_id; replay tells that it had been recorded before.
CREATE FUNCTION record_scans(
    p_scan_id uuid[], p_code text[], p_kind text[], p_parent text[], p_bill text[], p_refusal text[],
    p_user_id bigint[], p_fleet text[], p_scanner text[], p_source text[], p_station text[],
    p_captured_at timestamptz[], p_area text[], p_capacity integer, p_time_zone text
) RETURNS TABLE (replay boolean, entry scan_ledger) LANGUAGE plpgsql
    SET enable_seqscan = off SET jit = off AS $$
DECLARE
    prior   scan_ledger[];
    entries scan_ledger[];
    seen    uuid[] := '{}';
    created text[] := '{}';
    touched text[];
BEGIN
    SELECT array_agg(l), coalesce(array_agg(l.scan_id), '{}') INTO prior, seen
    FROM scan_ledger l WHERE l.scan_id = ANY (p_scan_id);

    IF 'parent' = ANY (p_kind) THEN
        WITH made AS (
            INSERT INTO bags (code, kind, capacity, product_id, area)
            SELECT DISTINCT ON (i.code) i.code, 'parent', p.capacity, p.product_id, i.area
            FROM unnest(p_scan_id, p_code, p_kind, p_refusal, p_area) AS i (scan_id, code, kind, refusal, area)
            CROSS JOIN LATERAL product_of(i.code, p_capacity) p
            WHERE i.kind = 'parent' AND i.refusal IS NULL AND i.scan_id <> ALL (seen)
              AND NOT EXISTS (SELECT FROM bags b WHERE b.code = i.code OFFSET 0)
            ORDER BY i.code
            ON CONFLICT (code) DO NOTHING
            RETURNING code
        )
        SELECT coalesce(array_agg(code), '{}') INTO created FROM made;
    END IF;

    SELECT array_agg(c) INTO touched
    FROM (SELECT unnest(p_parent) UNION
          SELECT code FROM unnest(p_code, p_kind) AS i (code, kind) WHERE kind = 'child') AS t (c)
    WHERE c IS NOT NULL;
    IF touched IS NOT NULL THEN
        PERFORM FROM bags WHERE code = ANY (touched) ORDER BY code FOR NO KEY UPDATE;
    END IF;

    WITH input AS (
        SELECT * FROM unnest(p_scan_id, p_code, p_kind, p_parent, p_bill, p_refusal, p_user_id, p_fleet, p_scanner,
                             p_source, p_station, p_captured_at, p_area)
        WITH ORDINALITY AS i (scan_id, code, kind, parent, bill, refusal, user_id, fleet, scanner, source, station,
                              captured_at, area, ord)
    ),
    judged AS MATERIALIZED (
        SELECT i.*, p.id AS parent_id, p.area AS parent_area, bag.id AS bag_id, bag.area AS bag_area, h.holder,
               coalesce(p.child_count, bag.child_count) AS child_count,
               coalesce(p.capacity, bag.capacity) AS capacity,
               bag.kind AS stored_kind,
               CASE WHEN i.refusal IS NOT NULL THEN i.refusal
                    -- Says nothing of a bag that the actor may not see.
                    WHEN i.area IS NOT NULL AND (bag.id IS NOT NULL AND bag.area IS DISTINCT FROM i.area
                         OR p.id IS NOT NULL AND p.area IS DISTINCT FROM i.area) THEN 'area_denied'
                    WHEN bag.kind <> i.kind THEN 'wrong_bag_type'
                    WHEN i.kind = 'parent' THEN NULL
                    WHEN p.id IS NULL THEN 'parent_not_found'
                    WHEN h.holder IS NOT NULL THEN 'duplicate_child'
                    WHEN p.child_count >= p.capacity THEN 'capacity_reached'
                    WHEN p.status = 'completed' THEN 'parent_completed'
               END AS verdict
        FROM input i
        LEFT JOIN LATERAL (SELECT b.* FROM bags b WHERE b.code = i.parent AND b.kind = 'parent' OFFSET 0) p ON true
        LEFT JOIN LATERAL (SELECT b.* FROM bags b WHERE b.code = i.code AND i.kind IS NOT NULL OFFSET 0) bag ON true
        LEFT JOIN LATERAL (
            SELECT b.code AS holder FROM links k JOIN bags b ON b.id = k.parent_id
            WHERE k.child_id = bag.id AND bag.kind = 'child' OFFSET 0
        ) h ON true
        WHERE i.scan_id <> ALL (seen)
    ),
    ranked AS (
        SELECT j.*, j.verdict IS NULL AND j.kind = 'child' AS wants_place,
               j.verdict IS DISTINCT FROM 'area_denied' AS may_see,
               row_number() OVER (PARTITION BY j.parent_id, j.verdict IS NULL AND j.kind = 'child' ORDER BY j.ord)
                   AS place
        FROM judged j
    ),
    decided AS MATERIALIZED (
        SELECT r.*, f.final,
               r.wants_place AND f.final IS NULL AS links_child,
               r.wants_place AND f.final IS NULL AND r.bag_id IS NULL AS makes_child,
               nextval('scan_ledger_id_seq') AS entry_id,
               CASE WHEN r.wants_place AND f.final IS NULL AND r.bag_id IS NULL THEN nextval('bags_id_seq')
                    ELSE r.bag_id END AS child_id
        FROM ranked r
        CROSS JOIN LATERAL (
            SELECT CASE WHEN r.wants_place AND r.child_count + r.place > r.capacity THEN 'capacity_reached'
                        ELSE r.verdict END AS final
        ) f
        ORDER BY r.ord
    ),
    made AS (
        INSERT INTO bags (id, code, kind, area)
        SELECT child_id, code, 'child', parent_area FROM decided WHERE makes_child ORDER BY code
    ),
    moved AS (
        UPDATE bags b SET area = d.parent_area, updated_at = now() FROM decided d
        WHERE d.links_child AND NOT d.makes_child AND b.id = d.bag_id AND d.bag_area IS DISTINCT FROM d.parent_area
    ),
    linked AS (
        INSERT INTO links (child_id, parent_id, entry_id)
        SELECT child_id, parent_id, entry_id FROM decided WHERE links_child ORDER BY child_id
    ),
    entered AS (
        INSERT INTO scan_ledger (id, scan_id, outcome, refusal, code, kind, parent, bill, holder, child_count, capacity,
                                 made_bag, user_id, fleet, scanner, source, station, captured_at, area)
        SELECT entry_id, scan_id,
               CASE WHEN final IS NOT NULL THEN 'refused'
                    WHEN kind = 'child' THEN 'child_linked'
                    WHEN code = ANY (created) THEN 'parent_created'
                    ELSE 'parent_opened' END,
               final, code, CASE WHEN may_see THEN coalesce(stored_kind, kind) ELSE kind END, parent, bill,
               CASE WHEN may_see THEN holder END,
               CASE WHEN NOT may_see THEN NULL
                    WHEN links_child THEN child_count + place
                    WHEN final = 'capacity_reached' THEN capacity
                    ELSE child_count END,
               CASE WHEN may_see THEN capacity END,
               makes_child OR (final IS NULL AND kind = 'parent' AND code = ANY (created)),
               user_id, fleet, scanner, source, station, captured_at,
               coalesce(area, parent_area, bag_area)
        FROM decided
        RETURNING scan_ledger AS row
    )
    SELECT array_agg(e.row) INTO entries FROM entered e;

    IF entries IS NOT NULL THEN
        PERFORM count_entries(entries, p_time_zone);
    END IF;
    RETURN QUERY SELECT false, e FROM unnest(entries) e UNION ALL SELECT true, l FROM unnest(prior) l;
END $$;

-- Puts an existing parent on a bill.
CREATE FUNCTION record_bill_scan(
    p_scan_id uuid, p_code text, p_kind text, p_bill text, p_refusal text,
    p_user_id bigint, p_fleet text, p_scanner text, p_source text, p_station text, p_captured_at timestamptz,
    p_area text, p_time_zone text
) RETURNS TABLE (replay boolean, entry scan_ledger) LANGUAGE plpgsql
    SET enable_seqscan = off SET jit = off AS $$
DECLARE
    done  scan_ledger;
    bill  bills;
    bag   bags;
    held  bills;
    final text := p_refusal;
BEGIN
    SELECT * INTO done FROM scan_ledger l WHERE l.scan_id = p_scan_id;
    IF FOUND THEN
        RETURN QUERY SELECT true, done;
        RETURN;
    END IF;
    SELECT * INTO bill FROM bills b WHERE upper(b.code) = upper(p_bill) AND b.deleted_at IS NULL FOR NO KEY UPDATE;
    SELECT * INTO bag FROM bags b WHERE b.code = p_code FOR NO KEY UPDATE;
    SELECT b.* INTO held FROM bill_bags k JOIN bills b ON b.id = k.bill_id
    WHERE k.bag_id = bag.id AND k.removed_at IS NULL;
    IF final IS NULL THEN
        final := CASE WHEN p_area IS NOT NULL AND bag.id IS NOT NULL AND bag.area IS DISTINCT FROM p_area
                           THEN 'area_denied'
                      WHEN bill.id IS NULL THEN 'bill_not_found'
                      WHEN bag.id IS NULL THEN 'parent_not_found'
                      WHEN bag.kind <> 'parent' THEN 'wrong_bag_type'
                      WHEN held.id = bill.id THEN 'already_on_bill'
                      WHEN held.id IS NOT NULL THEN 'already_on_other_bill'
                      WHEN bill.status = 'completed' THEN 'bill_closed'
                      WHEN bill.bag_count >= bill.capacity THEN 'bill_capacity_reached' END;
    END IF;
    done.id := nextval('scan_ledger_id_seq');
    IF final IS NULL THEN
        INSERT INTO bill_bags (bill_id, bag_id, entry_id) VALUES (bill.id, bag.id, done.id);
    END IF;
    IF final = 'area_denied' THEN
        bag := NULL;
        held := NULL;
    END IF;
    INSERT INTO scan_ledger (id, scan_id, outcome, refusal, code, kind, bill, holder, child_count, capacity, bill_count,
                             bill_capacity, user_id, fleet, scanner, source, station, captured_at, area)
    VALUES (done.id, p_scan_id, CASE WHEN final IS NULL THEN 'bill_linked' ELSE 'refused' END, final, p_code,
            coalesce(bag.kind, p_kind), coalesce(bill.code, p_bill), held.code, bag.child_count, bag.capacity,
            bill.bag_count + (final IS NULL)::integer, bill.capacity,
            p_user_id, p_fleet, p_scanner, p_source, p_station, p_captured_at, coalesce(p_area, bag.area))
    RETURNING * INTO done;
    PERFORM count_entries(ARRAY[done], p_time_zone);
    RETURN QUERY SELECT false, done;
END $$;

-- Takes a named child (p_code) out of its parent, or the newest one scanned into p_parent within the last hour.
CREATE FUNCTION record_undo(
    p_scan_id uuid, p_code text, p_parent text, p_user_id bigint, p_fleet text, p_scanner text, p_source text,
    p_station text, p_captured_at timestamptz, p_area text, p_time_zone text
) RETURNS TABLE (replay boolean, entry scan_ledger) LANGUAGE plpgsql
    SET enable_seqscan = off SET jit = off AS $$
DECLARE
    done   scan_ledger;
    link   links;
    child  bags;
    parent bags;
    final  text;
BEGIN
    SELECT * INTO done FROM scan_ledger l WHERE l.scan_id = p_scan_id;
    IF FOUND THEN
        RETURN QUERY SELECT true, done;
        RETURN;
    END IF;
    IF p_code IS NOT NULL THEN
        SELECT k.* INTO link FROM links k JOIN bags c ON c.id = k.child_id JOIN bags p ON p.id = k.parent_id
        WHERE c.code = p_code AND (p_parent IS NULL OR p.code = p_parent);
        final := CASE WHEN link.child_id IS NULL THEN 'not_linked' END;
    ELSE
        SELECT k.* INTO link FROM bags p JOIN links k ON k.parent_id = p.id JOIN scan_ledger l ON l.id = k.entry_id
        WHERE p.code = p_parent AND l.recorded_at > now() - interval '1 hour'
        ORDER BY k.entry_id DESC LIMIT 1;
        final := CASE WHEN link.child_id IS NULL THEN 'nothing_to_undo' END;
    END IF;
    PERFORM FROM bags WHERE id IN (link.child_id, link.parent_id) ORDER BY code FOR NO KEY UPDATE;
    SELECT * INTO child FROM bags WHERE id = link.child_id;
    SELECT * INTO parent FROM bags b WHERE b.id = link.parent_id OR (link.parent_id IS NULL AND b.code = p_parent);
    IF p_area IS NOT NULL AND (parent.id IS NOT NULL AND parent.area IS DISTINCT FROM p_area OR
        EXISTS (SELECT FROM bags b WHERE b.code = p_code AND b.area IS DISTINCT FROM p_area)) THEN
        final := 'area_denied';
        link := NULL;
        child := NULL;
        parent := NULL;
    END IF;
    IF final IS NULL THEN
        DELETE FROM links k WHERE k.child_id = link.child_id AND k.entry_id = link.entry_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the link changed meanwhile' USING ERRCODE = 'serialization_failure';
        END IF;
    END IF;
    INSERT INTO scan_ledger (scan_id, outcome, refusal, code, kind, parent, child_count, capacity, reverses, user_id,
                             fleet, scanner, source, station, captured_at, area)
    VALUES (p_scan_id, CASE WHEN final IS NULL THEN 'unlinked' ELSE 'refused' END, final,
            coalesce(child.code, p_code, ''), coalesce(child.kind, 'child'), coalesce(parent.code, p_parent),
            parent.child_count - (final IS NULL)::integer, parent.capacity,
            CASE WHEN final IS NULL THEN link.entry_id END,
            p_user_id, p_fleet, p_scanner, p_source, p_station, p_captured_at, coalesce(p_area, parent.area))
    RETURNING * INTO done;
    PERFORM count_entries(ARRAY[done], p_time_zone);
    RETURN QUERY SELECT false, done;
END $$;
