//! From word lists and texts to the token ids of a case. Everything follows from the seed in
//! `docs/evaluation/prompts.json`.

use super::{
    material::{self, Material},
    suite::{Answer, Case, Suite, Turn},
};
use attnscope::{Error, Result, tokenizer::Tokenizer};

const TASK: &str = "There is important info hidden inside a lot of irrelevant text. Find it and memorize it.";
/// The filler of the customary passkey test (Mohtashami and Jaggi, arXiv 2305.16300).
const CUSTOMARY: [&str; 5] =
    ["The grass is green.", "The sky is blue.", "The sun is yellow.", "Here we go.", "There and back again."];
/// Keys hidden in one text of `keys`.
const HIDDEN: usize = 4;

/// What every prompt needs.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Words.
    pub material: &'a Material,
    /// To count and encode.
    pub tokenizer: &'a Tokenizer,
}

impl Ask<'_> {
    /// Numbers for a case.
    pub fn random(&self, suite: Suite, length: u32, n: u32) -> fastrand::Rng {
        let seed = self.material.seed << 40 | (suite as u64) << 32 | u64::from(length) << 8 | u64::from(n);
        fastrand::Rng::with_seed(seed)
    }

    /// Ids of a prompt and of what is to come after it, which must not change how the prompt is cut into tokens.
    fn split(&self, prompt: &str, answer: &str) -> Result<(Vec<u32>, Vec<u32>)> {
        let mut ids = self.tokenizer.encode_prompt(&format!("{prompt}{answer}"))?;
        let before = self.tokenizer.encode_prompt(prompt)?;
        if !ids.starts_with(&before) {
            return Err(Error::Tokenizer(format!("{prompt:?} is cut elsewhere when {answer:?} follows")));
        }
        let answer = ids.split_off(before.len());
        Ok((ids, answer))
    }

    /// The prompt that `make` gives for a number of sentences of filler, with as nearly `length` tokens as there is.
    fn fitted(&self, filler: &[impl AsRef<str>], length: u32, make: impl Fn(&[&str]) -> String) -> Result<String> {
        let sentences: Vec<&str> = filler.iter().map(AsRef::as_ref).cycle().take(length as usize).collect();
        let tokens = |n: usize| Ok(self.tokenizer.encode_prompt(&make(&sentences[..n]))?.len());
        let (mut low, mut high) = (0, sentences.len());
        while high - low > 1 {
            let middle = (low + high) / 2;
            if tokens(middle)? <= length as usize { low = middle } else { high = middle }
        }
        let nearer = (length as usize).abs_diff(tokens(high)?) < (length as usize).abs_diff(tokens(low)?);
        Ok(make(&sentences[..if nearer { high } else { low }]))
    }
}

/// A key of five digits.
pub fn number(random: &mut fastrand::Rng) -> String {
    random.u32(10_000..100_000).to_string()
}

impl Ask<'_> {
    /// Tokens of an answer before its first digit.
    pub fn blank(&self, answer: &[u32]) -> usize {
        let digit = |id: &u32| self.tokenizer.decode(&[*id], false).contains(|c: char| c.is_ascii_digit());
        answer.iter().position(digit).unwrap_or(answer.len())
    }

    fn case(
        &self,
        suite: Suite,
        name: String,
        length: u32,
        depth: Option<f64>,
        (prompt, answer): (Vec<u32>, Vec<u32>),
    ) -> Case {
        let blank = self.blank(&answer);
        let turn = Turn { blank, ..Turn::new(prompt, answer, Answer::Forced) };
        Case { suite, name, length, depth, turns: vec![turn] }
    }
}

/// A number hidden at one of `depths` depths of a text of `length` tokens, on a line of its own.
///
/// # Errors
/// From the tokenizer.
pub fn passkey(ask: Ask, length: u32, n: u32, depths: u32) -> Result<Case> {
    let filler = &ask.material.fillers[n as usize % ask.material.fillers.len()];
    hidden(ask, Suite::Passkey, [length, n, depths], filler, "\n")
}

/// The same within the only line of the customary filler.
///
/// # Errors
/// From the tokenizer.
pub fn haystack(ask: Ask, length: u32, n: u32, depths: u32) -> Result<Case> {
    hidden(ask, Suite::Haystack, [length, n, depths], &CUSTOMARY, " ")
}

fn hidden(
    ask: Ask,
    suite: Suite,
    [length, n, depths]: [u32; 3],
    filler: &[impl AsRef<str>],
    between: &str,
) -> Result<Case> {
    let mut random = ask.random(suite, length, n);
    let key = number(&mut random);
    let depth = (f64::from(n) + 0.5) / f64::from(depths);
    let prompt = ask.fitted(filler, length, |sentences| {
        let (before, after) = sentences.split_at((sentences.len() as f64 * depth).round() as usize);
        let needle = format!("The pass key is {key}. Remember it. {key} is the pass key.");
        let text = [TASK, &before.join(" "), &needle, &after.join(" ")].join(between);
        format!("{text}\nQuestion: What is the pass key?\nAnswer: The pass key is number")
    })?;
    let ids = ask.split(&prompt, &format!(" {key}"))?;
    Ok(ask.case(suite, format!("{length}-{n}"), length, Some(depth), ids))
}

