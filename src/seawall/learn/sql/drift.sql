-- How often each code of each feature was seen, before and after; a client counts a few times only.
SELECT
    place,
    if(length(vector) >= place, ascii(substring(vector, place, 1)) - {base:UInt8}, 0) AS code,
    countIf(part = {before:String}) AS before,
    countIf(part = {after:String}) AS after
FROM (
    SELECT part, vector
    FROM {db:Identifier}.records FINAL
    WHERE part IN ({before:String}, {after:String})
    ORDER BY cityHash64(record)
    LIMIT {client_rows:UInt32} BY part, client
)
ARRAY JOIN range(1, {places:UInt8} + 1) AS place
GROUP BY place, code
ORDER BY place, code;
