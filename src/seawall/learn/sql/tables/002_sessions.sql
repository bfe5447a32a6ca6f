-- The truth about clients, where somebody has it: which class and family an address was of, and
-- from when until when.
CREATE TABLE IF NOT EXISTS {db:Identifier}.sessions (
    client String,
    label LowCardinality(String),
    family String,
    since_s Float64,
    until_s Float64
) ENGINE = MergeTree ORDER BY client;
