-- The rows that are learned from: a bounded number of a client, its first requests before all, and
-- of a family; a hash chooses among the others, never chance. The newest when there are too many.
CREATE OR REPLACE TABLE {db:Identifier}.dataset ENGINE = MergeTree ORDER BY record AS
SELECT record, label, family, client, time, ordinal, trust
FROM (
    SELECT *
    FROM (
        SELECT *
        FROM (
            SELECT
                r.record AS record, l.label AS label, l.family AS family, r.client AS client,
                r.time AS time, l.trust AS trust,
                row_number() OVER (
                    PARTITION BY r.client, l.label, l.family ORDER BY r.time, r.record
                ) AS ordinal
            FROM {db:Identifier}.records AS r FINAL
            INNER JOIN {db:Identifier}.labels AS l ON r.record = l.record
            WHERE r.part = {part:String} AND l.label IN ('human', 'tool', 'bot')
        )
        ORDER BY ordinal > {first:UInt32}, cityHash64(record)
        LIMIT {client_rows:UInt32} BY client, label, family
    )
    ORDER BY cityHash64(record, 1)
    LIMIT {family_rows:UInt32} BY label, family
)
ORDER BY time DESC, record
LIMIT {rows:UInt32};
