//! The layer at which Round Attention's choice no longer changes, found by measuring. (Where TidalDecode selects again is
//! found by running it: `attnscope calibrate`.)

use crate::{
    Result,
    method::{LayerCx, Method, PassKind, Select, Site},
    ops::{Group, Mass, Scores},
    trace::{Kind, records},
};

/// Remarks in every layer how the attention of a question is spread over the earlier rounds; reads everything.
#[derive(Debug, Default)]
pub struct RoundMass {
    /// Only the question's last token counts.
    pub last: bool,
}

impl RoundMass {
    /// As a method.
    #[must_use]
    pub fn method(self) -> Method {
        Method { select: Box::new(self), ..Method::full() }
    }
}

impl Select for RoundMass {
    fn wants(&self, at: &Site) -> Option<Mass> {
        let asked = at.kind == PassKind::Prefill && at.round > 0;
        asked.then_some(Mass { rows: if self.last { 1 } else { at.question }, per: Group::All })
    }
    fn learn(&mut self, cx: &mut LayerCx, mass: Scores) -> Result<()> {
        let rounds = cx.ops.by_round(mass)?;
        cx.ops.note(0, rounds)
    }
}

/// The attention on each earlier round, `[layers][rounds]`, from the trace of one pass of [`RoundMass`]; sums over query
/// heads and question tokens.
#[must_use]
pub fn round_masses(block: &[u8], layers: u32) -> Vec<Vec<f32>> {
    let mut masses = vec![Vec::new(); layers as usize];
    for note in records(block).filter(|r| r.kind == Kind::Note as u8) {
        if let Some(layer) = masses.get_mut(usize::from(note.layer)) {
            layer.resize(layer.len().max(note.a.min(u32::from(u16::MAX)) as usize + 1), 0.0);
            layer[note.a as usize] = f32::from_bits(note.b);
        }
    }
    masses
}

/// Each layer's masses divided by their sum.
#[must_use]
pub fn shares(masses: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let of = |layer: &Vec<f32>| {
        let sum = layer.iter().sum::<f32>().max(1e-12);
        layer.iter().map(|x| x / sum).collect()
    };
    masses.iter().map(of).collect()
}

/// Cosine between the shares of every two layers, `[layers][layers]`.
#[must_use]
pub fn similarity(shares: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosine = |a: &Vec<f32>, b: &Vec<f32>| (dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt()).max(1e-12)) as f32;
    shares.iter().map(|a| shares.iter().map(|b| cosine(a, b)).collect()).collect()
}

/// The first layer whose shares are at least `threshold` like those of every later layer; the last one if none is.
#[must_use]
pub fn watershed(similarity: &[Vec<f32>], threshold: f32) -> u32 {
    let settled = |(layer, row): (usize, &Vec<f32>)| row[layer..].iter().all(|&cosine| cosine >= threshold);
    let last = similarity.len().saturating_sub(1);
    similarity.iter().enumerate().position(settled).unwrap_or(last) as u32
}
