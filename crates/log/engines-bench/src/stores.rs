//! fjall 3 and redb 4 as stores: a batch and one durable commit for each group.

use std::path::Path;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{Durability, ReadableDatabase, TableDefinition};

use crate::faults::record;
use crate::grouped::{Store, key};

/// A log-structured merge tree with a journal; `persist(SyncData)` after each batch.
pub(crate) struct Fjall {
    database: Database,
    records: Keyspace,
}

impl Fjall {
    pub(crate) fn open(directory: &Path) -> Result<Self, String> {
        let database = Database::builder(directory).open().map_err(|e| format!("{e:?}"))?;
        let records = database.keyspace("records", KeyspaceCreateOptions::default).map_err(|e| format!("{e:?}"))?;
        Ok(Self { database, records })
    }
}

impl Store for Fjall {
    fn commit(&mut self, batch: &[(Vec<u8>, Bytes)]) -> Result<(), String> {
        let mut write = self.database.batch();
        for (key, record) in batch {
            write.insert(&self.records, key.as_slice(), record.as_ref());
        }
        write.commit().map_err(|e| format!("{e:?}"))?;
        self.database.persist(PersistMode::SyncData).map_err(|e| format!("{e:?}"))
    }

    fn readable(&self, count: u64) -> (u64, Option<String>) {
        count_readable(count, |key| {
            self.records.get(key).map(|found| found.map(|value| value.to_vec())).map_err(|e| format!("{e:?}"))
        })
    }
}

const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");

/// A copy-on-write B tree; one transaction with immediate durability a group.
pub(crate) struct Redb {
    database: redb::Database,
}

impl Redb {
    pub(crate) fn open(directory: &Path) -> Result<Self, String> {
        let database = redb::Database::create(directory.join("redb")).map_err(|e| format!("{e:?}"))?;
        Ok(Self { database })
    }
}

impl Store for Redb {
    fn commit(&mut self, batch: &[(Vec<u8>, Bytes)]) -> Result<(), String> {
        let mut write = self.database.begin_write().map_err(|e| format!("{e:?}"))?;
        write.set_durability(Durability::Immediate).map_err(|e| format!("{e:?}"))?;
        {
            let mut table = write.open_table(RECORDS).map_err(|e| format!("{e:?}"))?;
            for (key, record) in batch {
                table.insert(key.as_slice(), record.as_ref()).map_err(|e| format!("{e:?}"))?;
            }
        }
        write.commit().map_err(|e| format!("{e:?}"))
    }

    fn readable(&self, count: u64) -> (u64, Option<String>) {
        let read = match self.database.begin_read() {
            Ok(read) => read,
            Err(error) => return (0, Some(format!("{error:?}"))),
        };
        let table = match read.open_table(RECORDS) {
            Ok(table) => table,
            Err(error) => return (0, Some(format!("{error:?}"))),
        };
        count_readable(count, |key| {
            table.get(key).map(|found| found.map(|value| value.value().to_vec())).map_err(|e| format!("{e:?}"))
        })
    }
}

fn count_readable(count: u64, get: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, String>) -> (u64, Option<String>) {
    let (mut found, mut error) = (0, None);
    for position in 0..count {
        match get(&key(0, position)) {
            Ok(Some(value)) if value == record(position) => found += 1,
            Ok(Some(_)) => error = error.or(Some(format!("record {position} is GARBLED, without an error"))),
            Ok(None) => {}
            Err(first) => error = error.or(Some(first)),
        }
    }
    (found, error)
}
