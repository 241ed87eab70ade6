// SPDX-License-Identifier: GPL-2.0

//! `fuse-passthrough SOURCE MOUNTPOINT`: serves the folder SOURCE, a peer for the benchmark to compare passfs with.
//!
//! Every open file is handed to the kernel as a backing file (`FUSE_PASSTHROUGH`), so that reading, writing, splicing and
//! mapping it never come here; names and attributes do. They are cached for as long as libfuse does by default, so an
//! answer may be a second old.
//!
//! No more than the benchmark needs: one thread, one user, no links.

mod tree;

use fuser::{
    BackingId, Config, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyXattr, Request, TimeOrNow,
};
use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
    time::{Duration, SystemTime},
};
use tree::Tree;

/// How long the kernel may believe an answer.
const TTL: Duration = Duration::from_secs(1);

/// An open file: the kernel's name for it must live as long as it is open.
struct Open {
    file: File,
    _backing: Arc<BackingId>,
}

struct Passthrough {
    tree: Mutex<Tree>,
    open: Mutex<HashMap<u64, Open>>,
    /// By inode: what is opened while it is open must have the same backing file.
    backing: Mutex<HashMap<INodeNo, Weak<BackingId>>>,
}

impl Passthrough {
    fn path(&self, ino: INodeNo) -> io::Result<PathBuf> {
        self.tree.lock().unwrap().path(ino)
    }

    fn child(&self, parent: INodeNo, name: &OsStr) -> io::Result<PathBuf> {
        Ok(self.path(parent)?.join(name))
    }

    fn attr(&self, path: &PathBuf) -> io::Result<fuser::FileAttr> {
        let found = fs::symlink_metadata(path)?;
        Ok(tree::attr(self.tree.lock().unwrap().number(path), &found))
    }

    /// The backing file of `ino`, or the one that `make` makes.
    fn backing(
        &self,
        ino: INodeNo,
        make: impl FnOnce() -> io::Result<BackingId>,
    ) -> io::Result<Arc<BackingId>> {
        let mut known = self.backing.lock().unwrap();
        if let Some(backing) = known.get(&ino).and_then(Weak::upgrade) {
            return Ok(backing);
        }
        let backing = Arc::new(make()?);
        known.insert(ino, Arc::downgrade(&backing));
        Ok(backing)
    }

    /// Keeps an open file; `reply` is told under which number, before anybody can close it.
    fn keep(
        &self,
        file: File,
        backing: Arc<BackingId>,
        reply: impl FnOnce(FileHandle, &BackingId),
    ) {
        let mut open = self.open.lock().unwrap();
        let handle = (1..).find(|handle| !open.contains_key(handle)).unwrap();
        reply(FileHandle(handle), &backing);
        open.insert(
            handle,
            Open {
                file,
                _backing: backing,
            },
        );
    }

    fn with_file<R>(
        &self,
        handle: FileHandle,
        f: impl FnOnce(&File) -> io::Result<R>,
    ) -> io::Result<R> {
        match self.open.lock().unwrap().get(&handle.0) {
            Some(open) => f(&open.file),
            None => Err(io::Error::from_raw_os_error(nix::libc::EBADF)),
        }
    }
}

/// How the kernel opens the backing file is how we do.
fn options(flags: i32) -> OpenOptions {
    let mut options = OpenOptions::new();
    let access = flags & nix::libc::O_ACCMODE;
    options
        .read(access != nix::libc::O_WRONLY)
        .write(access != nix::libc::O_RDONLY)
        .custom_flags(flags & nix::libc::O_DIRECT);
    options
}

macro_rules! reply {
    ($reply:expr, $result:expr, $ok:expr) => {
        match $result {
            Ok(value) => $ok($reply, value),
            Err(err) => $reply.error(Errno::from(err)),
        }
    };
}

fn done(reply: ReplyEmpty, (): ()) {
    reply.ok();
}

fn entry(reply: ReplyEntry, attr: fuser::FileAttr) {
    reply.entry(&TTL, &attr, Generation(0));
}

impl Filesystem for Passthrough {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> io::Result<()> {
        config
            .add_capabilities(InitFlags::FUSE_PASSTHROUGH)
            .map_err(|_| io::Error::other("this kernel has no FUSE passthrough"))?;
        config
            .set_max_stack_depth(1)
            .map_err(|_| io::Error::other("no stack depth"))?;
        Ok(())
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        reply!(
            reply,
            self.child(parent, name).and_then(|path| self.attr(&path)),
            entry
        );
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        reply!(
            reply,
            self.path(ino).and_then(|path| self.attr(&path)),
            |reply: ReplyAttr, attr| { reply.attr(&TTL, &attr) }
        );
    }

