-- The feature table: one column a feature. A vector holds one character a feature; a shorter one,
-- of an older version, has nothing there, which is code 0: absent.
CREATE OR REPLACE TABLE {db:Identifier}.features (
    record UInt64,
    /* columns */
) ENGINE = MergeTree ORDER BY record AS
SELECT
    record,
    /* codes */
FROM {db:Identifier}.records FINAL
WHERE part = {part:String};
