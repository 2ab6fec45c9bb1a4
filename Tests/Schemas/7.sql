PRAGMA application_id = 1818391405;
PRAGMA user_version = 7;
CREATE TABLE run (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL,
  lbsample_version TEXT NOT NULL, pid INTEGER NOT NULL, pid_start INTEGER NOT NULL,
  boot_id TEXT NOT NULL, interval_ns INTEGER NOT NULL, repetitions_planned INTEGER,
  warm_ups_planned INTEGER, start_unix_ns INTEGER NOT NULL, end_unix_ns INTEGER,
  duration_ns INTEGER, errors TEXT NOT NULL DEFAULT '[]',
  warnings TEXT NOT NULL DEFAULT '[]'
);
CREATE TABLE configuration (
  position INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT NOT NULL, origin TEXT NOT NULL
);
CREATE TABLE host (position INTEGER PRIMARY KEY, name TEXT NOT NULL, value TEXT NOT NULL);
CREATE TABLE label (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE phase (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, parameters TEXT NOT NULL,
  status TEXT NOT NULL, command TEXT NOT NULL, note TEXT, replaced_by TEXT
);
CREATE TABLE repetition (
  id INTEGER PRIMARY KEY, phase_id INTEGER NOT NULL REFERENCES phase(id),
  number INTEGER NOT NULL, warm_up INTEGER NOT NULL, label TEXT, status TEXT NOT NULL
);
CREATE TABLE attempt (
  id INTEGER PRIMARY KEY, repetition_id INTEGER NOT NULL REFERENCES repetition(id),
  number INTEGER NOT NULL, bracket INTEGER, status TEXT NOT NULL, start_unix_ns INTEGER,
  wall_ns INTEGER, bracket_ns INTEGER, exit_code INTEGER, signal INTEGER, user_ns INTEGER,
  system_ns INTEGER, peak_resident_bytes INTEGER, voluntary_switches INTEGER,
  involuntary_switches INTEGER, output_bytes INTEGER, output BLOB, orphans_killed INTEGER,
  contamination TEXT, error TEXT
);
CREATE TABLE metric (
  attempt_id INTEGER NOT NULL REFERENCES attempt(id), name TEXT NOT NULL,
  value REAL NOT NULL, PRIMARY KEY (attempt_id, name)
) WITHOUT ROWID;
CREATE TABLE collector (
  position INTEGER PRIMARY KEY, name TEXT NOT NULL, stream INTEGER, thread INTEGER,
  cpu INTEGER, cadence INTEGER, required INTEGER, outcome TEXT NOT NULL,
  reason TEXT NOT NULL
);
CREATE TABLE layout (
  stream INTEGER NOT NULL, epoch INTEGER NOT NULL, definition TEXT NOT NULL,
  PRIMARY KEY (stream, epoch)
);
CREATE TABLE record_schema (stream INTEGER PRIMARY KEY, definition TEXT NOT NULL);
CREATE TABLE chunk (
  id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, stream INTEGER NOT NULL,
  epoch INTEGER NOT NULL, bracket INTEGER NOT NULL, rows INTEGER NOT NULL,
  first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, checksum INTEGER NOT NULL,
  data BLOB NOT NULL
);
CREATE INDEX chunk_by_stream ON chunk (stream, first_ns);
CREATE TABLE ledger (
  attempt_id INTEGER NOT NULL REFERENCES attempt(id), thread INTEGER NOT NULL, cpu INTEGER,
  deadlines INTEGER NOT NULL, on_time INTEGER NOT NULL, late INTEGER NOT NULL,
  skipped INTEGER NOT NULL, lateness_max_ns INTEGER NOT NULL, pushed INTEGER NOT NULL,
  drained INTEGER NOT NULL, dropped INTEGER NOT NULL, collectors TEXT NOT NULL,
  PRIMARY KEY (attempt_id, thread)
);
CREATE TABLE overhead (
  attempt_id INTEGER PRIMARY KEY REFERENCES attempt(id), sampling_ns TEXT NOT NULL,
  drain_ns INTEGER NOT NULL, process_ns INTEGER NOT NULL, start_ns INTEGER NOT NULL,
  stop_ns INTEGER NOT NULL, elapsed_ns INTEGER NOT NULL,
  bytes_written INTEGER NOT NULL, memory_locked INTEGER NOT NULL, memory_resident INTEGER
);
CREATE TABLE anchor (
  monotonic_ns INTEGER PRIMARY KEY, realtime_ns INTEGER NOT NULL,
  boottime_ns INTEGER NOT NULL
);
CREATE TABLE journal (
  id INTEGER PRIMARY KEY, unix_ns INTEGER NOT NULL, level TEXT NOT NULL, kind TEXT NOT NULL,
  message TEXT NOT NULL, phase TEXT, repetition INTEGER, attempt INTEGER
);
CREATE TABLE summary (
  phase_id INTEGER NOT NULL REFERENCES phase(id), clean INTEGER NOT NULL,
  metric TEXT NOT NULL, position INTEGER NOT NULL, unit TEXT NOT NULL,
  count INTEGER NOT NULL, median REAL NOT NULL, minimum REAL NOT NULL,
  maximum REAL NOT NULL, median_absolute_deviation REAL NOT NULL, median_low REAL,
  median_high REAL, running REAL, repetitions TEXT, PRIMARY KEY (phase_id, clean, metric)
);
CREATE VIEW runs AS
  SELECT id, name, kind, status, datetime(start_unix_ns / 1000000000, 'unixepoch') AS started,
    duration_ns / 1e9 AS duration_seconds, repetitions_planned,
    (SELECT count(*) FROM repetition WHERE NOT warm_up AND status = 'completed') AS completed
  FROM run;
CREATE VIEW repetitions AS
  SELECT phase.name AS phase, repetition.number AS repetition, repetition.warm_up,
    attempt.number AS attempt, attempt.status, attempt.wall_ns / 1e9 AS wall_seconds,
    attempt.user_ns / 1e9 AS user_seconds, attempt.system_ns / 1e9 AS system_seconds,
    attempt.exit_code, attempt.signal, ledger.deadlines, ledger.on_time, ledger.late,
    ledger.skipped, ledger.dropped, overhead.process_ns / 1e9 AS own_cpu_seconds
  FROM attempt JOIN repetition ON repetition.id = attempt.repetition_id
    JOIN phase ON phase.id = repetition.phase_id
    LEFT JOIN ledger ON ledger.attempt_id = attempt.id AND ledger.thread = 0
    LEFT JOIN overhead ON overhead.attempt_id = attempt.id
  ORDER BY attempt.id;
CREATE VIEW summaries AS
  SELECT phase.name AS phase, summary.clean, metric, unit, count, median, minimum, maximum,
    median_absolute_deviation, median_low, median_high, running, repetitions
  FROM summary JOIN phase ON phase.id = summary.phase_id
  ORDER BY summary.phase_id, summary.clean, position;
ALTER TABLE journal ADD COLUMN status TEXT;
ALTER TABLE journal ADD COLUMN error TEXT;
CREATE INDEX repetition_by_phase ON repetition (phase_id);
CREATE INDEX attempt_by_repetition ON attempt (repetition_id);
CREATE INDEX attempt_by_bracket ON attempt (bracket);
CREATE TABLE output (
  attempt_id INTEGER PRIMARY KEY REFERENCES attempt(id), data BLOB NOT NULL
);
INSERT INTO output SELECT id, output FROM attempt WHERE output IS NOT NULL;
ALTER TABLE attempt DROP COLUMN output;
CREATE TABLE session (id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL);
INSERT INTO session SELECT 1, boot_id FROM run;
ALTER TABLE anchor RENAME TO earlier_anchor;
CREATE TABLE anchor (
  session INTEGER NOT NULL, monotonic_ns INTEGER NOT NULL, realtime_ns INTEGER NOT NULL,
  boottime_ns INTEGER NOT NULL, PRIMARY KEY (session, monotonic_ns)
);
INSERT INTO anchor SELECT 1, monotonic_ns, realtime_ns, boottime_ns FROM earlier_anchor;
DROP TABLE earlier_anchor;
ALTER TABLE journal ADD COLUMN session INTEGER NOT NULL DEFAULT 1;
ALTER TABLE chunk ADD COLUMN session INTEGER NOT NULL DEFAULT 1;
DROP INDEX chunk_by_stream;
CREATE INDEX chunk_by_bracket ON chunk (stream, kind, bracket, session, first_ns);
CREATE TABLE seal (
  name TEXT PRIMARY KEY, rows INTEGER NOT NULL, checksum INTEGER NOT NULL
) WITHOUT ROWID;
ALTER TABLE attempt ADD COLUMN output_checksum INTEGER;
DROP INDEX chunk_by_bracket;
ALTER TABLE chunk RENAME TO earlier_chunk;
CREATE TABLE chunk (
  id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, stream INTEGER NOT NULL,
  epoch INTEGER NOT NULL, bracket INTEGER NOT NULL, session INTEGER NOT NULL,
  rows INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
  checksum INTEGER NOT NULL, data BLOB NOT NULL
);
INSERT INTO chunk SELECT id, kind, stream, epoch, bracket, session, rows, first_ns, last_ns,
  checksum, data FROM earlier_chunk;
DROP TABLE earlier_chunk;
