//! The tables, and how a database comes to them: numbered files, each applied once, under a lock.

use crate::fault::Fault;
use crate::session::Session;

/// What is applied, in this order; the number of a file is its place. A file that was released is never changed.
const MIGRATIONS: [&str; 2] =
    [include_str!("../migrations/0001_history.sql"), include_str!("../migrations/0002_rebuilt.sql")];

/// Brings the schema to the newest version. Several processes may try at once.
pub(crate) fn migrate(session: &Session, schema: &str) -> Result<(), Fault> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    session.transaction("BEGIN", |session| {
        session.query("SELECT pg_advisory_xact_lock(hashtext('barid ledger ' || $1))", &[&schema])?;
        // Who owns the schema alone may not make one, not even one that is there.
        if session.first("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&schema])?.is_none() {
            session.batch(&format!("CREATE SCHEMA {schema}"))?;
        }
        let of_schema = "SELECT count(*) FILTER (WHERE table_name = 'migration'), count(*)
            FROM information_schema.tables WHERE table_schema = $1";
        let (own, all) = match session.first(of_schema, &[&schema])? {
            Some(row) => (row.try_get::<_, i64>(0)?, row.try_get::<_, i64>(1)?),
            None => (0, 0),
        };
        if own == 0 && all > 0 {
            return Err(Fault::Foreign);
        }
        session.batch(
            "CREATE TABLE IF NOT EXISTS migration (number integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())",
        )?;
        let found = session.first("SELECT coalesce(max(number), 0) FROM migration", &[])?;
        let found = found.map_or(Ok(0), |row| row.try_get::<_, i32>(0))?;
        let found = u32::try_from(found).unwrap_or(0);
        if found > known {
            return Err(Fault::Newer { found, known });
        }
        for (number, sql) in (1_u32..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(0)) {
            session.batch(sql)?;
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            session.execute("INSERT INTO migration (number) VALUES ($1)", &[&number])?;
        }
        Ok(())
    })
}
