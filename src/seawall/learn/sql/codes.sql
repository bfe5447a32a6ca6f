-- The codes of the chosen rows, in the order of `rows.sql`.
SELECT /* columns */
FROM {db:Identifier}.features
WHERE record IN (SELECT record FROM {db:Identifier}.dataset)
ORDER BY record;
