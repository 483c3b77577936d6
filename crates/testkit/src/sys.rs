//! The one file with `unsafe`: pages at fixed addresses, the local descriptor table, the way into a
//! 16- or 32-bit segment and the signal handler that leads out.
//!
//! `enter` loads the case's registers and executes IRETQ into its code segment with TF set. Whatever
//! happens there becomes a signal; `leave`, its handler, stores the segment registers, puts back
//! ours and the thread's FS base, and returns from `enter` with the signal's context, which the
//! kernel left on the alternate stack. Faults of the host's own code go to the previous handlers.
//!
//! When SS.B is 0, IRETQ loads only SP; bits 31-16 of ESP stay those of RSP. So the frame lies at
//! an address that has the wanted bits there: one page for each of [`HIGH_HALVES`].

use std::arch::naked_asm;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::io;
use std::mem::{MaybeUninit, offset_of};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::fx::IMAGE_BYTES;
use crate::layout::{LDT, PAGE, PAGES, Rights, Segment, WINDOW, background_page};

/// What bits 31-16 of ESP may be when a case has a 16-bit stack.
pub const HIGH_HALVES: [u16; 4] = [0x0000, 0x1234, 0x8000, 0xFFFF];

/// Where the pages of IRETQ frames lie: bits 31-16 are added.
const FRAMES: u64 = 0x0700_0000_0000;
const FRAME_OFFSET: u64 = 0x800;
const ALTERNATE_STACK_BYTES: usize = 0x1_0000;
const SIGNALS: [i32; 5] = [libc::SIGSEGV, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGBUS];

/// Selector of Linux's 64-bit code segment.
const HOST_CODE: u16 = 0x33;

/// What goes into the processor and what the handler found.
#[repr(C)]
pub struct Area {
    host_rsp: u64,
    host_fs_base: u64,
    context: u64,
    frame: u64,
    /// General registers in the encoding's order; ESP's place isn't used.
    pub gpr: [u32; 8],
    /// Selectors of DS, ES, FS, GS to load.
    pub data: [u16; 4],
    /// The same as the handler found them.
    pub data_after: [u16; 4],
    /// What FXRSTOR loads.
    pub fx: Image,
}

/// An image for FXRSTOR, aligned as it must be.
#[repr(C, align(16))]
pub struct Image([u8; IMAGE_BYTES]);

struct Shared(UnsafeCell<Area>);

// SAFETY: only the thread that holds `LOCK` touches the area, and the handler only writes it when
// the interrupted code is that thread's.
unsafe impl Sync for Shared {}

static AREA: Shared = Shared(UnsafeCell::new(Area {
    host_rsp: 0,
    host_fs_base: 0,
    context: 0,
    frame: 0,
    gpr: [0; 8],
    data: [0; 4],
    data_after: [0; 4],
    fx: Image([0; IMAGE_BYTES]),
}));
static LOCK: Mutex<()> = Mutex::new(());
static PREVIOUS: Mutex<[Option<libc::sigaction>; 32]> = Mutex::new([None; 32]);

/// The signal's view of the processor.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI.
    pub gpr: [u64; 8],
    /// RIP.
    pub rip: u64,
    /// RFLAGS.
    pub rflags: u64,
    /// CS.
    pub cs: u16,
    /// SS.
    pub ss: u16,
    /// Error code.
    pub error: u64,
    /// Vector.
    pub vector: u64,
    /// CR2.
    pub cr2: u64,
    /// DS, ES, FS, GS.
    pub data: [u16; 4],
    /// The x87 and SSE units, as FXSAVE has them.
    pub fx: [u8; IMAGE_BYTES],
}

/// The IRETQ frame of a case.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// EIP.
    pub eip: u32,
    /// CS.
    pub cs: u16,
    /// EFLAGS.
    pub eflags: u32,
    /// ESP.
    pub esp: u32,
    /// SS.
    pub ss: u16,
    /// Bits 31-16 of RSP while IRETQ runs: one of [`HIGH_HALVES`].
    pub high_half: u16,
}

const UC_RIP: usize = offset_of!(libc::ucontext_t, uc_mcontext) + 8 * libc::REG_RIP as usize;
/// Single step, nested task, direction and alignment check must not reach Rust code.
const UNSAFE_FLAGS: u64 = 1 << 8 | 1 << 10 | 1 << 14 | 1 << 18;

