//! One host of several, each in a worker of its own: which engine it needs is known only when the prompt is.

use super::{JsResult, Model, Session, options::SessionOptions, throw};
use crate::{
    Error, Result,
    cache::Store,
    engine::{Engine, Prompt},
    kernels::Precision,
    loader::Loaded,
    method::Method,
    methods::{Rule, SPREADS, Spec, Value},
};
use wasm_bindgen::prelude::*;

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
        loaded.engine_for(plan.method(self.number), self.context, Store::F16, Precision::Fast)
    }
}

#[wasm_bindgen]
impl Model {
    /// The session of host `number` of `hosts`. Whenever `advance` or `merge` answers 3, all hosts' partials are wanted.
    ///
    /// # Errors
    /// `unsupported` for another method than Star Attention, and for shadow evaluation and guards; `unknown_param`, `param`.
    pub fn host(
        &self,
        #[wasm_bindgen(unchecked_param_type = "SessionOptions")] options: JsValue,
        number: u32,
        hosts: u32,
    ) -> JsResult<Session> {
        let options = SessionOptions::read(options)?;
        let (loaded, context) = (&self.loaded, options.context);
        let how = options.engine(loaded)?;
        let unsupported = |what, got: &str, supported: &str| {
            throw(Error::Unsupported { what, got: got.to_owned(), supported: supported.to_owned() })
        };
        // One host cannot tell what all of them miss, and one alone must not leave the plan.
        if how.shadow > 0 || how.guard.is_some() {
            return Err(unsupported("on several hosts,", "watching a run", "runs without shadow and guard"));
        }
        let part = match loaded.profile.fill(&options.spec(&loaded.model.config)?) {
            Spec::Method(part) if part.name == SPREADS => part,
            Spec::Method(part) => return Err(unsupported("on several hosts,", &part.name, SPREADS)),
            Spec::Roles(_) => return Err(unsupported("on several hosts,", "a method for each role", SPREADS)),
        };
        if number >= hosts {
            let allowed = format!("below the number of hosts, {hosts}");
            return Err(throw(Error::Param { name: "host".into(), got: number.to_string(), allowed }));
        }
        let given: Vec<(String, Value)> = part.params.into_iter().collect();
        let rule = Rule::given(&given, &loaded.shape()).map_err(throw)?;
        // Takes the place of the host's own until there is a prompt.
        let engine = loaded.engine_for(Method::full(), context, Store::F16, Precision::Fast).map_err(throw)?;
        Ok(Session::new(loaded.clone(), engine, &options)?.at(Place { rule, number, hosts, context }))
    }
}
