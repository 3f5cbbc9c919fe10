//! A small file system under the data directory of an engine, and ballast in it.
//!
//! Mounted directly where that is allowed (root, or sudo without a password), else in a user namespace of its own, in
//! which the engine then runs too.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use barid_testkit::process::{Home, binary};

/// What is needed where nothing works.
const NEEDED: &str = "this test needs a small file system: run it as root with CAP_SYS_ADMIN (docker run --privileged, or \
                      --cap-add SYS_ADMIN), or with sudo that asks for no password, or where unprivileged user \
                      namespaces are allowed (sysctl kernel.unprivileged_userns_clone=1 and \
                      kernel.apparmor_restrict_unprivileged_userns=0)";
/// Bytes of ballast written at once.
const PIECE: usize = 256 << 10;

/// The mounted file system; unmounted when dropped.
pub(super) struct Volume {
    /// The data directory as this process sees it.
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    /// Mounted for all; the command that may do so.
    Mounted(&'static [&'static str]),
    /// In the namespace of this process.
    Apart(Child),
}

impl Volume {
    /// Mounts one of so many bytes at the data directory, which has to be empty.
    pub(super) fn mount(home: &mut Home, bytes: u64) -> Self {
        let data = home.data();
        for rights in [&[][..], &["sudo", "-n"]] {
            if mounted(rights, &data, bytes) {
                return Self { path: data, kind: Kind::Mounted(rights) };
            }
        }
        let apart = apart(&data, bytes).unwrap_or_else(|| panic!("{NEEDED}"));
        let program = data.with_file_name("barid");
        let script = format!(
            "#!/bin/sh\nexec nsenter --preserve-credentials -U -m -t {} -- {} \"$@\"\n",
            apart.id(),
            binary().unwrap().display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        home.through(program);
        let path = PathBuf::from(format!("/proc/{}/root{}", apart.id(), data.display()));
        Self { path, kind: Kind::Apart(apart) }
    }

    /// Adds ballast until so many bytes are free, or less already are.
    pub(super) fn leave(&self, free: u64) {
        let mut file = std::fs::File::options().create(true).append(true).open(self.ballast()).unwrap();
        let piece = vec![b'b'; PIECE];
        let mut size = PIECE;
        while size > 0 && self.free() > free {
            let most = usize::try_from(self.free() - free).unwrap().clamp(1, size);
            match file.write(&piece[..most]) {
                Ok(1..) => {}
                // What is left is less than that.
                _ => size /= 2,
            }
        }
        file.sync_all().unwrap();
    }

    /// Removes the ballast.
    pub(super) fn clear(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    fn free(&self) -> u64 {
        let output = Command::new("stat").args(["-f", "-c", "%a %S"]).arg(&self.path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().map(|number| number.parse::<u64>().unwrap()).product()
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        match &mut self.kind {
            Kind::Mounted(rights) => {
                // Lazily: an engine that a failed test left may still be dying.
                run(rights, "umount", &["--lazy", &self.path.to_string_lossy()]);
            }
            Kind::Apart(process) => {
                drop(process.kill());
                drop(process.wait());
            }
        }
    }
}

/// Runs a program with these rights; whether it succeeded.
fn run(rights: &[&str], program: &str, arguments: &[&str]) -> bool {
    let words: Vec<&str> = rights.iter().copied().chain([program]).chain(arguments.iter().copied()).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn options(bytes: u64) -> String {
    format!("size={bytes},mode=0777")
}

fn mounted(rights: &[&str], data: &Path, bytes: u64) -> bool {
    run(rights, "mount", &["-t", "tmpfs", "-o", &options(bytes), "tmpfs", &data.to_string_lossy()])
}

/// A process that keeps a namespace with the volume in it.
fn apart(data: &Path, bytes: u64) -> Option<Child> {
    let script = "mount -t tmpfs -o \"$1\" tmpfs \"$2\" && echo mounted && exec sleep infinity";
    let mut command = Command::new("unshare");
    command.args(["-r", "-m", "sh", "-c", script, "sh", &options(bytes)]).arg(data);
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut line = String::new();
    BufReader::new(process.stdout.take()?).read_line(&mut line).ok()?;
    if line.trim() == "mounted" {
        return Some(process);
    }
    drop(process.wait());
    None
}
