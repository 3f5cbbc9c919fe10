-- The history of every message. What belongs to a message lies in the partition of the day in its uid, the first 48 bits of
-- which are the milliseconds at which it was received; a default partition has what belongs to no day that is there.
CREATE TABLE ledger (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    incarnation bytea,
    incomplete_before bigint,
    -- Goes up when it is emptied: who wrote before has to read again how far it is.
    generation bigint NOT NULL DEFAULT 0,
    -- Who writes: the epoch goes up with each that takes over.
    epoch bigint NOT NULL DEFAULT 0,
    holder text,
    seen timestamptz
);
INSERT INTO ledger DEFAULT VALUES;

CREATE TABLE name (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text COLLATE "C" NOT NULL UNIQUE);
CREATE TABLE kind (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL, event text NOT NULL, structure text NOT NULL, version text NOT NULL,
    UNIQUE (code, event, structure, version)
);
CREATE TABLE position (subject bigint PRIMARY KEY, position bigint NOT NULL);
CREATE TABLE facility (name bigint PRIMARY KEY, last bigint NOT NULL);
CREATE TABLE expiry (channel bigint PRIMARY KEY, before bigint NOT NULL);

CREATE TABLE message (
    uid bytea NOT NULL PRIMARY KEY,
    channel bigint, facility bigint, kind bigint, listener bigint, cause bigint, revision bigint, speaks_for bigint,
    subject bigint, position bigint, received bigint, bytes bigint, verified boolean, hops bigint, waits boolean,
    control_id bytea, digest bytea, origin text, keys text, findings text, parents bytea, reason text, traceparent text,
    lanes bytea, disposition bigint, routed_at bigint, duplicate_of bytea, routed_findings text
) PARTITION BY RANGE (uid);
CREATE INDEX message_unsettled ON message (disposition, uid) WHERE disposition IS NULL OR disposition = 3;
CREATE TABLE message_rest PARTITION OF message DEFAULT;

CREATE TABLE delivery (
    uid bytea NOT NULL, route bigint NOT NULL, part bigint NOT NULL, run bigint NOT NULL,
    state bigint NOT NULL, destination bigint, known bigint NOT NULL, set_aside boolean NOT NULL,
    out_partition bigint, out_position bigint,
    park_subject bigint, park_position bigint, park_why bigint, parked_at bigint,
    outcome bigint, outcome_subject bigint, outcome_position bigint, outcome_at bigint,
    attempts bigint NOT NULL, possible_duplicate boolean NOT NULL, answer bigint,
    findings text, routed_findings text, actor text, reason text, chained bytea,
    PRIMARY KEY (uid, route, part, run)
) PARTITION BY RANGE (uid);
CREATE INDEX delivery_uncommon ON delivery (state, uid, route, part, run) INCLUDE (destination) WHERE state < 8;
CREATE INDEX delivery_parked ON delivery (park_subject, park_position) WHERE park_position IS NOT NULL;
CREATE TABLE delivery_rest PARTITION OF delivery DEFAULT;

CREATE TABLE step (
    uid bytea NOT NULL, subject bigint NOT NULL, position bigint NOT NULL, at bigint NOT NULL, kind bigint NOT NULL,
    route bigint, part bigint, run bigint, detail text NOT NULL,
    PRIMARY KEY (uid, subject, position)
) PARTITION BY RANGE (uid);
CREATE INDEX step_accepted_again ON step (uid) WHERE kind = 1;
CREATE TABLE step_rest PARTITION OF step DEFAULT;

-- What finds messages by value: a hash of the key's name and value.
CREATE TABLE message_key (hash bigint NOT NULL, uid bytea NOT NULL) PARTITION BY RANGE (uid);
CREATE INDEX message_key_value ON message_key (hash, uid);
CREATE TABLE message_key_rest PARTITION OF message_key DEFAULT;

CREATE TABLE refused (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject bigint NOT NULL, position bigint NOT NULL, at bigint NOT NULL, listener bigint NOT NULL, facility bigint,
    channel bigint, kind bigint NOT NULL, code text NOT NULL, control_id bytea NOT NULL, origin text NOT NULL,
    findings text, UNIQUE (subject, position)
);
CREATE TABLE command (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject bigint NOT NULL, position bigint NOT NULL, at bigint NOT NULL,
    actor text NOT NULL, reason text NOT NULL, verb text NOT NULL, target text NOT NULL, detail text NOT NULL,
    -- The message it is about, and the message it made (empty where it names one that is none), where it names one.
    about bytea, made bytea,
    UNIQUE (subject, position)
);
CREATE INDEX command_target ON command (target);
CREATE INDEX command_about ON command (about) WHERE about IS NOT NULL;
