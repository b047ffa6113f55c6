//! The letters byte-level BPE writes bytes as: printable Latin-1 stands for itself, the rest for U+0100 and up.

/// Whether `byte` is written as the character of the same number.
fn is_itself(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// The letter of every byte.
#[must_use]
pub fn letters() -> [char; 256] {
    let mut next = '\u{100}'..;
    std::array::from_fn(|byte| {
        let byte = byte as u8;
        match is_itself(byte) {
            true => char::from(byte),
            // The range has no end before the 68 bytes that need it.
            false => next.next().unwrap_or_default(),
        }
    })
}

/// From letters back to bytes.
pub(super) struct Bytes {
    letters: [char; 256],
}

impl Bytes {
    pub fn new() -> Bytes {
        Bytes { letters: letters() }
    }

    /// The byte written as `letter`.
    pub fn byte(&self, letter: char) -> Option<u8> {
        match u8::try_from(letter) {
            Ok(byte) => is_itself(byte).then_some(byte),
            // At most 68 to look at, and only for rare letters and the space.
            Err(_) => (0..=255).find(|&byte: &u8| self.letters[usize::from(byte)] == letter),
        }
    }

    /// Appends the bytes of `token`; a token with a character that is no letter (a special) is its own UTF-8.
    pub fn append(&self, token: &str, out: &mut Vec<u8>) {
        let start = out.len();
        for letter in token.chars() {
            let Some(byte) = self.byte(letter) else {
                out.truncate(start);
                out.extend(token.as_bytes());
                return;
            };
            out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own_letter() {
        let (letters, bytes) = (letters(), Bytes::new());
        assert_eq!((letters[0], letters[32], letters[0xAD], letters[b'a' as usize]), ('Ā', 'Ġ', 'Ń', 'a'));
        for byte in 0..=255u8 {
            assert_eq!(bytes.byte(letters[usize::from(byte)]), Some(byte));
        }
        assert_eq!(bytes.byte(' '), None);
        assert_eq!(bytes.byte('日'), None);
    }
}
