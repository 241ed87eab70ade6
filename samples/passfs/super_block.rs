// SPDX-License-Identifier: GPL-2.0

//! Mounting, and what passfs remembers: of an instance the directory below and the mounter's
//! credentials, of an inode the backing inode, of a dentry the backing dentry.

use crate::{
    dir::PassDir,
    file::PassFile,
    inode::{
        change,
        PassDirInode,
        PassFileInode,
        PassSymlinkInode, //
    },
};
use backing_file::MapPolicy;
use kernel::{
    cred::Credential,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::aref::ARef, //
};
use vfs::{
    attr::{
        FileType,
        StatFs, //
    },
    context::Param,
    dentry::Name,
    export::{
        Handle,
        HandleBuffer,
        HandleType,
        NameBuffer, //
    },
    file,
    fs_error,
    inode::{
        self,
        NewInode, //
    },
    with_creds,
    xattr::{
        self,
        Buffer, //
    },
    CredBuilder,
    Dentry,
    FileSystem,
    FsContext,
    HookContext,
    Inode,
    NewSuperBlock,
    Path,
    PathRef,
    SpareInode,
    SuperBlock,
    Walk,
    Walked,
    WriteErrors, //
};

/// "PASS".
const MAGIC: u32 = 0x5041_5353;

/// The filesystem type.
pub(crate) struct PassFs;

/// An instance.
pub(crate) struct Instance {
    /// The directory that is passed through.
    lower: Path,
    /// Who mounted it: on whose behalf everything below is done.
    cred: ARef<Credential>,
    map_policy: MapPolicy,
    overlay_upper: bool,
    /// What `syncfs(2)` said of the filesystem below.
    write_errors: WriteErrors,
}

impl Instance {
    /// The credentials of the mounter.
    #[inline]
    pub(crate) fn cred(&self) -> &Credential {
        &self.cred
    }

    /// What happens when a watched backing file is mapped.
    #[inline]
    pub(crate) fn map_policy(&self) -> MapPolicy {
        self.map_policy
    }

    /// The directory that is passed through.
    #[inline]
    pub(crate) fn lower(&self) -> &Path {
        &self.lower
    }

    /// Where `dentry` is on the filesystem below.
    #[inline]
    pub(crate) fn path_of<'a>(&'a self, dentry: &'a Dentry<PassFs>) -> Result<PathRef<'a>> {
        PathRef::new(self.lower.mount(), dentry.data()?)
    }
}

/// Where `dentry` is on the filesystem below.
#[inline]
pub(crate) fn backing_path(dentry: &Dentry<PassFs>) -> Result<PathRef<'_>> {
    dentry.super_block().data().path_of(dentry)
}

/// The inode of `sb` that stands for the inode `backing` of the filesystem below.
pub(crate) fn inode_for(sb: &SuperBlock<PassFs>, backing: &Inode) -> Result<ARef<Inode<PassFs>>> {
    sb.inode(backing.into(), |new| stand_for(new, sb, backing))
}

/// As [`inode_for`], made of `spare` if there is none yet.
pub(crate) fn inode_from(
    sb: &SuperBlock<PassFs>,
    spare: SpareInode<PassFs>,
    backing: &Inode,
) -> Result<ARef<Inode<PassFs>>> {
    sb.inode_from(spare, backing.into(), |new| stand_for(new, sb, backing))
}

/// Makes `new` stand for `backing`.
fn stand_for(
    new: NewInode<PassFs>,
    sb: &SuperBlock<PassFs>,
    backing: &Inode,
) -> Result<ARef<Inode<PassFs>>> {
    if backing.is_casefolded() {
        // One file would have several names in the dentry cache.
        return Err(EREMOTE);
    }
    new.inode().copy_attr(backing, sb.data().lower.mount());
    let new = new.ino(backing.ino()).times_from_below().acl_from_below();
    let new = match backing.file_type() {
        FileType::Regular => new
            .ops(inode::Ops::new::<PassFileInode>())
            .file_ops(file::Ops::new::<PassFile>()),
        FileType::Directory => new
            .ops(inode::Ops::new::<PassDirInode>())
            .file_ops(file::Ops::new::<PassDir>()),
        FileType::Symlink => new.ops(inode::Ops::new::<PassSymlinkInode>()),
        FileType::Special => new.ops(inode::Ops::new::<PassFileInode>()).special(backing),
    };
    Ok(new.publish())
}

