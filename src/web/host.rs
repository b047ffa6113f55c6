//! One host of several, each in a worker of its own: which engine it needs is known only when the prompt is.

use super::{JsResult, Model, Session, options::SessionOptions, throw};
use crate::{
    Error, Result,
    cache::Store,
    engine::{Engine, Prompt},
    kernels::Precision,
    loader::Loaded,
    method::Method,
    methods::Rule,
};
use wasm_bindgen::prelude::*;

/// The method that runs on several hosts.
const METHOD: &str = "star_attention";

/// Which host this is, and how prompts are cut.
pub(super) struct Place {
    rule: Rule,
    number: u32,
    hosts: u32,
    context: Option<u32>,
}

impl Place {
    /// The engine of this host for a prompt.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`]; [`Error::Param`] for more hosts than the prompt has blocks.
    pub fn engine(&self, loaded: &Loaded, prompt: &Prompt) -> Result<Engine> {
        if prompt.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        let plan = self.rule.plan(prompt.len(), &prompt.rounds(), self.hosts)?;
        loaded.with(plan.method(self.number), self.context, Store::F16, Precision::Fast)
    }
}

#[wasm_bindgen]
impl Model {
    /// The session of host `number` of `hosts`. Whenever `advance` or `merge` answers 3, all hosts' parts are wanted.
    ///
    /// # Errors
    /// `unsupported` for another method than Star Attention; `unknown_param`, `param`.
    pub fn host(
        &self,
        #[wasm_bindgen(unchecked_param_type = "SessionOptions")] options: JsValue,
        number: u32,
        hosts: u32,
    ) -> JsResult<Session> {
        let options = SessionOptions::read(options)?;
        let spec = self.0.profile.fill(&options.spec(&self.0.model.config)?);
        let Some(part) = spec.part().filter(|part| part.name == METHOD) else {
            let (got, supported) = (spec.to_string(), METHOD.to_owned());
            return Err(throw(Error::Unsupported { what: "on several hosts, the method", got, supported }));
        };
        if number >= hosts {
            let allowed = format!("below the number of hosts, {hosts}");
            return Err(throw(Error::Param { name: "host".into(), got: number.to_string(), allowed }));
        }
        let (loaded, context) = (&self.0, options.context);
        let rule = Rule::given(part, &loaded.shape()).map_err(throw)?;
        // Takes the place of the host's own until there is a prompt.
        let engine = loaded.with(Method::full(), context, Store::F16, Precision::Fast).map_err(throw)?;
        Ok(Session::new(loaded.clone(), engine, options.run(loaded)?).at(Place { rule, number, hosts, context }))
    }
}
