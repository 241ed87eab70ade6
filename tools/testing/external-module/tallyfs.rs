// SPDX-License-Identifier: GPL-2.0

//! tallyfs: shows a directory read-only, and counts how often its files are read.
//!
//! The smallest useful stacking filesystem, in a module that was built outside of the library's
//! tree. What passfs does besides, it leaves out.

use backing_file::{
    BackingFile,
    Callbacks,
    Ctx,
    MapPolicy,
    UserFile, //
};
use core::sync::atomic::{
    AtomicUsize,
    Ordering, //
};
use kernel::{
    cred::Credential,
    fs::Kiocb,
    iov::IovIterDest,
    mm::virt::VmaNew,
    prelude::*,
    sync::aref::ARef, //
};
use vfs::{
    acl::{
        AclType,
        FoundAcl, //
    },
    attr::{
        FileType,
        Stat, //
    },
    context::Param,
    dirop,
    file::{
        self,
        DirContext,
        OpenFile,
        Opening, //
    },
    fs_error,
    inode,
    with_creds,
    CredBuilder,
    Dentry,
    FileSystem,
    FsContext,
    HookContext,
    Idmap,
    Inode,
    NewSuperBlock,
    Path,
    PathRef,
    RcuBox,
    StableDentry,
    SuperBlock,
    Walk,
    Walked, //
};

module! {
    type: TallyModule,
    name: "tallyfs",
    authors: ["The backing_file developers"],
    description: "Read-only stacking filesystem that counts reads",
    license: "GPL",
    alias: ["fs-tallyfs"],
}

#[pin_data]
struct TallyModule {
    #[pin]
    registration: vfs::Registration<TallyFs>,
}

impl kernel::InPlaceModule for TallyModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            registration <- vfs::Registration::new(),
        })
    }
}

static READS: AtomicUsize = AtomicUsize::new(0);

struct TallyFs;

struct Instance {
    lower: Path,
    cred: ARef<Credential>,
}

fn backing_path(dentry: &Dentry<TallyFs>) -> Result<PathRef<'_>> {
    PathRef::new(dentry.super_block().data().lower.mount(), dentry.data()?)
}

fn inode_for(sb: &SuperBlock<TallyFs>, backing: &Inode) -> Result<ARef<Inode<TallyFs>>> {
    let data = RcuBox::new(backing.into(), AtomicUsize::new(0))?;
    sb.inode(data, |new| {
        new.inode().copy_attr(backing, sb.data().lower.mount());
        let new = new.ino(backing.ino()).times_from_below().acl_from_below();
        Ok(match backing.file_type() {
            FileType::Directory => new
                .ops(inode::Ops::new::<TallyDir>())
                .file_ops(file::Ops::new::<TallyOpenDir>()),
            FileType::Regular => new
                .ops(inode::Ops::new::<TallyFile>())
                .file_ops(file::Ops::new::<TallyOpenFile>()),
            _ => return Err(ENXIO),
        }
        .publish())
    })
}

#[vtable]
impl FileSystem for TallyFs {
    const NAME: &'static CStr = c"tallyfs";
    const PARAMS: &'static [Param<()>] = &[];

    type Options = ();
    type SuperData = KBox<Instance>;
    type InodeData = RcuBox<ARef<Inode>, AtomicUsize>;
    type DentryData = ARef<Dentry>;

    fn new_super(fc: &FsContext<Self>, sb: &mut NewSuperBlock<'_, Self>) -> Result<KBox<Instance>> {
        let Some(source) = fc.source() else {
            return fs_error!(fc, EINVAL, "no source directory");
        };
        let lower = Path::lookup_dir(source)?;
        sb.stack_on(lower.mount().super_block())?;
        sb.read_only();
        let cred = CredBuilder::from_current()?.build();
        Ok(KBox::new(Instance { lower, cred }, GFP_KERNEL)?)
    }

    fn root(sb: &SuperBlock<Self>) -> Result<(ARef<Inode<Self>>, ARef<Dentry>)> {
        let lower = &sb.data().lower;
        let inode = inode_for(sb, lower.inode().ok_or(ENOENT)?)?;
        Ok((inode, lower.dentry().into()))
    }
}

struct TallyAttributes;

