//! Questions about pictures: digits that people wrote, held out when the projector was trained.

use super::{
    prompts::Ask,
    suite::{Answer, Case, Suite, Turn},
};
use crate::picture::projector;
use attnscope::{
    Error, Result,
    chat::ChatMessage,
    loader::Loaded,
    picture::{Drawing, MARK, ROWS, SIDE},
};
use safetensors::SafeTensors;
use xxhash_rust::xxh64::xxh64;

const DIGITS: &[u8] = include_bytes!("../../../../data/picture_digits.safetensors");

/// The held-out drawings and what they show.
struct Digits<'a> {
    images: &'a [u8],
    labels: &'a [u8],
}

impl Digits<'_> {
    fn read() -> Result<Digits<'static>> {
        let damaged = |why: safetensors::SafeTensorError| Error::Picture(format!("the held-out digits: {why}"));
        let file = SafeTensors::deserialize(DIGITS).map_err(damaged)?;
        let [images, labels] = ["images", "labels"].map(|name| file.tensor(name).map(|tensor| tensor.data()));
        Ok(Digits { images: images.map_err(damaged)?, labels: labels.map_err(damaged)? })
    }
}

/// Which digit one of several pictures shows: `questions` for each number of pictures, the same for every method.
///
/// # Errors
/// From the projector, the tokenizer and the chat template.
pub fn cases(ask: Ask, loaded: &Loaded, counts: &[u32], questions: u32) -> Result<Vec<Case>> {
    let (digits, projector) = (Digits::read()?, projector()?);
    let rows = |image| Ok(projector.rows(&Drawing::from_ink(image, SIDE as u32, SIDE as u32)?));
    let rows: Vec<Vec<f32>> = digits.images.chunks_exact(SIDE * SIDE).map(rows).collect::<Result<_>>()?;
    let all = counts.iter().flat_map(|&count| (0..questions).map(move |n| (count, n)));
    all.map(|(count, n)| case(ask, loaded, &rows, digits.labels, count, n)).collect()
}

/// Question `n` about `count` of the drawings whose rows and labels these are.
fn case(ask: Ask, loaded: &Loaded, rows: &[Vec<f32>], labels: &[u8], count: u32, n: u32) -> Result<Case> {
    let mut random = ask.random(Suite::Pictures, count, n);
    let shown: Vec<usize> = (0..count).map(|_| random.usize(0..rows.len())).collect();
    let asked = n % count;
    let pictures: String = (0..count).map(|i| format!("{}{MARK}.\n", shows(i))).collect();
    let question = format!("{pictures}Which digit is in picture {}?", letter(asked));
    let rows: Vec<f32> = shown.iter().flat_map(|&digit| &rows[digit]).copied().collect();
    let prompt = loaded.chat_prompt(&[ChatMessage::new("user", question)], &rows)?;
    let mut answer = ask.tokenizer.encode(&shows(asked), false)?;
    let blank = answer.len();
    answer.extend(ask.tokenizer.encode(&labels[shown[asked as usize]].to_string(), false)?);
    let starts = prompt.picture_starts().into_iter().map(|at| at as usize);
    let turn = Turn {
        pictures: starts.map(|at| at..at + ROWS as usize).collect(),
        drawn: xxh64(&rows.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>(), 0),
        rows,
        blank,
        ..Turn::new(prompt.ids().to_vec(), answer, Answer::Forced)
    };
    let depth = (count > 1).then(|| f64::from(asked) / f64::from(count - 1));
    let name = format!("{count}-{n:03}");
    Ok(Case { suite: Suite::Pictures, name, length: count, depth, turns: vec![turn] })
}

/// How a picture is introduced, and the answer begins.
fn shows(picture: u32) -> String {
    format!("Picture {} shows the digit ", letter(picture))
}

fn letter(picture: u32) -> char {
    char::from_u32('A' as u32 + picture).unwrap_or('?')
}
