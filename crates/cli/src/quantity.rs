//! Sizes, durations, counts and addresses as people write them: `64M`, `1.5s`, `2_000_000`, `0x7C00`.

/// Bytes: a number, decimal or 0x, with K, M, G or T.
pub fn size_bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = split_suffix(text, &[("k", 10), ("m", 20), ("g", 30), ("t", 40)]);
    let number = count(digits).map_err(|_| bad_size(text))?;
    number.checked_mul(1 << unit).ok_or_else(|| format!("{text} is more than can be addressed"))
}

fn bad_size(text: &str) -> String {
    format!("\"{text}\" is no size; write it like 64M, 512K or 1G")
}

/// Splits a unit of one letter (an `iB` or `B` after it is fine) off a number.
fn split_suffix<'a>(text: &'a str, units: &[(&str, u32)]) -> (&'a str, u32) {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("0x") {
        return (text, 0);
    }
    let trimmed = lower.trim_end_matches('b').trim_end_matches('i');
    for (name, shift) in units {
        if let Some(digits) = trimmed.strip_suffix(name) {
            return (&text[..digits.len()], *shift);
        }
    }
    (text, 0)
}

/// A whole number, decimal or 0x, `_` between digits allowed.
pub fn count(text: &str) -> Result<u64, String> {
    let plain = text.replace('_', "");
    let hex = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X"));
    let (digits, radix) = hex.map_or((plain.as_str(), 10), |digits| (digits, 16));
    let good = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = if good { u64::from_str_radix(digits, radix).ok() } else { None };
    number.ok_or_else(|| format!("\"{text}\" is no number; write it like 4096 or 0x1000"))
}

/// Nanoseconds: a number with ns, us, ms, s or min.
pub fn duration_ns(text: &str) -> Result<u64, String> {
    const UNITS: &[(&str, f64)] =
        &[("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("min", 6e10), ("s", 1e9)];
    let bad = || format!("\"{text}\" is no duration; write it like 2s, 500ms or 1min");
    let (digits, scale) = UNITS
        .iter()
        .find_map(|(unit, scale)| text.strip_suffix(unit).map(|digits| (digits, *scale)))
        .ok_or_else(bad)?;
    let number = digits.trim().parse::<f64>().map_err(|_| bad())?;
    let ns = number * scale;
    if !(ns.is_finite() && (0.0..1.8e19).contains(&ns)) {
        return Err(bad());
    }
    Ok(ns.round() as u64)
}

/// As [`duration_ns`], and a bare number is seconds.
pub fn seconds_ns(text: &str) -> Result<u64, String> {
    let bare = text.ends_with(|c: char| c.is_ascii_digit());
    duration_ns(&if bare { format!("{text}s") } else { text.to_owned() })
}

/// Nanoseconds as a person reads them.
pub fn show_ns(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.3} s", ns as f64 / 1e9),
    }
}

/// Bytes as a person reads them.
pub fn show_bytes(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 30 && b % (1 << 30) == 0 => format!("{} GiB", b >> 30),
        b if b >= 1 << 20 => format!("{} MiB", b >> 20),
        b if b >= 1 << 10 => format!("{} KiB", b >> 10),
        b => format!("{b} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_units_of_1024() {
        assert_eq!(size_bytes("64M"), Ok(64 << 20));
        assert_eq!(size_bytes("64MiB"), Ok(64 << 20));
        assert_eq!(size_bytes("1g"), Ok(1 << 30));
        assert_eq!(size_bytes("0x1000"), Ok(4096));
        assert_eq!(size_bytes("512"), Ok(512));
    }

    #[test]
    fn a_size_that_is_none_is_quoted() {
        assert!(size_bytes("lots").unwrap_err().contains("\"lots\" is no size"));
        assert!(size_bytes("-1M").is_err());
        assert!(size_bytes("").is_err());
        assert!(size_bytes("99999999999G").is_err());
    }

    #[test]
    fn durations_need_units_and_seconds_need_none() {
        assert_eq!(duration_ns("2s"), Ok(2_000_000_000));
        assert_eq!(duration_ns("1.5ms"), Ok(1_500_000));
        assert_eq!(duration_ns("1min"), Ok(60_000_000_000));
        assert!(duration_ns("2").is_err());
        assert!(duration_ns("-2s").is_err());
        assert_eq!(seconds_ns("2"), Ok(2_000_000_000));
        assert_eq!(seconds_ns("10ms"), Ok(10_000_000));
        assert!(seconds_ns("infs").is_err());
    }

    #[test]
    fn counts_may_be_grouped_or_hexadecimal() {
        assert_eq!(count("2_000_000"), Ok(2_000_000));
        assert_eq!(count("0x7C00"), Ok(0x7C00));
        assert!(count("ten").is_err());
        assert!(count("+5").is_err());
        assert!(count("").is_err());
    }
}
