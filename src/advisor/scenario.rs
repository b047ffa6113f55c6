//! Which methods suit which use, and what a device allows.

use super::Text;
use crate::{Error, Result, model::Config};

/// What matters most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing in particular: what loses least.
    #[default]
    Any,
    /// Long prompts: reading them takes the time.
    LongSequence,
    /// The cache hardly fits.
    TightMemory,
    /// Pictures in the prompt.
    Multimodal,
    /// Steps of even length, however long the text becomes.
    RealTime,
}

/// The methods that suit a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Suits {
    /// The scenario.
    pub scenario: Scenario,
    /// Its name.
    pub name: &'static str,
    /// Why these.
    pub why: &'static str,
    /// Methods as `Spec` reads them, best first.
    pub methods: &'static [&'static str],
}

/// Every scenario once.
pub const SCENARIOS: &[Suits] = &[
    Suits {
        scenario: Scenario::Any,
        name: "any",
        why: "nothing is lost while all fits; then what loses least",
        methods: &["full", "quant_spec", "snap_kv", "scope", "streaming_llm"],
    },
    Suits {
        scenario: Scenario::LongSequence,
        name: "long-sequence",
        why: "less of a long text is read and nothing dropped, while it fits",
        methods: &[
            "prefill=flex_prefill select=tidal_decode",
            "prefill=flex_prefill retain=quant_spec",
            "prefill=flex_prefill retain=snap_kv",
            "streaming_llm",
        ],
    },
    Suits {
        scenario: Scenario::TightMemory,
        name: "tight-memory",
        why: "fewer bits a number first, then fewer tokens",
        methods: &["quant_spec", "snap_kv", "scope", "h2o", "streaming_llm"],
    },
    Suits {
        scenario: Scenario::Multimodal,
        name: "multimodal",
        why: "text stays, picture tokens are merged; without pictures as for any text",
        methods: &["look_m", "quant_spec", "snap_kv", "streaming_llm"],
    },
    Suits {
        scenario: Scenario::RealTime,
        name: "real-time",
        why: "the cache stays as it is while text is generated, so a step does not grow longer",
        methods: &["prefill=flex_prefill retain=scope", "h2o", "streaming_llm"],
    },
];

impl Scenario {
    /// The scenario called `name`.
    ///
    /// # Errors
    /// [`Error::Param`] with all names.
    pub fn find(name: &str) -> Result<Scenario> {
        let found = SCENARIOS.iter().find(|suits| suits.name == name);
        found.map(|suits| suits.scenario).ok_or_else(|| Error::Param {
            name: "scenario".to_owned(),
            got: name.to_owned(),
            allowed: SCENARIOS.iter().map(|suits| suits.name).collect::<Vec<_>>().join(", "),
        })
    }

    /// Its row of [`SCENARIOS`].
    #[must_use]
    pub fn suits(self) -> &'static Suits {
        SCENARIOS.iter().find(|suits| suits.scenario == self).unwrap_or(&SCENARIOS[0])
    }
}

/// What is known of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Bits of a vector that arithmetic uses; 0: none.
    pub vector_bits: u32,
    /// Threads it offers.
    pub threads: Option<u32>,
    /// Bytes of memory that weights and cache may take together.
    pub memory: Option<u64>,
    /// Bytes of the largest WebGPU buffer.
    pub webgpu_buffer: Option<u64>,
}

/// Bytes that a WebAssembly memory of 32-bit addresses ends at.
const WASM_MEMORY: u64 = 1 << 32;

impl Device {
    /// What this build knows of itself.
    #[must_use]
    pub fn here() -> Device {
        let wasm = cfg!(target_arch = "wasm32");
        let vector_bits = match () {
            #[cfg(target_arch = "x86_64")]
            () if std::is_x86_feature_detected!("avx2") => 256,
            () if cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_feature = "simd128")) => 128,
            () => 0,
        };
        let threads = std::thread::available_parallelism().ok().and_then(|n| u32::try_from(n.get()).ok());
        Device { vector_bits, threads, memory: wasm.then_some(WASM_MEMORY), webgpu_buffer: None }
    }

    /// Bytes for the cache: what was asked for, as far as the device has it beside `weights` bytes of weights.
    ///
    /// # Errors
    /// [`Error::Param`] when neither says how much.
    pub fn room(&self, asked: Option<u64>, weights: u64) -> Result<u64> {
        let free = self.memory.map(|memory| memory.saturating_sub(weights));
        asked.into_iter().chain(free).min().ok_or_else(|| Error::Param {
            name: "memory".to_owned(),
            got: "nothing".to_owned(),
            allowed: "bytes for the cache, or the device's memory".to_owned(),
        })
    }

    /// What follows for a text and its cache of `bytes` bytes.
    #[must_use]
    pub fn notes(&self, model: &Config, text: &Text, bytes: u64) -> Vec<String> {
        let mut notes = vec![match self.vector_bits {
            0 => "no vector instructions: reading less of the cache saves most here".to_owned(),
            bits => format!("vectors of {bits} bits"),
        }];
        notes.extend(self.threads.map(|n| format!("{n} threads, of which a session uses one")));
        let layer = bytes / u64::from(model.layers.max(1)) / 2;
        notes.extend(self.webgpu_buffer.map(|most| {
            let fits = if layer <= most { "fit" } else { "do not fit" };
            format!("a layer's keys, {layer} bytes, {fits} into a WebGPU buffer of {most}")
        }));
        let (tokens, context) = (u64::from(text.prompt) + u64::from(text.generated), model.context);
        if tokens > context.into() {
            notes.push(format!(
                "the model's context is {context} tokens: {tokens} run only with a method that keeps a bounded number"
            ));
        }
        notes
    }
}
