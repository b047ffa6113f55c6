//! What a run costs, read off the trace and the cache's counters.

use attnscope::{
    engine::Engine,
    loader::Loaded,
    method::PassKind,
    ops::Missed,
    trace::{ALL_HEADS, Kind, Record, records},
};
use serde::{Deserialize, Serialize};

/// How the ceilings are computed; printed beside them.
pub const FORMULA: &str = "ceiling = (W + F) / (W * passes + R): W bytes of the weights a pass reads, F and R bytes of \
    keys and values that full attention and the method read for a token made (a row counts once for all heads that \
    read it), passes per token made. ceiling_attention = F / R. ceiling_prefill = (M + A) / (M + A * density): M and A \
    multiplications of the matrices and of full causal attention over the prompt, density the share of attention's \
    pairs that is computed, all layers but the last. F, M and A follow from the model's shape.";

/// What a run cost. Bytes are those of keys and values.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Cost {
    /// Held at the end.
    pub stored: f64,
    /// Held at most, within passes too.
    pub peak: f64,
    /// Read for a token made.
    pub read: f64,
    /// Of `stored`, what the far tier holds.
    pub far: f64,
    /// Moved between the tiers in all.
    pub moved: f64,
    /// What full attention holds at the end.
    pub stored_full: f64,
    /// What full attention reads for a token made.
    pub read_full: f64,
    /// `stored / stored_full`.
    pub stored_share: f64,
    /// `read / read_full`.
    pub read_share: f64,
    /// Of all the bytes of [`FORMULA`].
    pub ceiling: f64,
    /// Of the bytes of attention alone.
    pub ceiling_attention: f64,
    /// Share of attention's pairs that was computed in the prompt.
    pub density: f64,
    /// Of the prompt.
    pub ceiling_prefill: f64,
    /// Guesses made.
    pub guesses: f64,
    /// Guesses that held.
    pub held: f64,
    /// Tokens of a round of guesses; 0 without guesses.
    pub per_round: f64,
}

/// Counts while a run goes on.
#[derive(Default)]
pub struct Counter {
    running: Option<Begun>,
    passes: u64,
    guesses: u64,
    checks: u64,
    made: u64,
    checked_tokens: u64,
    read: u64,
    peak: u64,
    moved: u64,
    /// Sums over layers and heads of what sparse reads missed, and how many, for every token that was compared.
    missed: Vec<(Missed, u32)>,
    /// Whether the running pass has been compared.
    comparing: bool,
    /// Rows full attention would have read, and would hold.
    full_rows: u64,
    length: u64,
    /// Rows of prompts.
    prompt: u64,
    /// Pairs of a query and a key in prompts, by head, all layers but the last: computed, and of full attention.
    pairs: [f64; 2],
    /// Layer and head of a read by slots that is being told, and its slots so far.
    listed: Option<(u8, u8, u32)>,
}

/// A pass that has begun.
#[derive(Clone, Copy)]
struct Begun {
    kind: u8,
    first: u32,
    rows: u32,
}

impl Begun {
    fn is(self, kind: PassKind) -> bool {
        self.kind == kind as u8
    }

    /// Causal pairs of its rows with the newest `window` positions before each and its own.
    fn pairs(self, window: u32) -> f64 {
        let (n, w) = (f64::from(self.rows), f64::from(window));
        // Rows that see fewer positions than the window has.
        let short = f64::from(window.saturating_sub(self.first).min(self.rows));
        short * (f64::from(self.first) + (short + 1.0) / 2.0) + (n - short) * w
    }

    /// The same with `listed` positions that end in its own rows.
    fn listed(self, listed: u32) -> f64 {
        let n = f64::from(self.rows);
        n * f64::from(listed) - n * (n - 1.0) / 2.0
    }
}

impl Counter {
    /// To be called after every piece of work of the engine.
    pub fn after(&mut self, engine: &mut Engine) {
        let (heads, layers) = (engine.model().config.query_heads, engine.model().config.layers);
        engine.tracer().take(|block| {
            for record in records(block) {
                self.record(&record, heads, layers);
            }
        });
        let kept = engine.kept();
        self.peak = self.peak.max(kept.bytes);
        if engine.progress() != (0, 0) {
            return;
        }
        self.settle();
        self.comparing = false;
        let Some(ended) = self.running.take() else { return };
        self.moved += kept.moved;
        if ended.is(PassKind::Prefill) {
            self.prompt += u64::from(ended.rows);
            return;
        }
        self.passes += 1;
        self.read += kept.bytes_read;
        self.guesses += u64::from(ended.is(PassKind::Draft));
        self.checks += u64::from(ended.is(PassKind::Verify));
    }

    fn record(&mut self, record: &Record, heads: u32, layers: u32) {
        let is = |kind: Kind| record.kind == kind as u8;
        if is(Kind::Pass) {
            self.running = Some(Begun { kind: record.aux, first: record.a, rows: record.b });
        }
        if is(Kind::Shadow) {
            if !std::mem::replace(&mut self.comparing, true) {
                self.missed.push(Default::default());
            }
            if let Some((sum, count)) = self.missed.last_mut() {
                sum.recall += f32::from_bits(record.a);
                sum.error += f32::from_bits(record.b);
                *count += 1;
            }
        }
        let Some(pass) = self.running else { return };
        let prefill = pass.is(PassKind::Prefill);
        if is(Kind::Token) && record.aux == 0 {
            self.length = u64::from(record.b);
            if !prefill {
                self.made += 1;
                self.full_rows += u64::from(record.b);
                self.checked_tokens += u64::from(pass.is(PassKind::Verify));
            }
        }
        // The last layer computes only what the newest row needs.
        if prefill && u32::from(record.layer) + 1 < layers {
            self.read_in_prompt(record, pass, heads);
        }
    }

