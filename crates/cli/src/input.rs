//! Reads the files a run is given. Each error names the file, what is wrong and what would help.

use crate::failure::{Failure, plain};
use crate::quantity::show_bytes;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// A kernel, module, BIOS or diskette held in memory is at most this large.
const MAX_BYTES: u64 = 1 << 30;
/// As much of a larger image is looked at to tell what it is.
const HEAD_BYTES: u64 = 4 << 20;

/// Reads a whole file; `what` names it in messages, e.g. `kernel`.
pub fn read(path: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    let (file, len) = open(path, what)?;
    if len > MAX_BYTES {
        return Err(too_large(path, what, &show_bytes(len)));
    }
    let bytes = take(file, MAX_BYTES + 1).map_err(|why| fail(path, what, &why))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large(path, what, "its content"));
    }
    Ok(bytes)
}

/// Reads an image that may be a large disk: what is too large to be anything else is cut.
pub fn head(path: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    let (file, len) = open(path, what)?;
    let most = if len > MAX_BYTES { HEAD_BYTES } else { MAX_BYTES };
    take(file, most).map_err(|why| fail(path, what, &why))
}

fn fail(path: &Path, what: &str, why: &str) -> Failure {
    Failure::image(format!("{what} {}: {why}", path.display()))
}

fn too_large(path: &Path, what: &str, is: &str) -> Failure {
    let most = show_bytes(MAX_BYTES);
    fail(path, what, &format!("{is} is more than the {most} that are read into memory"))
}

/// Opens a file and finds its length; 0 for one that doesn't say.
fn open(path: &Path, what: &str) -> Result<(File, u64), Failure> {
    let fail = |why: &str| Err(fail(path, what, why));
    let opened = File::open(path).and_then(|file| file.metadata().map(|meta| (file, meta)));
    let (file, meta) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            return match error.kind() {
                ErrorKind::NotFound => fail("no such file; check the path"),
                ErrorKind::PermissionDenied => fail("permission denied; chmod +r or ask its owner"),
                _ => fail(&plain(&error)),
            };
        }
    };
    if meta.is_dir() {
        return fail("a directory; name a file in it");
    }
    if meta.file_type().is_char_device() {
        return fail("a device without an end; name a file");
    }
    Ok((file, meta.len()))
}

fn take(file: File, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|error| plain(&error))?;
    Ok(bytes)
}
