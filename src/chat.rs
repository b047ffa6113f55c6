//! Chat messages to a prompt, by the template in the model file.
//!
//! Templates are programs (Jinja) and come from strangers: they run with a budget of steps and bytes and a limited
//! depth, see no files and no clock.

use crate::gguf::Metadata;
use crate::{Error, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, Value, context};
use serde::{Deserialize, Serialize};

const TEMPLATE: &str = "tokenizer.chat_template";
const TOKENS: &str = "tokenizer.ggml.tokens";
/// Name of the template in its own error messages.
const NAME: &str = "chat_template";

/// Budget of a rendering: one is a step or 64 bytes made. A template in use needs some hundreds a message.
const FUEL: u64 = 100_000;
/// Further budget for a byte of the messages: each may be copied this many times 64.
const FUEL_PER_BYTE: u64 = 1;
/// Depth of calls and nested values. A template in use needs about 20; the browser's stack is 1 MB.
const DEPTH: usize = 100;

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ChatMessage {
    /// `"system"`, `"user"` or `"assistant"`; the template decides which it takes.
    pub role: String,
    /// The text.
    pub content: String,
}

impl ChatMessage {
    /// A message.
    #[must_use]
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> ChatMessage {
        ChatMessage { role: role.into(), content: content.into() }
    }
}

/// The chat template of a model file.
///
/// ```
/// use attnscope::chat::{ChatTemplate, ChatMessage};
/// let template = ChatTemplate::new("{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}\n{% endfor %}")?;
/// assert_eq!(template.render(&[ChatMessage::new("user", " hi ")], false)?, "[user] hi\n");
/// # Ok::<(), attnscope::Error>(())
/// ```
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// The template in `metadata` (`tokenizer.chat_template`), if there is one.
    ///
    /// # Errors
    /// [`Error::Template`] if it does not parse; [`Error::File`] if its key or those of the tokens it may use do not
    /// hold what they should.
    pub fn from_metadata(metadata: &Metadata) -> Result<Option<ChatTemplate>> {
        let Some(source) = metadata.string_opt(TEMPLATE)? else {
            return Ok(None);
        };
        let mut template = ChatTemplate::new(source)?;
        let token = |key: &str| -> Result<String> {
            let Some(id) = metadata.u32_opt(key)? else {
                return Ok(String::new());
            };
            Ok(metadata.strings(TOKENS)?.get(id as usize).unwrap_or_default().to_owned())
        };
        template.bos = token("tokenizer.ggml.bos_token_id")?;
        template.eos = token("tokenizer.ggml.eos_token_id")?;
        Ok(Some(template))
    }

    /// A template from its source; `bos_token` and `eos_token` are empty in it.
    ///
    /// # Errors
    /// [`Error::Template`] if it does not parse.
    pub fn new(source: &str) -> Result<ChatTemplate> {
        let mut environment = Environment::new();
        // As the reference implementation sets Jinja up.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(template_error)?;
        environment.set_syntax(syntax);
        environment.set_recursion_limit(DEPTH);
        // Templates call methods of Python's str and dict.
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| {
            Err::<String, _>(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned(NAME, source.to_owned()).map_err(template_error)?;
        Ok(ChatTemplate { environment, bos: String::new(), eos: String::new() })
    }

    /// The prompt for `messages`. With `add_generation_prompt` it ends where the assistant's answer begins. Encode it
    /// with [`Tokenizer::encode_prompt`](crate::tokenizer::Tokenizer::encode_prompt).
    ///
    /// # Errors
    /// [`Error::Template`] with the template's own complaint (e.g. an unknown role), or if it does not end within its
    /// budget.
    pub fn render(&self, messages: &[ChatMessage], add_generation_prompt: bool) -> Result<String> {
        let bytes: u64 = messages.iter().map(|m| (m.role.len() + m.content.len()) as u64).sum();
        // Cheap: templates are shared, only the settings are copied.
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(FUEL + FUEL_PER_BYTE * bytes));
        let template = environment.get_template(NAME).map_err(template_error)?;
        let said = messages.iter().map(|m| context! { role => m.role.as_str(), content => m.content.as_str() });
        template
            .render(context! {
                messages => said.collect::<Vec<Value>>(),
                add_generation_prompt,
                bos_token => self.bos.as_str(),
                eos_token => self.eos.as_str(),
            })
            .map_err(template_error)
    }
}

impl ChatTemplate {
    /// The same prompt cut into the rounds of the conversation: what comes before the first user message, if anything,
    /// then a part from each user message to the next. One part where the template does not render a shorter
    /// conversation as the beginning of a longer one.
    ///
    /// # Errors
    /// As [`render`](ChatTemplate::render).
    pub fn render_rounds(&self, messages: &[ChatMessage], add_generation_prompt: bool) -> Result<Vec<String>> {
        let whole = self.render(messages, add_generation_prompt)?;
        let users = messages.iter().enumerate().filter(|(at, message)| *at > 0 && message.role == "user");
        let mut cuts = vec![0];
        for (at, _) in users {
            match self.render(&messages[..at], false) {
                Ok(before) if whole.starts_with(&before) && before.len() > cuts[cuts.len() - 1] => {
                    cuts.push(before.len())
                }
                _ => return Ok(vec![whole]),
            }
        }
        cuts.push(whole.len());
        Ok(cuts.windows(2).map(|cut| whole[cut[0]..cut[1]].to_owned()).collect())
    }
}

impl std::fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatTemplate").finish_non_exhaustive()
    }
}

fn template_error(error: minijinja::Error) -> Error {
    Error::Template(match error.kind() {
        ErrorKind::OutOfFuel => "it does too much for a chat template".to_owned(),
        _ => error.to_string(),
    })
}
