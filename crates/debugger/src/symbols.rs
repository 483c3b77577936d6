//! Names for addresses, from an ELF file's symbol table or a plain map.
//!
//! A plain map is text, one symbol a line, in any of the forms that `nm`, `System.map` and hand
//! make: `ADDR NAME`, `ADDR TYPE NAME`, `ADDR SIZE TYPE NAME`; addresses are hexadecimal, with or
//! without `0x`. Empty lines, lines that start with `#`, and undefined symbols are passed over.

use object::{Object, ObjectSymbol, SymbolKind, SymbolSection};
use std::path::Path;

/// Why symbols can't be had from a file.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// It can't be read.
    #[error("{file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An ELF file that can't be understood.
    #[error("{file}: a damaged ELF file: {why}")]
    Elf {
        /// The file.
        file: String,
        /// The reader's reason.
        why: String,
    },
    /// An ELF file without names.
    #[error("{0}: the ELF file has no symbols (was it stripped?)")]
    Stripped(String),
    /// A line of a map that isn't one.
    #[error("{file}:{line}: expected `ADDRESS NAME` or `ADDRESS TYPE NAME`, found `{text}`")]
    Line {
        /// The file.
        file: String,
        /// The line's number, from 1.
        line: usize,
        /// The line, cut to 40 characters.
        text: String,
    },
    /// Neither ELF nor text.
    #[error("{0}: neither an ELF file nor a text map")]
    NotText(String),
    /// A map without a symbol.
    #[error("{0}: holds no symbol")]
    Empty(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Symbol {
    address: u64,
    /// Bytes; 0 where the file doesn't say.
    size: u64,
    name: String,
}

/// Past this distance from a symbol of unknown size a name would mislead.
const REACH: u64 = 0x1_0000;

/// Names by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbols {
    /// By address, one symbol an address.
    sorted: Vec<Symbol>,
}

impl Symbols {
    /// Reads a file, ELF or map, by its content.
    pub fn load(path: &Path) -> Result<Self, SymbolsError> {
        let file = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|source| SymbolsError::Read { file: file.clone(), source })?;
        Self::parse(&file, &bytes)
    }

    /// The same from bytes; `file` is for messages.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, SymbolsError> {
        if bytes.starts_with(b"\x7FELF") {
            return Self::parse_elf(file, bytes);
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Self::parse_map(file, text),
            _ => Err(SymbolsError::NotText(file.into())),
        }
    }

    fn parse_elf(file: &str, bytes: &[u8]) -> Result<Self, SymbolsError> {
        let elf = object::File::parse(bytes)
            .map_err(|e| SymbolsError::Elf { file: file.into(), why: e.to_string() })?;
        let found = elf.symbols().filter(names_an_address).filter_map(|s| {
            let name = s.name().ok().filter(|n| !n.is_empty())?;
            Some(Symbol { address: s.address(), size: s.size(), name: name.into() })
        });
        let symbols = Self::from_unsorted(found.collect());
        if symbols.is_empty() { Err(SymbolsError::Stripped(file.into())) } else { Ok(symbols) }
    }

    fn parse_map(file: &str, text: &str) -> Result<Self, SymbolsError> {
        let mut found = Vec::new();
        for (index, line) in text.lines().enumerate() {
            match map_line(line) {
                Ok(symbol) => found.extend(symbol),
                Err(()) => {
                    return Err(SymbolsError::Line {
                        file: file.into(),
                        line: index + 1,
                        text: line.trim().chars().take(40).collect(),
                    });
                }
            }
        }
        let symbols = Self::from_unsorted(found);
        if symbols.is_empty() { Err(SymbolsError::Empty(file.into())) } else { Ok(symbols) }
    }

    /// Of several symbols at one address the first named stays; sized ones go before.
    fn from_unsorted(mut found: Vec<Symbol>) -> Self {
        found.sort_by_key(|s| (s.address, s.size == 0));
        found.dedup_by_key(|s| s.address);
        Self { sorted: found }
    }

    /// True where there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The symbol that covers `address`, and the offset from its start.
    #[must_use]
    pub fn nearest(&self, address: u64) -> Option<(&str, u64)> {
        let after = self.sorted.partition_point(|s| s.address <= address);
        let symbol = self.sorted.get(after.checked_sub(1)?)?;
        let offset = address - symbol.address;
        let reach = if symbol.size == 0 { REACH } else { symbol.size };
        (offset < reach).then_some((symbol.name.as_str(), offset))
    }

    /// `name`, `name+0x12`, or `None`.
    #[must_use]
    pub fn name(&self, address: u64) -> Option<String> {
        let (name, offset) = self.nearest(address)?;
        Some(if offset == 0 { name.into() } else { format!("{name}+{offset:#x}") })
    }

    /// ` <name+0x12>` to be put behind an address; empty where there is no name.
    #[must_use]
    pub fn suffix(&self, address: u64) -> String {
        self.name(address).map(|n| format!(" <{n}>")).unwrap_or_default()
    }

    /// The address of a name.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<u64> {
        self.sorted.iter().find(|s| s.name == name).map(|s| s.address)
    }
}

