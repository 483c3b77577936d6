//! Every x87 opcode, the undefined ones too: 8 escapes by 8 memory forms and 64 register forms.
//! A row of register forms is one form where all eight are the same instruction on ST(i).
#![forbid(unsafe_code)]

use super::{Form, RegField, RegMem, form_of};
use iced_x86::{Code, Decoder, DecoderOptions};

/// Every form, in the order of their opcodes; WAIT first.
pub fn all() -> Vec<Form> {
    let mut forms =
        vec![Form { x87: true, ..form_of(Code::Wait).expect("WAIT is an integer form") }];
    for escape in 0xD8..=0xDF {
        for row in 0..8 {
            memory_forms(escape, row, &mut forms);
        }
        for row in 0..8 {
            register_forms(escape, row, &mut forms);
        }
    }
    forms
}

fn form(code: Code, escape: u8, row: u8, reg_mem: RegMem, rm: Option<u8>) -> Form {
    Form {
        code,
        two_bytes: false,
        opcode: escape,
        opcode_reg: false,
        reg_mem,
        reg: RegField::Fixed(row),
        rm,
        immediates: Vec::new(),
        moffs: false,
        operand_size: 0,
        address_size: 0,
        needs_f3: false,
        lockable: false,
        x87: true,
        vector: None,
    }
}

fn decode(bytes: &[u8]) -> Code {
    Decoder::with_ip(32, bytes, 0, DecoderOptions::NONE).decode().code()
}

/// One form, or two where the operand size chooses.
fn memory_forms(escape: u8, row: u8, forms: &mut Vec<Form>) {
    let modrm = row << 3;
    let (wide, narrow) = (decode(&[escape, modrm]), decode(&[0x66, escape, modrm]));
    if wide == narrow {
        forms.push(form(wide, escape, row, RegMem::Memory, None));
        return;
    }
    for (code, operand_size) in [(narrow, 16), (wide, 32)] {
        forms.push(Form { operand_size, ..form(code, escape, row, RegMem::Memory, None) });
    }
}

fn register_forms(escape: u8, row: u8, forms: &mut Vec<Form>) {
    let code = |rm: u8| decode(&[escape, 0xC0 | row << 3 | rm]);
    if code(0) != Code::INVALID && (1..8).all(|rm| code(rm) == code(0)) {
        forms.push(form(code(0), escape, row, RegMem::Register, None));
        return;
    }
    for rm in 0..8 {
        forms.push(form(code(rm), escape, row, RegMem::Register, Some(rm)));
    }
}

/// Bytes of the memory operand; 0 for a register form or an opcode that means nothing.
pub fn memory_bytes(escape: u8, row: u8, wide: bool) -> u32 {
    let environment = if wide { 28 } else { 14 };
    match (escape, row) {
        (0xD9, 4 | 6) => environment,
        (0xDD, 4 | 6) => environment + 80,
        (0xD9, 5 | 7) | (0xDD, 7) | (0xDE, _) | (0xDF, 0..=3) => 2,
        (0xDB, 5 | 7) | (0xDF, 4 | 6) => 10,
        (0xDC, _) | (0xDD, 0..=3) | (0xDF, 5 | 7) => 8,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_of_the_decoder_s_tables_is_listed() {
        use iced_x86::CpuidFeature::{CMOV, FPU, FPU287, FPU387, SSE3};
        let of_the_unit = |code: &Code| {
            let features = code.cpuid_features();
            features.iter().any(|f| matches!(*f, FPU | FPU287 | FPU387))
                && features.iter().all(|f| matches!(*f, FPU | FPU287 | FPU387 | CMOV | SSE3))
                && !code.op_code().fwait()
        };
        let forms = all();
        let mut codes: Vec<Code> = Code::values().filter(of_the_unit).collect();
        assert!(codes.len() > 120, "{}", codes.len());
        codes.retain(|code| !forms.iter().any(|form| form.code == *code));
        assert_eq!(codes, [], "of {} forms", forms.len());
    }
}
