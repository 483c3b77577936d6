//! `--trace callouts`, at the end of a run: how often each privileged or sensitive instruction
//! passed the intercept point, and what the translator left to the interpreter.

use machine::Machine;
use x86::Intercept;
use x86::intercept::Class;

/// The tables, as lines.
pub fn tables(machine: &mut Machine) -> Vec<String> {
    let kinds: Vec<_> = Intercept::ALL.iter().zip(machine.cpu().callouts).collect();
    let mut lines = by_kind(&kinds);
    if let Some(statistics) = machine.translator_statistics() {
        lines.extend(by_mnemonic(&statistics.callouts));
    }
    lines
}

/// The same on every engine.
fn by_kind(kinds: &[(&Intercept, u64)]) -> Vec<String> {
    let mut kinds: Vec<_> = kinds.iter().filter(|(_, count)| *count != 0).collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let total: u64 = kinds.iter().map(|(_, count)| count).sum();
    let mut lines = vec![format!("privileged and sensitive instructions: {total}")];
    lines.extend(
        kinds.into_iter().map(|(kind, count)| {
            format!("{count:>12}  {:<20} {}", kind.name(), class(kind.class()))
        }),
    );
    lines
}

/// What ring 3 sees of it.
fn class(class: Class) -> &'static str {
    match class {
        Class::Privileged => "privileged: #GP outside ring 0",
        Class::Sensitive => "sensitive: never traps",
        Class::Conditional => "conditional: traps where the kernel says so",
    }
}

fn by_mnemonic(callouts: &[(String, u64)]) -> Vec<String> {
    let total: u64 = callouts.iter().map(|(_, count)| count).sum();
    let mut lines = vec![format!("left to the interpreter by translated code: {total}")];
    lines.extend(callouts.iter().map(|(name, count)| format!("{count:>12}  {name}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_come_by_their_counts_and_those_that_never_passed_are_left_out() {
        let kinds = [(&Intercept::Cli, 2), (&Intercept::Hlt, 0), (&Intercept::Pushf, 30)];
        let lines = by_kind(&kinds);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0], "privileged and sensitive instructions: 32");
        assert_eq!(lines[1], "          30  PUSHF                sensitive: never traps");
        assert!(lines[2].contains("CLI") && lines[2].contains("where the kernel says so"));
    }

    #[test]
    fn what_the_translator_left_is_summed() {
        let lines = by_mnemonic(&[("sti".into(), 5), ("in".into(), 1)]);
        assert_eq!(lines[0], "left to the interpreter by translated code: 6");
        assert_eq!(lines[1], "           5  sti");
    }
}
