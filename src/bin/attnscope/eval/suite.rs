//! The suites: what is asked, and as which cases.

use super::{
    chat,
    choice::Asked,
    material::Material,
    pictures,
    plan::Sizes,
    prompts::{self, Ask},
};
use attnscope::{
    Result,
    engine::Prompt,
    kernels::Precision,
    loader::Loaded,
    ops::{ROW, Tag},
};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A kind of question. New ones come last: the place of one is in the seeds of its prompts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Suite {
    /// A number hidden in a text, by length and depth
    Passkey,
    /// One of several hidden numbers
    Keys,
    /// What was said in an early round of a chat
    Chat,
    /// Teacher-forced text against full attention
    Text,
    /// Free text: speed, bytes, accepted guesses
    Speed,
    /// The same as the text suite, with most of the prompt tagged as a picture
    Tagged,
    /// A number hidden within the customary filler, by length and depth
    Haystack,
    /// The same as the text suite, with a longer text after the prompt
    LongAnswer,
    /// Which digit one of several pictures shows
    Pictures,
}

impl Suite {
    /// All of them, in the order in which they are run.
    pub const ALL: [Suite; 9] = [
        Suite::Passkey,
        Suite::Haystack,
        Suite::Keys,
        Suite::Chat,
        Suite::Text,
        Suite::LongAnswer,
        Suite::Tagged,
        Suite::Pictures,
        Suite::Speed,
    ];
    /// Those a setting runs when it names none.
    pub const QUALITY: [Suite; 4] = [Suite::Passkey, Suite::Keys, Suite::Chat, Suite::Text];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Suite::Passkey => "passkey",
            Suite::Keys => "keys",
            Suite::Chat => "chat",
            Suite::Text => "text",
            Suite::Speed => "speed",
            Suite::Tagged => "tagged",
            Suite::Pictures => "pictures",
            Suite::Haystack => "haystack",
            Suite::LongAnswer => "long_answer",
        }
    }

    /// Whether answers are compared with full attention's, token by token.
    pub fn compares(self) -> bool {
        matches!(self, Suite::Text | Suite::LongAnswer | Suite::Tagged)
    }

    /// Whether its questions are so many and so short that a report says no more of each than whether it was found.
    pub fn is_brief(self) -> bool {
        self == Suite::Pictures
    }

    /// Speeds are those of the fast products, all else is measured without their rounding unless `fast` is asked for.
    pub fn precision(self, fast: bool) -> Precision {
        if fast || self == Suite::Speed { Precision::Fast } else { Precision::Exact }
    }

    /// Its cases, at most `most` for a length.
    ///
    /// # Errors
    /// From the tokenizer and the chat template; [`Error::Param`](attnscope::Error::Param) for a text that is too short.
    pub fn cases(self, sizes: &Sizes, material: &Material, most: Option<u32>, loaded: &Loaded) -> Result<Vec<Case>> {
        let cases = sizes.cases.min(most.unwrap_or(u32::MAX));
        let texts = material.texts.iter().take(most.unwrap_or(u32::MAX) as usize);
        let ask = Ask { material, tokenizer: &loaded.tokenizer };
        match self {
            Suite::Passkey | Suite::Haystack => {
                let make = if self == Suite::Passkey { prompts::passkey } else { prompts::haystack };
                let grid = sizes.lengths.iter().flat_map(|&length| (0..cases).map(move |n| (length, n)));
                grid.map(|(length, n)| make(ask, length, n, sizes.cases)).collect()
            }
            Suite::Keys => (0..cases).map(|n| prompts::keys(ask, sizes.prompt, n)).collect(),
            Suite::Chat => {
                let template = loaded.chat()?;
                (0..cases).map(|n| chat::chat(ask, template, sizes.rounds, n)).collect()
            }
            Suite::Text => texts.map(|name| prompts::text(ask, self, name, sizes.prompt, sizes.answer)).collect(),
            Suite::LongAnswer => {
                texts.map(|name| prompts::text(ask, self, name, sizes.prompt, sizes.long_answer)).collect()
            }
            Suite::Tagged => texts.map(|name| prompts::tagged(ask, name, sizes.prompt, sizes.answer)).collect(),
            Suite::Pictures => {
                let questions = sizes.questions.min(most.unwrap_or(u32::MAX));
                pictures::cases(ask, loaded, &sizes.pictures, questions)
            }
            Suite::Speed => {
                let long = sizes.long.iter().map(|&prompt| (&material.texts[0], prompt));
                let asked = texts.map(|name| (name, sizes.prompt)).chain(long);
                asked.map(|(name, prompt)| prompts::text(ask, self, name, prompt, sizes.answer)).collect()
            }
        }
    }
}

