-- How often each code of each feature was seen, before and after; a client counts a few times only,
-- and of very many clients a hash chooses some.
-- Its own numbers, squared and by all that it was seen, tell how much the clients differ.
SELECT
    place,
    code,
    part = {after:String} AS later,
    sum(own) AS seen,
    sum(own * own) AS squares,
    sum(own * every) AS shared
FROM (
    SELECT part, client, every, place, code, count() AS own
    FROM (
        SELECT
            part, client, every, place,
            if(length(vector) >= place, ascii(substring(vector, place, 1)) - {base:UInt8}, 0)
                AS code
        FROM (
            SELECT part, client, vector, count() OVER (PARTITION BY part, client) AS every
            FROM (
                SELECT part, client, vector
                FROM (
                    SELECT part, client, vector
                    FROM {db:Identifier}.records FINAL
                    WHERE part IN ({before:String}, {after:String})
                    ORDER BY cityHash64(record)
                    LIMIT {client_rows:UInt32} BY part, client
                )
                ORDER BY cityHash64(client), client
                LIMIT {rows:UInt32} BY part
            )
        )
        ARRAY JOIN range(1, {places:UInt8} + 1) AS place
    )
    GROUP BY part, client, every, place, code
)
GROUP BY place, code, later
ORDER BY place, code, later;