/// Runs the case in [`AREA`]; returns the address of the signal's `ucontext_t`.
///
/// # Safety
/// The caller holds `LOCK`, the handlers and this thread's alternate stack are installed, `frame`
/// points to an IRETQ frame for a 16- or 32-bit code segment.
#[unsafe(naked)]
unsafe extern "C" fn enter() -> u64 {
    naked_asm!(
        "push rbx; push rbp; push r12; push r13; push r14; push r15",
        "lea r8, [rip + {area}]",
        "mov [r8 + {host_rsp}], rsp",
        "mov rax, fs:[0]",
        "mov [r8 + {host_fs}], rax",
        "mov rsp, [r8 + {frame}]",
        "fxrstor [r8 + {fx}]",
        "mov ds, word ptr [r8 + {data}]",
        "mov es, word ptr [r8 + {data} + 2]",
        "mov fs, word ptr [r8 + {data} + 4]",
        "mov gs, word ptr [r8 + {data} + 6]",
        "mov eax, [r8 + {gpr}]",
        "mov ecx, [r8 + {gpr} + 4]",
        "mov edx, [r8 + {gpr} + 8]",
        "mov ebx, [r8 + {gpr} + 12]",
        "mov ebp, [r8 + {gpr} + 20]",
        "mov esi, [r8 + {gpr} + 24]",
        "mov edi, [r8 + {gpr} + 28]",
        "iretq",
        area = sym AREA,
        host_rsp = const offset_of!(Area, host_rsp),
        host_fs = const offset_of!(Area, host_fs_base),
        frame = const offset_of!(Area, frame),
        fx = const offset_of!(Area, fx),
        data = const offset_of!(Area, data),
        gpr = const offset_of!(Area, gpr),
    )
}

/// The signal handler. Cases run below 4 GiB, where no code of the host lies; of the host's code
/// only `enter` is ours.
#[unsafe(naked)]
unsafe extern "C" fn leave(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut c_void) {
    naked_asm!(
        "pushfq",
        "and qword ptr [rsp], {flags}",
        "popfq",
        "mov rax, [rdx + {rip}]",
        "mov rcx, rax",
        "shr rcx, 32",
        "jz 2f",
        "lea rcx, [rip + {enter}]",
        "sub rax, rcx",
        "cmp rax, 0x80",
        "ja {chain}",
        "2:",
        "lea r8, [rip + {area}]",
        "mov [r8 + {context}], rdx",
        "mov word ptr [r8 + {after}], ds",
        "mov word ptr [r8 + {after} + 2], es",
        "mov word ptr [r8 + {after} + 4], fs",
        "mov word ptr [r8 + {after} + 6], gs",
        "xor eax, eax",
        "mov ds, eax",
        "mov es, eax",
        "mov fs, eax",
        "mov gs, eax",
        "mov eax, {arch_prctl}",
        "mov edi, 0x1002", // ARCH_SET_FS
        "mov rsi, [r8 + {host_fs}]",
        "mov rsp, [r8 + {host_rsp}]",
        "mov rbx, r8",
        "syscall",
        "mov rax, [rbx + {context}]",
        "pop r15; pop r14; pop r13; pop r12; pop rbp; pop rbx",
        "ret",
        flags = const !UNSAFE_FLAGS as i32,
        rip = const UC_RIP,
        enter = sym enter,
        chain = sym chain,
        area = sym AREA,
        context = const offset_of!(Area, context),
        after = const offset_of!(Area, data_after),
        arch_prctl = const libc::SYS_arch_prctl as i32,
        host_fs = const offset_of!(Area, host_fs_base),
        host_rsp = const offset_of!(Area, host_rsp),
    )
}

/// A fault of the host's own code: back to the handler that was there, by restoring it and letting
/// the instruction fault again.
extern "C" fn chain(signal: i32, _info: *mut libc::siginfo_t, _context: *mut c_void) {
    let previous = PREVIOUS.try_lock().ok().and_then(|all| all[signal as usize]);
    match previous {
        // SAFETY: the action is one that sigaction returned for this signal.
        Some(action) => unsafe {
            libc::sigaction(signal, &action, std::ptr::null_mut());
        },
        // SAFETY: restoring the default action has no preconditions.
        None => unsafe {
            libc::signal(signal, libc::SIG_DFL);
        },
    }
}

/// The world of cases set up in this process; undone when dropped. Only one exists at a time.
pub struct World {
    _lock: MutexGuard<'static, ()>,
    stack: *mut c_void,
    old_stack: libc::stack_t,
    old_mask: libc::sigset_t,
    pages: Vec<u32>,
}

