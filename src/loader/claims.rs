//! Which tensor of a file is which weight of the model.

use crate::{
    Error, Result,
    backend::{WeightData, Weights},
    gguf::{Header, transcode},
    kernels::Matrix,
    model::{Config, Layer, Model},
    ops::Weight,
};

/// Where the rows of a tensor go.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// To a weight.
    Weight(Weight),
    /// To the divisors of the rotation.
    RopeDivisors,
}

/// Claims the tensors of a model one by one, checking their shapes.
struct Claims<'a> {
    header: &'a Header,
    places: Vec<Option<Place>>,
    list: Vec<WeightData>,
}

impl Claims<'_> {
    fn find(&mut self, name: &str, want: &[u64]) -> Result<Option<usize>> {
        let Some((index, tensor)) = self.header.tensor(name) else { return Ok(None) };
        if tensor.dims != want {
            let why = format!("dimensions {:?}, the model's shape asks for {want:?}", tensor.dims);
            return Err(Error::File { what: name.to_owned(), why });
        }
        Ok(Some(index))
    }

    fn put(&mut self, index: usize, data: WeightData) -> Weight {
        let weight = Weight(self.list.len() as u32);
        self.list.push(data);
        self.places[index] = Some(Place::Weight(weight));
        weight
    }

    fn optional_matrix(&mut self, name: &str, rows: u32, cols: u32) -> Result<Option<Weight>> {
        let Some(index) = self.find(name, &[cols.into(), rows.into()])? else { return Ok(None) };
        let layout = transcode::layout_for(self.header.tensors[index].kind);
        let matrix = Matrix::announced(layout, rows as usize, cols as usize)?;
        Ok(Some(self.put(index, WeightData::Matrix(matrix))))
    }

    fn matrix(&mut self, name: &str, rows: u32, cols: u32) -> Result<Weight> {
        self.optional_matrix(name, rows, cols)?.ok_or_else(|| missing(name))
    }

    fn vector(&mut self, name: &str, len: u32) -> Result<Weight> {
        let index = self.find(name, &[len.into()])?.ok_or_else(|| missing(name))?;
        Ok(self.put(index, WeightData::Vector(Vec::new())))
    }
}

fn missing(name: &str) -> Error {
    Error::File { what: name.to_owned(), why: "the tensor is missing".to_owned() }
}

/// The weight that each tensor's rows go to, the weights without numbers yet, and the model of them.
///
/// # Errors
/// [`Error::File`] for a tensor that is missing or of another shape, [`Error::Unsupported`] for one too many.
pub(super) fn claim(header: &Header, config: &Config) -> Result<(Vec<Place>, Weights, Model)> {
    let mut claims = Claims { header, places: vec![None; header.tensors.len()], list: Vec::new() };
    let (width, hidden) = (config.width, config.hidden);
    let (q, kv) = (config.query_heads * config.head_dim, config.kv_heads * config.head_dim);
    if let Some(index) = claims.find("rope_freqs.weight", &[u64::from(config.rope.dim / 2)])? {
        claims.places[index] = Some(Place::RopeDivisors);
    }
    let embedding = claims.matrix("token_embd.weight", config.vocabulary, width)?;
    let norm = claims.vector("output_norm.weight", width)?;
    let head = claims.optional_matrix("output.weight", config.vocabulary, width)?.unwrap_or(embedding);
    let mut layer = |l: u32| -> Result<Layer> {
        let name = |part: &str| format!("blk.{l}.{part}.weight");
        Ok(Layer {
            attention_norm: claims.vector(&name("attn_norm"), width)?,
            qkv: [
                claims.matrix(&name("attn_q"), q, width)?,
                claims.matrix(&name("attn_k"), kv, width)?,
                claims.matrix(&name("attn_v"), kv, width)?,
            ],
            output: claims.matrix(&name("attn_output"), width, q)?,
            mlp_norm: claims.vector(&name("ffn_norm"), width)?,
            gate: claims.matrix(&name("ffn_gate"), hidden, width)?,
            up: claims.matrix(&name("ffn_up"), hidden, width)?,
            down: claims.matrix(&name("ffn_down"), width, hidden)?,
        })
    };
    let layers = (0..config.layers).map(&mut layer).collect::<Result<_>>()?;
    let unclaimed = claims.places.iter().position(Option::is_none);
    if let Some(index) = unclaimed {
        let supported = "the tensors of a plain llama model, without biases".to_owned();
        return Err(Error::Unsupported { what: "tensor", got: header.tensors[index].name.clone(), supported });
    }
    let places = claims.places.into_iter().flatten().collect();
    let model = Model { config: config.clone(), embedding, layers, norm, head };
    Ok((places, Weights { list: claims.list, ..Weights::default() }, model))
}
