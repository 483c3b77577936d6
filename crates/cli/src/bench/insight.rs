//! What an engine of ours did while it ran a workload: looked at once at the start of the measured
//! region and once at its end.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;

use machine::{Machine, TranslatorStatistics};
use serde::Serialize;
use x86::Intercept;

/// A machine's counters at one moment.
pub struct Look {
    steps: u64,
    translator: Option<TranslatorStatistics>,
    intercepts: [u64; Intercept::ALL.len()],
    tlb_fills: u64,
}

impl Look {
    /// The counters now.
    pub fn at(machine: &mut Machine) -> Self {
        let translator = machine.translator_statistics();
        let cpu = machine.cpu();
        let tlb_fills = cpu.mmu.view().fills();
        Self { steps: cpu.steps, translator, intercepts: cpu.callouts, tlb_fills }
    }
}

/// How often something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// What.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// What an engine did.
#[derive(Clone, Debug, Serialize)]
pub struct Insight {
    /// Privileged and sensitive operations in the region, by kind, the most frequent first.
    pub intercepts: Vec<Count>,
    /// Pages that were filled into the software TLB in the region.
    pub tlb_fills: u64,
    /// Bytes of host memory above what the guest's RAM takes, at the region's end: the whole
    /// process's proportional set size less the RAM's pages. `None` where the kernel won't say.
    pub bytes_above_ram: Option<u64>,
    /// Where a translator ran.
    pub translator: Option<Translator>,
}

/// What a translator did.
#[derive(Clone, Debug, Serialize)]
pub struct Translator {
    /// Of the region's steps, the share that emitted code took by itself.
    pub emitted_share: f64,
    /// Instructions in the region that were left to the interpreter, by mnemonic, the most
    /// frequent first.
    pub callouts: Vec<Count>,
    /// Guest instructions translated since power-on.
    pub guest_insns: u64,
    /// What translating one took, from looking at it to its place in the cache.
    pub ns_per_insn: f64,
    /// Blocks made since power-on.
    pub blocks: u64,
    /// Blocks that can still be executed.
    pub live_blocks: u64,
    /// Bytes of host code made since power-on.
    pub host_bytes: u64,
    /// How often all code was dropped since power-on.
    pub flushes: u64,
    /// Times that host windows opened in the region.
    pub windows_opened: u64,
    /// Pages mapped into them in the region.
    pub window_pages: u64,
    /// Faults of emitted code in the region: accesses that a window refused, and the ends of
    /// budgets.
    pub faults: u64,
}

impl Insight {
    /// What happened between two looks, and what there is at the second.
    pub fn between(start: &Look, end: &Look, bytes_above_ram: Option<u64>) -> Self {
        let kinds = Intercept::ALL.iter().zip(start.intercepts.iter().zip(&end.intercepts));
        let intercepts =
            ranked(kinds.map(|(kind, (before, after))| (kind.name().to_owned(), after - before)));
        let steps = end.steps - start.steps;
        let both = start.translator.as_ref().zip(end.translator.as_ref());
        let translator = both.map(|(before, after)| Translator::between(before, after, steps));
        let tlb_fills = end.tlb_fills - start.tlb_fills;
        Self { intercepts, tlb_fills, bytes_above_ram, translator }
    }
}

impl Translator {
    fn between(start: &TranslatorStatistics, end: &TranslatorStatistics, steps: u64) -> Self {
        let interpreted = end.interpreted_steps - start.interpreted_steps;
        let before: BTreeMap<&str, u64> =
            start.callouts.iter().map(|(name, calls)| (name.as_str(), *calls)).collect();
        let callouts =
            ranked(end.callouts.iter().map(|(name, calls)| {
                (name.clone(), calls - before.get(name.as_str()).unwrap_or(&0))
            }));
        Self {
            emitted_share: 1.0 - interpreted as f64 / steps.max(1) as f64,
            callouts,
            guest_insns: end.guest_insns,
            ns_per_insn: end.making_ns as f64 / end.guest_insns.max(1) as f64,
            blocks: end.blocks,
            live_blocks: end.live_blocks,
            host_bytes: end.host_bytes,
            flushes: end.flushes,
            windows_opened: end.windows.opened - start.windows.opened,
            window_pages: end.windows.pages - start.windows.pages,
            faults: end.faults - start.faults,
        }
    }
}

fn ranked(counts: impl Iterator<Item = (String, u64)>) -> Vec<Count> {
    let seen = counts.filter(|(_, count)| *count != 0);
    let mut list: Vec<Count> = seen.map(|(name, count)| Count { name, count }).collect();
    list.sort_by_key(|entry| std::cmp::Reverse(entry.count));
    list
}

/// Bytes of this process's memory that aren't the RAM of `machine`: what is mapped several times
/// is counted once, and what others share by its share.
pub fn bytes_above_ram(machine: &Machine) -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let size = proportional_bytes(&text).ok_or(io::ErrorKind::InvalidData)?;
    // In units of 512 bytes, whatever the file system (stat(2)).
    let ram = machine.system().mem.arena().file().metadata()?.blocks() * 512;
    Ok(size.saturating_sub(ram))
}

/// The proportional set size that the kernel's table says.
fn proportional_bytes(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proportional_size_is_read_in_kib() {
        let text = "55e7-7ffd ---p 00000000 00:00 0   [rollup]\nRss: 9000 kB\nPss:    2048 kB\n";
        assert_eq!(proportional_bytes(text), Some(2 << 20));
        assert_eq!(proportional_bytes("Rss: 1 kB\n"), None);
    }

    #[test]
    fn counts_are_ranked_and_what_never_happened_is_left_out() {
        let counts = [("cli", 1), ("hlt", 0), ("in", 5)].map(|(n, c)| (n.to_owned(), c));
        let names: Vec<_> = ranked(counts.into_iter()).into_iter().map(|c| c.name).collect();
        assert_eq!(names, ["in", "cli"]);
    }
}
