//! The ALU against a model in wide integers: every result and every flag that the SDM defines,
//! computed the long way, bit by bit where that is plainest (SDM 2, "Flags Affected").

use proptest::prelude::*;
use x86::alu;
use x86::arith::{Arith, Width};
use x86::{Eflags, shift};

/// What an operation should give: the result, and the flags under a mask of defined ones.
struct Expected {
    result: u128,
    flags: u32,
    defined: Eflags,
}

fn bit(on: bool, flag: Eflags) -> u32 {
    if on { flag.bits() } else { 0 }
}

/// SF, ZF and PF of a result of `bits` bits.
fn result_flags(result: u128, bits: u32) -> u32 {
    let ones = (0..8).filter(|n| result >> n & 1 != 0).count();
    bit(result == 0, Eflags::ZF)
        | bit(result >> (bits - 1) & 1 != 0, Eflags::SF)
        | bit(ones % 2 == 0, Eflags::PF)
}

fn signed(v: u128, bits: u32) -> i128 {
    let v = v as i128;
    if v >> (bits - 1) & 1 != 0 { v - (1 << bits) } else { v }
}

fn fits_signed(v: i128, bits: u32) -> bool {
    (-(1i128 << (bits - 1))..1i128 << (bits - 1)).contains(&v)
}

fn sum(a: u128, b: u128, carry: bool, bits: u32) -> Expected {
    let c = u128::from(carry);
    let mask = (1u128 << bits) - 1;
    let result = (a + b + c) & mask;
    let exact = signed(a, bits) + signed(b, bits) + i128::from(carry);
    let flags = result_flags(result, bits)
        | bit(a + b + c > mask, Eflags::CF)
        | bit((a & 15) + (b & 15) + c > 15, Eflags::AF)
        | bit(!fits_signed(exact, bits), Eflags::OF);
    Expected { result, flags, defined: Eflags::STATUS }
}

fn difference(a: u128, b: u128, borrow: bool, bits: u32) -> Expected {
    let c = u128::from(borrow);
    let mask = (1u128 << bits) - 1;
    let result = a.wrapping_sub(b + c) & mask;
    let exact = signed(a, bits) - signed(b, bits) - i128::from(borrow);
    let flags = result_flags(result, bits)
        | bit(a < b + c, Eflags::CF)
        | bit((a & 15) < (b & 15) + c, Eflags::AF)
        | bit(!fits_signed(exact, bits), Eflags::OF);
    Expected { result, flags, defined: Eflags::STATUS }
}

/// Shifts or rotates by one, `count` times; `step` gives the next value and the bit shifted out.
fn repeated(
    a: u128,
    count: u32,
    carry: bool,
    step: impl Fn(u128, bool) -> (u128, bool),
) -> (u128, bool) {
    (0..count).fold((a, carry), |(v, cf), _| step(v, cf))
}

fn check<W: Width>(what: &str, got: (W, Arith), want: &Expected) -> Result<(), TestCaseError> {
    let defined = want.defined.bits();
    prop_assert_eq!(u128::from(got.0.zx()), want.result, "{} result", what);
    prop_assert_eq!(got.1.flags() & defined, want.flags & defined, "{} flags", what);
    Ok(())
}

fn additions<W: Width>(a: u32, b: u32, c: bool) -> Result<(), TestCaseError> {
    let (a, b) = (W::trunc(a), W::trunc(b));
    let (x, y) = (u128::from(a.zx()), u128::from(b.zx()));
    check("add", alu::add(a, b, c), &sum(x, y, c, W::BITS))?;
    check("sub", alu::sub(a, b, c), &difference(x, y, c, W::BITS))?;
    let old = Arith::from_flags(u32::from(c));
    let keep = |mut e: Expected| {
        e.flags = e.flags & !1 | u32::from(c);
        e
    };
    check("inc", alu::inc(a, old), &keep(sum(x, 1, false, W::BITS)))?;
    check("dec", alu::dec(a, old), &keep(difference(x, 1, false, W::BITS)))
}

