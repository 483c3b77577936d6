//! The arrows between our crates. `docs/ARCHITECTURE.md` draws them; this list keeps the picture
//! true. A new arrow is a change of this list, in a commit of its own that says why.

use crate::repo;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a crate may use, of ours; its tests may use anything.
const ALLOWED: &[(&str, &[&str])] = &[
    ("x86", &[]),
    ("decode", &["x86"]),
    ("mem", &["x86"]),
    ("bus", &["mem", "x86"]),
    ("mmu", &["mem", "x86"]),
    ("interp", &["bus", "decode", "mem", "mmu", "x86"]),
    ("jit", &["bus", "decode", "interp", "mem", "mmu", "x86"]),
    ("devices", &["bus", "mem", "x86"]),
    ("machine", &["bus", "decode", "devices", "interp", "jit", "mem", "mmu", "roms", "x86"]),
    ("screen", &["devices"]),
    ("debugger", &["decode", "x86"]),
    ("cli", &["debugger", "devices", "machine", "mem", "roms", "screen", "x86"]),
    ("roms", &[]),
    // Outside the product: these may use whatever they test or measure.
    (
        "testkit",
        &["bus", "decode", "devices", "interp", "jit", "machine", "mem", "mmu", "roms", "x86"],
    ),
    ("xtask", &["machine", "roms", "screen", "testkit"]),
    ("benches", &["bus", "decode", "interp", "machine", "mem", "mmu", "roms", "x86"]),
];

/// The one crate that may name a library of others.
const OWNERS: &[(&str, &[&str])] = &[
    ("iced-x86", &["decode", "testkit"]),
    ("memmap2", &["mem"]),
    ("dynasm", &["jit"]),
    ("dynasmrt", &["jit"]),
    ("clap", &["cli", "xtask"]),
    ("crossterm", &["cli"]),
    ("fatfs", &["cli"]),
];

/// A dependency as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The crate.
    pub from: String,
    /// What it uses.
    pub to: String,
    /// Only for tests and examples.
    pub dev: bool,
    /// One of ours.
    pub ours: bool,
}

/// All arrows, from cargo's own reading of the manifests.
pub fn read(root: &Path) -> Result<Vec<Arrow>, String> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps"];
    let text = repo::capture(repo::cargo().args(arguments).current_dir(root))?;
    let data: Value = serde_json::from_str(&text).map_err(|e| format!("cargo metadata: {e}"))?;
    let packages = data["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let mut arrows = Vec::new();
    for package in packages {
        for used in package["dependencies"].as_array().into_iter().flatten() {
            arrows.push(Arrow {
                from: package["name"].as_str().unwrap_or_default().to_owned(),
                to: used["name"].as_str().unwrap_or_default().to_owned(),
                dev: used["kind"].as_str() == Some("dev"),
                ours: used["path"].is_string(),
            });
        }
    }
    Ok(arrows)
}

/// The arrows that no rule allows.
pub fn check(arrows: &[Arrow]) -> Vec<String> {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ALLOWED.iter().map(|(from, to)| (*from, to.iter().copied().collect())).collect();
    let owners: BTreeMap<&str, &[&str]> = OWNERS.iter().copied().collect();
    arrows.iter().filter_map(|arrow| complain(arrow, &allowed, &owners)).collect()
}

fn complain(
    arrow: &Arrow,
    allowed: &BTreeMap<&str, BTreeSet<&str>>,
    owners: &BTreeMap<&str, &[&str]>,
) -> Option<String> {
    let Arrow { from, to, dev, ours } = arrow;
    if !ours {
        let owner = owners.get(to.as_str())?;
        let fine = *dev || owner.contains(&from.as_str());
        return (!fine)
            .then(|| format!("{from} names {to}, which belongs to {}", owner.join(", ")));
    }
    let Some(list) = allowed.get(from.as_str()) else {
        return Some(format!("crate {from} isn't in the list of arrows (tidy/arrows.rs)"));
    };
    let fine = *dev || list.contains(to.as_str());
    (!fine).then(|| format!("{from} may not use {to}: no such arrow in tidy/arrows.rs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrow(from: &str, to: &str, dev: bool, ours: bool) -> Arrow {
        Arrow { from: from.into(), to: to.into(), dev, ours }
    }

    #[test]
    fn an_arrow_up_the_picture_is_refused() {
        let wrong = check(&[arrow("mem", "bus", false, true)]);
        assert_eq!(wrong, ["mem may not use bus: no such arrow in tidy/arrows.rs"]);
    }

    #[test]
    fn an_arrow_of_the_picture_passes() {
        assert!(check(&[arrow("interp", "mmu", false, true)]).is_empty());
    }

    #[test]
    fn testkit_is_for_tests_alone() {
        assert!(check(&[arrow("interp", "testkit", true, true)]).is_empty());
        assert_eq!(check(&[arrow("interp", "testkit", false, true)]).len(), 1);
    }

    #[test]
    fn only_decode_names_the_decoder() {
        assert!(check(&[arrow("decode", "iced-x86", false, false)]).is_empty());
        assert_eq!(check(&[arrow("interp", "iced-x86", false, false)]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_rule_is_named() {
        let wrong = check(&[arrow("novice", "x86", false, true)]);
        assert!(wrong[0].contains("crate novice"), "{wrong:?}");
    }
}
