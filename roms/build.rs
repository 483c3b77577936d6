//! Builds the guest programs where binutils are there, and takes the committed ones elsewhere.

#[path = "src/recipe.rs"]
mod recipe;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let roms = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("set by cargo"));
    println!("cargo::rerun-if-changed={}", roms.display());
    let assemble = recipe::have_binutils();
    if !assemble {
        println!("cargo::warning=no `as` and `ld` found: using the guest programs in roms/built");
    }
    let mut table =
        String::from("/// Every guest program by name.\npub const ALL: &[(&str, &[u8])] = &[\n");
    for rom in recipe::list(&roms).expect("the roms folder can be listed") {
        let binary = if assemble {
            recipe::build(&rom, &out).unwrap_or_else(|e| panic!("{e}"))
        } else {
            roms.join("built").join(&rom.output)
        };
        let name =
            Path::new(&rom.output).file_stem().expect("a name").to_string_lossy().into_owned();
        writeln!(table, "    ({name:?}, include_bytes!({:?})),", binary).expect("a string grows");
    }
    table.push_str("];\n");
    std::fs::write(out.join("all.rs"), table).expect("OUT_DIR is writable");
}