fn last_error(what: &str) -> io::Error {
    let error = io::Error::last_os_error();
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

fn map(address: u64, bytes: usize, protection: i32) -> io::Result<*mut c_void> {
    let fixed = if address == 0 { 0 } else { libc::MAP_FIXED_NOREPLACE };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE | fixed;
    // SAFETY: a new anonymous mapping which replaces none.
    let got = unsafe { libc::mmap(address as *mut c_void, bytes, protection, flags, -1, 0) };
    if got == libc::MAP_FAILED || (address != 0 && got as u64 != address) {
        return Err(last_error(&format!("can't map {bytes:#x} bytes at {address:#x}")));
    }
    Ok(got)
}

impl World {
    /// Maps the pages, installs the descriptors, the handlers and the alternate stack.
    pub fn new() -> io::Result<World> {
        let lock = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
        install_ldt()?;
        let stack = map(0, ALTERNATE_STACK_BYTES, libc::PROT_READ | libc::PROT_WRITE)?;
        let mut world = World {
            _lock: lock,
            stack,
            // SAFETY: plain data for which zeroes are valid; overwritten below.
            old_stack: unsafe { MaybeUninit::zeroed().assume_init() },
            // SAFETY: as above.
            old_mask: unsafe { MaybeUninit::zeroed().assume_init() },
            pages: Vec::new(),
        };
        world.map_pages()?;
        world.install_handlers()?;
        Ok(world)
    }

    fn map_pages(&mut self) -> io::Result<()> {
        use libc::{PROT_EXEC, PROT_READ, PROT_WRITE};
        for (number, rights) in PAGES {
            let address = WINDOW + number * PAGE;
            let page = map(u64::from(address), PAGE as usize, PROT_READ | PROT_WRITE)?;
            self.pages.push(address);
            let bytes = background_page(number);
            let protection = match rights {
                Rights::Read => PROT_READ,
                Rights::Data => PROT_READ | PROT_WRITE,
                Rights::Code => PROT_READ | PROT_WRITE | PROT_EXEC,
            };
            // SAFETY: the page was mapped writable just now and is as long as `bytes`.
            let done = unsafe {
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), page.cast(), bytes.len());
                libc::mprotect(page, PAGE as usize, protection)
            };
            if done != 0 {
                return Err(last_error("can't protect a page"));
            }
        }
        for half in HIGH_HALVES {
            let address = FRAMES + (u64::from(half) << 16);
            // The frames stay mapped for the next world.
            match map(address, PAGE as usize, PROT_READ | PROT_WRITE) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn install_handlers(&mut self) -> io::Result<()> {
        let stack =
            libc::stack_t { ss_sp: self.stack, ss_flags: 0, ss_size: ALTERNATE_STACK_BYTES };
        let handler: unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void) = leave;
        let mut previous = PREVIOUS.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: every pointer is to a live local or field; `leave` has the signature that
        // SA_SIGINFO asks for and runs on the alternate stack. Other signals are blocked, so that
        // no other handler runs on a case's stack.
        unsafe {
            if libc::sigaltstack(&stack, &mut self.old_stack) != 0 {
                return Err(last_error("sigaltstack"));
            }
            let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            let mut others: libc::sigset_t = MaybeUninit::zeroed().assume_init();
            libc::sigfillset(&mut others);
            for signal in SIGNALS {
                let mut old: libc::sigaction = MaybeUninit::zeroed().assume_init();
                if libc::sigaction(signal, &action, &mut old) != 0 {
                    return Err(last_error("sigaction"));
                }
                previous[signal as usize] = Some(old);
                libc::sigdelset(&mut others, signal);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &others, &mut self.old_mask);
        }
        Ok(())
    }

    /// Runs one case to its signal, which is `enter`'s own if the processor refused the entry.
    pub fn run(
        &mut self,
        entry: Entry,
        gpr: [u32; 8],
        data: [u16; 4],
        fx: &[u8; IMAGE_BYTES],
    ) -> Context {
        let frame = FRAMES + (u64::from(entry.high_half) << 16) + FRAME_OFFSET;
        let image = [
            u64::from(entry.eip),
            u64::from(entry.cs),
            u64::from(entry.eflags),
            u64::from(entry.esp),
            u64::from(entry.ss),
        ];
        debug_assert!(HIGH_HALVES.contains(&entry.high_half) && entry.cs != HOST_CODE);
        // SAFETY: the frame lies in a page mapped by `map_pages`; `self` holds the lock, so that
        // the area is this thread's; the kernel saves both units in the signal's frame, in the form
        // of FXSAVE, and gives the handler fresh ones; `enter` returns through `leave` with the
        // address of the context on our alternate stack, which nothing overwrites before it is read.
        unsafe {
            std::ptr::copy_nonoverlapping(image.as_ptr(), frame as *mut u64, image.len());
            let area = AREA.0.get();
            (*area).frame = frame;
            (*area).gpr = gpr;
            (*area).data = data;
            (*area).fx = Image(*fx);
            let context = enter() as *const libc::ucontext_t;
            let units = (*context).uc_mcontext.fpregs.cast::<[u8; IMAGE_BYTES]>().read();
            read_context(&*context, (*area).data_after, units)
        }
    }

    /// One page of the window.
    pub fn page(&self, index: usize) -> &[u8] {
        let address = self.pages[index] as usize as *const u8;
        // SAFETY: the page is mapped and readable while `self` lives, and only `run` and `write`,
        // which take `&mut self`, change it.
        unsafe { std::slice::from_raw_parts(address, PAGE as usize) }
    }

    /// Writes a byte of a writable page.
    pub fn write(&mut self, address: u32, value: u8) {
        debug_assert!(!matches!(crate::layout::rights_at(address), None | Some(Rights::Read)));
        // SAFETY: the address is in a page mapped for writing.
        unsafe { (address as usize as *mut u8).write_volatile(value) }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let mut previous = PREVIOUS.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: what was saved at the start is put back; the pages and the stack are ours and
        // nothing refers to them any more.
        unsafe {
            for signal in SIGNALS {
                if let Some(old) = previous[signal as usize].take() {
                    libc::sigaction(signal, &old, std::ptr::null_mut());
                }
            }
            if self.old_stack.ss_sp.is_null() {
                self.old_stack.ss_flags = libc::SS_DISABLE;
            }
            libc::sigaltstack(&self.old_stack, std::ptr::null_mut());
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.old_mask, std::ptr::null_mut());
            libc::munmap(self.stack, ALTERNATE_STACK_BYTES);
            for page in &self.pages {
                libc::munmap(*page as usize as *mut c_void, PAGE as usize);
            }
        }
    }
}

