-- Everything of the chosen rows but their codes, in the order of `codes.sql`.
SELECT label, family, cityHash64(client, label, family), toFloat64(time), ordinal, trust
FROM {db:Identifier}.dataset
ORDER BY record;
