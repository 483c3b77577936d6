//! The engine that is a real processor: the host's own.
//!
//! A case runs in a 16- or 32-bit code segment of this process (compatibility mode, SDM 3A 3.2.1):
//! the rules of protected mode at CPL 3. Where the kernel lacks `modify_ldt` or 16-bit segments,
//! [`Native::new`] says so and tests print SKIPPED.
#![forbid(unsafe_code)]

use crate::case::{Case, Engine, Fault, Outcome, Stop, flag, reg, sreg};
use crate::fx::Fx;
use crate::layout::{PAGE, PAGES, WINDOW, background_page, segment_of};
use crate::sys::{Context, Entry, HIGH_HALVES, World};
use std::io;

/// The most steps that `Stop::Through` takes.
pub const MAX_STEPS: u32 = 64;

/// The host's processor.
pub struct Native {
    world: World,
    background: Vec<Vec<u8>>,
}

impl Native {
    /// Sets the process up. An error says what the host lacks.
    pub fn new() -> io::Result<Native> {
        nothing_below_4_gib()?;
        let world = World::new()?;
        let background = PAGES.iter().map(|(number, _)| background_page(*number)).collect();
        let mut native = Native { world, background };
        native.check_entry()?;
        Ok(native)
    }

    /// A NOP in each kind of segment, so that a host that can't do it is known at once.
    fn check_entry(&mut self) -> io::Result<()> {
        for line in ["code=90", "code=90 cs=7 eip=6100 ss=47 gpr=0,0,0,0,12341800,0,0,0"] {
            let case = crate::replay::parse(line).map_err(io::Error::other)?;
            let outcome = self.run(&case);
            if outcome.fault.is_some() || outcome.eip != case.eip + 1 || outcome.gpr != case.gpr {
                return Err(io::Error::other(format!(
                    "16- or 32-bit segments don't work here: {outcome:x?}"
                )));
            }
        }
        Ok(())
    }

    fn step(&mut self, case: &Case, state: &Outcome) -> Outcome {
        let trap = if case.stop == Stop::Planted { 0 } else { flag::TF };
        let big_stack = segment_of(state.sel[sreg::SS]).is_some_and(|segment| segment.big);
        let esp = state.gpr[reg::ESP];
        let entry = Entry {
            eip: state.eip,
            cs: state.sel[sreg::CS],
            eflags: state.eflags | trap,
            esp,
            ss: state.sel[sreg::SS],
            high_half: if big_stack { 0 } else { nearest_half(esp) },
        };
        let image = state.fx.as_deref().map_or_else(|| Fx::default().image(), Fx::image);
        let s = &state.sel;
        let data = [s[sreg::DS], s[sreg::ES], s[sreg::FS], s[sreg::GS]];
        let context = self.world.run(entry, state.gpr, data, &image);
        outcome_of(case, &context)
    }

    fn apply(&mut self, case: &Case) {
        for (address, value) in initial_bytes(case) {
            self.world.write(address, value);
        }
    }

    /// Collects what changed and puts the background back.
    fn collect(&mut self, case: &Case) -> Vec<(u32, u8)> {
        let mut after = Vec::new();
        for (index, (number, _)) in PAGES.iter().enumerate() {
            let (now, before) = (self.world.page(index), &self.background[index]);
            if now == before.as_slice() {
                continue;
            }
            let start = WINDOW + number * PAGE;
            let changed = now.iter().zip(before).enumerate().filter(|(_, (a, b))| a != b);
            after.extend(changed.map(|(at, (value, old))| (start + at as u32, *value, *old)));
        }
        for (address, _, old) in &after {
            self.world.write(*address, *old);
        }
        let after: Vec<(u32, u8)> = after.into_iter().map(|(a, value, _)| (a, value)).collect();
        memory_change(case, &after)
    }
}

impl Engine for Native {
    fn run(&mut self, case: &Case) -> Outcome {
        self.apply(case);
        let mut state = Outcome {
            gpr: case.gpr,
            eip: case.eip,
            eflags: case.eflags,
            sel: case.sel,
            fault: None,
            memory: Vec::new(),
            fx: case.fx.clone(),
        };
        for _ in 0..MAX_STEPS {
            state = self.step(case, &state);
            let again = state.eip == case.eip && state.fault.is_none();
            if case.stop != Stop::Through || !again {
                break;
            }
        }
        state.memory = self.collect(case);
        state
    }
}