fn products<W: Width>(a: u32, b: u32, high: u32) -> Result<(), TestCaseError> {
    let (a, b, high) = (W::trunc(a), W::trunc(b), W::trunc(high));
    let (x, y) = (u128::from(a.zx()), u128::from(b.zx()));
    let mask = (1u128 << W::BITS) - 1;
    let (low, top, flags) = alu::mul(a, b);
    prop_assert_eq!(u128::from(low.zx()) | u128::from(top.zx()) << W::BITS, x * y);
    prop_assert_eq!(flags.cf(), x * y > mask);
    prop_assert_eq!(flags.of(), flags.cf());
    let exact = signed(x, W::BITS) * signed(y, W::BITS);
    let (low, top, flags) = alu::imul(a, b);
    let both = u128::from(low.zx()) | u128::from(top.zx()) << W::BITS;
    prop_assert_eq!(signed(both, 2 * W::BITS), exact);
    prop_assert_eq!(flags.cf(), !fits_signed(exact, W::BITS));
    let dividend = u128::from(high.zx()) << W::BITS | x;
    let quotient = dividend.checked_div(y).filter(|q| *q <= mask);
    let want = quotient.map(|q| (q, dividend % y));
    let pair = |(q, r): (W, W)| (u128::from(q.zx()), u128::from(r.zx()));
    prop_assert_eq!(alu::div(high, a, b).map(pair), want);
    let (n, d) = (signed(dividend, 2 * W::BITS), signed(y, W::BITS));
    let want = n.checked_div(d).filter(|q| fits_signed(*q, W::BITS)).map(|q| (q, n % d));
    let pair = |(q, r): (W, W)| (i128::from(q.sx() as i32), i128::from(r.sx() as i32));
    prop_assert_eq!(alu::idiv(high, a, b).map(pair), want);
    Ok(())
}

fn shifts<W: Width>(a: u32, count: u32, c: bool) -> Result<(), TestCaseError> {
    let (a, bits) = (W::trunc(a), W::BITS);
    let x = u128::from(a.zx());
    let mask = (1u128 << bits) - 1;
    let top = |v: u128| v >> (bits - 1) & 1;
    let old = Arith::from_flags(u32::from(c));
    let left = |v: u128, _| (v << 1 & mask, top(v) != 0);
    let right = |v: u128, _| (v >> 1, v & 1 != 0);
    let arithmetic = |v: u128, _| (v >> 1 | top(v) << (bits - 1), v & 1 != 0);
    let defined = Eflags::CF | Eflags::ZF | Eflags::SF | Eflags::PF;
    let shift_like = |(result, cf)| Expected {
        result,
        flags: result_flags(result, bits) | bit(cf, Eflags::CF),
        // CF is undefined once SHL or SHR has shifted every bit out.
        defined: if count > bits { defined - Eflags::CF } else { defined },
    };
    let got = |r: Option<(W, Arith)>| r.expect("the count isn't 0");
    check("shl", got(shift::shl(a, count)), &shift_like(repeated(x, count, c, left)))?;
    check("shr", got(shift::shr(a, count)), &shift_like(repeated(x, count, c, right)))?;
    let mut sar = shift_like(repeated(x, count, c, arithmetic));
    sar.defined = defined;
    check("sar", got(shift::sar(a, count)), &sar)?;
    let rotate_like =
        |(result, cf)| Expected { result, flags: bit(cf, Eflags::CF), defined: Eflags::CF };
    let rol = |v: u128, _| (v << 1 & mask | top(v), top(v) != 0);
    let ror = |v: u128, _| (v >> 1 | (v & 1) << (bits - 1), v & 1 != 0);
    let rcl = |v: u128, cf| (v << 1 & mask | u128::from(cf), top(v) != 0);
    let rcr = |v: u128, cf| (v >> 1 | u128::from(cf) << (bits - 1), v & 1 != 0);
    check("rol", got(shift::rol(a, count, old)), &rotate_like(repeated(x, count, c, rol)))?;
    check("ror", got(shift::ror(a, count, old)), &rotate_like(repeated(x, count, c, ror)))?;
    check("rcl", got(shift::rcl(a, count, old)), &rotate_like(repeated(x, count, c, rcl)))?;
    check("rcr", got(shift::rcr(a, count, old)), &rotate_like(repeated(x, count, c, rcr)))
}

/// Values near the edges as often as any others.
fn operand() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        prop::sample::select(vec![0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF]),
        prop::sample::select(vec![0x8000_0000, 0xFFFF_FFFF, 0xF, 0x10, 0xFFFF_FF80]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn additions_and_subtractions_agree(a in operand(), b in operand(), c: bool) {
        additions::<u8>(a, b, c)?;
        additions::<u16>(a, b, c)?;
        additions::<u32>(a, b, c)?;
    }

    #[test]
    fn products_and_quotients_agree(a in operand(), b in operand(), high in operand()) {
        products::<u8>(a, b, high)?;
        products::<u16>(a, b, high)?;
        products::<u32>(a, b, high)?;
    }

    #[test]
    fn shifts_and_rotates_agree(a in operand(), count in 1u32..32, c: bool) {
        shifts::<u8>(a, count, c)?;
        shifts::<u16>(a, count, c)?;
        shifts::<u32>(a, count, c)?;
    }
}

#[test]
fn a_count_of_zero_writes_nothing() {
    let old = Arith::default();
    assert_eq!(shift::shl(1u8, 0), None);
    assert_eq!(shift::rcr(1u32, 0, old), None);
    assert_eq!(shift::shld(1u16, 2, 0), None);
}
