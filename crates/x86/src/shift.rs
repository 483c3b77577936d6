//! Shifts, rotates and double shifts. All take a count that the caller has masked to five
//! bits; with a count of 0 they return `None`, since then nothing is written, not even a flag
//! (SDM 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD).

use crate::arith::{Arith, Width};

fn bit<W: Width>(v: u64, n: u32) -> bool {
    n < 64 && v >> n & 1 != 0 && W::BITS > 0
}

fn top<W: Width>(v: W) -> bool {
    v.zx() >> (W::BITS - 1) & 1 != 0
}

/// SHL and its alias SAL.
#[inline]
#[must_use]
pub fn shl<W: Width>(a: W, count: u32) -> Option<(W, Arith)> {
    if count == 0 {
        return None;
    }
    let wide = u64::from(a.zx()) << count;
    let result = W::trunc(wide as u32);
    let cf = bit::<W>(wide, W::BITS);
    Some((result, Arith::with(result, cf, top(result) != cf, false)))
}

/// SHR.
#[inline]
#[must_use]
pub fn shr<W: Width>(a: W, count: u32) -> Option<(W, Arith)> {
    if count == 0 {
        return None;
    }
    let before = u64::from(a.zx()) >> (count - 1);
    let result = W::trunc((before >> 1) as u32);
    let of = bit::<W>(before, W::BITS - 1);
    Some((result, Arith::with(result, before & 1 != 0, of, false)))
}

/// SAR.
#[inline]
#[must_use]
pub fn sar<W: Width>(a: W, count: u32) -> Option<(W, Arith)> {
    if count == 0 {
        return None;
    }
    let before = i64::from(a.sx() as i32) >> (count - 1);
    let result = W::trunc((before >> 1) as u32);
    Some((result, Arith::with(result, before & 1 != 0, false, false)))
}

/// ROL. The flags are `old` with another CF and OF.
#[inline]
#[must_use]
pub fn rol<W: Width>(a: W, count: u32, old: Arith) -> Option<(W, Arith)> {
    if count == 0 {
        return None;
    }
    let n = count % W::BITS;
    let v = u64::from(a.zx());
    let result = W::trunc((v << n | v >> (W::BITS - n)) as u32);
    let cf = result.zx() & 1 != 0;
    Some((result, old.with_cf_of(cf, top(result) != cf)))
}

/// ROR. The flags are `old` with another CF and OF.
#[inline]
#[must_use]
pub fn ror<W: Width>(a: W, count: u32, old: Arith) -> Option<(W, Arith)> {
    if count == 0 {
        return None;
    }
    let n = count % W::BITS;
    let v = u64::from(a.zx());
    let result = W::trunc((v >> n | v << (W::BITS - n)) as u32);
    let next = result.zx() >> (W::BITS - 2) & 1 != 0;
    Some((result, old.with_cf_of(top(result), top(result) != next)))
}

/// RCL: a rotate through CF, `W::BITS + 1` bits round.
#[inline]
#[must_use]
pub fn rcl<W: Width>(a: W, count: u32, old: Arith) -> Option<(W, Arith)> {
    if count == 0 {
        return None;
    }
    let (result, cf) = through_carry(a, count % (W::BITS + 1), old);
    Some((result, old.with_cf_of(cf, top(result) != cf)))
}

/// RCR: a rotate through CF, `W::BITS + 1` bits round.
#[inline]
#[must_use]
pub fn rcr<W: Width>(a: W, count: u32, old: Arith) -> Option<(W, Arith)> {
    if count == 0 {
        return None;
    }
    let round = W::BITS + 1;
    let (result, cf) = through_carry(a, (round - count % round) % round, old);
    let next = result.zx() >> (W::BITS - 2) & 1 != 0;
    Some((result, old.with_cf_of(cf, top(result) != next)))
}

/// `CF:a` rotated left by `n`, below `W::BITS + 1`.
fn through_carry<W: Width>(a: W, n: u32, old: Arith) -> (W, bool) {
    let round = W::BITS + 1;
    let v = u64::from(old.cf()) << W::BITS | u64::from(a.zx());
    let rotated = if n == 0 { v } else { v << n | v >> (round - n) };
    (W::trunc(rotated as u32), rotated >> W::BITS & 1 != 0)
}

/// SHLD: `a` shifted left, filled from the top of `b`. For a 16-bit operand and a count above
/// 16 the result is undefined; processors then fill on from `b` again.
#[inline]
#[must_use]
pub fn shld<W: Width>(a: W, b: W, count: u32) -> Option<(W, Arith)> {
    if count == 0 {
        return None;
    }
    let (x, y) = (u64::from(a.zx()), u64::from(b.zx()));
    let bits = W::BITS;
    // a:b:b as one long value, of which the top `bits` after the shift are the result.
    let long = u128::from(x) << (2 * bits) | u128::from(y) << bits | u128::from(y);
    let shifted = long << count;
    let result = W::trunc((shifted >> (2 * bits)) as u32);
    let cf = shifted >> (3 * bits) & 1 != 0;
    Some((result, Arith::with(result, cf, top(result) != top(a), false)))
}

/// SHRD: `a` shifted right, filled from the bottom of `b`. As for SHLD, a count above 16 with
/// a 16-bit operand goes on with `b`.
#[inline]
#[must_use]
pub fn shrd<W: Width>(a: W, b: W, count: u32) -> Option<(W, Arith)> {
    if count == 0 {
        return None;
    }
    let (x, y) = (u64::from(a.zx()), u64::from(b.zx()));
    let bits = W::BITS;
    let long = u128::from(y) << (2 * bits) | u128::from(y) << bits | u128::from(x);
    let before = long >> (count - 1);
    let result = W::trunc((before >> 1) as u32);
    let of = top(result) != (result.zx() >> (bits - 2) & 1 != 0);
    Some((result, Arith::with(result, before & 1 != 0, of, false)))
}
