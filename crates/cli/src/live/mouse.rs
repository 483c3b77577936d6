//! The terminal's mouse as a PS/2 mouse. A terminal tells the character it is over; what the
//! guest's mouse counts is how far it moved, a character being 8 by 16 of its dots.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use devices::ps2::{BUTTON_LEFT, BUTTON_MIDDLE, BUTTON_RIGHT, Motion};

/// Where the terminal's mouse is, and what is pressed.
#[derive(Debug, Default)]
pub struct Mouse {
    at: Option<(u16, u16)>,
    buttons: u8,
}

impl Mouse {
    /// What the guest's mouse does.
    pub fn event(&mut self, event: MouseEvent) -> Motion {
        let now = (event.column, event.row);
        let (x, y) = self.at.replace(now).unwrap_or(now);
        let moved = |from: u16, to: u16, dots: i32| {
            let counts = (i32::from(to) - i32::from(from)) * dots;
            counts.clamp(i16::MIN.into(), i16::MAX.into()) as i16
        };
        let mut wheel = 0;
        match event.kind {
            MouseEventKind::Down(button) => self.buttons |= bit(button),
            MouseEventKind::Up(button) => self.buttons &= !bit(button),
            MouseEventKind::ScrollDown => wheel = 1,
            MouseEventKind::ScrollUp => wheel = -1,
            _ => {}
        }
        Motion { dx: moved(x, now.0, 8), dy: moved(y, now.1, 16), wheel, buttons: self.buttons }
    }
}

fn bit(button: MouseButton) -> u8 {
    match button {
        MouseButton::Left => BUTTON_LEFT,
        MouseButton::Right => BUTTON_RIGHT,
        MouseButton::Middle => BUTTON_MIDDLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyModifiers;

    fn at(kind: MouseEventKind, column: u16, row: u16) -> MouseEvent {
        MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }
    }

    #[test]
    fn movement_is_counted_from_where_it_was() {
        let mut mouse = Mouse::default();
        assert_eq!(mouse.event(at(MouseEventKind::Moved, 10, 10)), Motion::default());
        let motion = mouse.event(at(MouseEventKind::Down(MouseButton::Left), 12, 9));
        let expected = Motion { dx: 16, dy: -16, wheel: 0, buttons: BUTTON_LEFT };
        assert_eq!(motion, expected);
        let motion = mouse.event(at(MouseEventKind::ScrollDown, 12, 9));
        assert_eq!((motion.wheel, motion.buttons), (1, BUTTON_LEFT));
        let motion = mouse.event(at(MouseEventKind::Up(MouseButton::Left), 12, 9));
        assert_eq!(motion, Motion::default());
    }
}
