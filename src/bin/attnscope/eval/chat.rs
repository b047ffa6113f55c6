//! A conversation as a case: its rounds as the model's chat template writes them.

use super::{
    prompts::{Ask, number},
    suite::{Answer, Case, Suite, Turn},
};
use attnscope::{
    Error, Result,
    chat::{ChatMessage, ChatTemplate},
};

/// A chat in whose last round a number from an early round is asked for. The assistant's answers are forced, token by
/// token as if it had made them.
///
/// # Errors
/// From the template and the tokenizer; [`Error::Template`] when a rendering does not go on where the last one ended.
pub fn chat(ask: Ask, template: &ChatTemplate, rounds: u32, n: u32) -> Result<Case> {
    let mut random = ask.random(Suite::Chat, rounds, n);
    let (thing, key) = (&ask.material.things[n as usize % ask.material.things.len()], number(&mut random));
    let told = n % (rounds / 2).max(1);
    let mut talk: Vec<&[String; 2]> = ask.material.talk.iter().collect();
    random.shuffle(&mut talk);
    let mut talk = talk.into_iter().cycle();
    let said = (0..rounds).map(|round| match talk.next() {
        _ if round + 1 == rounds => (format!("What is my {thing}?"), format!("Your {thing} is")),
        _ if round == told => {
            let fact = format!("My {thing} is {key}. Please remember it, I will ask you for it later.");
            (fact, "Thank you, I will remember it.".to_owned())
        }
        Some([question, answer]) => (question.clone(), answer.clone()),
        None => Default::default(),
    });
    let (mut messages, mut turns, mut done) = (Vec::new(), Vec::new(), String::new());
    for (question, answer) in said {
        messages.push(ChatMessage::new("user", question));
        let asked = template.render(&messages, true)?;
        let Some(new) = asked.strip_prefix(&done) else {
            return Err(Error::Template("a round does not begin where the last one ended".to_owned()));
        };
        let encode = |text: &str| ask.tokenizer.encode(text, true);
        let prompt = if turns.is_empty() { ask.tokenizer.encode_prompt(new)? } else { encode(new)? };
        turns.push(Turn::new(prompt, encode(&answer)?, Answer::Forced));
        messages.push(ChatMessage::new("assistant", answer.as_str()));
        done = asked + &answer;
    }
    // Of the last answer the first words are part of the question, so that every method is asked in the same place.
    if let Some(last) = turns.last_mut() {
        last.prompt.append(&mut last.answer);
        last.answer = ask.tokenizer.encode(&format!(" {key}"), true)?;
        last.blank = ask.blank(&last.answer);
    }
    let depth = (f64::from(told) + 0.5) / f64::from(rounds);
    Ok(Case { suite: Suite::Chat, name: format!("{n}"), length: rounds, depth: Some(depth), turns })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            material::{Material, Split},
            prompts::tests::tokenizer,
        },
        *,
    };

    const TEMPLATE: &str = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}{% if \
        add_generation_prompt %}<assistant>{% endif %}";

    #[test]
    fn a_chat_is_one_text_cut_into_rounds() {
        let tokenizer = tokenizer();
        let material = &Material::of(Split::Report).unwrap();
        let ask = Ask { material, tokenizer: &tokenizer };
        let template = ChatTemplate::new(TEMPLATE).unwrap();
        for n in 0..5 {
            let case = chat(ask, &template, 8, n).unwrap();
            let parts =
                case.turns.iter().map(|turn| tokenizer.decode(&[&turn.prompt[..], &turn.answer].concat(), false));
            let text: String = parts.collect();
            assert_eq!((case.turns.len(), text.matches("<user>").count(), text.matches("</>").count()), (8, 8, 15));
            let key = tokenizer.decode(&case.turns[7].answer, false);
            assert!(text.ends_with(&format!(" is{key}")) && text.matches(key.trim()).count() == 2, "{text}");
        }
    }
}
