-- What is known of each record, from every source. The source of the lowest rank decides; where
-- sources of that rank disagree, the label is `contradictory` and the record is not used.
CREATE OR REPLACE TABLE {db:Identifier}.labels ENGINE = MergeTree ORDER BY record AS
WITH
    own AS (
        SELECT
            record, time, client, ja4ab, rules, proof, clearance,
            concat(
                if(ja4ab = '', 'no TLS', ja4ab), '/agent ',
                toString(ascii(substring(vector, {agent_place:UInt8}, 1)) - {base:UInt8})
            ) AS likeness
        FROM {db:Identifier}.records FINAL
        WHERE part = {part:String}
    ),
    trapped AS (
        SELECT client, ja4ab, time
        FROM own
        WHERE hasAny(rules, {bot_rules:Array(String)})
    ),
    found AS (
        -- 1: the truth about a client, such as the zoo's.
        SELECT o.record AS record, 1 AS rank, s.label AS label, 'session' AS source,
               1.0 AS trust, s.family AS family
        FROM own AS o
        INNER JOIN {db:Identifier}.sessions AS s ON o.client = s.client
        WHERE toFloat64(o.time) >= s.since_s AND toFloat64(o.time) < s.until_s
        UNION ALL
        -- 2: a verified bot is a class of its own and not learned from.
        SELECT record, 2, 'verified', 'verified', 1.0, likeness
        FROM own WHERE proof = 'verified'
        UNION ALL
        -- 2: who claims to be a known bot and is not.
        SELECT record, 2, 'bot', 'impostor', 0.8, likeness
        FROM own WHERE proof = 'impostor'
        UNION ALL
        -- 3: a client that stepped into a honeypot, an hour before and after each time: of an
        -- address that was of several clients, or infected for a day, the days between are not.
        SELECT o.record, 3, 'bot', 'honeypot', 0.8, o.likeness
        FROM own AS o
        ASOF INNER JOIN trapped AS t
            ON o.client = t.client AND o.ja4ab = t.ja4ab AND o.time >= t.time
        WHERE o.time <= t.time + toIntervalSecond({span_s:UInt32})
        UNION ALL
        SELECT o.record, 3, 'bot', 'honeypot', 0.8, o.likeness
        FROM own AS o
        ASOF INNER JOIN trapped AS t
            ON o.client = t.client AND o.ja4ab = t.ja4ab AND o.time <= t.time
        WHERE o.time >= t.time - toIntervalSecond({span_s:UInt32})
        UNION ALL
        -- 3: a program that says what it is, by a rule of the operator.
        SELECT record, 3, 'tool', 'declared', 0.5, likeness
        FROM own WHERE hasAny(rules, {tool_rules:Array(String)})
        UNION ALL
        -- 4: a challenge was solved: most likely a person, but solving can be bought.
        SELECT record, 4, 'human', 'challenge', 0.3, likeness
        FROM own WHERE clearance > 0
    ),
    gathered AS (
        SELECT
            record,
            arraySort(groupArray((rank, label, source, trust, family))) AS every,
            arrayDistinct(arrayMap(x -> x.2, every)) AS said,
            arrayFilter(x -> x.1 = every[1].1, every) AS best,
            length(arrayDistinct(arrayMap(x -> x.2, best))) > 1 AS contradictory
        FROM found
        GROUP BY record
    )
SELECT
    record,
    if(contradictory, 'contradictory', every[1].2) AS label,
    arrayStringConcat(arrayDistinct(arrayMap(x -> x.3, best)), ' and ') AS source,
    every[1].4 AS trust,
    every[1].5 AS family,
    not contradictory AND length(said) > 1 AS overruled
FROM gathered;