/// One question.
#[derive(Debug, Serialize)]
pub struct Case {
    /// Its suite.
    pub suite: Suite,
    /// Its name within the suite.
    pub name: String,
    /// Tokens asked for, by which cases are put together.
    pub length: u32,
    /// Where the answer is in the prompt, 0 to 1.
    pub depth: Option<f64>,
    /// What is fed, in order; the last answer is what is measured.
    pub turns: Vec<Turn>,
}

impl Case {
    /// Tokens before the last answer.
    pub fn prompt_tokens(&self) -> u32 {
        let before: usize = self.turns.iter().map(|turn| turn.prompt.len() + turn.answer.len()).sum();
        (before - self.turns.last().map_or(0, |turn| turn.answer.len())) as u32
    }

    /// How long the prompt is, for budgets that are shares of it.
    pub fn asked(&self) -> Asked {
        let pictures = self.turns.iter().flat_map(|turn| &turn.pictures).map(|place| place.len() as u32).sum();
        Asked { prompt: self.prompt_tokens(), pictures }
    }

    /// Tokens fed or made in all.
    pub fn tokens(&self) -> u64 {
        self.turns.iter().map(|turn| (turn.prompt.len() + turn.answer.len()) as u64).sum()
    }
}

/// A prompt and the tokens after it.
#[derive(Debug, Serialize)]
pub struct Turn {
    /// Token ids that are read as a prompt.
    pub prompt: Vec<u32>,
    /// Which of them belong to each picture.
    pub pictures: Vec<Range<usize>>,
    /// Embedding rows of pictures that were drawn, where an id says that one stands.
    #[serde(skip)]
    pub rows: Vec<f32>,
    /// Hash of those, for the key of the case; 0 without.
    pub drawn: u64,
    /// Token ids that come one by one; of a free answer only their number counts.
    pub answer: Vec<u32>,
    /// Of a hidden value's answer, the tokens before its first digit.
    pub blank: usize,
    /// Whether they are forced on the model.
    pub how: Answer,
}

impl Turn {
    /// A turn without a picture.
    pub fn new(prompt: Vec<u32>, answer: Vec<u32>, how: Answer) -> Turn {
        Turn { prompt, pictures: Vec::new(), rows: Vec::new(), drawn: 0, answer, blank: 0, how }
    }

    /// What the engine reads.
    pub fn tagged(&self) -> Prompt {
        let (mut prompt, mut end, mut rows) = (Prompt::default(), 0, &self.rows[..]);
        let standing = self.prompt.iter().filter(|&&id| id == ROW).count();
        let width = self.rows.len() / standing.max(1);
        for (place, picture) in self.pictures.iter().zip(1..) {
            prompt.append_ids(&self.prompt[end..place.start], Tag::default());
            let tag = Tag { round: 0, picture };
            if self.prompt[place.start] == ROW {
                let (own, rest) = rows.split_at(place.len() * width);
                prompt.append_embeddings(own, width as u32, tag);
                rows = rest;
            } else {
                prompt.append_ids(&self.prompt[place.clone()], tag);
            }
            end = place.end;
        }
        prompt.append_ids(&self.prompt[end..], Tag::default());
        prompt
    }
}

/// Who chooses the tokens of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum Answer {
    /// The case does, whatever the model proposes.
    Forced,
    /// The model does.
    Free,
}
