//! `cloister cpus`: the processor models, and what each adds to the one above it.

use crate::failure::Failure;
use crate::output::{Console, Style};
use crate::status::Status;
use machine::MachineConfig;
use std::process::ExitCode;
use x86::model::{ANNOUNCED, Features, Model, Name};
use x86::{Cr4, Eflags};

/// Prints the table.
pub fn run() -> Result<ExitCode, Failure> {
    let mut console = Console::stdout();
    for line in table() {
        console.line(&line, Style::Plain)?;
    }
    Ok(Status::Success.code())
}

fn table() -> Vec<String> {
    let mut lines = vec![format!(
        "{:<10} {:<6} {:<7} {:<9} {}",
        "--cpu", "CPUID", "EFLAGS", "CR4", "beyond the one above"
    )];
    let mut before = Features::FPU;
    for name in Name::ALL {
        let model = MachineConfig { cpu: name, ..MachineConfig::default() }.model();
        lines.push(row(&model, before));
        before = model.features;
    }
    lines.push("* the default; max has what this host has.".to_owned());
    lines
}

fn row(model: &Model, before: Features) -> String {
    let name = model.name;
    let mark = if name == Name::default() { "*" } else { "" };
    let signature =
        if model.has(Features::CPUID) { format!("{:X}", model.signature()) } else { "-".into() };
    let flags = [(Eflags::AC, "AC"), (Eflags::ID, "ID")];
    let flags: Vec<&str> = flags
        .iter()
        .filter(|(flag, _)| model.eflags().contains(*flag))
        .map(|(_, name)| *name)
        .collect();
    let cr4 = match model.cr4() {
        none if none == Cr4::empty() => "-".into(),
        bits => format!("{:X}", bits.bits()),
    };
    let part = name.part();
    let added = added(model.features - before).join(" ");
    let text = if added.is_empty() { part.to_owned() } else { format!("{part}: {added}") };
    let name = format!("{name}{mark}");
    format!("{name:<10} {signature:<6} {:<7} {cr4:<9} {text}", flags.join(" "))
}

/// The names of features, as people write them.
fn added(features: Features) -> Vec<&'static str> {
    let silent = [
        (Features::I486, "bswap cmpxchg xadd invd invlpg wbinvd"),
        (Features::CPUID, "cpuid"),
        (Features::P6, "rdpmc long-nop"),
        (Features::TEST, "mov-tr"),
    ];
    let announced = ANNOUNCED.iter().map(|(feature, name, ..)| (*feature, *name));
    let all = silent.into_iter().chain(announced);
    all.filter(|(feature, _)| features.contains(*feature)).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_a_row_and_one_is_the_default() {
        let lines = table();
        for name in Name::ALL {
            let rows =
                lines.iter().filter(|line| line.split([' ', '*']).next() == Some(name.text()));
            assert_eq!(rows.count(), 1, "{name}");
        }
        assert!(lines.iter().any(|line| line.starts_with("cloister*")));
    }

    #[test]
    fn a_row_names_what_is_new() {
        let row =
            row(&Model::new(Name::Pentium, Features::empty()), Features::I486 | Features::FPU);
        assert!(
            row.starts_with("pentium    52C    AC ID   5F        Pentium (P54C): cpuid vme"),
            "{row}"
        );
        assert!(!row.contains("bswap"), "{row}");
    }
}