    fn read_in_prompt(&mut self, record: &Record, pass: Begun, heads: u32) {
        let is = |kind: Kind| record.kind == kind as u8;
        let full = pass.pairs(u32::MAX);
        if is(Kind::ReadRun) || is(Kind::ReadBits) {
            let slots = record.positions().count() as u32;
            match &mut self.listed {
                Some((layer, head, listed)) if (*layer, *head) == (record.layer, record.head) => *listed += slots,
                _ => {
                    self.settle();
                    self.listed = Some((record.layer, record.head, slots));
                }
            }
            return;
        }
        let computed = if is(Kind::ReadAll) {
            full
        } else if is(Kind::ReadWindow) {
            pass.pairs(record.a)
        } else if is(Kind::ReadBlocks) {
            // The list before it is what the newest row reads of these blocks.
            self.listed = None;
            let blocks = u64::from(record.a >> 16);
            let read: u32 = record.payload.iter().map(|byte| byte.count_ones()).sum();
            full * f64::from(read) / (blocks * (blocks + 1) / 2).max(1) as f64
        } else {
            return;
        };
        self.settle();
        self.add(computed, full, if record.head == ALL_HEADS { heads } else { 1 });
    }

    /// Counts the list that has been told.
    fn settle(&mut self) {
        if let (Some((_, _, listed)), Some(pass)) = (self.listed.take(), self.running) {
            self.add(pass.listed(listed), pass.pairs(u32::MAX), 1);
        }
    }

    fn add(&mut self, computed: f64, full: f64, heads: u32) {
        self.pairs[0] += computed * f64::from(heads);
        self.pairs[1] += full * f64::from(heads);
    }

    /// What sparse reads missed, a mean over heads and layers that read sparsely for every token compared.
    pub fn missed(&self) -> Vec<Missed> {
        let mean = |(sum, n): &(Missed, u32)| Missed { recall: sum.recall / *n as f32, error: sum.error / *n as f32 };
        self.missed.iter().map(mean).collect()
    }

    /// The sums.
    pub fn cost(&self, engine: &Engine, loaded: &Loaded) -> Cost {
        let c = &loaded.model.config;
        let row = f64::from(c.layers * c.kv_heads * c.head_dim * 2 * 2);
        let weights = pass_bytes(loaded);
        let each = |sum: u64| if self.made == 0 { 0.0 } else { sum as f64 / self.made as f64 };
        let ratio = |full: f64, own: f64| if own > 0.0 { full / own } else { 0.0 };
        let (read, read_full) = (each(self.read), each(self.full_rows) * row);
        let (stored, stored_full) = (engine.kept().bytes as f64, self.length as f64 * row);
        let density = if self.pairs[1] > 0.0 { self.pairs[0] / self.pairs[1] } else { 1.0 };
        let (n, q) = (self.prompt as f64, f64::from(c.query_heads * c.head_dim));
        let kv = f64::from(c.kv_heads * c.head_dim);
        let (width, hidden) = (f64::from(c.width), f64::from(c.hidden));
        let matrices = n * f64::from(c.layers) * (width * 2.0 * (q + kv) + 3.0 * width * hidden);
        // Of a head in a layer but the last.
        let pairs = self.pairs[1] / f64::from((c.query_heads * (c.layers - 1)).max(1));
        let attention = f64::from(c.layers) * q * 2.0 * pairs;
        Cost {
            stored,
            peak: self.peak as f64,
            read,
            far: engine.kept().far as f64,
            moved: self.moved as f64,
            stored_full,
            read_full,
            stored_share: ratio(stored, stored_full),
            read_share: ratio(read, read_full),
            ceiling: ratio(weights + read_full, weights * each(self.passes) + read),
            ceiling_attention: ratio(read_full, read),
            density,
            ceiling_prefill: ratio(matrices + attention, matrices + attention * density),
            guesses: self.guesses as f64,
            held: self.checked_tokens.saturating_sub(self.checks) as f64,
            per_round: if self.checks == 0 { 0.0 } else { self.checked_tokens as f64 / self.checks as f64 },
        }
    }
}

/// Bytes of weights that a pass of one row reads: all but the embedding table, unless that is the output matrix too.
fn pass_bytes(loaded: &Loaded) -> f64 {
    use attnscope::backend::WeightData;
    let (embedding, head) = (loaded.model.embedding, loaded.model.head);
    let table = match loaded.weights.list.get(embedding.0 as usize) {
        Some(WeightData::Matrix(matrix)) if embedding != head => matrix.bytes(),
        _ => 0,
    };
    (loaded.weights.bytes() - table) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMPT: Begun = Begun { kind: PassKind::Prefill as u8, first: 0, rows: 4 };
    const LATER: Begun = Begun { first: 10, rows: 3, ..PROMPT };

    #[test]
    fn pairs_are_those_of_the_definition() {
        let naive = |pass: Begun, window: u32| -> f64 {
            (0..pass.rows).map(|row| f64::from((pass.first + row + 1).min(window))).sum()
        };
        for pass in [PROMPT, LATER] {
            for window in [1, 2, 3, 11, 12, 99, u32::MAX] {
                assert_eq!(pass.pairs(window), naive(pass, window), "{} rows, window {window}", pass.rows);
            }
        }
        // Six positions, of which the last three are the rows' own: 4 + 5 + 6.
        assert_eq!(LATER.listed(6), 15.0);
        assert_eq!(LATER.listed(13), LATER.pairs(u32::MAX));
    }
}
