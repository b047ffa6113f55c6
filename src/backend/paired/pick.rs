//! Which tokens a back end may pick that adds the same weights in another order.

use super::tolerance::DRAW;
use crate::kernels::{Candidates, Pick};

/// Ids in whose share of the probability, give or take [`DRAW`], the number falls that draws; where top-p ends may be
/// apart by as much.
pub(super) fn allowed(candidates: &mut Candidates, logits: &[f32], how: &Pick) -> Vec<u32> {
    let picked = candidates.pick(logits, how);
    let mut ids = vec![picked.id];
    if how.temperature <= 0.0 || !picked.finite {
        return ids;
    }
    for top_p in [how.top_p - DRAW, how.top_p, how.top_p + DRAW] {
        candidates.find(logits, &Pick { top_p: top_p.max(f32::MIN_POSITIVE), ..*how });
        let total = candidates.total();
        let (from, to) = (f64::from(how.draw - DRAW) * total, f64::from(how.draw + DRAW) * total);
        let mut before = 0.0;
        for (id, weight) in &candidates.weights {
            let after = before + f64::from(*weight);
            if after >= from && before <= to {
                ids.push(*id);
            }
            before = after;
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_allowed_only_where_rounding_decides() {
        // Two tokens of an eighth each, and one of three quarters.
        let logits: Vec<f32> = [0.125f32, 0.125, 0.75].iter().map(|p| p.ln()).collect();
        let of = |draw, top_p| {
            let how = Pick { temperature: 1.0, top_k: 0, top_p, draw };
            let mut ids = allowed(&mut Candidates::default(), &logits, &how);
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        assert_eq!(of(0.06, 1.0), [0]);
        assert_eq!(of(0.125, 1.0), [0, 1]);
        assert_eq!(of(0.2, 1.0), [1]);
        // Whether the first is a candidate besides the last is such a question too.
        assert_eq!(of(0.01, 0.75), [0, 2]);
        assert_eq!(of(0.01, 0.7), [2]);
    }
}
