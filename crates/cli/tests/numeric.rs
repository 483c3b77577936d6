//! Numerical programs in C, compiled twice from one source: as a process, which runs on the
//! host's own processor, and as a guest. Both print the bits of all results, and they must be
//! the same. Where there is no compiler, or the host can't run 32-bit processes, the test prints
//! SKIPPED.

mod common;

use common::{Scratch, run, stderr, stdout, text};
use std::path::{Path, PathBuf};
use std::process::Command;

const COMMON: &str = "-m32 -O2 -Wall -ffreestanding -fno-pic -no-pie -fno-stack-protector \
                      -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack";

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/numeric")
}

/// Compiles the program for a world; `None` where there is no compiler.
fn compile(scratch: &Scratch, world: &str, flags: &str) -> Option<PathBuf> {
    let out = scratch.path(world);
    let mut gcc = Command::new("gcc");
    gcc.args(COMMON.split_whitespace()).args(flags.split_whitespace());
    gcc.args(["program.c", &format!("{world}.c"), "-o", text(&out)]);
    if world == "guest" {
        gcc.args(["-Wl,-T,guest.ld", "-Wl,--no-warn-rwx-segments"]);
    }
    let Ok(output) = gcc.current_dir(sources()).output() else {
        println!("SKIPPED: no gcc here");
        return None;
    };
    assert!(output.status.success(), "{}", stderr(&output));
    Some(out)
}

fn the_guest_computes_as_the_host(flags: &str) {
    let scratch = Scratch::new();
    let built = compile(&scratch, "native", flags).zip(compile(&scratch, "guest", flags));
    let Some((native, guest)) = built else { return };
    let Ok(host) = Command::new(native).output() else {
        println!("SKIPPED: this host runs no 32-bit process");
        return;
    };
    let expected = stdout(&host);
    assert!(host.status.success() && expected.lines().count() > 30, "{expected}");
    for engine in ["interp", "jit"] {
        let output = run(["run", "--engine", engine, text(&guest)]);
        assert_eq!(output.status.code(), Some(0), "{engine}: {}", stderr(&output));
        let told = stdout(&output);
        for (guest, host) in told.lines().zip(expected.lines()) {
            assert_eq!(guest, host, "{engine} (left) and the host");
        }
        assert_eq!(told.len(), expected.len(), "{engine}");
    }
}

#[test]
fn x87_programs_compute_as_on_the_host() {
    the_guest_computes_as_the_host("-march=pentiumpro -mfpmath=387 -mno-sse");
}

#[test]
fn sse2_programs_compute_as_on_the_host() {
    the_guest_computes_as_the_host("-march=pentium4 -mfpmath=sse");
}
