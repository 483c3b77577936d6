//! Checks an engine's final state against a vector of the 80286 ([`crate::moo`]).
//!
//! The 386 is a later processor: where its manual says otherwise, [`Rule`] says so by form, with
//! the reason, and what must happen instead; a rule that no vector needs is an error of the list.
#![forbid(unsafe_code)]

use crate::moo::{REGISTERS, State, Test};

/// Registers of a real-mode machine in the order of [`REGISTERS`].
pub type Registers = [u16; 14];

/// Index of IP in [`REGISTERS`].
pub const IP: usize = 12;
/// Index of FLAGS in [`REGISTERS`].
pub const FLAGS: usize = 13;
/// Index of CS in [`REGISTERS`].
pub const CS: usize = 4;
/// Index of SS in [`REGISTERS`].
pub const SS: usize = 5;
/// Index of SP in [`REGISTERS`].
pub const SP: usize = 8;
/// FLAGS bits that a 286 has in real mode.
pub const REAL_FLAGS: u16 = 0x0FFF;

/// A machine with 16 MiB of RAM in real mode and nothing else: every port reads as ones.
pub trait RealMachine {
    /// Sets the registers, stores `ram`, runs to the HLT and returns the registers.
    fn run(&mut self, registers: &Registers, ram: &[(u32, u8)]) -> Result<Registers, String>;
    /// A byte of RAM.
    fn read(&self, address: u32) -> u8;
    /// Puts zero into a byte.
    fn clear(&mut self, address: u32);
    /// The first byte that isn't zero.
    fn stray(&self) -> Option<u32>;
}

/// What a 386 does with a vector whose result on a 286 it doesn't share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// It takes this exception, with the instruction's own address pushed.
    Exception(u8),
    /// It completes; the outcome isn't the vector's.
    Completes,
}

/// A difference between the 286 and the 386 by definition.
pub struct Rule {
    /// Which tests: by form (the file's name) and bytes.
    pub applies: fn(form: &str, test: &Test) -> bool,
    /// What happens instead.
    pub instead: Instead,
    /// Why, with the manual's page.
    pub reason: &'static str,
}

/// The registers before a test.
pub fn initial(state: &State) -> Registers {
    let mut registers = state.registers.map(|value| value.unwrap_or(0));
    registers[FLAGS] &= REAL_FLAGS;
    registers
}

/// In words, what differs from the vector; empty if nothing does.
pub fn differences(
    test: &Test,
    flags_mask: u16,
    machine: &impl RealMachine,
    after: &Registers,
) -> Vec<String> {
    let mut found = Vec::new();
    let before = initial(&test.before);
    for (index, name) in REGISTERS.iter().enumerate() {
        let want = test.after.registers[index].unwrap_or(before[index]);
        let mask = if index == FLAGS { REAL_FLAGS & flags_mask } else { 0xFFFF };
        if (want ^ after[index]) & mask != 0 {
            found.push(format!("{name}: want {want:04x}, got {:04x}", after[index]));
        }
    }
    for (address, value) in &test.before.ram {
        if !test.after.ram.iter().any(|(changed, _)| changed == address) {
            byte(&mut found, machine, *address, *value, memory_mask(test, flags_mask, *address));
        }
    }
    for (address, value) in &test.after.ram {
        byte(&mut found, machine, *address, *value, memory_mask(test, flags_mask, *address));
    }
    found
}

/// The flags that an exception pushed are masked like the register.
fn memory_mask(test: &Test, flags_mask: u16, address: u32) -> u8 {
    let [low, high] = (flags_mask & REAL_FLAGS).to_le_bytes();
    let before = initial(&test.before);
    // The vectors' own note of the place is off by one where SP is odd.
    let at = (u32::from(before[SS]) << 4) + u32::from(before[SP].wrapping_sub(2));
    match address.wrapping_sub(at) {
        0 if test.exception.is_some() => low,
        1 if test.exception.is_some() => high,
        _ => 0xFF,
    }
}

fn byte(found: &mut Vec<String>, machine: &impl RealMachine, address: u32, want: u8, mask: u8) {
    let got = machine.read(address);
    if (want ^ got) & mask != 0 {
        found.push(format!("[{address:06x}]: want {want:02x}, got {got:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moo::Exception;

    struct Bytes(Vec<(u32, u8)>);

    impl RealMachine for Bytes {
        fn run(&mut self, registers: &Registers, _: &[(u32, u8)]) -> Result<Registers, String> {
            Ok(*registers)
        }
        fn read(&self, address: u32) -> u8 {
            self.0.iter().find(|(at, _)| *at == address).map_or(0, |(_, value)| *value)
        }
        fn clear(&mut self, _: u32) {}
        fn stray(&self) -> Option<u32> {
            None
        }
    }

    #[test]
    fn undefined_flags_are_masked_in_the_register_and_on_the_stack() {
        let mut test = Test::default();
        (test.before.registers[SS], test.before.registers[SP]) = (Some(0x10), Some(2));
        test.after.registers[FLAGS] = Some(0x0010);
        test.after.ram = vec![(0x100, 0x10), (0x101, 0)];
        test.exception = Some(Exception { vector: 0, flags_address: 0x100 });
        let machine = Bytes(vec![(0x100, 0)]);
        let mut after = [0; 14];
        (after[SS], after[SP]) = (0x10, 2);
        assert_eq!(differences(&test, 0xFFEF, &machine, &after), Vec::<String>::new());
        assert_eq!(differences(&test, 0xFFFF, &machine, &after).len(), 2);
    }

    #[test]
    fn a_byte_that_should_have_stayed_is_a_difference() {
        let mut test = Test::default();
        test.before.ram = vec![(5, 7)];
        let machine = Bytes(vec![(5, 8)]);
        assert_eq!(differences(&test, 0xFFFF, &machine, &[0; 14]), ["[000005]: want 07, got 08"]);
    }
}
