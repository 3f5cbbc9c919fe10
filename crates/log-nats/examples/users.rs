//! Writes one NKEY user a service, and the part of the NATS servers' configuration with what each may do.
//!
//! `scripts/nats-users INSTALLATION DIRECTORY`: `DIRECTORY/accounts.conf` for the servers (`include accounts.conf`), and `DIRECTORY/ROLE.seed` for the service of
//! that name, readable by its owner alone. Seeds that are there are kept, so that a second run after an upgrade renews the rights and nothing else.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use barid_log_nats::{Role, accounts};
use nkeys::KeyPair;

/// Largest file of a seed, in bytes; a seed has 58.
const SEED_BYTES_MAX: u64 = 1_024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(installation), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: users INSTALLATION DIRECTORY".into());
    };
    let directory = PathBuf::from(directory);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    let mut users = Vec::new();
    for role in Role::ALL {
        users.push((role, pair(&directory.join(format!("{}.seed", role.name())))?.public_key()));
    }
    let text = accounts(&installation, &users).ok_or("INSTALLATION: 1 to 32 letters, digits, '-' and '_'")?;
    std::fs::write(directory.join("accounts.conf"), text)?;
    Ok(())
}

/// The key pair in a file, or a new one.
fn pair(path: &Path) -> Result<KeyPair, Failure> {
    if path.exists() {
        let seed = barid_files::read_text(path, SEED_BYTES_MAX);
        return Ok(KeyPair::from_seed(seed.map_err(|error| format!("{}: {error}", path.display()))?.trim())?);
    }
    let pair = KeyPair::new_user();
    barid_files::replace(path, format!("{}\n", pair.seed()?).as_bytes())?;
    Ok(pair)
}
