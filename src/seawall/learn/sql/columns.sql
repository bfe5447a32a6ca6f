-- The list of features. On 18 November 2025 this very query, without its first condition, met a
-- second database with the same table, and the list came out twice.
SELECT name
FROM system.columns
WHERE database = {db:String} AND table = 'features' AND name != 'record'
ORDER BY position;
