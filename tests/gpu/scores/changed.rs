//! Score columns and what changes them.

use attnscope::ops::{Fresh, Group, Kv, Mass, Pooling, Read, Reduce};

use super::super::gpu;
use super::{Both, KV, SHAPES};

#[test]
fn columns_start_and_grow_and_move_with_their_slots() {
    let Some(gpu) = gpu("score columns") else { return };
    for (slots, query, rows) in SHAPES {
        let mut both = Both::filled(&gpu, query, 16, slots, rows);
        both.run(|ops| ops.column(KV, "at", Fresh::Position));
        let sum = both.run(|ops| ops.column(KV, "sum", Fresh::Value(0.5)));
        let mass = both.random(slots.len());
        both.run(|ops| ops.accumulate(sum, mass, 1.0));
        let half: Vec<usize> = slots.iter().map(|n| n.div_ceil(2)).collect();
        let kept = both.choose(&half);
        both.run(|ops| ops.keep(KV, kept));
        both.slots = half;
        both.finish();
        both.pass(3);
        for (name, fresh) in [("at", Fresh::Position), ("sum", Fresh::Value(0.5))] {
            both.run(|ops| ops.column(KV, name, fresh));
        }
    }
}

#[test]
fn random_numbers_are_the_same_bits_for_old_and_new_slots() {
    let Some(gpu) = gpu("random columns") else { return };
    for (slots, query, rows) in SHAPES {
        let mut both = Both::filled(&gpu, query, 16, slots, rows);
        both.run(|ops| ops.column(KV, "random", Fresh::Random));
        both.finish();
        both.pass(3);
        both.run(|ops| ops.column(KV, "random", Fresh::Random));
    }
}

#[test]
fn a_layer_may_have_the_second_column_alone() {
    let Some(gpu) = gpu("score columns by layer") else { return };
    let mut both = Both::filled(&gpu, 3, 16, &[20], 20);
    both.run(|ops| ops.column(Kv(0), "first", Fresh::Value(1.0)));
    both.run(|ops| ops.column(KV, "second", Fresh::Value(2.0)));
    both.finish();
    both.pass(5);
    both.run(|ops| ops.column(KV, "second", Fresh::Value(2.0)));
}

#[test]
fn tables_are_changed_in_place() {
    let Some(gpu) = gpu("changes of tables") else { return };
    for (slots, query, rows) in SHAPES {
        let heads = slots.len();
        let mut both = Both::filled(&gpu, query, 16, slots, rows);
        for decay in [1.0, 0.9] {
            // Without minus infinities: their sums with the others are none.
            let (dst, src) = (both.random(heads), both.random(heads));
            both.run(|ops| ops.accumulate(dst, src, decay));
            // A fused product and sum is rounded once.
        }
        let zeros = vec![0.0; heads * both.most()];
        let (dst, src) = (both.given(heads, &zeros), both.extreme(heads));
        both.run(|ops| ops.accumulate(dst, src, 0.0));
        for value in [3.5, f32::INFINITY, f32::NEG_INFINITY] {
            let (dst, at) = (both.extreme(heads), both.extreme(heads));
            both.run(|ops| ops.stamp(dst, at, value));
        }
        let dst = both.extreme(heads);
        both.run(|ops| ops.halve(dst));
    }
}

#[test]
fn a_table_that_nothing_was_written_to_is_zeros() {
    let Some(gpu) = gpu("blank tables") else { return };
    let mut both = Both::filled(&gpu, 9, 16, &[65, 40, 3], 2);
    let mass = Mass { rows: 0, per: Group::Kv };
    // What was there before must not show: tables of an earlier pass.
    both.random(9);
    both.pass(1);
    let blank = both.open(mass);
    both.run(|ops| ops.used(blank, 0.0, 1));
    let other = both.open(mass);
    let src = both.random(3);
    both.run(|ops| ops.accumulate(other, src, 0.5));
}

#[test]
fn groups_that_do_not_fit_are_refused() {
    let Some(gpu) = gpu("groups of tables") else { return };
    let mut both = Both::filled(&gpu, 4, 16, &[9, 9], 2);
    let (by_query, by_kv) = (both.random(4), both.random(2));
    both.refuses(|ops| ops.accumulate(by_kv, by_query, 1.0));
    both.refuses(|ops| ops.stamp(by_query, by_query, 1.0));
    both.refuses(|ops| ops.used(by_query, 1.0, 0));
    both.refuses(|ops| ops.regroup(by_kv, Group::Query, Reduce::Sum));
    both.refuses(|ops| ops.pool(by_kv, 4, Pooling::Max, 0));
    let mut unlike = Both::filled(&gpu, 4, 16, &[9, 8], 2);
    let by_query = unlike.random(4);
    unlike.refuses(|ops| ops.regroup(by_query, Group::All, Reduce::Mean));
}

#[test]
fn mass_of_the_newest_rows_of_a_prompt_in_pieces() {
    let Some(gpu) = gpu("mass of a prompt in pieces") else { return };
    let mut both = Both::filled(&gpu, 4, 16, &[300, 300], 300);
    // What is left of the pass before must not show.
    (0..4).for_each(|_| _ = both.random(4));
    both.finish();
    both.pass(60);
    for newest in [11, 33, 500] {
        let want = Mass { rows: newest, per: Group::Kv };
        let mass = both.open(want);
        for rows in [0..30, 30..45, 45..60] {
            both.attend(Read::All, rows, Some((want, mass)));
        }
    }
}

#[test]
fn mass_goes_into_a_column() {
    let Some(gpu) = gpu("mass into a column") else { return };
    for (slots, query) in [(&[65, 40, 3][..], 9), (&[200, 200], 4)] {
        let mut both = Both::filled(&gpu, query, 16, slots, 1);
        let column = both.run(|ops| ops.column(KV, "sum", Fresh::Value(0.0)));
        let want = Mass { rows: u32::MAX, per: Group::Kv };
        let mass = both.open(want);
        both.attend(Read::All, 0..1, Some((want, mass)));
        both.run(|ops| ops.accumulate(column, mass, 0.9));
    }
}