    fn setattr(
        &self,
        _req: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let set = || {
            let path = self.path(ino)?;
            if let Some(mode) = mode {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            }
            if let Some(size) = size {
                options(nix::libc::O_WRONLY).open(&path)?.set_len(size)?;
            }
            self.attr(&path)
        };
        reply!(reply, set(), |reply: ReplyAttr, attr| reply
            .attr(&TTL, &attr));
    }

    fn mkdir(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let make = || {
            let path = self.child(parent, name)?;
            fs::DirBuilder::new().mode(mode).create(&path)?;
            self.attr(&path)
        };
        reply!(reply, make(), entry);
    }

    fn unlink(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        reply!(
            reply,
            self.child(parent, name).and_then(fs::remove_file),
            done
        );
    }

    fn rmdir(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        reply!(
            reply,
            self.child(parent, name).and_then(fs::remove_dir),
            done
        );
    }

    fn rename(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        _flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let rename = || {
            let (from, to) = (self.child(parent, name)?, self.child(newparent, newname)?);
            fs::rename(&from, &to)?;
            self.tree.lock().unwrap().renamed(&from, to);
            Ok::<_, io::Error>(())
        };
        reply!(reply, rename(), done);
    }

    fn open(&self, _req: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let open = || {
            let file = options(flags.0).open(self.path(ino)?)?;
            let backing = self.backing(ino, || reply.open_backing(&file))?;
            Ok::<_, io::Error>((file, backing))
        };
        reply!(
            reply,
            open(),
            |reply: ReplyOpen, (file, backing): (File, Arc<BackingId>)| {
                self.keep(file, backing, |handle, id| {
                    reply.opened_passthrough(handle, FopenFlags::empty(), id)
                });
            }
        );
    }

    fn create(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let create = || {
            let path = self.child(parent, name)?;
            let file = options(flags)
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(&path)?;
            let attr = self.attr(&path)?;
            let backing = self.backing(attr.ino, || reply.open_backing(&file))?;
            Ok::<_, io::Error>((file, backing, attr))
        };
        reply!(reply, create(), |reply: ReplyCreate,
                                 (file, backing, attr): (
            File,
            Arc<BackingId>,
            _
        )| {
            self.keep(file, backing, |handle, id| {
                reply.created_passthrough(
                    &TTL,
                    &attr,
                    Generation(0),
                    handle,
                    FopenFlags::empty(),
                    id,
                );
            });
        });
    }

    fn flush(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        // Once told so, the kernel does not ask again.
        reply.error(Errno::ENOSYS);
    }

    fn release(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.open.lock().unwrap().remove(&fh.0);
        reply.ok();
    }

    fn fsync(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        reply!(reply, self.with_file(fh, File::sync_all), done);
    }

    fn readdir(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let read = |reply: &mut ReplyDirectory| {
            let entries = fs::read_dir(self.path(ino)?)?;
            for (i, entry) in entries.enumerate().skip(offset as usize) {
                let entry = entry?;
                let number = self.tree.lock().unwrap().number(&entry.path());
                let kind = fuser::FileType::from_std(entry.file_type()?)
                    .unwrap_or(fuser::FileType::RegularFile);
                if reply.add(number, i as u64 + 1, kind, entry.file_name()) {
                    break;
                }
            }
            Ok::<_, io::Error>(())
        };
        match read(&mut reply) {
            Ok(()) => reply.ok(),
            Err(err) => reply.error(err.into()),
        }
    }

    fn setxattr(
        &self,
        _req: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        _flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        reply!(
            reply,
            self.path(ino)
                .and_then(|path| xattr::set(path, name, value)),
            done
        );
    }

    fn getxattr(&self, _req: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let get = || self.path(ino).and_then(|path| xattr::get(path, name));
        match get() {
            Ok(Some(value)) if size == 0 => reply.size(value.len() as u32),
            Ok(Some(value)) if value.len() > size as usize => reply.error(Errno::ERANGE),
            Ok(Some(value)) => reply.data(&value),
            Ok(None) => reply.error(Errno::ENODATA),
            Err(err) => reply.error(err.into()),
        }
    }

    fn fallocate(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let mode = nix::fcntl::FallocateFlags::from_bits_truncate(mode);
        let allocate = |file: &File| {
            nix::fcntl::fallocate(file, mode, offset as i64, length as i64).map_err(io::Error::from)
        };
        reply!(reply, self.with_file(fh, allocate), done);
    }
}

fn main() -> io::Result<()> {
    let args: Vec<_> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [source, mountpoint] = args.as_slice() else {
        eprintln!("usage: fuse-passthrough SOURCE MOUNTPOINT");
        std::process::exit(2);
    };
    let server = Passthrough {
        tree: Mutex::new(Tree::new(fs::canonicalize(source)?)),
        open: Mutex::default(),
        backing: Mutex::default(),
    };
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("passthrough".into()),
        MountOption::DefaultPermissions,
    ];
    fuser::mount(server, mountpoint, &config)
}
