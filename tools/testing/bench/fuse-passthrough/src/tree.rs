// SPDX-License-Identifier: GPL-2.0

//! Inode numbers: which path has which.

use fuser::{FileAttr, FileType, INodeNo};
use std::{
    collections::HashMap,
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Paths and their numbers, for as long as the server runs.
pub(crate) struct Tree {
    paths: HashMap<u64, PathBuf>,
    numbers: HashMap<PathBuf, u64>,
}

impl Tree {
    pub(crate) fn new(root: PathBuf) -> Self {
        let root_number = INodeNo::ROOT.0;
        Self {
            paths: HashMap::from([(root_number, root.clone())]),
            numbers: HashMap::from([(root, root_number)]),
        }
    }

    pub(crate) fn path(&self, ino: INodeNo) -> io::Result<PathBuf> {
        let path = self.paths.get(&ino.0).cloned();
        path.ok_or_else(|| io::Error::from_raw_os_error(nix::libc::ESTALE))
    }

    pub(crate) fn number(&mut self, path: &Path) -> INodeNo {
        if let Some(&known) = self.numbers.get(path) {
            return INodeNo(known);
        }
        let number = INodeNo::ROOT.0 + self.paths.len() as u64;
        self.paths.insert(number, path.to_owned());
        self.numbers.insert(path.to_owned(), number);
        INodeNo(number)
    }

    /// `from` is called `to` now: it keeps its number. Whatever was called `to` gets another one.
    pub(crate) fn renamed(&mut self, from: &Path, to: PathBuf) {
        if let Some(number) = self.numbers.remove(from) {
            self.paths.insert(number, to.clone());
            self.numbers.insert(to, number);
        }
    }
}

fn time(seconds: i64, nanos: i64) -> SystemTime {
    UNIX_EPOCH + Duration::new(seconds.max(0) as u64, nanos as u32)
}

/// The attributes of `found` as FUSE wants them.
pub(crate) fn attr(ino: INodeNo, found: &Metadata) -> FileAttr {
    FileAttr {
        ino,
        size: found.size(),
        blocks: found.blocks(),
        atime: time(found.atime(), found.atime_nsec()),
        mtime: time(found.mtime(), found.mtime_nsec()),
        ctime: time(found.ctime(), found.ctime_nsec()),
        crtime: UNIX_EPOCH,
        kind: FileType::from_std(found.file_type()).unwrap_or(FileType::RegularFile),
        perm: (found.mode() & 0o7777) as u16,
        nlink: found.nlink() as u32,
        uid: found.uid(),
        gid: found.gid(),
        rdev: found.rdev() as u32,
        blksize: found.blksize() as u32,
        flags: 0,
    }
}
