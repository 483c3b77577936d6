//! The host's vector unit.

use x86::Features;

/// What the host has of [`Features::OF_THE_HOST`].
#[must_use]
pub fn features() -> Features {
    let detected = [
        (is_x86_feature_detected!("sse3"), Features::SSE3),
        (is_x86_feature_detected!("ssse3"), Features::SSSE3),
        (is_x86_feature_detected!("sse4.1"), Features::SSE41),
        (is_x86_feature_detected!("sse4.2"), Features::SSE42),
        (is_x86_feature_detected!("popcnt"), Features::POPCNT),
    ];
    let has = detected.into_iter().filter(|(there, _)| *there);
    has.fold(Features::empty(), |all, (_, feature)| all | feature)
}
