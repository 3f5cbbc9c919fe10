//! A disk that fails on purpose, in memory: for tests of recovery.
//!
//! It keeps apart what a process sees (the page cache), what would survive a power cut, and what was written in between and may survive in part, sector by
//! sector and in any order. A sync that fails drops what it should have made durable and leaves the cache as it is, as Linux does; a later sync succeeds.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::storage::{File, Storage};

/// What a device writes at once, in bytes.
const SECTOR: usize = 512;

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct Simulated(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    names: HashMap<String, Arc<Mutex<Inode>>>,
    durable_names: HashMap<String, Arc<Mutex<Inode>>>,
    /// Changes of names since the directory was synced.
    renames: Vec<Naming>,
    capacity: Option<u64>,
    /// Changes left until nothing works any more.
    left: Option<u64>,
    /// Syncs left until one fails.
    fail_sync: Option<u64>,
    locked: bool,
}

#[derive(Clone)]
enum Naming {
    Set(String, Arc<Mutex<Inode>>),
    Remove(String),
}

#[derive(Default, Clone)]
struct Inode {
    cache: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone)]
enum Pending {
    Write(usize, Vec<u8>),
    Resize(usize),
}

impl Inode {
    fn apply(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
        if bytes.len() < offset + data.len() {
            bytes.resize(offset + data.len(), 0);
        }
        if let Some(target) = bytes.get_mut(offset..offset + data.len()) {
            target.copy_from_slice(data);
        }
    }

    /// What may be on the device after a power cut: some sectors of what was not synced, by the bits of `random`.
    fn after_power_cut(&self, random: &mut impl FnMut() -> bool) -> Self {
        let mut bytes = self.durable.clone();
        for pending in &self.pending {
            match pending {
                Pending::Resize(len) if random() => bytes.resize(*len, 0),
                Pending::Resize(_) => {}
                Pending::Write(offset, data) => {
                    let mut at = 0;
                    while at < data.len() {
                        let end = (at + SECTOR - (offset + at) % SECTOR).min(data.len());
                        if random() {
                            Self::apply(&mut bytes, offset + at, data.get(at..end).unwrap_or_default());
                        }
                        at = end;
                    }
                }
            }
        }
        Self { cache: bytes.clone(), durable: bytes, pending: Vec::new() }
    }
}

impl Default for Simulated {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(World::default())))
    }
}

