//! Prompts for a loaded model: texts and conversations, with pictures in their places.
//!
//! Every [`MARK`] of a text that comes with pictures stands for the next of them; what is between two is encoded by itself.
//! A text without pictures may have the character as any other.

use super::Loaded;
use crate::{
    Error, Result,
    chat::ChatMessage,
    engine::Prompt,
    ops::{ROW, Tag},
    picture::{MARK, ROWS},
};
use std::slice::ChunksExact;

/// Rows of pictures that are still to be put in their places.
struct Pictures<'a> {
    rows: ChunksExact<'a, f32>,
    /// How many there are in all.
    all: usize,
}

/// How a text is read.
#[derive(Clone, Copy)]
struct How {
    parse_special: bool,
    /// The token that begins a text is put in front, if the model wants it.
    begin: bool,
    round: u16,
}

impl Loaded {
    /// A text with its pictures, whose rows `pictures` has: [`ROWS`] of the model's width for each. With `parse_special`,
    /// control tokens written in the text become their ids; with `begin`, the token that begins a text is put in front if
    /// the model wants it.
    ///
    /// # Errors
    /// [`Error::Picture`] unless text and pictures fit each other, and what the tokenizer says.
    pub fn prompt(&self, text: &str, parse_special: bool, begin: bool, pictures: &[f32]) -> Result<Prompt> {
        let (mut prompt, mut pictures) = (Prompt::default(), self.pictures(pictures)?);
        self.append(&mut prompt, text, How { parse_special, begin, round: 0 }, &mut pictures)?;
        pictures.end().map(|()| prompt)
    }

    /// A conversation, each round tagged; it ends where the assistant's answer begins.
    ///
    /// # Errors
    /// As [`chat`](Loaded::chat) and [`prompt`](Loaded::prompt), and what the template says.
    pub fn chat_prompt(&self, messages: &[ChatMessage], pictures: &[f32]) -> Result<Prompt> {
        self.rounds(&self.chat()?.render_rounds(messages, true)?, true, pictures)
    }

    /// What follows an answer when the conversation goes on: the end of the answer, as the template writes it, unless the
    /// answer's newest token, `last`, is that already; and `messages`, each round tagged.
    ///
    /// # Errors
    /// As [`chat_prompt`](Loaded::chat_prompt).
    pub fn chat_turn(&self, messages: &[ChatMessage], last: Option<u32>, pictures: &[f32]) -> Result<Prompt> {
        let turn = self.rounds(&self.chat()?.render_turn(messages)?, false, pictures)?;
        let ended = last.filter(|id| self.tokenizer.eos().contains(id));
        let twice = ended.is_some() && turn.ids().first() == ended.as_ref();
        Ok(if twice { turn.split(1).1 } else { turn })
    }
}

impl Loaded {
    fn rounds(&self, parts: &[String], begin: bool, pictures: &[f32]) -> Result<Prompt> {
        let (mut prompt, mut pictures) = (Prompt::default(), self.pictures(pictures)?);
        for (part, round) in parts.iter().zip(0..) {
            let how = How { parse_special: true, begin: begin && round == 0, round };
            self.append(&mut prompt, part, how, &mut pictures)?;
        }
        pictures.end().map(|()| prompt)
    }

    fn append(&self, prompt: &mut Prompt, text: &str, how: How, pictures: &mut Pictures) -> Result<()> {
        let illustrated = pictures.all > 0;
        let pieces = text.split(|c| illustrated && c == MARK);
        for (at, piece) in pieces.enumerate() {
            if at > 0 {
                let rows = pictures.next()?;
                let width = rows.len() as u32 / ROWS;
                prompt.append_embeddings(rows, width, Tag { round: how.round, picture: pictures.placed() });
            }
            let mut ids = self.tokenizer.encode(piece, how.parse_special)?;
            if how.begin && at == 0 {
                // A picture that comes first is begun as a token is.
                let bare = ids.is_empty() && illustrated;
                ids.extend(bare.then_some(ROW));
                ids = self.tokenizer.begin(ids);
                ids.truncate(ids.len() - usize::from(bare));
            }
            prompt.append_ids(&ids, Tag { round: how.round, picture: 0 });
        }
        Ok(())
    }

    fn pictures<'a>(&self, rows: &'a [f32]) -> Result<Pictures<'a>> {
        let each = (ROWS * self.model.config.width) as usize;
        if !rows.len().is_multiple_of(each) {
            let (want, got) = (format!("{each} numbers a picture"), format!("{}", rows.len()));
            return Err(Error::Shape { op: "picture", want, got });
        }
        Ok(Pictures { rows: rows.chunks_exact(each), all: rows.len() / each })
    }
}

impl<'a> Pictures<'a> {
    fn next(&mut self) -> Result<&'a [f32]> {
        let more = || Error::Picture(format!("the prompt has places for more than {}", self.all));
        self.rows.next().ok_or_else(more)
    }

    /// How many were placed: the number of the newest.
    fn placed(&self) -> u16 {
        (self.all - self.rows.len()).min(u16::MAX.into()) as u16
    }

    /// Refuses pictures that have no place.
    fn end(&self) -> Result<()> {
        match self.placed() {
            placed if usize::from(placed) == self.all => Ok(()),
            placed => Err(Error::Picture(format!("the prompt has places for {placed} of {}", self.all))),
        }
    }
}
