//! Civil time from seconds since 1970-01-01, and back: the Gregorian calendar without leap
//! seconds.

use serde::{Deserialize, Serialize};

/// A moment of civil time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Civil {
    /// Year, 0..=9999.
    pub year: u32,
    /// Month, 1..=12.
    pub month: u32,
    /// Day of the month, 1..=31.
    pub day: u32,
    /// Hour, 0..=23.
    pub hour: u32,
    /// Minute, 0..=59.
    pub minute: u32,
    /// Second, 0..=59.
    pub second: u32,
}

const DAY_S: u64 = 86_400;

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 0000-01-01 to the first day of a year.
fn days_before(year: u32) -> u64 {
    let y = u64::from(year);
    match y.checked_sub(1) {
        None => 0,
        Some(p) => y * 365 + p / 4 - p / 100 + p / 400 + 1,
    }
}

impl Civil {
    /// The start of a deterministic machine's clock: 2026-01-01 00:00:00.
    pub const DEFAULT: Self = Self { year: 2026, month: 1, day: 1, hour: 0, minute: 0, second: 0 };

    /// From seconds since 1970-01-01.
    #[must_use]
    pub fn from_unix(seconds: u64) -> Self {
        Self::from_epoch(days_before(1970) * DAY_S + seconds)
    }

    /// From seconds since 0000-01-01.
    #[must_use]
    pub fn from_epoch(seconds: u64) -> Self {
        let days = seconds / DAY_S;
        let mut year = ((days / 366).min(9999)) as u32;
        while year < 9999 && days_before(year + 1) <= days {
            year += 1;
        }
        let mut rest = (days - days_before(year)).min(365) as u32;
        let mut month = 1;
        while month < 12 && rest >= days_in(year, month) {
            rest -= days_in(year, month);
            month += 1;
        }
        let of_day = (seconds % DAY_S) as u32;
        Self {
            year,
            month,
            day: rest + 1,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }

    /// Seconds since 0000-01-01. A field out of range counts on into the next.
    #[must_use]
    pub fn to_epoch(self) -> u64 {
        let year = self.year.min(9999);
        let months: u64 = (1..self.month.clamp(1, 12)).map(|m| u64::from(days_in(year, m))).sum();
        let days = days_before(year) + months + u64::from(self.day.max(1) - 1);
        days * DAY_S
            + u64::from(self.hour) * 3600
            + u64::from(self.minute) * 60
            + u64::from(self.second)
    }

    /// Day of the week, 1 = Sunday, as the RTC counts.
    #[must_use]
    pub fn weekday(self) -> u32 {
        // 0000-01-01 was a Saturday.
        ((self.to_epoch() / DAY_S + 6) % 7) as u32 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn civil(year: u32, month: u32, day: u32, hour: u32, minute: u32, second: u32) -> Civil {
        Civil { year, month, day, hour, minute, second }
    }

    #[test]
    fn unix_seconds_become_dates() {
        assert_eq!(Civil::from_unix(0), civil(1970, 1, 1, 0, 0, 0));
        assert_eq!(Civil::from_unix(951_827_696), civil(2000, 2, 29, 12, 34, 56));
        assert_eq!(Civil::from_unix(1_767_225_600), Civil::DEFAULT);
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in days_before(1900)..days_before(2301) {
            assert_eq!(Civil::from_epoch(day * DAY_S + 7).to_epoch(), day * DAY_S + 7);
        }
    }

    #[test]
    fn new_year_2026_is_a_thursday() {
        assert_eq!(Civil::DEFAULT.weekday(), 5);
    }
}