impl Simulated {
    /// An empty disk without limits or faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the bytes of all files together; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.lock().capacity = bytes;
    }

    /// After this many more changes (writes, syncs, names) every operation fails: the state is that of a process killed there.
    pub fn freeze_after(&self, changes: u64) {
        self.0.lock().left = Some(changes);
    }

    /// Fails the sync after this many successful ones, once.
    pub fn fail_sync_after(&self, syncs: u64) {
        self.0.lock().fail_sync = Some(syncs);
    }

    /// The disk as the next process finds it after this one was killed: the page cache is still there. The old one stays with its process.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        let world = self.0.lock();
        let mut copies = Copies::default();
        let mut copy = |inode: &Arc<Mutex<Inode>>| copies.of(inode, Inode::clone);
        let after = World {
            names: world.names.iter().map(|(name, inode)| (name.clone(), copy(inode))).collect(),
            durable_names: world.durable_names.iter().map(|(name, inode)| (name.clone(), copy(inode))).collect(),
            renames: world
                .renames
                .iter()
                .map(|naming| match naming {
                    Naming::Set(name, inode) => Naming::Set(name.clone(), copy(inode)),
                    Naming::Remove(name) => Naming::Remove(name.clone()),
                })
                .collect(),
            capacity: world.capacity,
            ..World::default()
        };
        Self(Arc::new(Mutex::new(after)))
    }

    /// The disk after a power cut: what was synced, and by chance (of this seed) parts of what was not.
    #[must_use]
    pub fn after_power_cut(&self, seed: u64) -> Self {
        let world = self.0.lock();
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state & 4 == 0
        };
        let mut names = world.durable_names.clone();
        for naming in &world.renames {
            // File systems with a journal keep the order of names; a prefix of it survives.
            if !random() {
                break;
            }
            match naming {
                Naming::Set(name, inode) => names.insert(name.clone(), inode.clone()),
                Naming::Remove(name) => names.remove(name),
            };
        }
        let mut copies = Copies::default();
        let mut sorted: Vec<_> = names.into_iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let names: HashMap<_, _> = sorted
            .into_iter()
            .map(|(name, inode)| (name, copies.of(&inode, |inode| inode.after_power_cut(&mut random))))
            .collect();
        let after = World { durable_names: names.clone(), names, capacity: world.capacity, ..World::default() };
        Self(Arc::new(Mutex::new(after)))
    }

    /// Names and sizes of the files, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<(String, usize)> {
        let mut files: Vec<_> =
            self.0.lock().names.iter().map(|(name, inode)| (name.clone(), inode.lock().cache.len())).collect();
        files.sort();
        files
    }

    /// Changes a file's bytes, on the device as well.
    pub fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        if let Some(inode) = self.0.lock().names.get(name) {
            let mut inode = inode.lock();
            edit(&mut inode.cache);
            inode.durable = inode.cache.clone();
            inode.pending.clear();
        }
    }

    fn change(&self) -> io::Result<()> {
        let mut world = self.0.lock();
        match &mut world.left {
            Some(0) => Err(io::Error::other("frozen")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Refuses growth that the capacity does not allow.
    fn grow(&self, more: usize) -> io::Result<()> {
        if more as u64 > self.free_bytes()? { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn handle(&self, inode: Arc<Mutex<Inode>>) -> Arc<dyn File> {
        Arc::new(Handle { disk: self.clone(), inode })
    }
}

/// Copies of inodes, each made once.
#[derive(Default)]
struct Copies(HashMap<usize, Arc<Mutex<Inode>>>);

impl Copies {
    fn of(&mut self, inode: &Arc<Mutex<Inode>>, copy: impl FnOnce(&Inode) -> Inode) -> Arc<Mutex<Inode>> {
        let made = self.0.entry(Arc::as_ptr(inode).addr()).or_insert_with(|| Arc::new(Mutex::new(copy(&inode.lock()))));
        made.clone()
    }
}

impl Storage for Simulated {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str, allocate: u64) -> io::Result<Arc<dyn File>> {
        self.change()?;
        let bytes = usize::try_from(allocate).map_err(io::Error::other)?;
        self.grow(bytes)?;
        let inode = Arc::new(Mutex::new(Inode {
            cache: vec![0; bytes],
            pending: vec![Pending::Resize(bytes)],
            ..Inode::default()
        }));
        let mut world = self.0.lock();
        world.names.insert(name.into(), inode.clone());
        world.renames.push(Naming::Set(name.into(), inode.clone()));
        drop(world);
        Ok(self.handle(inode))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let inode = self.0.lock().names.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(inode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change()?;
        let mut world = self.0.lock();
        let inode = world.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        world.names.insert(to.into(), inode.clone());
        world.renames.push(Naming::Remove(from.into()));
        world.renames.push(Naming::Set(to.into(), inode));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change()?;
        let mut world = self.0.lock();
        world.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        world.renames.push(Naming::Remove(name.into()));
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.change()?;
        let mut world = self.0.lock();
        world.durable_names = world.names.clone();
        world.renames.clear();
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let world = self.0.lock();
        let used: usize = world.names.values().map(|inode| inode.lock().cache.len()).sum();
        Ok(world.capacity.map_or(u64::from(u32::MAX), |capacity| capacity.saturating_sub(used as u64)))
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        let mut world = self.0.lock();
        if std::mem::replace(&mut world.locked, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Unlock(self.clone())))
    }

    fn place(&self) -> String {
        "simulated".into()
    }
}

struct Unlock(Simulated);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.0.lock().locked = false;
    }
}

struct Handle {
    disk: Simulated,
    inode: Arc<Mutex<Inode>>,
}

impl File for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.lock().cache.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let inode = self.inode.lock();
        let rest = usize::try_from(offset).ok().and_then(|offset| inode.cache.get(offset..)).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..read), rest.get(..read)) {
            to.copy_from_slice(from);
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.change()?;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let more = (offset + bytes.len()).saturating_sub(self.inode.lock().cache.len());
        self.disk.grow(more)?;
        let mut inode = self.inode.lock();
        Inode::apply(&mut inode.cache, offset, bytes);
        inode.pending.push(Pending::Write(offset, bytes.to_vec()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.change()?;
        let fails = {
            let mut world = self.disk.0.lock();
            let fails = world.fail_sync == Some(0);
            world.fail_sync = world.fail_sync.and_then(|left| left.checked_sub(1));
            fails
        };
        let mut inode = self.inode.lock();
        let pending = std::mem::take(&mut inode.pending);
        if fails {
            // The cache keeps what the device never got.
            return Err(io::Error::other("simulated device error"));
        }
        for pending in pending {
            match pending {
                Pending::Write(offset, data) => Inode::apply(&mut inode.durable, offset, &data),
                Pending::Resize(len) => inode.durable.resize(len, 0),
            }
        }
        Ok(())
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        self.disk.change()?;
        let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
        let more = bytes.saturating_sub(self.inode.lock().cache.len());
        self.disk.grow(more)?;
        let mut inode = self.inode.lock();
        inode.cache.resize(bytes, 0);
        inode.pending.push(Pending::Resize(bytes));
        Ok(())
    }
}
