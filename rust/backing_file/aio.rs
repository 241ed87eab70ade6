// SPDX-License-Identifier: GPL-2.0

//! Asynchronous requests.
//!
//! # Who owns what
//!
//! A request has an iocb of its own, in a request, because the backing filesystem completes *its*
//! iocb, on any CPU, perhaps before the submission returns:
//!
//! 1. Before submission everything is ours: the submitter's iocb, the user file, the request.
//! 2. Submission shares the request: one reference is the completion's, one the submission's, because
//!    the filesystem may still look at the iocb after it was completed.
//! 3. If the filesystem answers anything but `EIOCBQUEUED`, there is no completion: all is ours as
//!    before, the completion's reference too, and the result goes back by value.
//! 4. If it answers `EIOCBQUEUED`, the completion owns the submitter's iocb, and with it what keeps
//!    the user file open. From then on the submission touches neither: what it needs of them it
//!    took before.
//! 5. The completion hands the iocb back to the submitter and touches nothing of it afterwards.
//!
//! The user file pins the stacked super block and its module for as long as the submitter's iocb is
//! ours. When it is handed back they may go at once, which is why that is the last thing done; the
//! super block waits for its `s_dio_done_wq`, from which write completions run. Read completions are
//! still in the module's code for a moment: unloading waits for those in an interrupt (an RCU grace
//! period) and for those in a task (`vfs::wait_for_preempted_tasks`).

mod shared;

pub(crate) use self::shared::Cache;

use self::shared::{
    Shareable,
    Shared,
    Slab, //
};
use crate::{
    context::{
        Accessed,
        EndWrite,
        UserFile, //
    },
    flags::IocbFlags,
    iter::{
        self,
        clone_iocb, //
    },
    range::{
        Range,
        Read,
        Verified,
        Write, //
    },
    BackingFile, //
};
use core::{
    cell::UnsafeCell,
    sync::atomic::AtomicBool, //
};
use kernel::{
    cred::Credential,
    ffi::{
        c_int,
        c_long, //
    },
    fs::LocalFile,
    prelude::*,
    sync::aref::ARef, //
};
use vfs::{
    bindings,
    error::{
        to_result,
        to_size, //
    },
    with_creds,
    HookContext, //
};

/// What a request in flight has, whatever its direction.
///
/// # Invariants
///
/// * `iocb` is the first field, and its `ki_filp` is `backing`.
/// * From a submission that answered `EIOCBQUEUED` to the end of the completion, `user_iocb` is
///   valid and nobody else uses it.
#[repr(C)]
struct Request {
    iocb: UnsafeCell<bindings::kiocb>,
    user_iocb: *mut bindings::kiocb,
    backing: ARef<BackingFile>,
    half_gone: AtomicBool,
}

impl Request {
    /// # Safety
    ///
    /// `iocb` must be valid and that of an operation being submitted.
    unsafe fn new(backing: &BackingFile, iocb: *mut bindings::kiocb, flags: i32) -> Self {
        // INVARIANT: The iocb is made for `backing`.
        Self {
            // SAFETY: By the caller's promise.
            iocb: UnsafeCell::new(unsafe { clone_iocb(backing, iocb, flags) }),
            user_iocb: iocb,
            backing: backing.into(),
            half_gone: AtomicBool::new(false),
        }
    }

    /// Where the request has got to.
    fn pos(&self) -> bindings::loff_t {
        // SAFETY: Called when the filesystem is done with the request.
        unsafe { (*self.iocb.get()).ki_pos }
    }
}

/// A read: it completes where the backing filesystem completes it, perhaps in an interrupt.
#[repr(transparent)]
pub(crate) struct ReadRequest(Request);

impl Shareable for ReadRequest {
    const CACHE: &'static CStr = c"backing_file_read";

    #[inline]
    fn slab() -> &'static Slab {
        static SLAB: Slab = Slab::new();
        &SLAB
    }

    #[inline]
    fn half_gone(&self) -> &AtomicBool {
        &self.0.half_gone
    }
}

