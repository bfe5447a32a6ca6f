"""Learning beside the path: access records become a model file, and nothing here touches an edge.

Records and labels live in ClickHouse, embedded or by URL, and become a table of rows by SQL. Rows
are split by client family and time, LightGBM trains, the score is calibrated, and the trees become
a `seawall.bots.model.Model` that gives the same bits. It is accepted only against the model before
it and the false-positive budget. docs/bot-training.md has the whole way.
"""
