// SPDX-License-Identifier: GPL-2.0

//! A QEMU plugin that counts the instructions a virtual CPU executes between two markers in the guest's code.
//!
//! `-plugin libcounter.so,out=FILE`. The guest marks with NOPs ([`insn::Marker`]), so it needs neither a driver nor
//! a way to talk to the host, and what is measured runs as without a plugin: a marker is one instruction. What is
//! written to the file is described in [`record`].
//!
//! Each virtual CPU has its own counters, in memory that QEMU's translated code adds to in place. Between markers
//! no code of ours runs.
//!
//! Not for `-icount`, nor for `-accel tcg,thread=single` with several CPUs: QEMU 10.0 then loses the CPU's number.

mod insn;
mod record;

use insn::Marker;
use qemu_plugin_sys::{
    qemu_info_t, qemu_plugin_cb_flags, qemu_plugin_id_t, qemu_plugin_insn, qemu_plugin_insn_data,
    qemu_plugin_insn_size, qemu_plugin_op, qemu_plugin_register_atexit_cb,
    qemu_plugin_register_vcpu_insn_exec_cb, qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu,
    qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu, qemu_plugin_register_vcpu_tb_trans_cb,
    qemu_plugin_scoreboard, qemu_plugin_scoreboard_find, qemu_plugin_scoreboard_new,
    qemu_plugin_tb, qemu_plugin_tb_get_insn, qemu_plugin_tb_n_insns, qemu_plugin_tb_vaddr,
    qemu_plugin_u64,
};
use record::{Block, Counts, Record};
use std::{
    collections::HashMap,
    ffi::{c_char, c_int, c_uint, c_void, CStr},
    mem::offset_of,
    sync::{Mutex, MutexGuard, OnceLock},
};

/// How many different blocks of kernel code we can tell apart. What is beyond is not attributed.
const MAX_BLOCKS: usize = 1 << 18;

/// Where the kernel's half of the address space begins.
const KERNEL: u64 = 1 << 63;

/// What each virtual CPU counts.
#[repr(C)]
struct Cpu {
    insns: u64,
    locked: u64,
    /// Entries into each block, numbered by [`Blocks`]
    entries: [u64; MAX_BLOCKS],
}

/// The blocks of kernel code that QEMU has translated. A block that is translated again keeps its number.
#[derive(Default)]
struct Blocks {
    number: HashMap<(u64, u64), usize>,
    list: Vec<(u64, u64)>,
}

impl Blocks {
    fn number(&mut self, address: u64, len: u64) -> Option<usize> {
        let Self { number, list } = self;
        if let Some(&known) = number.get(&(address, len)) {
            return Some(known);
        }
        if list.len() == MAX_BLOCKS {
            return None;
        }
        number.insert((address, len), list.len());
        list.push((address, len));
        Some(list.len() - 1)
    }
}

struct Plugin {
    board: *mut qemu_plugin_scoreboard,
    blocks: Mutex<Blocks>,
    record: Mutex<Record>,
}

// SAFETY: The board is QEMU's, valid until the end; a CPU's part of it is used by the CPU's own thread alone.
unsafe impl Send for Plugin {}
// SAFETY: As for `Send`.
unsafe impl Sync for Plugin {}

static PLUGIN: OnceLock<Plugin> = OnceLock::new();

/// The API this plugin is made for; QEMU looks at it before anything else.
#[no_mangle]
#[allow(non_upper_case_globals)]
pub static qemu_plugin_version: c_int = 4;

impl Plugin {
    fn get() -> &'static Self {
        PLUGIN
            .get()
            .expect("QEMU calls nothing before the plugin is installed")
    }

    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.blocks
            .lock()
            .expect("nobody panics with the lock held")
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record
            .lock()
            .expect("nobody panics with the lock held")
    }

    fn counter(&self, offset: usize) -> qemu_plugin_u64 {
        qemu_plugin_u64 {
            score: self.board,
            offset,
        }
    }

    /// The counters of the virtual CPU `cpu`, for its own thread.
    fn cpu(&self, cpu: c_uint) -> *mut Cpu {
        // SAFETY: The board is valid, with elements of this type, and QEMU names existing CPUs only.
        unsafe { qemu_plugin_scoreboard_find(self.board, cpu).cast() }
    }

    fn counts(&self, cpu: c_uint) -> Counts {
        let cpu = self.cpu(cpu);
        // SAFETY: Valid, and the thread that changes it is in our callback.
        unsafe {
            Counts {
                insns: (*cpu).insns,
                locked: (*cpu).locked,
            }
        }
    }

    fn forget_entries(&self, cpu: c_uint) {
        let known = self.blocks().list.len();
        // SAFETY: As in `counts`.
        unsafe { (&mut (*self.cpu(cpu)).entries)[..known].fill(0) };
    }

    fn entered(&self, cpu: c_uint) -> Vec<Block> {
        let blocks = self.blocks();
        // SAFETY: As in `counts`.
        let entries = unsafe { &(*self.cpu(cpu)).entries };
        let both = blocks.list.iter().zip(entries);
        both.filter(|(_, &times)| times != 0)
            .map(|(&(address, len), &times)| Block {
                address,
                len,
                times,
            })
            .collect()
    }
}

