-- How many records each label came to, by source; those without any are `unlabelled`.
SELECT
    if(l.label = '', 'unlabelled', l.label) AS label,
    l.source AS source,
    count() AS records,
    sum(l.overruled) AS overruled
FROM {db:Identifier}.records AS r FINAL
LEFT JOIN {db:Identifier}.labels AS l ON r.record = l.record
WHERE r.part = {part:String}
GROUP BY label, source
ORDER BY label, source;
