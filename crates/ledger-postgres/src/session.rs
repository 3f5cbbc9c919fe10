//! One connection, asked from a thread that may block.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use barid_ledger::store::NameId;
use barid_model::MessageType;
use futures_util::pin_mut;
use tokio::runtime::Handle;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::fault::Fault;
use crate::options::Options;

/// What a statement takes.
pub(crate) type Value<'a> = &'a (dyn ToSql + Sync);

/// Statements kept prepared a connection; conditions of searches are put together, so there are many.
const STATEMENTS_KEPT: usize = 256;
/// How long the server lets one statement of a question run.
pub(crate) const QUESTION: Duration = Duration::from_secs(30);
/// The same for what goes through all of a range: the balance, the coverage.
pub(crate) const AUDIT: Duration = Duration::from_secs(600);
/// The same for one statement of a batch.
pub(crate) const WRITE: Duration = Duration::from_secs(60);
/// How long a statement waits for another that holds what it needs.
const LOCK: Duration = Duration::from_secs(10);
/// How long a transaction may be idle: its process is frozen, and others wait for what it holds.
const IDLE: Duration = Duration::from_secs(15);
/// How long the server may be silent beyond the time that it gives a statement.
const GRACE: Duration = Duration::from_secs(5);

/// Rows are looked up by key, a few thousand at most, and the newest day is one that PostgreSQL has not counted yet: it
/// would rather read through a day that it takes for small.
const BY_KEY: &str = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off";
/// For what does go through all of a range.
const THROUGH: &str = "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; \
     SET LOCAL statement_timeout =";

/// A connection.
pub(crate) struct Session {
    handle: Handle,
    client: Client,
    statements: RefCell<HashMap<String, Statement>>,
    limit: Cell<Duration>,
    /// Texts of numbers: a number never changes its text.
    pub(crate) texts: RefCell<HashMap<NameId, Arc<str>>>,
    pub(crate) kinds: RefCell<HashMap<NameId, Arc<MessageType>>>,
}

impl Session {
    /// Connects.
    pub(crate) fn open(handle: &Handle, options: &Options, limit: Duration) -> Result<Self, Fault> {
        let mut config = options.config.clone();
        let millis = |time: Duration| time.as_millis();
        // What is committed is told of as durable, whatever the server does for others.
        config.options(format!(
            "-c search_path={} -c synchronous_commit=on -c statement_timeout={} -c lock_timeout={} \
             -c idle_in_transaction_session_timeout={} -c jit=off -c client_min_messages=warning -c timezone=UTC {BY_KEY}",
            options.schema,
            millis(limit),
            millis(LOCK),
            millis(IDLE)
        ));
        let spawn = handle.clone();
        let client = wait(handle, limit, async {
            match options.tls.as_ref() {
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    spawn.spawn(connection);
                    Ok(client)
                }
                Some(tls) => {
                    let (client, connection) = config.connect(MakeRustlsConnect::new((**tls).clone())).await?;
                    spawn.spawn(connection);
                    Ok(client)
                }
            }
        })?;
        Ok(Self {
            handle: handle.clone(),
            client,
            statements: RefCell::default(),
            limit: Cell::new(limit),
            texts: RefCell::default(),
            kinds: RefCell::default(),
        })
    }

    /// Whether the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    fn wait<T>(&self, run: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
        wait(&self.handle, self.limit.get(), run)
    }

    fn statement(&self, sql: &str) -> Result<Statement, Fault> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.wait(self.client.prepare(sql))?;
        let mut kept = self.statements.borrow_mut();
        if kept.len() >= STATEMENTS_KEPT {
            kept.clear();
        }
        kept.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// The rows of a query.
    pub(crate) fn query(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Fault> {
        let statement = self.statement(sql)?;
        self.wait(self.client.query(&statement, values))
    }

    /// The first row of a query.
    pub(crate) fn first(&self, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>, Fault> {
        Ok(self.query(sql, values)?.into_iter().next())
    }

    /// How many rows a statement changed.
    pub(crate) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, Fault> {
        let statement = self.statement(sql)?;
        self.wait(self.client.execute(&statement, values))
    }

    /// Statements without values.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), Fault> {
        self.wait(self.client.batch_execute(sql))
    }

    /// Rows into a table, in one stream.
    pub(crate) fn copy(&self, table: &str, columns: &[(&str, Type)], rows: &[Vec<Value<'_>>]) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let types: Vec<Type> = columns.iter().map(|(_, kind)| kind.clone()).collect();
        let statement = self.statement(&format!("COPY {table} ({}) FROM STDIN BINARY", names.join(", ")))?;
        self.wait(async {
            let sink = self.client.copy_in(&statement).await?;
            let writer = BinaryCopyInWriter::new(sink, &types);
            pin_mut!(writer);
            for row in rows {
                writer.as_mut().write(row).await?;
            }
            writer.finish().await
        })?;
        Ok(())
    }

    /// Lets the statements of this transaction go through all of a range, each in this time.
    pub(crate) fn through(&self, limit: Duration) -> Result<(), Fault> {
        self.batch(&format!("{THROUGH} {}", limit.as_millis()))?;
        self.limit.set(limit);
        Ok(())
    }

    /// Runs something between `begin` and its end. What failed is rolled back, or the connection is of no use any more.
    pub(crate) fn transaction<T>(&self, begin: &str, run: impl FnOnce(&Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let limit = self.limit.get();
        self.batch(begin)?;
        let result = run(self).and_then(|value| self.batch("COMMIT").map(|()| value));
        self.limit.set(limit);
        if let Err(fault) = &result
            && !fault.is_of_connection()
        {
            self.batch("ROLLBACK")?;
        }
        result
    }
}

fn wait<T>(
    handle: &Handle,
    limit: Duration,
    run: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Fault> {
    // From async code of a runtime with several threads it takes one of them.
    let waited = || handle.block_on(async { tokio::time::timeout(limit + GRACE, run).await });
    let limited = tokio::task::block_in_place(waited);
    Ok(limited.map_err(|_| Fault::Silent)??)
}
