//! A model that is loaded, and the engines and prompts it gives.

use crate::{
    Error, Result,
    backend::{Cpu, Weights},
    cache::Store,
    chat::ChatTemplate,
    engine::Engine,
    kernels::Precision,
    method::{Method, Positions},
    methods::{self, Profile, Spec, Value},
    model::Model,
    tokenizer::Tokenizer,
};
use std::sync::Arc;

/// A loaded model file: shape, numbers, tokenizer and chat template.
pub struct Loaded {
    /// `general.name`, or the architecture.
    pub name: String,
    /// XXH64 of the file: whether two are the same, not who made them.
    pub hash: u64,
    /// Shape and places of weights.
    pub model: Arc<Model>,
    /// The numbers, shared by all sessions.
    pub weights: Arc<Weights>,
    /// Text to ids and back.
    pub tokenizer: Tokenizer,
    /// Calibrated parameters of its methods, which take the place of the registry's defaults.
    pub profile: Profile,
    pub(super) chat: Option<Result<ChatTemplate>>,
}

impl Loaded {
    /// The chat template of the file.
    ///
    /// # Errors
    /// [`Error::Template`] if it has none or one that does not parse; all else works without.
    pub fn chat(&self) -> Result<&ChatTemplate> {
        match &self.chat {
            Some(template) => template.as_ref().map_err(Clone::clone),
            None => Err(Error::Template("the model file has none; give the prompt as text".to_owned())),
        }
    }

    /// An engine with a method of the registry on the CPU, as it is; see [`compose`](Loaded::compose).
    ///
    /// # Errors
    /// As [`compose`](Loaded::compose).
    pub fn engine(
        &self,
        method: &str,
        params: &[(String, Value)],
        context: Option<u32>,
        store: Store,
    ) -> Result<Engine> {
        self.compose(&Spec::method(method, params), context, store, Precision::Fast)
    }

    /// An engine with a method on the CPU. `context` limits the text, in tokens; `None`: as many as the model was
    /// trained for. Parameters that are not given take their value from the [profile](Loaded::profile).
    ///
    /// # Errors
    /// For an unknown method or parameter or roles that do not fit together, and [`Error::Param`] for a context of 0 or
    /// beyond the model's.
    pub fn compose(&self, spec: &Spec, context: Option<u32>, store: Store, precision: Precision) -> Result<Engine> {
        let method = self.profile.build(spec, &self.shape())?;
        self.engine_for(method, context, store, precision)
    }

    /// What of the model a method may depend on.
    #[must_use]
    pub fn shape(&self) -> methods::Shape {
        methods::Shape { layers: self.model.config.layers }
    }

    /// An engine with a method that is no row of the registry, such as one host's of a [`Plan`](methods::Plan).
    ///
    /// # Errors
    /// [`Error::Param`] for a context of 0 or beyond the model's.
    pub fn engine_for(
        &self,
        method: Method,
        context: Option<u32>,
        store: Store,
        precision: Precision,
    ) -> Result<Engine> {
        let context = self.context(context)?;
        self.narrow_for(&method)?;
        let cpu = self.cpu(method.retain.positions(), store, precision)?;
        Ok(Engine::new(self.model.clone(), Box::new(cpu), method, context))
    }

    /// Makes the narrower copies that a method guesses with.
    pub(super) fn narrow_for(&self, method: &Method) -> Result<()> {
        let matrices = self.model.layers.iter().flat_map(|layer| [layer.gate, layer.up, layer.down]);
        if !method.schedule.narrow_guesses() || self.weights.narrow(matrices)? {
            return Ok(());
        }
        Err(Error::Param {
            name: "draft_weights".into(),
            got: "int4_ffn".into(),
            allowed: "same: the feed-forward matrices of this file have 4 bits already".into(),
        })
    }

    /// A CPU back end of this model, for an engine to [move to](Engine::move_to).
    ///
    /// # Errors
    /// [`Error::Shape`] for a model whose rotation does not fit its heads.
    pub fn cpu(&self, positions: Positions, store: Store, precision: Precision) -> Result<Cpu> {
        let cpu = Cpu::new((&self.model.config).into(), self.weights.clone(), positions, store)?;
        Ok(cpu.with_precision(precision))
    }

    /// The context of an engine: the model's unless another was asked for.
    pub(super) fn context(&self, asked: Option<u32>) -> Result<u32> {
        let most = self.model.config.context;
        let context = asked.unwrap_or(most);
        if !(1..=most).contains(&context) {
            let allowed = format!("1 to {most}");
            return Err(Error::Param { name: "context".into(), got: context.to_string(), allowed });
        }
        Ok(context)
    }
}
