-- Access records with a vector, one row a request. The same record loaded twice is one row: its
-- number is a hash of what it says. No user agent is kept: nothing here may learn from its text.
CREATE TABLE IF NOT EXISTS {db:Identifier}.records (
    part LowCardinality(String),
    record UInt64,
    time DateTime64(3, 'UTC'),
    request_id String,
    client String,
    site LowCardinality(String),
    ja4ab String,
    status UInt16,
    score Nullable(UInt8),
    action LowCardinality(String),
    rules Array(LowCardinality(String)),
    proof LowCardinality(String),
    bot LowCardinality(String),
    clearance UInt8,
    model LowCardinality(String),
    vector String
) ENGINE = ReplacingMergeTree ORDER BY (part, record);