/// Labels and functions, but not files, sections, or the constants of an assembly source, which
/// are absolute and of no type.
fn names_an_address(s: &object::Symbol<'_, '_>) -> bool {
    let constant = s.section() == SymbolSection::Absolute && s.kind() == SymbolKind::Unknown;
    let named = !matches!(s.kind(), SymbolKind::File | SymbolKind::Section);
    named && !constant && !s.is_undefined()
}

/// One line of a map: a symbol, nothing, or an error.
fn map_line(line: &str) -> Result<Option<Symbol>, ()> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let symbol = |address: &str, size: u64, name: &str| {
        let address = hex(address).ok_or(())?;
        Ok(Some(Symbol { address, size, name: name.into() }))
    };
    match words[..] {
        // nm prints undefined symbols without an address.
        ["U" | "w" | "v", _] => Ok(None),
        [address, name] => symbol(address, 0, name),
        [address, kind, name] if kind.len() == 1 => symbol(address, 0, name),
        [address, size, kind, name] if kind.len() == 1 => {
            symbol(address, hex(size).ok_or(())?, name)
        }
        // System.map names the module behind a module's symbol.
        [address, kind, name, module] if kind.len() == 1 && module.starts_with('[') => {
            symbol(address, 0, name)
        }
        _ => Err(()),
    }
}

fn hex(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Result<Symbols, SymbolsError> {
        Symbols::parse("kernel.map", text.as_bytes())
    }

    #[test]
    fn all_map_forms_are_read_and_the_nearest_name_found() {
        let s =
            map("# mine\n00007c00 start\n0x7C40 T main\n\n00008000 00000010 T isr\n         U x\n")
                .unwrap();
        assert_eq!(s.len(), 3);
        assert_eq!(s.name(0x7C02).as_deref(), Some("start+0x2"));
        assert_eq!(s.name(0x7C40).as_deref(), Some("main"));
        assert_eq!(s.suffix(0x800F), " <isr+0xf>");
    }

    #[test]
    fn no_name_reaches_past_its_size_or_before_the_first() {
        let s = map("8000 10 T isr\n9000 end\n").unwrap();
        assert_eq!(s.name(0x8010), None);
        assert_eq!(s.name(0x7FFF), None);
        assert_eq!(s.name(0x9000 + REACH), None);
        assert_eq!(s.suffix(0x8010), "");
    }

    #[test]
    fn a_bad_line_is_named_by_file_and_number() {
        let error = map("7c00 start\nwhat is this\n").unwrap_err().to_string();
        assert_eq!(
            error,
            "kernel.map:2: expected `ADDRESS NAME` or `ADDRESS TYPE NAME`, found `what is this`"
        );
    }

    #[test]
    fn empty_binary_and_damaged_files_say_what_they_are() {
        assert_eq!(map("\n# no\n").unwrap_err().to_string(), "kernel.map: holds no symbol");
        let binary = Symbols::parse("a.out", &[0xFF, 0xFE, 0]).unwrap_err().to_string();
        assert_eq!(binary, "a.out: neither an ELF file nor a text map");
        let elf = Symbols::parse("a.elf", b"\x7FELFnonsense").unwrap_err().to_string();
        assert!(elf.starts_with("a.elf: a damaged ELF file: "), "{elf}");
    }

    #[test]
    fn an_elf_symbol_table_gives_names() {
        let bytes = crate::tests_support::tiny_elf(&[("start", 0x10_0000, 0x20)]);
        let s = Symbols::parse("kernel", &bytes).unwrap();
        assert_eq!(s.name(0x10_0004).as_deref(), Some("start+0x4"));
        assert_eq!(s.address("start"), Some(0x10_0000));
        let bare = crate::tests_support::tiny_elf(&[]);
        let error = Symbols::parse("kernel", &bare).unwrap_err().to_string();
        assert_eq!(error, "kernel: the ELF file has no symbols (was it stripped?)");
    }
}