/// What stands for `backing`, which exists.
fn found(
    sb: &SuperBlock<PassFs>,
    backing: ARef<Dentry>,
) -> Result<(ARef<Dentry>, ARef<Inode<PassFs>>)> {
    let inode = inode_for(sb, backing.inode().ok_or(ESTALE)?)?;
    Ok((backing, inode))
}

/// The mount options.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    /// `mmap=`: what happens when a backing file with a pre-content watcher is mapped.
    mmap: Option<MapPolicy>,
    /// `overlay_upper`: overlayfs may have its upper layer here; IMA, EVM, IPE and uprobes are not shown
    /// the files below.
    overlay_upper: bool,
}

#[vtable]
impl FileSystem for PassFs {
    const NAME: &'static CStr = c"passfs";
    const PARAMS: &'static [Param<Options>] = &[
        Param::value(c"mmap", |options, name| {
            options.mmap = Some(MapPolicy::from_name(name)?);
            Some(())
        }),
        Param::flag(c"overlay_upper", |options| options.overlay_upper = true),
    ];

    type Options = Options;
    type SuperData = KBox<Instance>;
    type InodeData = ARef<Inode>;
    type DentryData = ARef<Dentry>;

    fn new_super(fc: &FsContext<Self>, sb: &mut NewSuperBlock<'_, Self>) -> Result<KBox<Instance>> {
        // An empty name would be the current directory.
        let Some(source) = fc.source().filter(|source| !source.is_empty()) else {
            return fs_error!(fc, EINVAL, "no source: name the directory to pass through");
        };
        let lower = match Path::lookup_dir(source) {
            Ok(lower) => lower,
            Err(err) if err == ENOTDIR => {
                return fs_error!(fc, err, "source '{}' is not a directory", source);
            }
            Err(err) => return fs_error!(fc, err, "cannot resolve source '{}'", source),
        };
        if lower.mount().is_idmapped() {
            return fs_error!(fc, EINVAL, "source '{}' is on an idmapped mount", source);
        }
        if lower.dentry().has_own_comparison() {
            return fs_error!(
                fc,
                EREMOTE,
                "source '{}': its filesystem does not tell names apart as this one",
                source
            );
        }
        if sb.stack_on(lower.mount().super_block()).is_err() {
            return fs_error!(
                fc,
                EINVAL,
                "source '{}' is stacked too deep already",
                source
            );
        }
        sb.magic(MAGIC);
        if lower.mount().super_block().has_handles() {
            sb.allow_handles();
        }
        sb.allow_pre_content_events();
        let overlay_upper = fc.options().overlay_upper;
        if overlay_upper {
            sb.hide_below();
        }

        let cred = CredBuilder::from_current()?.without_sys_resource().build();
        let map_policy = fc.options().mmap.unwrap_or_default();
        let write_errors = WriteErrors::of(lower.mount().super_block());
        Ok(KBox::new(
            Instance {
                lower,
                cred,
                map_policy,
                overlay_upper,
                write_errors,
            },
            GFP_KERNEL,
        )?)
    }

    fn root(sb: &SuperBlock<Self>) -> Result<(ARef<Inode<Self>>, ARef<Dentry>)> {
        let lower = &sb.data().lower;
        let inode = inode_for(sb, lower.inode().ok_or(ENOENT)?)?;
        Ok((inode, lower.dentry().into()))
    }

    fn reconfigure(sb: &SuperBlock<Self>, fc: &FsContext<Self>) -> Result {
        let (instance, new) = (sb.data(), fc.options());
        if new.mmap.is_some_and(|policy| policy != instance.map_policy) {
            return fs_error!(fc, EINVAL, "option 'mmap' cannot be changed while mounted");
        }
        if new.overlay_upper && !instance.overlay_upper {
            return fs_error!(
                fc,
                EINVAL,
                "option 'overlay_upper' cannot be given while mounted"
            );
        }
        Ok(())
    }

    fn sync(sb: &SuperBlock<Self>, wait: bool) -> Result {
        // The VFS calls twice; once is enough for the filesystem below, which starts with not waiting too.
        if !wait {
            return Ok(());
        }
        let instance = sb.data();
        let below = instance.lower.mount().super_block();
        let result = below.sync();
        instance.write_errors.pass_on(below, sb);
        result
    }

    fn statfs(dentry: &Dentry<Self>, buf: &mut StatFs) -> Result {
        let sb = dentry.super_block();
        with_creds(sb.data().cred(), || backing_path(dentry)?.statfs(buf))?;
        buf.restack(sb);
        Ok(())
    }

    fn show_options(sb: &SuperBlock<Self>, m: &SeqFile) -> Result {
        let instance = sb.data();
        if instance.map_policy != MapPolicy::default() {
            seq_print!(m, ",mmap={}", instance.map_policy.name());
        }
        if instance.overlay_upper {
            seq_print!(m, ",overlay_upper");
        }
        Ok(())
    }

    #[inline]
    fn getxattr(dentry: &Dentry<Self>, name: xattr::Name<'_>, buffer: Buffer<'_>) -> Result<usize> {
        with_creds(dentry.super_block().data().cred(), || {
            backing_path(dentry)?.getxattr(name, buffer)
        })
    }

    fn setxattr(
        hooks: &mut HookContext,
        dentry: &Dentry<Self>,
        name: xattr::Name<'_>,
        value: Option<&[u8]>,
        flags: i32,
    ) -> Result {
        change(hooks, dentry, |path, write| {
            path.setxattr(write, name, value, flags)
        })
    }

    fn encode_handle(inode: &Inode<Self>, handle: &mut HandleBuffer<'_>) -> Result<HandleType> {
        with_creds(inode.super_block().data().cred(), || {
            inode.data().encode_handle(handle)
        })
    }

    fn decode_handle(
        sb: &SuperBlock<Self>,
        handle: &Handle<'_>,
    ) -> Result<(ARef<Dentry>, ARef<Inode<Self>>)> {
        let instance = sb.data();
        let backing = with_creds(instance.cred(), || instance.lower.decode_handle(handle))?;
        found(sb, backing)
    }

    fn parent(dir: &Dentry<Self>) -> Result<(ARef<Dentry>, ARef<Inode<Self>>)> {
        found(dir.super_block(), dir.data()?.current_parent())
    }

    fn name(dir: &Dentry<Self>, name: &mut NameBuffer<'_>) -> Result {
        name.write_name_of(dir.data()?);
        Ok(())
    }

    fn below(dentry: &Dentry<Self>) -> Option<&Dentry> {
        dentry.data().ok()
    }

    #[inline]
    fn revalidate(
        walk: Walk<'_>,
        dir: &Walked<Inode<Self>>,
        name: Name<'_>,
        dentry: &Walked<Dentry<Self>>,
    ) -> Result<bool> {
        let fresh = |inode: &Walked<Inode<Self>>| inode.is_fresh(walk, inode.data());
        if dentry.is_checked(dentry.data()?) && dentry.inode().is_none_or(fresh) {
            return Ok(true);
        }
        check(walk, dir, name, dentry)
    }
}

