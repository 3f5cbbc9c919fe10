//! Code tables, compiled once: a look-up is one hash.

use std::collections::HashMap;

use crate::document::CodeRow;

/// Most rows of a table. ICD-10 has 14,000 codes, LOINC 100,000; a million rows take about 100 MB.
pub const ROWS_MAX: usize = 1_000_000;

/// A compiled CodeTable.
#[derive(Debug, Default)]
pub struct Table {
    rows: HashMap<Box<str>, Row>,
}

/// What a code becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The new code.
    pub to: Box<str>,
    /// The words for it.
    pub display: Option<Box<str>>,
    /// Its coding system.
    pub system: Option<Box<str>>,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: {text}; {remedy}")]
pub struct RowError {
    /// Which row, from 0.
    pub row: usize,
    /// What is wrong.
    pub text: String,
    /// What would be right.
    pub remedy: String,
}

impl Table {
    /// Compiles a table's rows.
    ///
    /// # Errors
    /// Every row that repeats a code, has no code, or is beyond [`ROWS_MAX`].
    pub fn compile(rows: &[CodeRow]) -> Result<Self, Vec<RowError>> {
        let mut table = HashMap::with_capacity(rows.len().min(ROWS_MAX));
        let mut errors = Vec::new();
        let mut first: HashMap<&str, usize> = HashMap::new();
        let mut wrong =
            |row, text: String, remedy: &str| errors.push(RowError { row, text, remedy: remedy.to_owned() });
        for (at, row) in rows.iter().enumerate().take(ROWS_MAX) {
            if row.from.is_empty() {
                wrong(at, "`from` is empty".to_owned(), "a field that is empty is never looked up; remove the row");
            } else if let Some(before) = first.insert(&row.from, at) {
                wrong(at, format!("`{}` stands in row {before} already", row.from), "keep one of them");
            }
            let new = Row {
                to: row.to.as_str().into(),
                display: row.display.as_deref().map(Box::from),
                system: row.system.as_deref().map(Box::from),
            };
            table.insert(Box::from(row.from.as_str()), new);
        }
        if rows.len() > ROWS_MAX {
            wrong(ROWS_MAX, format!("the table has more than {ROWS_MAX} rows"), "split it");
        }
        if errors.is_empty() { Ok(Self { rows: table }) } else { Err(errors) }
    }

    /// What a code becomes.
    #[must_use]
    pub fn get(&self, code: &str) -> Option<&Row> {
        self.rows.get(code)
    }

    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
