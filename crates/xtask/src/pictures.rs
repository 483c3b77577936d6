//! `pictures`: what QEMU shows of the guest program `roms/screens` in each mode of the display,
//! compared with the pictures kept beside it, or, with `--update`, in their place. A test of
//! crate `screen` compares ours with the kept ones.

use crate::repo;
use ::roms::screens::{NAMES, diskette};
use screen::Frame;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// Options of `pictures`.
#[derive(clap::Args)]
pub struct Args {
    /// Pictures to take (default: all)
    names: Vec<String>,
    /// Replace the pictures in roms/screens
    #[arg(long)]
    update: bool,
}

const STEP: Duration = Duration::from_millis(100);
const STEPS_AT_MOST: u32 = 600;

/// Takes the pictures; fails where one differs from what is kept.
pub fn run(args: &Args) -> Result<ExitCode, String> {
    let folder = repo::root()?.join("roms/screens");
    let mut wrong = 0;
    for (number, name) in (0..).zip(NAMES) {
        if !args.names.is_empty() && !args.names.iter().any(|n| n == name) {
            continue;
        }
        let image = diskette(number).ok_or("the program roms/screens isn't built")?;
        let frame = parse(&shoot(name, &image)?).ok_or(format!("{name}: not QEMU's PPM"))?;
        let fresh = screen::png(&frame).map_err(|error| format!("{name}: {error}"))?;
        let path = folder.join(format!("{name}.png"));
        if args.update {
            std::fs::write(&path, &fresh).map_err(|e| format!("{}: {e}", path.display()))?;
        } else if std::fs::read(&path).ok().as_deref() != Some(&fresh[..]) {
            println!("pictures: {name} isn't what QEMU shows");
            wrong += 1;
        }
    }
    println!("pictures: {wrong} differ");
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Boots `image` on QEMU, waits until it says that its picture is drawn, and takes it.
fn shoot(name: &str, image: &[u8]) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
    let at = |file: &str| folder.path().join(file);
    std::fs::write(at("floppy.img"), image).map_err(|error| format!("{name}: {error}"))?;
    let mut qemu = start(folder.path())?;
    let drawn = waits_for(&at("said"));
    let mut monitor = qemu.stdin.take().ok_or("QEMU has no monitor")?;
    let done = monitor.write_all(b"screendump shot.ppm\nquit\n").and_then(|()| qemu.wait());
    done.map_err(|error| format!("QEMU: {error}"))?;
    if !drawn {
        return Err(format!("{name}: no picture was drawn within a minute"));
    }
    std::fs::read(at("shot.ppm")).map_err(|error| format!("{name}: QEMU took no picture: {error}"))
}

fn start(folder: &Path) -> Result<Child, String> {
    Command::new("qemu-system-i386")
        .args(["-nodefaults", "-no-reboot", "-display", "none", "-vga", "std", "-m", "16"])
        .args(["-drive", "if=floppy,format=raw,file=floppy.img", "-boot", "a"])
        .args(["-debugcon", "file:said", "-monitor", "stdio"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("`qemu-system-i386` (package qemu-system-x86): {error}"))
}

/// True as soon as the guest has said 'D'; false after a minute.
fn waits_for(said: &Path) -> bool {
    (0..STEPS_AT_MOST).any(|_| {
        std::thread::sleep(STEP);
        std::fs::read(said).is_ok_and(|bytes| bytes.ends_with(b"D"))
    })
}

/// A binary PPM with 8 bits a component.
fn parse(ppm: &[u8]) -> Option<Frame> {
    let mut words = ppm.splitn(4, |byte| byte.is_ascii_whitespace());
    let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<usize>().ok();
    if words.next()? != b"P6" {
        return None;
    }
    let (width, height) = (number(words.next()?)?, number(words.next()?)?);
    let dots = words.next()?.strip_prefix(b"255\n")?;
    let pixels: Vec<_> = dots.as_chunks().0.iter().map(|[r, g, b]| [*r, *g, *b, 255]).collect();
    let is_whole = pixels.len() == width * height;
    is_whole.then_some(Frame { width, height, repeat_x: 1, repeat_y: 1, pixels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ppm_is_read_and_a_short_one_refused() {
        let frame = parse(b"P6\n2 1\n255\nabcdef").expect("a picture");
        assert_eq!((frame.width, frame.height), (2, 1));
        assert_eq!(frame.pixels, [*b"abc\xFF", *b"def\xFF"]);
        assert!(parse(b"P6\n2 2\n255\nabcdef").is_none() && parse(b"P5\n1 1\n255\na").is_none());
    }
}
