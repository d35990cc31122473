// Writes the .parquet files here, by DuckDB and Polars: npm i @duckdb/node-api@1.5.6-r.1 nodejs-polars@0.26.1, node generate.mjs in this folder.
import { DuckDBInstance } from '@duckdb/node-api';
import pl from 'nodejs-polars';

const rows = [...Array(5).keys()];
const embedding = rows.map((i) => [0, 1, 2].map((k) => (3 * i + k) / 8 - 1));
const label = ['dog', 'cat', 'dog', 'Fluß', 'cat'];
const path = ['a.wav', 'a.wav', 'a.wav', 'a.wav', 'b.wav'];
const fold = [1, 2, 1, 2, 1];
const start = [0, 0.5, null, 0, 1.25];

const db = await (await DuckDBInstance.create()).connect();
const text = (v) => (v === null ? 'NULL' : typeof v === 'string' ? `'${v}'` : Array.isArray(v) ? `[${v}]` : String(v));
await db.run('CREATE TABLE t (path VARCHAR, label VARCHAR, fold INTEGER, start DOUBLE, embedding FLOAT[], price DECIMAL(9, 2))');
for (const i of rows) await db.run(`INSERT INTO t VALUES (${[path[i], label[i], fold[i], start[i], embedding[i], 1.25].map(text)})`);
for (const [file, how] of Object.entries({ snappy: "CODEC 'snappy'", gzip: "CODEC 'gzip'", zstd: "CODEC 'zstd'", plain: "CODEC 'uncompressed'", version2: 'PARQUET_VERSION v2' }))
  await db.run(`COPY t TO 'duckdb-${file}.parquet' (FORMAT parquet, ${how})`);

pl.DataFrame({
  path, label, fold: pl.Series('fold', fold, pl.Int64), start: pl.Series('start', start, pl.Float64),
  embedding: pl.Series('embedding', embedding, pl.List(pl.Float32)),
}).writeParquet('polars.parquet', { compression: 'zstd' });
