//! Mistakes of mode and of system registers: no far jump after setting PE, LTR of a busy TSS,
//! SYSENTER without its MSRs, a 64-bit guest (SDM 3A 9.9.1, 7.2.2, 5.8.7; SDM 2 LTR).

use super::finding::{Field, Finding};
use crate::scene::{Ending, Link, Scene};
use crate::words;
use x86::cause::{Check, Origin};
use x86::event::Mode;
use x86::segment::{SegReg, system_type};
use x86::{Cause, Intercept};

/// Row 13: protected mode with the CS of real mode.
#[must_use]
pub fn no_far_jump(scene: &Scene<'_>) -> Option<Finding> {
    let cs = scene.state.segment(SegReg::Cs);
    let s = cs.selector;
    let from_real_mode = !cs.is_32bit() && cs.base == u64::from(s.0) << 4;
    if scene.state.mode() != Mode::Protected || !from_real_mode {
        return None;
    }
    // A selector loaded from the GDT would name a 16-bit code segment with this very base.
    let loaded = !s.is_null()
        && scene.descriptor(s).is_some_and(|d| d.is_code() && u64::from(d.base()) == cs.base);
    if loaded {
        return None;
    }
    let at = scene.chain.first().map_or_else(|| scene.state.place(), |link| link.at);
    let mut finding = Finding::new(
        "no-far-jump-after-pe",
        "CS still has its 16-bit cache: no far jump followed the setting of CR0.PE",
        "vol. 3A, 9.9.1",
        "Right after MOV CR0, EAX jump far to 32-bit code (JMP 0x08:label), which loads CS from \
         the GDT; then load SS, DS, ES, FS and GS.",
    )
    .wrong("CS", format!("{:04X}, base {:08X}, D=0 (16-bit)", s.0, cs.base))
    .show("CR0", format!("{:08X} (PE=1)", scene.state.cr0));
    let bytes = scene.bytes::<8>(scene.linear_of(&at));
    if let (Some(narrow), Some(wide)) =
        (crate::disasm::one(&bytes, false, at.eip), crate::disasm::one(&bytes, true, at.eip))
    {
        if narrow != wide {
            finding = finding.say(format!(
                "As 32-bit code the bytes at {} would read `{wide}`; the processor read `{narrow}`.",
                words::place(&at)
            ));
        }
        finding = finding.show("bytes", words::hex(&bytes));
    }
    Some(finding)
}

/// Row 14b: LTR (or a jump) to a TSS that is busy already.
#[must_use]
pub fn busy_tss(scene: &Scene<'_>, link: &Link) -> Option<Finding> {
    let Cause::Selector { selector, descriptor, check, origin: Origin::Task, .. } = link.why else {
        return None;
    };
    let busy =
        matches!(descriptor.system(), Some(system_type::TSS16_BUSY | system_type::TSS32_BUSY));
    if check != Check::NotAvailableTss || !busy {
        return None;
    }
    let bytes = scene.bytes::<3>(scene.linear_of(&link.at));
    let ltr = matches!(bytes[..], [0x0F, 0x00, modrm] if modrm >> 3 & 7 == 3);
    let what = if ltr { "LTR" } else { "a task switch" };
    let finding = Finding::new(
        "tss-busy",
        format!("{what} wants an available TSS, but {:#06X} is busy already", selector.0),
        "vol. 3A, 7.2.2; vol. 2, LTR",
        "LTR sets the busy bit itself: give the descriptor type 9 (byte 0x89), and execute LTR \
         once; to load it again, clear the busy bit first.",
    )
    .show_descriptor(&format!("descriptor {:04X}", selector.0), descriptor, &[Field::Type]);
    Some(if scene.state.tr.selector == selector {
        finding.say("TR holds this very TSS: LTR was executed before.")
    } else {
        finding
    })
}

/// Row 14c: SYSENTER (or SYSEXIT) before its MSRs were set.
#[must_use]
pub fn sysenter_cs(_: &Scene<'_>, link: &Link) -> Option<Finding> {
    let Cause::SysenterCs { value } = link.why else { return None };
    let finding = Finding::new(
        "sysenter-cs-zero",
        format!("SYSENTER with IA32_SYSENTER_CS = {value:#X}: the kernel's entry was never set"),
        "vol. 3A, 5.8.7; vol. 2, SYSENTER",
        "With WRMSR set IA32_SYSENTER_CS (174h) to the kernel's code selector, \
         IA32_SYSENTER_ESP (175h) and IA32_SYSENTER_EIP (176h); the GDT must hold kernel code, \
         kernel data, user code and user data in that order.",
    );
    Some(
        finding
            .wrong("MSR 174h IA32_SYSENTER_CS", format!("{value:08X}"))
            .show("from", format!("ring {}", link.at.ring)),
    )
}

/// Row 15: a 64-bit guest.
#[must_use]
pub fn long_mode(scene: &Scene<'_>) -> Option<Finding> {
    if scene.ending != Ending::LongMode {
        return None;
    }
    let finding = Finding::new(
        "long-mode",
        "this guest switches to 64-bit long mode, which Cloister doesn't run yet",
        "vol. 3A, 9.8.5",
        "Nothing is wrong with the guest. Run a 32-bit build of it.",
    );
    Some(
        finding
            .show("EFER", format!("{:#X} (LME)", scene.state.msr.efer))
            .show("CR0", format!("{:08X}", scene.state.cr0))
            .show("CR4", format!("{:08X}", scene.state.cr4)),
    )
}

/// A privileged instruction in ring 3: not in the catalogue of mistakes that kill a machine by
/// themselves, but the most common first fault of a user program.
#[must_use]
pub fn privileged(_: &Scene<'_>, link: &Link) -> Option<Finding> {
    let Cause::Privileged { what, cpl, iopl, vm86 } = link.why else { return None };
    let io = matches!(what, Intercept::Cli | Intercept::Sti | Intercept::In | Intercept::Out);
    let rule = if io || vm86 { "vol. 1, 19.5" } else { "vol. 3A, 5.9" };
    let headline = crate::sentence::cause(&link.why)?;
    let finding = Finding::new(
        "privileged-instruction",
        headline,
        rule,
        "Ask the kernel for it by a system call; or, for I/O, let the kernel grant it by IOPL or \
         the I/O permission bitmap.",
    );
    Some(finding.show("CPL", cpl.to_string()).show("IOPL", iopl.to_string()))
}
