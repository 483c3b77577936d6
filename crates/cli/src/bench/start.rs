//! How long Cloister takes from being started to the guest's first instruction: it is started anew
//! with a BIOS whose first instruction's effect can be seen from outside.

use std::io;
use std::process::Command;
use std::time::Instant;

use super::child::Running;
use super::stats::Summary;

/// Size of the BIOS, and where in it the processor starts (SDM 3A 11.1.4).
const BIOS_BYTES: usize = 64 << 10;
const RESET_VECTOR: usize = 0xFFF0;
/// mov al, '!'; out 0E9h, al; then ACPI's power-off: mov ax, 2000h; mov dx, 604h; out dx, ax; hlt.
const CODE: [u8; 12] = [0xB0, b'!', 0xE6, 0xE9, 0xB8, 0x00, 0x20, 0xBA, 0x04, 0x06, 0xEF, 0xF4];

/// Times `runs` starts with `engine`, as `cloister run --engine` names it.
pub fn measure(engine: &str, runs: u32) -> io::Result<Option<Summary>> {
    let mut bios = vec![0; BIOS_BYTES];
    bios[RESET_VECTOR..RESET_VECTOR + CODE.len()].copy_from_slice(&CODE);
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), &bios)?;
    let program = std::env::current_exe()?;
    let start = || {
        let mut command = Command::new(&program);
        command.args(["run", "--engine", engine, "--bios"]).arg(file.path());
        time_first_byte(&mut command)
    };
    Ok(Summary::of((0..runs).map(|_| start()).collect::<io::Result<_>>()?))
}

/// Seconds from before `command` was started to the first it printed.
fn time_first_byte(command: &mut Command) -> io::Result<f64> {
    let begun = Instant::now();
    let mut running = Running::start(command)?;
    let (came, _) = running.output().recv().map_err(|_| io::ErrorKind::UnexpectedEof)?;
    Ok((came - begun).as_secs_f64())
}
