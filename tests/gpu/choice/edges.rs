//! Numbers and lengths that are rare: equal shares, numbers of many magnitudes, KV heads of very different lengths.

use super::*;

impl Both {
    /// A table of these numbers on both.
    fn table(&mut self, groups: usize, numbers: &[f32]) -> (Scores, Scores) {
        (self.cpu.given(KV, groups, numbers), self.gpu.given(KV, groups as u32, numbers).unwrap())
    }

    /// Keeps only the first `few` slots of the second KV head.
    fn shorten(&mut self, few: usize) {
        let live = self.live;
        let numbers: Vec<f32> = (0..2 * live).map(|at| if at < live + few { 1.0 } else { f32::NEG_INFINITY }).collect();
        let (a, b) = self.table(2, &numbers);
        let all = live as u32;
        let sets = (self.cpu.top_k(a, all, Pins::default()), self.gpu.top_k(b, all, Pins::default()));
        self.cpu.keep(KV, sets.0.unwrap()).unwrap();
        self.gpu.keep(KV, sets.1.unwrap()).unwrap();
        self.gpu.submit().unwrap();
        assert!(self.gpu.arrived().unwrap());
        self.store(live as u32, 1);
    }
}

#[test]
fn equal_scores_cover_a_share_as_exactly() {
    for live in SIZES {
        let Some(mut both) = Both::new("equal scores cover a share", live) else { return };
        // Where all are equal a share ends at a score and not within one; the CPU's sums in f64 are exact there.
        for value in [0.1, 1.0 / 3.0, 1e-3, 7.7e30, 3e-39] {
            let (a, b) = both.table(1, &vec![value; live]);
            for share in [0.0, 0.125, 0.25, 0.5, 0.75, 0.9, 1.0, 2.0] {
                let counts = (both.cpu.cover(a, share).unwrap(), both.gpu.cover(b, share).unwrap());
                both.same_scores(&format!("cover {share} of equal {value}"), counts.0, counts.1);
            }
        }
    }
}

#[test]
fn scores_of_many_magnitudes_cover_a_share_as_exactly() {
    for live in SIZES {
        let Some(mut both) = Both::new("scores of many magnitudes", live) else { return };
        for spread in [4.0, 20.0, 60.0] {
            let number = |seed: &mut fastrand::Rng| match seed.usize(0..9) {
                0 => 0.0,
                1 => -1.0,
                2 => 0.25,
                _ => (-spread * seed.f32()).exp2() * (1.0 + seed.f32()),
            };
            let numbers: Vec<f32> = (0..2 * live).map(|_| number(&mut both.seed)).collect();
            let (a, b) = both.table(2, &numbers);
            for share in [0.01, 0.3, 0.5, 0.9, 0.95, 0.999, 1.0] {
                let counts = (both.cpu.cover(a, share).unwrap(), both.gpu.cover(b, share).unwrap());
                both.same_scores(&format!("cover {share} over 2^{spread}"), counts.0, counts.1);
            }
        }
    }
}

#[test]
fn heads_of_very_different_lengths_compete() {
    for (live, few) in [(64, 1), (257, 5), (1000, 10)] {
        let Some(mut both) = Both::new("heads of very different lengths", live) else { return };
        both.shorten(few);
        let (a, b) = both.scores(2, true);
        for k in [4, 20, live as u32 * 2 / 3, live as u32] {
            for pins in [Pins::default(), Pins { sinks: 3, recent: 2 }] {
                for (floor, covered) in [(0.0, false), (0.2, false), (0.2, true), (0.5, true), (1.0, false)] {
                    let spread = Spread { floor, covered };
                    let a = both.cpu.top_k_spread(a, k, spread, pins).unwrap();
                    let b = both.gpu.top_k_spread(b, k, spread, pins).unwrap();
                    both.same_sets(&format!("top_k_spread {k} {pins:?} {spread:?}"), a, b);
                }
            }
        }
        // More newest slots than there are are all of them.
        let pages = (both.cpu.listed(&[0, 2, 3]).unwrap(), both.gpu.listed(&[0, 2, 3]).unwrap());
        for recent in [0, 1, 7, 2000, u32::MAX] {
            for most in [0, 5, 1000] {
                let how = Expand { size: 4, most, recent };
                let pages = [both.cpu.union(pages.0, pages.0), both.gpu.union(pages.1, pages.1)].map(Result::unwrap);
                let sets = (both.cpu.expand(KV, pages[0], how).unwrap(), both.gpu.expand(KV, pages[1], how).unwrap());
                both.same_sets(&format!("{how:?}"), sets.0, sets.1);
            }
        }
        let numbers: Vec<f32> = (0..2 * both.cpu.live(KV)).map(|at| (at % 7) as f32 - 3.0).collect();
        let (s, t) = both.table(2, &numbers);
        let places = (both.cpu.rank(KV, Some(s), None).unwrap(), both.gpu.rank(KV, Some(t), None).unwrap());
        both.same_scores("rank", places.0, places.1);
    }
}

#[test]
fn lists_of_the_host() {
    let Some(mut both) = Both::new("lists of the host", 1000) else { return };
    let submits = both.gpu.device().counters().submits;
    let mut sets = Vec::new();
    for numbers in [0, 1, 51, 52, 53, 104, 300] {
        let numbers: Vec<u32> = (0..numbers).map(|i| 3 * i + 1).collect();
        sets.push((numbers.len(), both.cpu.listed(&numbers).unwrap(), both.gpu.listed(&numbers).unwrap()));
    }
    assert_eq!(both.gpu.device().counters().submits, submits, "lists are recorded with what is before them");
    for (numbers, a, b) in sets {
        both.same_sets(&format!("{numbers} listed"), a, b);
    }
}
