//! What the process takes from its environment; nothing else in the workspace reads it.
//!
//! Secrets of destinations are read by name through [`variable`], so that one place knows what was asked for.

use std::path::{Path, PathBuf};

/// What to log: a level (`info`) or directives (`barid_delivery=debug,info`).
pub const LOG: &str = "BARID_LOG";
/// How to log: `text` or `json`.
pub const LOG_FORMAT: &str = "BARID_LOG_FORMAT";
/// What the process is called in telemetry, as OpenTelemetry has it.
pub const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// More that telemetry says of the process: `name=value,…`.
pub const RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
/// The data directory where no option names it.
pub const DATA: &str = "BARID_DATA";
/// Who acts, where no option says so and the operating system's user is not the person.
pub const ACTOR: &str = "BARID_ACTOR";

/// Where the system's users are.
const USERS: &str = "/etc/passwd";
/// Most bytes of it that are read: tens of thousands of users.
const USERS_BYTES_MAX: u64 = 4 << 20;

/// A variable's value; none where it is unset, empty or not UTF-8.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Who acts: [`ACTOR`], else the operating system's user name, else its number.
#[must_use]
pub fn actor() -> String {
    variable(ACTOR).or_else(user_name).unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// The name of the process's user. Not `$USER` first: after `sudo -u` that may still be somebody else's.
fn user_name() -> Option<String> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let from_passwd = barid_files::read_text(Path::new(USERS), USERS_BYTES_MAX).ok().and_then(|text| {
        text.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == uid).then(|| name.to_owned())
        })
    });
    from_passwd.or_else(|| variable("USER")).or_else(|| variable("LOGNAME"))
}

/// Where short-lived files such as sockets with a short path may stand.
#[must_use]
pub fn temporary_directory() -> PathBuf {
    std::env::temp_dir()
}

/// Whether output should be without colour (`NO_COLOR`, as agreed at no-color.org, or a terminal that cannot).
#[must_use]
pub fn wants_no_colour() -> bool {
    variable("NO_COLOR").is_some() || variable("TERM").is_some_and(|term| term == "dumb")
}

/// Columns of the terminal as the shell exports them; none where unknown.
#[must_use]
pub fn columns() -> Option<usize> {
    variable("COLUMNS").and_then(|text| text.parse().ok())
}

/// The whole environment as it is now: what secrets that documents name by `env` are looked up in.
#[must_use]
pub fn all() -> std::collections::BTreeMap<String, String> {
    let text = |value: std::ffi::OsString| value.into_string().ok();
    std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect()
}
