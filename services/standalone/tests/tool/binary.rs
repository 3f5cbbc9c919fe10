//! Runs the binary and keeps what it printed.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run left.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    /// Standard output as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Standard output as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.text(), self.stderr))
    }

    /// Standard output as JSON values, one a line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// That it ended well.
    pub(crate) fn well(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", String::from_utf8_lossy(&self.stdout), self.stderr);
        self
    }

    /// That it ended with this code.
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", String::from_utf8_lossy(&self.stdout), self.stderr);
        self
    }
}

/// The command, without anything of the environment that would change what it does.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_barid"));
    command
        .env_remove("BARID_DATA")
        .env_remove("BARID_LOG")
        .env("BARID_ACTOR", "tester")
        .env("TZ", "UTC")
        .env("NO_COLOR", "1");
    command
}

/// Runs the binary.
pub(crate) fn barid(arguments: &[&str]) -> Ran {
    finish(command().args(arguments), b"")
}

/// Runs the binary with something on standard input.
pub(crate) fn barid_with(arguments: &[&str], input: &[u8]) -> Ran {
    finish(command().args(arguments), input)
}

/// Runs the binary against an engine's data directory.
pub(crate) fn barid_on(data: &Path, arguments: &[&str]) -> Ran {
    finish(command().arg("--data").arg(data).args(arguments), b"")
}

fn finish(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that reads nothing may be gone before all is written.
    drop(child.stdin.take().unwrap().write_all(input));
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
