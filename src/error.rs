//! The crate's one error type. Every message says what is allowed; JavaScript gets `{code, message}`.

/// What can go wrong. No input from outside (file, prompt, parameter) may panic; it ends here.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes that must agree do not.
    #[error("{op}: wants {want}, got {got}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// The shape it needs.
        want: String,
        /// The shape it was given.
        got: String,
    },
    /// A model file that is damaged or hostile.
    #[error("model file: {what}: {why}")]
    File {
        /// The metadata key or tensor.
        what: String,
        /// What is wrong with it, and what is allowed.
        why: String,
    },
    /// The model file ended early.
    #[error("model file is cut short at {what}: {want} bytes needed, {got} there")]
    Truncated {
        /// What was being read.
        what: String,
        /// Bytes of the whole file.
        want: u64,
        /// Bytes received.
        got: u64,
    },
    /// A sound file of a kind this crate does not run.
    #[error("{what} {got} is not supported; supported: {supported}")]
    Unsupported {
        /// The property.
        what: &'static str,
        /// Its value.
        got: String,
        /// The values that work.
        supported: String,
    },
    /// No method of this name.
    #[error("no method is called {got:?}; methods: {allowed}")]
    UnknownMethod {
        /// The name given.
        got: String,
        /// All names.
        allowed: String,
    },
    /// The method has no parameter of this name.
    #[error("{method} has no parameter {got:?}; it has: {allowed}")]
    UnknownParam {
        /// The method.
        method: String,
        /// The name given.
        got: String,
        /// All names.
        allowed: String,
    },
    /// A parameter is outside its documented range.
    #[error("{name} = {got} is out of range; allowed: {allowed}")]
    Param {
        /// The parameter, as `method.parameter`.
        name: String,
        /// The value given.
        got: String,
        /// The values that work.
        allowed: String,
    },
    /// Roles that do not fit together.
    #[error("{what} cannot be combined: {why}")]
    Combination {
        /// The roles, as `role=method`.
        what: String,
        /// What stands against it, and what would do.
        why: String,
    },
    /// The prompt has no tokens.
    #[error("the prompt is empty; give at least one token")]
    EmptyPrompt,
    /// A token id outside the vocabulary.
    #[error("token id {got} is outside the vocabulary of {vocabulary}")]
    TokenId {
        /// The id.
        got: u32,
        /// Number of ids.
        vocabulary: u32,
    },
    /// The prompt and the tokens to make do not fit.
    #[error("{prompt} prompt tokens + {generate} to generate exceed the context of {context} tokens")]
    Context {
        /// Prompt tokens.
        prompt: u32,
        /// Tokens to make.
        generate: u32,
        /// Tokens that fit.
        context: u32,
    },
    /// Memory could not be had.
    #[error("out of memory: {what} needs {bytes} bytes")]
    Memory {
        /// For what.
        what: &'static str,
        /// How much.
        bytes: u64,
    },
    /// The tokenizer in the file cannot be used.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// A picture, or the projector that makes rows of it, cannot be used.
    #[error("picture: {0}")]
    Picture(String),
    /// The chat template cannot be rendered.
    #[error("chat template: {0}")]
    Template(String),
    /// One of several hosts is lost, and the run with it.
    #[error("host {host} is lost: {why}")]
    Host {
        /// Its number, from 0.
        host: u32,
        /// What happened to it.
        why: String,
    },
    /// No GPU can be used, or the one in use is lost: a session goes on on the CPU.
    #[error("GPU: {why}")]
    Gpu {
        /// What happened.
        why: String,
    },
    /// Two back ends that run in lock-step do not agree.
    #[error("{op} (call {call} of the pass{}): {what}", of_layer(*.layer))]
    Differ {
        /// The operation.
        op: &'static str,
        /// Its number among the calls of the pass, from 1.
        call: u32,
        /// The layer, where it has one.
        layer: Option<u32>,
        /// Where, and both numbers.
        what: String,
    },
    /// A saved session that is damaged, or was saved with another model.
    #[error("saved session: {0}")]
    Saved(String),
    /// A call that does not fit the session's state.
    #[error("{0}")]
    State(&'static str),
}

fn of_layer(layer: Option<u32>) -> String {
    layer.map_or_else(String::new, |layer| format!(", layer {layer}"))
}

/// Crate result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A stable name for programs, e.g. `"unknown_method"`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Error::Shape { .. } => "shape",
            Error::File { .. } => "file",
            Error::Truncated { .. } => "truncated",
            Error::Unsupported { .. } => "unsupported",
            Error::UnknownMethod { .. } => "unknown_method",
            Error::UnknownParam { .. } => "unknown_param",
            Error::Param { .. } => "param",
            Error::Combination { .. } => "combination",
            Error::EmptyPrompt => "empty_prompt",
            Error::TokenId { .. } => "token_id",
            Error::Context { .. } => "context",
            Error::Memory { .. } => "memory",
            Error::Tokenizer(_) => "tokenizer",
            Error::Picture(_) => "picture",
            Error::Template(_) => "template",
            Error::Host { .. } => "host",
            Error::Gpu { .. } => "gpu",
            Error::Differ { .. } => "differ",
            Error::Saved(_) => "saved",
            Error::State(_) => "state",
        }
    }
}