/// A write: it completes in a work queue, where the callback may sleep and updates of size and
/// times happen one after the other.
///
/// It owns the freeze protection that [`crate::WriteStarted::write_iter`] leaves held when it answers
/// `EIOCBQUEUED`; [`WriteRequest::run`], which a completed request goes through exactly once, ends
/// it. Whether the submitter set `IOCB_WRITE` does not matter.
///
/// # Invariants
///
/// `request` is the first field.
#[repr(C)]
pub(crate) struct WriteRequest {
    request: Request,
    end_write: Option<EndWrite>,
    work: UnsafeCell<bindings::work_struct>,
    result: UnsafeCell<c_long>,
}

impl Shareable for WriteRequest {
    const CACHE: &'static CStr = c"backing_file_write";

    #[inline]
    fn slab() -> &'static Slab {
        static SLAB: Slab = Slab::new();
        &SLAB
    }

    #[inline]
    fn half_gone(&self) -> &AtomicBool {
        &self.request.half_gone
    }
}

// SAFETY: Submission and completion may be different tasks. They share the iocb as every submitter
// of one shares it with the filesystem; `work` and `result` are written by the completion, which is one,
// before the work is queued; the rest is constant.
unsafe impl Send for Request {}
// SAFETY: As above.
unsafe impl Sync for Request {}
// SAFETY: As above.
unsafe impl Send for WriteRequest {}
// SAFETY: As above.
unsafe impl Sync for WriteRequest {}

/// Reads asynchronously.
///
/// # Safety
///
/// As [`crate::iter::read`].
#[inline(never)]
pub(crate) unsafe fn read(
    backing: &BackingFile,
    hooks: &mut HookContext,
    cred: &Credential,
    accessed: Option<Accessed>,
    user_iocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
    flags: IocbFlags,
) -> Result<usize> {
    // SAFETY: By the caller's promise the iocb, and with it the user file, is ours until the
    // request is queued.
    let user = unsafe { UserFile::from_raw((*user_iocb).ki_filp) };
    // Ours until the end of this function, whatever the completion does with the other one.
    let tell = accessed.map(|accessed| (accessed, ARef::<LocalFile>::from(&**user)));

    let (request, completion) = Shared::new(|| {
        // SAFETY: As above.
        ReadRequest(unsafe { Request::new(backing, user_iocb, flags.bits()) })
    })?;
    let range = Range {
        // SAFETY: As above.
        pos: unsafe { (*user_iocb).ki_pos },
        // SAFETY: By the caller's promise.
        len: unsafe { iter::count(iter) },
    };
    let iocb = request.0.iocb.get();
    // SAFETY: The iocb is valid, and stays so through the reference given to the completion.
    unsafe {
        (*iocb).ki_complete = Some(ReadRequest::complete);
        let completion = completion.into_raw();
        let result = with_creds(cred, || {
            let verified = backing.verify::<Read>(hooks, range)?;
            verified.read_iter(iocb, iter)
        });
        if result != Err(EIOCBQUEUED) {
            // There is no completion: its reference is ours again, and so is the user's iocb.
            drop(Shared::from_raw(completion));
            (*user_iocb).ki_pos = request.0.pos();
        }
        if let Some((accessed, user)) = tell {
            accessed.call(UserFile::new(&user), &request.0.backing);
        }
        result
    }
}

impl ReadRequest {
    /// # Safety
    ///
    /// Called once, by the backing filesystem, with the iocb of a queued [`ReadRequest`].
    unsafe extern "C" fn complete(iocb: *mut bindings::kiocb, result: c_long) {
        // SAFETY: The iocb is the first field of the request, whose second reference is ours; by
        // the invariants of `Request` the user's iocb is ours to complete.
        unsafe {
            let request = Shared::<Self>::from_raw(iocb.cast());
            let user_iocb = request.0.user_iocb;
            (*user_iocb).ki_pos = request.0.pos();
            drop(request);
            complete_user(user_iocb, result);
        }
    }
}

