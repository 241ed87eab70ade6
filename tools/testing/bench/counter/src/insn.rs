// SPDX-License-Identifier: GPL-2.0

//! What the bytes of an x86 instruction say.

/// A message of the guest to us: a NOP with an operand that no compiler makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// Half a byte of a label, the high one first.
    Nibble(u8),
    /// The label is complete: samples from here on are its.
    Label,
    /// A sample begins.
    Start,
    /// A sample ends.
    Stop,
    /// A sample begins of which we want to know where the instructions are.
    ProfileStart,
    /// It ends.
    ProfileStop,
}

impl Marker {
    /// `nopl 0x0bf00000+code(%rax)`: any other displacement is somebody else's NOP.
    const PREFIX: [u8; 3] = [0x0f, 0x1f, 0x80];
    const MAGIC: u32 = 0x0bf0_0000;

    /// The marker that these bytes are, if they are one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let operand = bytes.strip_prefix(&Self::PREFIX)?.try_into().ok()?;
        match u32::from_le_bytes(operand).wrapping_sub(Self::MAGIC) {
            code @ 0..=15 => Some(Self::Nibble(code as u8)),
            0x10 => Some(Self::Label),
            0x20 => Some(Self::Start),
            0x21 => Some(Self::Stop),
            0x30 => Some(Self::ProfileStart),
            0x31 => Some(Self::ProfileStop),
            _ => None,
        }
    }
}

/// Whether the instruction locks the memory it changes: a LOCK prefix, or XCHG with memory.
pub(crate) fn is_locked(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        match first {
            0xf0 => return true,
            // Operand and address size, repetition, segments; REX
            0x66 | 0x67 | 0xf2 | 0xf3 | 0x2e | 0x36 | 0x3e | 0x26 | 0x64 | 0x65 | 0x40..=0x4f => {
                rest = tail;
            }
            // Mode 3 is a register.
            0x86 | 0x87 => return tail.first().is_some_and(|modrm| modrm >> 6 != 3),
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_told_from_other_nops() {
        let nop = |imm: u32| [&[0x0f, 0x1f, 0x80][..], &imm.to_le_bytes()].concat();
        assert_eq!(Marker::decode(&nop(0x0bf0_000a)), Some(Marker::Nibble(10)));
        assert_eq!(Marker::decode(&nop(0x0bf0_0020)), Some(Marker::Start));
        assert_eq!(Marker::decode(&nop(0)), None);
        assert_eq!(Marker::decode(&nop(0x0bf0_0032)), None);
        assert_eq!(Marker::decode(&[0x0f, 0x1f, 0x80]), None);
    }

    #[test]
    fn locked_instructions() {
        // lock xadd, lock cmpxchg16b with segment and REX, xchg with memory and with a register
        assert!(is_locked(&[0xf0, 0x0f, 0xc1, 0x02]));
        assert!(is_locked(&[0x65, 0xf0, 0x48, 0x0f, 0xc7, 0x0e]));
        assert!(is_locked(&[0x48, 0x87, 0x07]));
        assert!(!is_locked(&[0x48, 0x87, 0xc7]));
        assert!(!is_locked(&[0x0f, 0xc1, 0x02]));
        assert!(!is_locked(&[]));
    }
}
