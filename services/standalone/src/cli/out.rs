//! Standard output and standard error: the only place that writes to either.
//!
//! What senders put into a control id or a name must not drive the reader's terminal, so text for people passes [`clean`]. A reader that stops reading
//! (`| head`) is no failure.

use std::io::{self, IsTerminal as _, Write};

use barid_runtime::{Exit, Failure};
use serde::Serialize;

/// Where a verb prints.
pub(super) struct Out {
    sink: Box<dyn Write + Send>,
    json: bool,
    terminal: bool,
}

impl Out {
    /// Standard output.
    pub(super) fn stdout(json: bool) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Self { sink: Box::new(io::BufWriter::new(stdout)), json, terminal }
    }

    /// Whether JSON was asked for.
    pub(super) const fn json(&self) -> bool {
        self.json
    }

    /// Whether a person looks at it.
    pub(super) const fn terminal(&self) -> bool {
        self.terminal
    }

    /// Prints a line of text.
    pub(super) fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        written(self.sink.write_all(text.as_ref().as_bytes()).and_then(|()| self.sink.write_all(b"\n")))
    }

    /// Prints a value as JSON: pretty for a person, one line otherwise.
    pub(super) fn value(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = if self.terminal { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        self.line(text.map_err(|error| Failure::new(Exit::Failure, error.to_string()))?)
    }

    /// Prints each value as one line of JSON.
    pub(super) fn rows(&mut self, rows: &[impl Serialize]) -> Result<(), Failure> {
        for row in rows {
            let text = serde_json::to_string(row).map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
            self.line(text)?;
        }
        Ok(())
    }

    /// Writes bytes of a message as they are; on a terminal readable and harmless instead: a line a segment, no control characters.
    pub(super) fn payload(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.terminal { self.payload_lines(bytes) } else { written(self.sink.write_all(bytes)) }
    }

    /// Writes bytes of a message readable and harmless: a line a segment, no control characters.
    pub(super) fn payload_lines(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
        for line in text.lines() {
            self.line(clean(line))?;
        }
        Ok(())
    }

    /// Has all that was printed reach its reader.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        written(self.sink.flush())
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        // Nothing is left to tell about a failure here; a verb that cares flushed before.
        drop(self.sink.flush());
    }
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Ok(()) => Ok(()),
        // The reader has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::new(Exit::Ok, "")),
        Err(error) => Err(Failure::new(Exit::Failure, format!("cannot print: {error}"))),
    }
}

/// Prints a failure to standard error, as text or JSON.
pub(super) fn complain(failure: &Failure, json: bool) {
    if failure.text.is_empty() {
        return;
    }
    let text = if json {
        serde_json::json!({ "error": { "code": failure.exit.code(), "text": failure.text } }).to_string()
    } else {
        format!("error: {}", failure.text)
    };
    note(&text);
}

/// Prints a line to standard error: what is said beside a result, such as progress or a warning.
pub(super) fn note(text: &str) {
    // A closed standard error is nobody's failure, and there is no third place to say so.
    drop(writeln!(io::stderr(), "{text}"));
}

/// Writes over the last line of standard error: progress on a terminal. Empty text clears it.
pub(super) fn progress(text: &str) {
    drop(write!(io::stderr(), "\r\x1b[K{text}"));
}

/// Text without anything that drives a terminal: control characters show as `·`, marks that turn the writing direction go.
pub(super) fn clean(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !turns(*c)).map(|c| if c.is_control() { '·' } else { c }).collect()
}