fn read_context(context: &libc::ucontext_t, data: [u16; 4], fx: [u8; IMAGE_BYTES]) -> Context {
    let gregs = &context.uc_mcontext.gregs;
    let get = |register: i32| gregs[register as usize] as u64;
    let selectors = get(libc::REG_CSGSFS);
    Context {
        gpr: [
            get(libc::REG_RAX),
            get(libc::REG_RCX),
            get(libc::REG_RDX),
            get(libc::REG_RBX),
            get(libc::REG_RSP),
            get(libc::REG_RBP),
            get(libc::REG_RSI),
            get(libc::REG_RDI),
        ],
        rip: get(libc::REG_RIP),
        rflags: get(libc::REG_EFL),
        cs: selectors as u16,
        ss: (selectors >> 48) as u16,
        error: get(libc::REG_ERR),
        vector: get(libc::REG_TRAPNO),
        cr2: get(libc::REG_CR2),
        data,
        fx,
    }
}

/// `struct user_desc` of Linux.
#[repr(C)]
struct UserDesc {
    entry_number: u32,
    base_addr: u32,
    limit: u32,
    /// seg_32bit 0, contents 1-2, read_exec_only 3, limit_in_pages 4, seg_not_present 5.
    bits: u32,
}

fn user_desc(entry: usize, segment: &Segment) -> UserDesc {
    use crate::layout::Kind;
    let contents = match segment.kind {
        Kind::Data | Kind::ReadOnly => 0,
        Kind::ExpandDown => 1,
        Kind::Code | Kind::ExecuteOnly => 2,
    };
    let closed = matches!(segment.kind, Kind::ReadOnly | Kind::ExecuteOnly);
    UserDesc {
        entry_number: entry as u32,
        base_addr: segment.base,
        limit: segment.limit_field,
        bits: u32::from(segment.big)
            | contents << 1
            | u32::from(closed) << 3
            | u32::from(segment.pages) << 4
            | u32::from(!segment.present) << 5,
    }
}

fn install_ldt() -> io::Result<()> {
    const WRITE: u64 = 0x11;
    for (entry, segment) in LDT.iter().enumerate() {
        let desc = user_desc(entry, segment);
        let size = size_of::<UserDesc>();
        // SAFETY: the structure is the kernel's `user_desc` and lives across the call.
        let done = unsafe { libc::syscall(libc::SYS_modify_ldt, WRITE, &raw const desc, size) };
        if done != 0 {
            return Err(last_error(&format!("modify_ldt of entry {entry}")));
        }
    }
    Ok(())
}
