//! The few statistics that benchmark results need. Medians, because one disturbed run must not
//! move the result.

use serde::Serialize;

/// What several timings of one thing come to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The middle value, in seconds.
    pub median: f64,
    /// The fastest run, in seconds.
    pub min: f64,
    /// The slowest run, in seconds.
    pub max: f64,
    /// Every run in the order measured, in seconds.
    pub samples: Vec<f64>,
}

impl Summary {
    /// Sums up `samples`, of which there is at least one.
    pub fn of(samples: Vec<f64>) -> Option<Self> {
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Self { median, min, max, samples })
    }

    /// Half the range as a share of the median: 0.02 is plus or minus two percent.
    pub fn spread(&self) -> f64 {
        (self.max - self.min) / 2.0 / self.median
    }
}

/// The geometric mean of positive ratios, or `None` without any.
pub fn geometric_mean(ratios: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = ratios.into_iter().fold((0.0, 0_u32), |(s, n), r| (s + r.ln(), n + 1));
    (count > 0).then(|| (sum / f64::from(count)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_an_odd_number_is_the_middle_one_and_samples_keep_their_order() {
        let summary = Summary::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((summary.min, summary.median, summary.max), (1.0, 2.0, 3.0));
        assert_eq!(summary.samples, [3.0, 1.0, 2.0]);
        assert_eq!(summary.spread(), 0.5);
    }

    #[test]
    fn median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(Summary::of(vec![4.0, 1.0, 2.0, 9.0]).unwrap().median, 3.0);
    }

    #[test]
    fn nothing_has_no_summary_and_no_mean() {
        assert_eq!(Summary::of(vec![]), None);
        assert_eq!(geometric_mean([]), None);
    }

    #[test]
    fn geometric_mean_of_a_half_and_eight_is_two() {
        let mean = geometric_mean([0.5, 8.0]).unwrap();
        assert!((mean - 2.0).abs() < 1e-12, "{mean}");
    }
}
