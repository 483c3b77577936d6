//! The chain of faults told step by step, from the first to the shutdown (SDM 3A 6.15, table
//! 6-5: which pairs of faults make a double fault).

use crate::scene::{Ending, Link, Scene};
use crate::sentence;
use crate::words;
use x86::fault::{Nesting, Vector, nest};

/// The steps to the end, in plain words.
#[must_use]
pub fn tell(scene: &Scene<'_>) -> Vec<String> {
    let mut story = Vec::new();
    if let Some(open) = scene.history.open_delivery().filter(|_| scene.chain.is_empty()) {
        story.push(format!(
            "At step {} {} was delivered; it interrupted {} and its handler began at {}.",
            open.step,
            words::vector(open.vector),
            scene.place(&open.from),
            scene.place(&open.to)
        ));
    }
    let mut current: Option<Vector> = None;
    for link in scene.chain {
        match current {
            None => story.push(first(scene, link)),
            Some(during) => story.push(next(during, link)),
        }
        current = Some(outcome(current, link.fault.vector));
    }
    story.push(last(scene));
    story
}

/// The vector that is being delivered after a fault on top of another.
fn outcome(current: Option<Vector>, second: Vector) -> Vector {
    match current.map(|first| nest(first.class(), second.class())) {
        Some(Nesting::DoubleFault | Nesting::Shutdown) => Vector::DoubleFault,
        _ => second,
    }
}

fn because(link: &Link) -> String {
    match sentence::cause(&link.why) {
        Some(text) => format!(": {text}"),
        None => String::new(),
    }
}

fn first(scene: &Scene<'_>, link: &Link) -> String {
    format!(
        "At {} in {} the processor raised {} ({}){}.",
        scene.place(&link.at),
        words::ring(&link.at),
        words::fault(link.fault),
        words::meaning(link.fault.vector),
        because(link)
    )
}

fn next(during: Vector, link: &Link) -> String {
    let failed = format!(
        "It tried to deliver {} through IDT[{}], and that raised {}{}.",
        during.mnemonic(),
        during as u8,
        words::fault(link.fault),
        because(link)
    );
    match nest(during.class(), link.fault.vector.class()) {
        Nesting::Serial => format!("{failed} That fault is now delivered instead."),
        Nesting::DoubleFault => {
            format!(
                "{failed} A {} on top of a {} makes a double fault, #DF.",
                link.fault.vector.mnemonic(),
                during.mnemonic()
            )
        }
        Nesting::Shutdown => failed,
    }
}

fn last(scene: &Scene<'_>) -> String {
    let at = scene.place(&scene.state.place());
    match scene.ending {
        Ending::Shutdown => "A fault while #DF is delivered is the third: nothing is left to \
                             call, and the processor shut down. A PC would reset now."
            .into(),
        Ending::HaltedForEver => {
            format!("After {} steps the processor sleeps at {at}.", scene.steps)
        }
        Ending::Spinning => format!("After {} steps it goes round and round at {at}.", scene.steps),
        Ending::LongMode => {
            format!("After {} steps the guest turned on long mode at {at}.", scene.steps)
        }
        Ending::Stopped => format!("The run was stopped after {} steps at {at}.", scene.steps),
        Ending::Well => format!("The run ended well after {} steps at {at}.", scene.steps),
    }
}
