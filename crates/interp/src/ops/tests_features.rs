//! CPUID says exactly what decodes: no form of a feature that is announced lacks a handler, and
//! none is carried out on a model without its feature.

use super::{claimed, lookup};
use decode::{Code, Insn, needs};
use x86::model::Name;
use x86::{Features, Model};

/// An instruction of this form, as far as the lookup reads it.
fn of(code: Code) -> Insn {
    Insn { code, ..decode::decode(&[0x90], true).expect("NOP") }
}

/// The forms that exist outside 64-bit mode.
fn forms() -> impl Iterator<Item = Code> {
    Code::values().filter(|code| code.op_code().mode32() || code.op_code().mode16())
}

#[test]
fn every_form_of_an_announced_feature_is_carried_out() {
    let max = Model::new(Name::Max, Features::all());
    let missing: Vec<Code> = forms()
        .filter(|code| !needs(*code).is_empty() && max.has(needs(*code)))
        .filter(|code| claimed(&of(*code)).is_none())
        .collect();
    assert_eq!(missing, []);
}

#[test]
fn a_form_is_undefined_exactly_where_its_feature_is_missing() {
    let not_here = lookup(&of(Code::Cpuid), Features::empty()) as usize;
    for name in Name::ALL {
        let model = Model::new(name, Features::all());
        for code in forms().filter(|code| claimed(&of(*code)).is_some()) {
            let runs = lookup(&of(code), model.features) as usize != not_here;
            assert_eq!(runs, model.has(needs(code)), "{code:?} on {name}");
        }
    }
}