/// Several people's numbers at even depths of a text, of which one is asked for.
///
/// # Errors
/// From the tokenizer.
pub fn keys(ask: Ask, length: u32, n: u32) -> Result<Case> {
    let mut random = ask.random(Suite::Keys, length, n);
    let mut people: Vec<&String> = ask.material.people.iter().collect();
    random.shuffle(&mut people);
    let hidden: Vec<(&String, String)> =
        people.into_iter().take(HIDDEN).map(|who| (who, number(&mut random))).collect();
    let asked = n as usize % hidden.len();
    let filler = &ask.material.fillers[n as usize % ask.material.fillers.len()];
    let prompt = ask.fitted(filler, length, |sentences| {
        let mut lines = vec![TASK.to_owned()];
        for (i, (who, key)) in hidden.iter().enumerate() {
            let part = |i: usize| sentences.len() * i / hidden.len();
            let (before, after) = sentences[part(i)..part(i + 1)].split_at((part(i + 1) - part(i)) / 2);
            lines.push(before.join(" "));
            lines.push(format!("The pass key of the {who} is {key}. Remember it. {key} is the pass key of the {who}."));
            lines.push(after.join(" "));
        }
        let who = hidden[asked].0;
        lines.push(format!("Question: What is the pass key of the {who}?"));
        lines.push(format!("Answer: The pass key of the {who} is number"));
        lines.join("\n")
    })?;
    let ids = ask.split(&prompt, &format!(" {}", hidden[asked].1))?;
    let depth = (asked as f64 + 0.5) / hidden.len() as f64;
    Ok(ask.case(Suite::Keys, format!("{length}-{n}"), length, Some(depth), ids))
}

/// The beginning of a text: `prompt` tokens and the `answer` tokens after them.
///
/// # Errors
/// From the tokenizer; [`Error::Param`] when the text has fewer tokens.
pub fn text(ask: Ask, suite: Suite, name: &str, prompt: u32, answer: u32) -> Result<Case> {
    let mut ids = ask.tokenizer.encode_prompt(material::text(name))?;
    let needed = prompt.saturating_add(answer) as usize;
    if ids.len() < needed {
        let allowed = format!("at most {} tokens, as many as the text {name} has", ids.len());
        return Err(Error::Param { name: "prompt + answer".into(), got: needed.to_string(), allowed });
    }
    ids.truncate(needed);
    let answer = ids.split_off(prompt as usize);
    let how = if suite == Suite::Speed { Answer::Free } else { Answer::Forced };
    let turns = vec![Turn::new(ids, answer, how)];
    Ok(Case { suite, name: format!("{name}-{prompt}"), length: prompt, depth: None, turns })
}

/// The same with a picture in place of all but the first and the last twentieth of the prompt: a tag on the tokens of
/// the text, since the model has no eyes.
///
/// # Errors
/// As for [`text`].
pub fn tagged(ask: Ask, name: &str, prompt: u32, answer: u32) -> Result<Case> {
    let mut case = text(ask, Suite::Tagged, name, prompt, answer)?;
    let edge = prompt as usize / 20;
    let picture = edge..prompt as usize - edge;
    case.turns[0].pictures = vec![picture];
    Ok(case)
}

#[cfg(test)]
pub mod tests {
    use super::{super::material::Split, *};
    use attnscope::{
        gguf::{Metadata, Value},
        tokenizer::bytes,
    };
    use std::collections::HashSet;

    /// A tokenizer whose tokens are the bytes.
    pub fn tokenizer() -> Tokenizer {
        let mut metadata = Metadata::default();
        let letters = bytes::letters().iter().map(char::to_string).collect::<Vec<_>>();
        for (key, value) in [
            ("tokenizer.ggml.model", Value::String("gpt2".to_owned())),
            ("tokenizer.ggml.pre", Value::String("smollm".to_owned())),
            ("tokenizer.ggml.tokens", Value::Strings(letters.iter().map(String::as_str).collect())),
            ("tokenizer.ggml.merges", Value::Strings(Default::default())),
        ] {
            metadata.insert(key.to_owned(), value).unwrap();
        }
        Tokenizer::from_metadata(&metadata).unwrap()
    }

    #[test]
    fn prompts_are_as_long_as_asked_for_and_end_in_the_question() {
        let tokenizer = tokenizer();
        for split in [Split::Report, Split::Tune] {
            let material = &Material::of(split).unwrap();
            let ask = Ask { material, tokenizer: &tokenizer };
            let mut seen = HashSet::new();
            for length in [2000, 4000] {
                for n in 0..10 {
                    let passkeys = [passkey, haystack].map(|make| make(ask, length, n, 10).unwrap());
                    for case in passkeys.into_iter().chain([keys(ask, length, n).unwrap()]) {
                        let tokens = case.prompt_tokens();
                        assert!(tokens.abs_diff(length) * 50 <= length, "{}: {tokens} for {length}", case.name);
                        let (prompt, answer) = (&case.turns[0].prompt, &case.turns[0].answer);
                        let text = tokenizer.decode(prompt, false);
                        let key = tokenizer.decode(answer, false);
                        assert!(text.ends_with(" is number") && text.matches(key.trim()).count() == 2, "{text}{key}");
                        assert!(seen.insert(key), "every case has a key of its own");
                    }
                }
            }
        }
    }

    #[test]
    fn texts_are_long_enough_and_refuse_more() {
        let tokenizer = tokenizer();
        for split in [Split::Report, Split::Tune] {
            let material = &Material::of(split).unwrap();
            let ask = Ask { material, tokenizer: &tokenizer };
            for name in &material.texts {
                let case = text(ask, Suite::Text, name, 1500, 128).unwrap();
                assert_eq!((case.prompt_tokens(), case.turns[0].answer.len()), (1500, 128));
                let tagged = tagged(ask, name, 1500, 128).unwrap().turns[0].tagged();
                assert_eq!((tagged.ids(), tagged.pictures()), (&case.turns[0].prompt[..], 1350));
                assert!(text(ask, Suite::Text, name, 1 << 20, 128).unwrap_err().to_string().contains(name.as_str()));
            }
        }
    }
}
