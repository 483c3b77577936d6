//! The pure ALU: operands and carry in, result and flags out. No memory, no registers.
//! Where the SDM leaves a flag undefined, the value that processors of today give is used.
//! (SDM 2, each instruction's "Flags Affected".)

use crate::arith::{Arith, Width};
use crate::flags::Eflags;

/// `a + b + carry`.
#[inline(always)]
#[must_use]
pub fn add<W: Width>(a: W, b: W, carry: bool) -> (W, Arith) {
    let (a, b) = (a.zx(), b.zx());
    let sum = a.wrapping_add(b).wrapping_add(u32::from(carry));
    let result = W::trunc(sum);
    (result, Arith::from_carries(result, (a & b) | ((a | b) & !sum)))
}

/// `a - b - borrow`.
#[inline(always)]
#[must_use]
pub fn sub<W: Width>(a: W, b: W, borrow: bool) -> (W, Arith) {
    let (a, b) = (a.zx(), b.zx());
    let difference = a.wrapping_sub(b).wrapping_sub(u32::from(borrow));
    let result = W::trunc(difference);
    (result, Arith::from_carries(result, (!a & b) | (!(a ^ b) & difference)))
}

/// `a + 1`; CF stays as in `old`.
#[inline(always)]
#[must_use]
pub fn inc<W: Width>(a: W, old: Arith) -> (W, Arith) {
    let (result, flags) = add(a, W::trunc(1), false);
    (result, flags.with_cf(old.cf()))
}

/// `a - 1`; CF stays as in `old`.
#[inline(always)]
#[must_use]
pub fn dec<W: Width>(a: W, old: Arith) -> (W, Arith) {
    let (result, flags) = sub(a, W::trunc(1), false);
    (result, flags.with_cf(old.cf()))
}

/// Bitwise AND, OR or XOR done by the caller on zero-extended values.
#[inline(always)]
#[must_use]
pub fn logic<W: Width>(value: u32) -> (W, Arith) {
    let result = W::trunc(value);
    (result, Arith::logic(result))
}

/// Unsigned product as (low, high); CF and OF say that the high half isn't zero. SF, ZF, AF
/// and PF are undefined.
#[inline]
#[must_use]
pub fn mul<W: Width>(a: W, b: W) -> (W, W, Arith) {
    let product = u64::from(a.zx()) * u64::from(b.zx());
    let (low, high) = (W::trunc(product as u32), W::trunc((product >> W::BITS) as u32));
    let over = high.zx() != 0;
    (low, high, Arith::with(low, over, over, false))
}

/// Signed product as (low, high); CF and OF say that the low half doesn't hold all of it.
#[inline]
#[must_use]
pub fn imul<W: Width>(a: W, b: W) -> (W, W, Arith) {
    let product = i64::from(a.sx() as i32) * i64::from(b.sx() as i32);
    let (low, high) = (W::trunc(product as u32), W::trunc((product >> W::BITS) as u32));
    let over = i64::from(low.sx() as i32) != product;
    (low, high, Arith::with(low, over, over, false))
}

/// Unsigned quotient and remainder of `high:low / divisor`; `None` is #DE.
#[inline]
#[must_use]
pub fn div<W: Width>(high: W, low: W, divisor: W) -> Option<(W, W)> {
    let dividend = u64::from(high.zx()) << W::BITS | u64::from(low.zx());
    let divisor = u64::from(divisor.zx());
    let quotient = dividend.checked_div(divisor)?;
    if quotient >> W::BITS != 0 {
        return None;
    }
    Some((W::trunc(quotient as u32), W::trunc((dividend % divisor) as u32)))
}

/// Signed quotient and remainder of `high:low / divisor`; `None` is #DE.
#[inline]
#[must_use]
pub fn idiv<W: Width>(high: W, low: W, divisor: W) -> Option<(W, W)> {
    let dividend = i64::from(high.sx() as i32) << W::BITS | i64::from(low.zx());
    let divisor = i64::from(divisor.sx() as i32);
    let quotient = dividend.checked_div(divisor)?;
    let result = W::trunc(quotient as u32);
    if i64::from(result.sx() as i32) != quotient {
        return None;
    }
    Some((result, W::trunc((dividend % divisor) as u32)))
}

/// DAA: AL and the flags after a packed decimal addition.
#[must_use]
pub fn daa(al: u8, old: Arith) -> (u8, Arith) {
    decimal_adjust(al, old, u8::wrapping_add)
}

/// DAS: AL and the flags after a packed decimal subtraction.
#[must_use]
pub fn das(al: u8, old: Arith) -> (u8, Arith) {
    decimal_adjust(al, old, u8::wrapping_sub)
}

fn decimal_adjust(al: u8, old: Arith, apply: fn(u8, u8) -> u8) -> (u8, Arith) {
    let low = al & 0x0F > 9 || old.af();
    let high = al > 0x99 || old.cf();
    let adjustment = if low { 6 } else { 0 } + if high { 0x60 } else { 0 };
    let result = apply(al, adjustment);
    // DAS sets CF too where adjusting the low digit alone borrows (SDM 2, DAS). DAA's carry
    // out of the low adjustment implies `al > 0x99` already.
    let borrowed = low && apply(0, 6) != 6 && al < 6;
    (result, Arith::with(result, high || borrowed, false, low))
}

/// AAA: AX and the flags after an unpacked decimal addition.
#[must_use]
pub fn aaa(ax: u16, old: Arith) -> (u16, Arith) {
    let adjust = ax & 0x0F > 9 || old.af();
    let sum = if adjust { ax.wrapping_add(0x106) } else { ax };
    unpacked_flags(ax as u8, if adjust { 6 } else { 0 }, sum, adjust)
}

/// AAS: AX and the flags after an unpacked decimal subtraction.
#[must_use]
pub fn aas(ax: u16, old: Arith) -> (u16, Arith) {
    let adjust = ax & 0x0F > 9 || old.af();
    let difference = if adjust { ax.wrapping_sub(0x106) } else { ax };
    let (_, flags) = sub(ax as u8, if adjust { 6 } else { 0 }, false);
    let result = difference & 0xFF0F;
    (result, Arith::with(result as u8, adjust, false, adjust).with_cf_of(adjust, flags.of()))
}

fn unpacked_flags(al: u8, adjustment: u8, sum: u16, adjust: bool) -> (u16, Arith) {
    let (_, flags) = add(al, adjustment, false);
    let result = sum & 0xFF0F;
    (result, Arith::with(result as u8, adjust, flags.of(), adjust))
}

/// AAM: AX and the flags; `None` is #DE.
#[must_use]
pub fn aam(al: u8, base: u8) -> Option<(u16, Arith)> {
    let tens = al.checked_div(base)?;
    let ones = al % base;
    Some((u16::from(tens) << 8 | u16::from(ones), Arith::logic(ones)))
}

/// AAD: AX and the flags.
#[must_use]
pub fn aad(ax: u16, base: u8) -> (u16, Arith) {
    let tens = ((ax >> 8) as u8).wrapping_mul(base);
    let (result, flags) = add(ax as u8, tens, false);
    (u16::from(result), flags)
}

/// BSF and BSR set ZF for a zero source; the other flags are undefined.
#[must_use]
pub fn scan_flags<W: Width>(source: W) -> Arith {
    let f = if source.zx() == 0 { Eflags::ZF | Eflags::PF } else { Eflags::empty() };
    Arith::from_flags(f.bits())
}
