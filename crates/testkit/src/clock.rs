//! The wall clock of a process, stepped while it runs.
//!
//! A library of a few lines stands between the program and its C library and adds what a file says (`clock/step.c`; it is
//! compiled with the `cc` that the linker is called by anyway). So the real program meets a step as it would meet one of its
//! system, and knows nothing of it. Programs that ask the system without the C library, as those written in Go do, are not
//! reached: a NATS server keeps the machine's time.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::servers::ServerError;

/// What stands between.
const SOURCE: &str = include_str!("clock/step.c");

/// A clock that can be stepped, of one process.
#[derive(Debug)]
pub struct Clock {
    directory: TempDir,
}

fn failed(what: &'static str) -> impl Fn(std::io::Error) -> ServerError {
    move |error| ServerError::System(what, error)
}

impl Clock {
    /// One that shows the machine's time.
    ///
    /// # Errors
    /// Where the library cannot be compiled.
    pub fn new() -> Result<Self, ServerError> {
        library()?;
        let clock = Self { directory: TempDir::new().map_err(failed("temporary folder"))? };
        clock.step(0)?;
        Ok(clock)
    }

    /// What runs before a program, so that it has this clock.
    ///
    /// # Errors
    /// Where the library cannot be compiled.
    pub fn around(&self) -> Result<Vec<String>, ServerError> {
        let (library, file) = (library()?, self.file());
        let set = |name: &str, path: &PathBuf| format!("{name}={}", path.display());
        Ok(vec!["env".to_owned(), set("LD_PRELOAD", library), set("STEPPED_CLOCK", &file)])
    }

    /// From now on it shows the machine's time and so many seconds.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn step(&self, seconds: i64) -> Result<(), ServerError> {
        // Written in place: who runs has mapped it.
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(self.file()).map_err(failed("clock"))?;
        std::os::unix::fs::FileExt::write_all_at(&file, &seconds.to_ne_bytes(), 0).map_err(failed("clock"))
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("seconds")
    }
}

/// The compiled library; one for all tests of a process, removed with the system's temporary files.
fn library() -> Result<&'static PathBuf, ServerError> {
    static COMPILED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(|| {
        let directory = TempDir::new().map_err(|error| error.to_string())?.keep();
        let (source, library) = (directory.join("step.c"), directory.join("step.so"));
        std::fs::write(&source, SOURCE).map_err(|error| error.to_string())?;
        let output = Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output();
        let output = output.map_err(|error| format!("there is no cc, a C compiler: {error}"))?;
        if output.status.success() { Ok(library) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    });
    compiled.as_ref().map_err(|why| ServerError::Refused("the clock that can be stepped", why.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(command: &mut Command) -> i64 {
        String::from_utf8(command.output().unwrap().stdout).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn the_wall_clock_of_a_program_is_stepped_and_no_other() {
        let clock = Clock::new().unwrap();
        let around = clock.around().unwrap();
        let shown = || seconds(Command::new(&around[0]).args(&around[1..]).args(["date", "+%s"]));
        let now = || seconds(Command::new("date").arg("+%s"));
        assert!((shown() - now()).abs() <= 2);
        clock.step(-86_400).unwrap();
        assert!((shown() - now() + 86_400).abs() <= 2);
        clock.step(3_600).unwrap();
        assert!((shown() - now() - 3_600).abs() <= 2);
    }
}
