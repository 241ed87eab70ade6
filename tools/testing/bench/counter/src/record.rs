// SPDX-License-Identifier: GPL-2.0

//! What was counted, and the file it goes to.
//!
//! One line a record, its words separated by tabs:
//!
//! * `samples LABEL N,L N,L ...`: instructions and, of those, locked ones of each sample, in order
//! * `block LABEL ADDRESS LENGTH TIMES`: in the typical sample, `TIMES` entries into the block of `LENGTH` instructions
//!   at `ADDRESS`; only code of the kernel

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

/// What a virtual CPU executed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) insns: u64,
    pub(crate) locked: u64,
}

impl Counts {
    fn since(self, start: Self) -> Self {
        Self {
            insns: self.insns - start.insns,
            locked: self.locked - start.locked,
        }
    }
}

/// A block of instructions and how often it was entered.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) address: u64,
    pub(crate) len: u64,
    pub(crate) times: u64,
}

/// The records of one run.
pub(crate) struct Record {
    out: BufWriter<File>,
    /// Of the label being sent, in halves
    nibbles: Vec<u8>,
    label: String,
    start: Option<Counts>,
    samples: Vec<Counts>,
    /// How far the typical sample is from the median, and its blocks
    typical: Option<(u64, Vec<Block>)>,
}

impl Record {
    pub(crate) fn create(path: &str) -> io::Result<Self> {
        Ok(Self {
            out: BufWriter::new(File::create(path)?),
            nibbles: Vec::new(),
            label: String::new(),
            start: None,
            samples: Vec::new(),
            typical: None,
        })
    }

    pub(crate) fn nibble(&mut self, nibble: u8) {
        self.nibbles.push(nibble);
    }

    /// Takes the nibbles for the label of what follows.
    pub(crate) fn label(&mut self) {
        self.flush();
        let bytes: Vec<u8> = self
            .nibbles
            .chunks(2)
            .map(|n| n[0] << 4 | n.get(1).unwrap_or(&0))
            .collect();
        self.nibbles.clear();
        self.label = String::from_utf8_lossy(&bytes).into_owned();
    }

    pub(crate) fn start(&mut self, now: Counts) {
        self.start = Some(now);
    }

    /// Ends a sample. Without a beginning it is none.
    pub(crate) fn stop(&mut self, now: Counts) {
        if let Some(start) = self.start.take() {
            self.samples.push(now.since(start));
        }
    }

    /// Ends a sample that was profiled. `blocks` is asked if no sample before was closer to the median.
    pub(crate) fn profile_stop(&mut self, now: Counts, blocks: impl FnOnce() -> Vec<Block>) {
        let Some(start) = self.start.take() else {
            return;
        };
        let off = now.since(start).insns.abs_diff(self.median());
        if self.typical.as_ref().is_none_or(|(best, _)| off < *best) {
            self.typical = Some((off, blocks()));
        }
    }

    fn median(&self) -> u64 {
        let mut insns: Vec<u64> = self.samples.iter().map(|sample| sample.insns).collect();
        insns.sort_unstable();
        insns.get(insns.len() / 2).copied().unwrap_or(0)
    }

    /// Writes out what belongs to the present label.
    pub(crate) fn flush(&mut self) {
        let (samples, typical) = (std::mem::take(&mut self.samples), self.typical.take());
        if let Err(err) = self.write(
            &samples,
            typical.map(|(_, blocks)| blocks).unwrap_or_default(),
        ) {
            panic!("counter: cannot write the record: {err}");
        }
    }

    fn write(&mut self, samples: &[Counts], blocks: Vec<Block>) -> io::Result<()> {
        if !samples.is_empty() {
            write!(self.out, "samples\t{}\t", self.label)?;
            for (i, sample) in samples.iter().enumerate() {
                let space = if i == 0 { "" } else { " " };
                write!(self.out, "{space}{},{}", sample.insns, sample.locked)?;
            }
            writeln!(self.out)?;
        }
        for block in blocks {
            writeln!(
                self.out,
                "block\t{}\t{:#x}\t{}\t{}",
                self.label, block.address, block.len, block.times
            )?;
        }
        self.out.flush()
    }
}