/// Whether `dentry` is still what `name` in `dir` is below. If so, its attributes that count are of now.
#[cold]
fn check(
    walk: Walk<'_>,
    dir: &Walked<Inode<PassFs>>,
    name: Name<'_>,
    dentry: &Walked<Dentry<PassFs>>,
) -> Result<bool> {
    if !dentry.is_checked(dentry.data()?) && !is_still(walk, dir, name, dentry)? {
        return Ok(false);
    }
    if let Some(inode) = dentry.inode() {
        let below = inode.super_block().data().lower.mount();
        inode.refresh(walk, inode.data(), below)?;
    }
    Ok(true)
}

/// Whether `dentry` is still what `name` in `dir` is below.
fn is_still(
    walk: Walk<'_>,
    dir: &Walked<Inode<PassFs>>,
    name: Name<'_>,
    dentry: &Walked<Dentry<PassFs>>,
) -> Result<bool> {
    let backing = dentry.data()?;
    let version = backing.version();
    if !backing.is_child(dir.data(), name) {
        return Ok(false);
    }
    // Made, removed or replaced underneath?
    let same = match (dentry.inode(), backing.inode()) {
        (Some(inode), Some(backing)) => core::ptr::eq(inode.data(), backing),
        (None, None) => true,
        _ => false,
    };
    if !same {
        return Ok(false);
    }
    if backing.needs_revalidation() {
        // Its filesystem has to be asked every time.
        return backing.revalidate(walk, dir.data(), name);
    }
    dentry.set_checked(version);
    Ok(true)
}