/// Writes asynchronously.
///
/// # Safety
///
/// As [`crate::iter::write`].
#[inline(never)]
pub(crate) unsafe fn write(
    verified: Verified<'_, Write>,
    cred: &Credential,
    end_write: Option<EndWrite>,
    user_iocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
    flags: IocbFlags,
) -> Result<usize> {
    let backing = verified.file();
    let flags = flags.bits() | bindings::IOCB_WRITE as i32;
    // SAFETY: By the caller's promise the iocb, and with it the user file, is ours until the
    // request is queued.
    let user = unsafe { UserFile::from_raw((*user_iocb).ki_filp) };
    init_completion_queue(user)?;
    let (request, completion) = Shared::new(|| WriteRequest {
        // SAFETY: As above.
        request: unsafe { Request::new(backing, user_iocb, flags) },
        end_write,
        work: UnsafeCell::new(pin_init::zeroed()),
        result: UnsafeCell::new(0),
    })?;
    let iocb = request.request.iocb.get();
    // SAFETY: The iocb is valid, and stays so through the reference given to the completion.
    unsafe {
        (*iocb).ki_complete = Some(WriteRequest::complete);
        let completion = completion.into_raw();
        let started = verified.start_write();
        let result = with_creds(cred, || started.write_iter(iocb, iter));
        if result != Err(EIOCBQUEUED) {
            // There is no completion: its reference is ours again, and so is the user's iocb.
            drop(Shared::from_raw(completion));
            request.request.finish(end_write, result);
        }
        result
    }
}

impl Request {
    /// Takes the position over to the user's iocb and tells the filesystem of a write's end.
    ///
    /// # Safety
    ///
    /// The user's iocb must be ours.
    unsafe fn finish(&self, end_write: Option<EndWrite>, result: Result<usize>) {
        // SAFETY: By the caller's promise; the iocb keeps the user file open.
        let user = unsafe {
            (*self.user_iocb).ki_pos = self.pos();
            UserFile::from_raw((*self.user_iocb).ki_filp)
        };
        if let Some(end_write) = end_write {
            end_write.call(user, &self.backing, self.pos(), result);
        }
    }
}

impl WriteRequest {
    /// # Safety
    ///
    /// Called once, by the backing filesystem, with the iocb of a queued [`WriteRequest`].
    unsafe extern "C" fn complete(iocb: *mut bindings::kiocb, result: c_long) {
        let request = iocb.cast::<Self>();
        // SAFETY: The iocb is the first field of the request, whose second reference is ours and goes
        // with the work, which is queued once: this is called once. The user's iocb keeps the user file
        // open, and with it the super block and its queue, which `write` made sure of.
        unsafe {
            *(*request).result.get() = result;
            let user = UserFile::from_raw((*(*request).request.user_iocb).ki_filp);
            let queue = (*(*user.inode().as_ptr()).i_sb).s_dio_done_wq;
            let work = (*request).work.get();
            bindings::init_work(work, Some(Self::run));
            bindings::queue_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                queue,
                work,
            );
        }
    }

    /// # Safety
    ///
    /// As a work queue calls it: with the work of a completed request, whose reference it takes.
    unsafe extern "C" fn run(work: *mut bindings::work_struct) {
        // SAFETY: By the caller's promise. The filesystem is done with the request. The freeze
        // protection is ours since the request was queued; by the invariants of `Request` so is the
        // user's iocb.
        unsafe {
            let work: *mut UnsafeCell<bindings::work_struct> = work.cast();
            let this = Shared::from_raw(kernel::container_of!(work, Self, work));
            let user_iocb = this.request.user_iocb;
            let result = *this.result.get();
            bindings::kiocb_end_write(this.request.iocb.get());
            this.request.finish(this.end_write, to_size(result));
            drop(this);
            complete_user(user_iocb, result);
        }
    }
}

/// Hands the user's iocb back. The last thing a completion does.
///
/// # Safety
///
/// `iocb` must be ours and asynchronous, and everything else must have been done.
unsafe fn complete_user(iocb: *mut bindings::kiocb, result: c_long) {
    // SAFETY: By the caller's promise. An asynchronous iocb has a completion function.
    unsafe {
        if let Some(complete) = (*iocb).ki_complete {
            complete(iocb, result);
        }
    }
}

/// Makes the queue in which the writes to files of this super block complete, if it has none yet.
///
/// C: `sb_init_dio_done_wq()`.
fn init_completion_queue(user: &UserFile) -> Result {
    // SAFETY: The super block is valid as long as its file is; the queue, once set, stays.
    unsafe {
        let sb = (*user.inode().as_ptr()).i_sb;
        if (&raw const (*sb).s_dio_done_wq).read_volatile().is_null() {
            to_result(bindings::sb_init_dio_done_wq(sb))?;
        }
    }
    Ok(())
}