/// Every byte that a case puts into memory: patches, then the code and its filler where they fall
/// on pages that can be written.
pub fn initial_bytes(case: &Case) -> Vec<(u32, u8)> {
    let base = segment_of(case.sel[sreg::CS]).map_or(0, |segment| segment.base);
    let start = base.wrapping_add(case.eip);
    let patches = case.patches.iter().flat_map(|patch| {
        let bytes = patch.bytes.iter().enumerate();
        bytes.map(|(at, byte)| (patch.address.wrapping_add(at as u32), *byte))
    });
    let code = case.code.iter().copied().chain([case.stop.filler()]).enumerate();
    let code = code.map(|(at, byte)| (start.wrapping_add(at as u32), byte));
    let writable = |(address, _): &(u32, u8)| {
        use crate::layout::Rights;
        matches!(crate::layout::rights_at(*address), Some(Rights::Data | Rights::Code))
    };
    patches.chain(code).filter(writable).collect()
}

/// From the bytes that differ from the background after the run (ascending) to those that differ
/// from the state before it.
pub fn memory_change(case: &Case, after: &[(u32, u8)]) -> Vec<(u32, u8)> {
    let before: std::collections::BTreeMap<u32, u8> = initial_bytes(case).into_iter().collect();
    let after: std::collections::BTreeMap<u32, u8> = after.iter().copied().collect();
    let background = crate::layout::background;
    let addresses: std::collections::BTreeSet<u32> =
        before.keys().chain(after.keys()).copied().collect();
    addresses
        .into_iter()
        .filter_map(|address| {
            let now = after.get(&address).copied().unwrap_or_else(|| background(address));
            let old = before.get(&address).copied().unwrap_or_else(|| background(address));
            (now != old).then_some((address, now))
        })
        .collect()
}

fn nearest_half(esp: u32) -> u16 {
    let half = (esp >> 16) as u16;
    if HIGH_HALVES.contains(&half) { half } else { HIGH_HALVES[0] }
}

fn outcome_of(case: &Case, context: &Context) -> Outcome {
    let vector = context.vector as u8;
    let eip = context.rip as u32;
    let end = case.eip.wrapping_add(case.code.len() as u32);
    let stepped = vector == Fault::DEBUG && case.stop != Stop::Planted;
    let planted = vector == Fault::PROTECTION && case.stop == Stop::Planted && eip == end;
    let fault = (!stepped && !planted).then(|| Fault {
        vector,
        error: if Fault::has_error_code(vector) { context.error as u32 } else { 0 },
        cr2: if vector == Fault::PAGE { context.cr2 as u32 } else { 0 },
    });
    let hidden = if case.stop == Stop::Planted { flag::RF } else { flag::RF | flag::TF };
    let [ds, es, fs, gs] = context.data;
    let shadowed = case.stop == Stop::Shadow && stepped && eip == end.wrapping_add(1);
    Outcome {
        gpr: context.gpr.map(|value| value as u32),
        eip: if shadowed { end } else { eip },
        eflags: context.rflags as u32 & !hidden,
        sel: [es, context.cs, context.ss, ds, fs, gs],
        fault,
        memory: Vec::new(),
        fx: case.fx.is_some().then(|| Box::new(Fx::from_image(&context.fx))),
    }
}

/// A case may write anywhere below 4 GiB: nothing of ours may lie there.
fn nothing_below_4_gib() -> io::Result<()> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    for line in maps.lines() {
        let start = line.split('-').next().and_then(|word| u64::from_str_radix(word, 16).ok());
        let own = start.is_some_and(|start| {
            start.wrapping_sub(u64::from(WINDOW)) < u64::from(crate::layout::WINDOW_BYTES)
        });
        if start.is_some_and(|start| start < 1 << 32) && !own {
            return Err(io::Error::other(format!("the process has memory below 4 GiB: {line}")));
        }
    }
    Ok(())
}

/// Whether two processors, by their names, are of one maker.
pub fn same_maker(one: &str, other: &str) -> bool {
    fn maker(name: &str) -> Option<&str> {
        name.rsplit('(').next()?.split(' ').next()
    }
    maker(one) == maker(other)
}

/// The processor's name, which fixtures record.
pub fn processor_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        info.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(": "))
            .map_or("?", |(_, value)| value)
            .to_string()
    };
    format!(
        "{} ({} family {} model {} stepping {})",
        field("model name"),
        field("vendor_id"),
        field("cpu family"),
        field("model\t"),
        field("stepping")
    )
}