/// # Safety
///
/// As QEMU calls it: a block that is being translated.
unsafe extern "C" fn translated(_id: qemu_plugin_id_t, tb: *mut qemu_plugin_tb) {
    let plugin = Plugin::get();
    // SAFETY: By the caller's promise.
    let (address, len) = unsafe { (qemu_plugin_tb_vaddr(tb), qemu_plugin_tb_n_insns(tb)) };
    if address >= KERNEL {
        if let Some(number) = plugin.blocks().number(address, len as u64) {
            let entry = plugin.counter(offset_of!(Cpu, entries) + number * size_of::<u64>());
            // SAFETY: The block is being translated; the counter is within the board's elements.
            unsafe {
                qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(
                    tb,
                    qemu_plugin_op::QEMU_PLUGIN_INLINE_ADD_U64,
                    entry,
                    1,
                )
            };
        }
    }
    for i in 0..len {
        // SAFETY: The block has an instruction of this number.
        unsafe { instrument(plugin, qemu_plugin_tb_get_insn(tb, i)) };
    }
}

/// # Safety
///
/// `insn` must be an instruction of a block that is being translated.
unsafe fn instrument(plugin: &Plugin, insn: *mut qemu_plugin_insn) {
    const MAX_INSN: usize = 15;
    let mut bytes = [0; MAX_INSN];
    // SAFETY: By the caller's promise; the buffer is as long as we say.
    let bytes = unsafe {
        let len = qemu_plugin_insn_size(insn).min(MAX_INSN);
        qemu_plugin_insn_data(insn, bytes.as_mut_ptr().cast(), len);
        &bytes[..len]
    };
    let add = qemu_plugin_op::QEMU_PLUGIN_INLINE_ADD_U64;
    if let Some(marker) = Marker::decode(bytes) {
        let data = Box::into_raw(Box::new(marker)).cast();
        // SAFETY: By the caller's promise; the marker is never freed.
        unsafe {
            qemu_plugin_register_vcpu_insn_exec_cb(
                insn,
                Some(marked),
                qemu_plugin_cb_flags::QEMU_PLUGIN_CB_NO_REGS,
                data,
            )
        };
        return;
    }
    // SAFETY: By the caller's promise; the counters are members of the board's elements.
    unsafe {
        qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
            insn,
            add,
            plugin.counter(offset_of!(Cpu, insns)),
            1,
        );
        if insn::is_locked(bytes) {
            qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
                insn,
                add,
                plugin.counter(offset_of!(Cpu, locked)),
                1,
            );
        }
    }
}

/// # Safety
///
/// As QEMU calls it for an instruction that [`instrument`] found to be a marker.
unsafe extern "C" fn marked(cpu: c_uint, marker: *mut c_void) {
    let plugin = Plugin::get();
    // SAFETY: By the caller's promise.
    match unsafe { *marker.cast::<Marker>() } {
        Marker::Nibble(nibble) => plugin.record().nibble(nibble),
        Marker::Label => plugin.record().label(),
        Marker::Start => plugin.record().start(plugin.counts(cpu)),
        Marker::Stop => plugin.record().stop(plugin.counts(cpu)),
        Marker::ProfileStart => {
            plugin.forget_entries(cpu);
            plugin.record().start(plugin.counts(cpu));
        }
        Marker::ProfileStop => plugin
            .record()
            .profile_stop(plugin.counts(cpu), || plugin.entered(cpu)),
    }
}

/// # Safety
///
/// As QEMU calls it.
unsafe extern "C" fn ended(_id: qemu_plugin_id_t, _data: *mut c_void) {
    Plugin::get().record().flush();
}

/// # Safety
///
/// As QEMU calls it, once: `argv` are `argc` strings of the form `name=value`.
#[no_mangle]
pub unsafe extern "C" fn qemu_plugin_install(
    id: qemu_plugin_id_t,
    _info: *const qemu_info_t,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    // SAFETY: By the caller's promise.
    let args =
        (0..argc as usize).map(|i| unsafe { CStr::from_ptr(*argv.add(i)) }.to_string_lossy());
    let Some(path) = args
        .filter_map(|arg| arg.strip_prefix("out=").map(str::to_owned))
        .last()
    else {
        eprintln!("counter: say where to write to: -plugin libcounter.so,out=FILE");
        return -1;
    };
    let record = match Record::create(&path) {
        Ok(record) => record,
        Err(err) => {
            eprintln!("counter: out={path}: {err}");
            return -1;
        }
    };
    let plugin = Plugin {
        // SAFETY: No preconditions.
        board: unsafe { qemu_plugin_scoreboard_new(size_of::<Cpu>()) },
        blocks: Mutex::default(),
        record: Mutex::new(record),
    };
    if PLUGIN.set(plugin).is_err() {
        eprintln!("counter: can be loaded only once");
        return -1;
    }
    // SAFETY: The callbacks have the types and promises QEMU asks for.
    unsafe {
        qemu_plugin_register_vcpu_tb_trans_cb(id, Some(translated));
        qemu_plugin_register_atexit_cb(id, Some(ended), std::ptr::null_mut());
    }
    0
}
