-- The audit log: append-only, each row chained to the one before it. Hashes are of the row's content in netstrings and
-- the hash before; seals are keyed, and the key is not here. See store/audit.py.

CREATE TABLE audit_log (
    seq        bigint PRIMARY KEY CHECK (seq > 0),
    at         timestamptz NOT NULL,
    user_id    bigint,
    username   text,
    action     text NOT NULL CHECK (length(action) BETWEEN 1 AND 50),
    entity     text CHECK (length(entity) <= 30),
    entity_id  text CHECK (length(entity_id) <= 100),
    -- json, not jsonb: it keeps the very bytes that were hashed.
    before     json,
    after      json,
    details    json,
    ip         text CHECK (length(ip) <= 45),
    request_id text CHECK (length(request_id) <= 100),
    previous   bytea CHECK (length(previous) = 32),
    hash       bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    key_id     text NOT NULL,
    seal       bytea NOT NULL CHECK (length(seal) = 32),
    CONSTRAINT audit_log_first_has_none CHECK ((seq = 1) = (previous IS NULL))
);
-- No row has two successors.
CREATE UNIQUE INDEX audit_log_previous ON audit_log (previous) NULLS NOT DISTINCT;
CREATE INDEX audit_log_by_user ON audit_log (user_id, seq) WHERE user_id IS NOT NULL;
CREATE INDEX audit_log_by_entity ON audit_log (entity, entity_id, seq) WHERE entity IS NOT NULL;
CREATE INDEX audit_log_by_action ON audit_log (action, seq);
CREATE INDEX audit_log_by_time ON audit_log USING brin (at);

-- The end of the chain. Its seal is overwritten by every row, so that nobody without the key can seal an earlier end.
CREATE TABLE audit_head (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq    bigint NOT NULL,
    hash   bytea,
    key_id text NOT NULL DEFAULT '',
    seal   bytea NOT NULL DEFAULT ''
);
INSERT INTO audit_head (seq) VALUES (0);

CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('the audit log is append-only');
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM PUBLIC, CURRENT_USER;
CREATE TRIGGER audit_head_stays BEFORE INSERT OR DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('the chain has one end');
REVOKE DELETE, TRUNCATE ON audit_head FROM PUBLIC, CURRENT_USER;