#[vtable]
impl inode::Attributes for TallyAttributes {
    type Fs = TallyFs;

    fn get_inode_acl<'a>(
        walk: Walk<'_>,
        inode: &'a Walked<Inode<TallyFs>>,
        kind: AclType,
    ) -> FoundAcl<'a> {
        inode.data().below().find_acl(walk, kind)
    }

    fn getattr(
        idmap: &Idmap,
        dentry: &Dentry<TallyFs>,
        stat: &mut Stat,
        mask: u32,
        flags: u32,
    ) -> Result {
        backing_path(dentry)?.getattr(stat, mask, flags)?;
        stat.restack(dentry.inode().ok_or(ENOENT)?, idmap);
        Ok(())
    }
}

struct TallyDir;

#[vtable]
impl inode::Operations for TallyDir {
    type Fs = TallyFs;
    type Attributes = TallyAttributes;
    type File = TallyOpenFile;

    fn lookup(
        dir: &Inode<TallyFs>,
        dentry: &StableDentry<TallyFs>,
    ) -> Result<(ARef<Dentry>, Option<ARef<Inode<TallyFs>>>)> {
        let sb = dir.super_block();
        let parent = backing_path(dentry.parent())?;
        let backing = with_creds(&sb.data().cred, || dirop::lookup(&parent, dentry.name()))?;
        let inode = backing
            .inode()
            .map(|inode| inode_for(sb, inode))
            .transpose()?;
        Ok((backing, inode))
    }
}

struct TallyFile;

#[vtable]
impl inode::Operations for TallyFile {
    type Fs = TallyFs;
    type Attributes = TallyAttributes;
    type File = TallyOpenFile;
}

fn open(
    hooks: &mut HookContext,
    inode: &Inode<TallyFs>,
    file: &Opening<'_, TallyFs>,
) -> Result<ARef<BackingFile>> {
    let path = backing_path(file.dentry())?;
    BackingFile::open(hooks, file, &path, &inode.super_block().data().cred)
}

struct TallyOpenDir;

#[vtable]
impl file::Operations for TallyOpenDir {
    type Fs = TallyFs;
    type Data = ARef<BackingFile>;

    fn open(
        hooks: &mut HookContext,
        inode: &Inode<TallyFs>,
        file: &Opening<'_, TallyFs>,
    ) -> Result<ARef<BackingFile>> {
        open(hooks, inode, file)
    }

    fn iterate_shared(
        hooks: &mut HookContext,
        file: &OpenFile<Self>,
        to: &mut DirContext,
    ) -> Result {
        let ctx = Ctx::<()>::new(hooks, &file.inode().super_block().data().cred);
        file.data().iterate(ctx, UserFile::new(file), to)
    }
}

struct TallyOpenFile;

/// What this filesystem is for.
struct Tally;

#[vtable]
impl Callbacks for Tally {
    fn accessed(_user: &UserFile, _backing: &BackingFile) {
        let reads = READS.fetch_add(1, Ordering::Relaxed) + 1;
        pr_info!("{} reads in all\n", reads);
    }
}

#[vtable]
impl file::Operations for TallyOpenFile {
    type Fs = TallyFs;
    type Data = ARef<BackingFile>;

    fn open(
        hooks: &mut HookContext,
        inode: &Inode<TallyFs>,
        file: &Opening<'_, TallyFs>,
    ) -> Result<ARef<BackingFile>> {
        open(hooks, inode, file)
    }

    fn read_iter(
        hooks: &mut HookContext,
        file: &OpenFile<Self>,
        iocb: Kiocb<'_, Self::Data>,
        iter: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        let inode = file.inode();
        let reads = inode.data().own().fetch_add(1, Ordering::Relaxed) + 1;
        pr_info!("inode {}: read {}\n", inode.ino(), reads);
        let ctx = Ctx::<Tally>::new(hooks, &inode.super_block().data().cred);
        file.data().read_iter(ctx, iocb, iter)
    }

    fn mmap(file: &OpenFile<Self>, vma: &VmaNew) -> Result {
        let cred = &file.inode().super_block().data().cred;
        file.data()
            .mmap::<Tally>(cred, UserFile::new(file), vma, MapPolicy::default())
    }
}
