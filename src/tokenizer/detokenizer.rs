//! Text from tokens as they are generated: only whole characters, nothing lost.

/// Joins the bytes of tokens into text. A character may be spread over several tokens; its bytes wait (at most three).
///
/// ```
/// use attnscope::tokenizer::Detokenizer;
/// let mut text = Detokenizer::default();
/// assert_eq!(text.push("né".as_bytes()), "né");
/// assert_eq!(text.push(&[0xe2, 0x82]), "");
/// assert_eq!(text.push(&[0xac, b'!']), "€!");
/// assert_eq!(text.push(&[0xf0]), "");
/// assert_eq!(text.flush(), "\u{fffd}");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Detokenizer {
    waiting: Vec<u8>,
}

impl Detokenizer {
    /// Takes the bytes of the next token ([`Tokenizer::piece`](super::Tokenizer::piece)) and gives the characters that
    /// are now whole. Bytes that cannot become a character give U+FFFD.
    pub fn push(&mut self, piece: &[u8]) -> String {
        self.waiting.extend_from_slice(piece);
        let mut text = String::new();
        let mut whole = 0;
        for chunk in self.waiting.utf8_chunks() {
            text.push_str(chunk.valid());
            whole += chunk.valid().len();
            let broken = chunk.invalid();
            // Bytes at the very end that may still become a character have no error length.
            if whole + broken.len() == self.waiting.len()
                && str::from_utf8(broken).is_err_and(|error| error.error_len().is_none())
            {
                break;
            }
            if !broken.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
                whole += broken.len();
            }
        }
        self.waiting.drain(..whole);
        text
    }

    /// Ends the text: U+FFFD if a character is unfinished, else nothing.
    pub fn flush(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.waiting).into_owned();
        self.waiting.clear();
        text
    }
}
