//! Runs a guest program on Debian's Bochs (packages `bochs` and `bochs-term`) without a screen
//! and returns what it wrote to the debug console, port E9h.
//!
//! Debian's build has the debugger in it, which waits for a command: `c` is fed to it. Its
//! text display wants a terminal: util-linux's `script` lends it one.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The model whose features are nearest to our processor's: PAE, NX, PSE, PGE, VME, SEP.
const CPU_MODEL: &str = "p4_prescott_celeron_336";
/// One that has SMEP, SMAP and UMIP, for the program that checks these.
const GUARDED_CPU_MODEL: &str = "corei3_cnl";
const FLOPPY_BYTES: usize = 1_474_560;
const STEP: Duration = Duration::from_millis(50);
const STEPS_AT_MOST: u32 = 1200;

/// Boots `image` as a diskette and returns its lines on the debug console (ok, FAIL, DONE).
pub fn run(name: &str, image: &[u8]) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
    let put = |file: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(file), bytes).map_err(|error| format!("{file}: {error}"))
    };
    let mut floppy = image.to_vec();
    floppy.resize(FLOPPY_BYTES.max(image.len()), 0);
    put("floppy.img", &floppy)?;
    put("bochsrc", config(name).as_bytes())?;
    put("commands", b"c\n")?;
    let mut child = start(folder.path())?;
    if !ends(&mut child)? {
        stop(&mut child)?;
        return Err(format!("{name}: Bochs didn't end within a minute"));
    }
    let said = std::fs::read(folder.path().join("terminal"))
        .map_err(|error| format!("{name}: Bochs said nothing: {error}"))?;
    let lines = lines_of(&String::from_utf8_lossy(&said));
    if lines.is_empty() {
        return Err(format!("{name}: no line from the guest: is the package bochs-term there?"));
    }
    Ok(lines)
}

fn config(name: &str) -> String {
    let model = if name == "check-guard" { GUARDED_CPU_MODEL } else { CPU_MODEL };
    format!(
        "megs: 64\n\
         cpu: model={model}, count=1, ips=100000000, reset_on_triple_fault=0, \
         ignore_bad_msrs=0\n\
         romimage: file=/usr/share/bochs/BIOS-bochs-latest\n\
         vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest\n\
         floppya: 1_44=floppy.img, status=inserted\n\
         boot: floppy\n\
         port_e9_hack: enabled=1\n\
         display_library: term\n\
         log: bochs.log\n\
         panic: action=report\n\
         error: action=report\n\
         info: action=report\n"
    )
}

fn start(folder: &Path) -> Result<Child, String> {
    Command::new("script")
        .args(["-qfc", "bochs -q -f bochsrc -rc commands", "terminal"])
        .current_dir(folder)
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("`script` (package bsdutils) to run Bochs in: {error}"))
}

/// Waits for the end; false after a minute.
fn ends(child: &mut Child) -> Result<bool, String> {
    for _ in 0..STEPS_AT_MOST {
        if child.try_wait().map_err(|error| format!("Bochs: {error}"))?.is_some() {
            return Ok(true);
        }
        std::thread::sleep(STEP);
    }
    Ok(false)
}

fn stop(child: &mut Child) -> Result<(), String> {
    child.kill().and_then(|()| child.wait()).map(drop).map_err(|error| format!("Bochs: {error}"))
}

/// The guest's lines among Bochs's own; the first may begin behind something of the display's.
fn lines_of(said: &str) -> String {
    let mut lines = String::new();
    for line in said.lines() {
        let line = line.trim_end_matches('\r');
        let begin = ["ok   ", "FAIL ", "DONE "].iter().filter_map(|word| line.find(word)).min();
        if let Some(begin) = begin {
            let _ = writeln!(lines, "{}", &line[begin..]);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_lines_are_told_from_bochss_own() {
        let said = "Bochs is starting\r\n\u{1b}[24;1Hok   r/a = ok  [SDM 1]\r\n(0) Next at t=0\r\n\
                    DONE r 1 passed, 0 failed\r\n";
        assert_eq!(lines_of(said), "ok   r/a = ok  [SDM 1]\nDONE r 1 passed, 0 failed\n");
    }
}
