//! What can go wrong outside the guest: one line that names the thing and the cure, and a status.

use crate::status::Status;
use std::io;
use std::path::Path;

/// A user's or host's error.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What the shell sees.
    pub status: Status,
    /// One line.
    pub message: String,
}

impl Failure {
    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { status: Status::Usage, message: message.into() }
    }

    /// The image can't be booted.
    pub fn image(message: impl Into<String>) -> Self {
        Self { status: Status::BadImage, message: message.into() }
    }

    /// The host failed.
    pub fn host(message: impl Into<String>) -> Self {
        Self { status: Status::Host, message: message.into() }
    }

    /// A file can't be written.
    pub fn writing(path: &Path, error: &io::Error) -> Self {
        let cure = match error.kind() {
            io::ErrorKind::StorageFull => ": free some space or write elsewhere",
            io::ErrorKind::PermissionDenied => ": write elsewhere",
            io::ErrorKind::NotFound => ": its folder doesn't exist",
            io::ErrorKind::IsADirectory => ": name a file in it",
            _ => "",
        };
        Self::host(format!("can't write {}: {}{cure}", path.display(), plain(error)))
    }
}

/// A system's error without its number.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}
