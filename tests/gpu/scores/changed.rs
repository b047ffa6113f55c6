//! Score columns and what changes them.

use attnscope::{
    Error,
    ops::{Dense, Fresh, Group, Kv, Mass, Ops, Pooling, Read, Reduce},
};

use super::super::gpu;
use super::{Both, KV, SHAPES};

#[test]
fn columns_start_and_grow_and_move_with_their_slots() {
    let Some(gpu) = gpu("score columns") else { return };
    for (slots, query, rows) in SHAPES {
        let mut both = Both::filled(&gpu, query, 16, slots, rows);
        let at = both.run(|ops, _| ops.column(KV, "at", Fresh::Position));
        both.check_slots("a new column of positions", at, 0.0);
        let sum = both.run(|ops, _| ops.column(KV, "sum", Fresh::Value(0.5)));
        both.check_slots("a new column of values", sum, 0.0);
        let mass = both.random(slots.len());
        both.run(|ops, on| ops.accumulate(sum[on], mass[on], 1.0));
        both.check_slots("a changed column", sum, 1e-6);
        let half: Vec<usize> = slots.iter().map(|n| n.div_ceil(2)).collect();
        let kept = both.choose(&half);
        both.cpu.keep(KV, kept[0]).unwrap();
        both.gpu.keep(KV, kept[1]).unwrap();
        both.slots = half;
        both.finish();
        both.pass(3);
        for (name, fresh) in [("at", Fresh::Position), ("sum", Fresh::Value(0.5))] {
            let column = both.run(|ops, _| ops.column(KV, name, fresh));
            both.check_slots(name, column, 1e-6);
        }
    }
}

#[test]
fn a_layer_may_have_the_second_column_alone() {
    let Some(gpu) = gpu("score columns by layer") else { return };
    let mut both = Both::filled(&gpu, 3, 16, &[20], 20);
    both.run(|ops, _| ops.column(Kv(0), "first", Fresh::Value(1.0)));
    both.run(|ops, _| ops.column(KV, "second", Fresh::Value(2.0)));
    both.finish();
    both.pass(5);
    let second = both.run(|ops, _| ops.column(KV, "second", Fresh::Value(2.0)));
    both.check_slots("the second column alone", second, 0.0);
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
            both.run(|ops, on| ops.accumulate(dst[on], src[on], decay));
            // A fused product and sum is rounded once.
            both.check_slots("accumulate", dst, 2e-7);
        }
        let zeros = vec![0.0; heads * both.most()];
        let (dst, src) = (both.given(heads, &zeros), both.extreme(heads));
        both.run(|ops, on| ops.accumulate(dst[on], src[on], 0.0));
        both.check_slots("accumulate infinities", dst, 0.0);
        for value in [3.5, f32::INFINITY, f32::NEG_INFINITY] {
            let (dst, at) = (both.extreme(heads), both.extreme(heads));
            both.run(|ops, on| ops.stamp(dst[on], at[on], value));
            both.check_slots("stamp", dst, 0.0);
        }
        let dst = both.extreme(heads);
        both.run(|ops, on| ops.halve(dst[on]));
        both.check_slots("halve", dst, 0.0);
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
    let blank = [both.cpu.open(KV, mass).unwrap(), both.gpu.open(KV, mass).unwrap()];
    let used = both.run(|ops, on| ops.used(blank[on], 0.0, 1));
    both.check_slots("a blank source", used, 0.0);
    let other = [both.cpu.open(KV, mass).unwrap(), both.gpu.open(KV, mass).unwrap()];
    let src = both.random(3);
    both.run(|ops, on| ops.accumulate(other[on], src[on], 0.5));
    both.check_slots("a blank destination", other, 0.0);
}

#[test]
fn groups_that_do_not_fit_are_refused() {
    let Some(gpu) = gpu("groups of tables") else { return };
    let mut both = Both::filled(&gpu, 4, 16, &[9, 9], 2);
    let (by_query, by_kv) = (both.random(4), both.random(2));
    for side in 0..2 {
        let ops: &mut dyn Ops = if side == 0 { &mut both.cpu } else { &mut both.gpu };
        let refused = |result: attnscope::Result<()>| assert!(matches!(result, Err(Error::Shape { .. })));
        refused(ops.accumulate(by_kv[side], by_query[side], 1.0));
        refused(ops.stamp(by_query[side], by_query[side], 1.0));
        refused(ops.used(by_query[side], 1.0, 0).map(|_| ()));
        refused(ops.regroup(by_kv[side], Group::Query, Reduce::Sum).map(|_| ()));
        refused(ops.pool(by_kv[side], 4, Pooling::Max, 0).map(|_| ()));
    }
    let mut unlike = Both::filled(&gpu, 4, 16, &[9, 8], 2);
    let [on_cpu, on_gpu] = unlike.random(4);
    assert!(matches!(unlike.cpu.regroup(on_cpu, Group::All, Reduce::Mean), Err(Error::Shape { .. })));
    assert!(matches!(unlike.gpu.regroup(on_gpu, Group::All, Reduce::Mean), Err(Error::Shape { .. })));
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
        let mass = [both.cpu.open(KV, want).unwrap(), both.gpu.open(KV, want).unwrap()];
        for rows in [0..30, 30..45, 45..60] {
            both.cpu.attend(KV, Read::All, rows.clone(), &[Some((want, mass[0])), None]).unwrap();
            both.gpu.attend(KV, Read::All, rows, &[Some((want, mass[1])), None]).unwrap();
        }
        both.check_slots("mass of the newest rows", mass, 1e-5);
    }
}

#[test]
fn mass_goes_into_a_column() {
    let Some(gpu) = gpu("mass into a column") else { return };
    for (slots, query) in [(&[65, 40, 3][..], 9), (&[200, 200], 4)] {
        let mut both = Both::filled(&gpu, query, 16, slots, 1);
        let column = both.run(|ops, _| ops.column(KV, "sum", Fresh::Value(0.0)));
        let want = Mass { rows: u32::MAX, per: Group::Kv };
        let mass = [both.cpu.open(KV, want).unwrap(), both.gpu.open(KV, want).unwrap()];
        both.cpu.attend(KV, Read::All, 0..1, &[Some((want, mass[0])), None]).unwrap();
        both.gpu.attend(KV, Read::All, 0..1, &[Some((want, mass[1])), None]).unwrap();
        both.run(|ops, on| ops.accumulate(column[on], mass[on], 0.9));
        // Products of 16 numbers of size 3: scores are off by 2e-6, and so their exponentials.
        both.check_slots("mass in a column", column, 1e-5);
    }
}
