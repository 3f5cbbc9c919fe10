//! What is fixed when the log is made: one key of the bucket, under a name that no user of the log can give.

use barid_log::Identity;
use serde::{Deserialize, Serialize};

use crate::link::{Link, Published, REQUEST, Which, random};
use crate::name::Names;
use crate::options::{OpenError, Options};

/// Version of the format; a newer one is refused.
const VERSION: u32 = 1;
/// How often an identity is looked for, or made, while others may be making it.
const ATTEMPTS: usize = 10;

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    incarnation: [u8; 16],
    lane_key: [u8; 16],
    partitions: u32,
    hash: String,
}

/// Reads the identity, checks it against the options, and makes it for a new log.
pub(crate) async fn load(link: &Link, names: &Names, options: &Options) -> Result<Identity, OpenError> {
    let unreachable = |why: String| OpenError::Unreachable { servers: options.connect.servers.clone(), why };
    let mut why = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(REQUEST / 4).await;
        }
        match link.message(&names.keys(), Which::Last(&names.identity())).await {
            Ok(Some(stored)) => return check(&stored.payload, options),
            Ok(None) => {}
            Err(error) => {
                why = error.to_string();
                continue;
            }
        }
        let written = make(options)?;
        let text = serde_json::to_vec(&written).map_err(|error| unreachable(error.to_string()))?;
        // Whoever is first makes it; all read what is stored.
        if let Published::Unclear(text) = link.publish(&names.identity(), Some(0), &[], text.into(), REQUEST).await {
            why = text;
        }
    }
    Err(unreachable(why))
}

fn make(options: &Options) -> Result<Written, OpenError> {
    let (mut incarnation, mut lane_key) = ([0; 16], [0; 16]);
    let drawn = random(&mut incarnation).and_then(|()| random(&mut lane_key));
    drawn.map_err(|error| OpenError::Connection(format!("drawing random bytes: {error}")))?;
    Ok(Written { version: VERSION, incarnation, lane_key, partitions: options.partitions, hash: options.hash.clone() })
}

fn check(text: &[u8], options: &Options) -> Result<Identity, OpenError> {
    let bad = |why| OpenError::Identity { installation: options.installation.clone(), why };
    let written: Written = serde_json::from_slice(text).map_err(|_| bad("it is not readable"))?;
    if written.version > VERSION {
        return Err(bad("it was written by a newer version"));
    }
    if written.partitions != options.partitions || written.hash != options.hash {
        return Err(OpenError::Partitions {
            installation: options.installation.clone(),
            stored: written.partitions,
            stored_hash: written.hash,
            asked: options.partitions,
            asked_hash: options.hash.clone(),
        });
    }
    let Written { incarnation, lane_key, partitions, hash, .. } = written;
    Ok(Identity { incarnation, lane_key, partitions, hash })
}
