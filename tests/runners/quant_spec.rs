//! `quantspec_quant` (published quantiser), `quantspec_cache`, `quantspec_attn`, `quantspec_accept` (independent
//! references): codes, lengths and tokens exact, floats within each folder's tolerance.

use super::{Case, Layers, by_row};
use attnscope::{
    cache::{Planes, Store},
    method::{Method, PassKind},
    methods::{self, Value},
    ops::{Kv, PlaneGroups},
    sampler::judge,
};

fn method(group_tokens: usize, group_channels: usize) -> Method {
    let given = [("group_tokens", group_tokens), ("group_channels", group_channels)];
    let given = given.map(|(name, value)| (name.to_owned(), Value::Number(value as f64)));
    methods::build("quant_spec", &given, &methods::Shape { layers: 1 }).unwrap()
}

/// Numbers through planes: as keys, whose groups run along tokens, or as values, whose groups run along channels.
pub fn quant(case: &Case) {
    let [heads, rows, width] = case.shape("x")[..] else { panic!("{}: x", case.name) };
    let groups_along = case.shape("scale")[1];
    let by_channel = case.has("grouped_view");
    let groups = if by_channel {
        PlaneGroups { tokens: rows as u32, channels: (width / groups_along) as u32 }
    } else {
        PlaneGroups { tokens: (rows / groups_along) as u32, channels: 0 }
    };
    if case.has("group") {
        let along = if by_channel { width } else { rows };
        assert_eq!(case.ints("group"), [(along / groups_along) as i32], "{} group", case.name);
    }
    let x = case.floats("x");
    for head in 0..heads {
        let mut planes = Planes::new(groups, width).unwrap();
        for group in x[head * rows * width..][..rows * width].chunks(groups.tokens as usize * width) {
            planes.push(group, group, Store::F32);
        }
        let plane = planes.parts()[usize::from(by_channel)];
        // Where the golden tensors, transposed for values, hold a number and a grid.
        let at = |row: usize, channel: usize| {
            head * rows * width + if by_channel { channel * rows + row } else { row * width + channel }
        };
        let grids = plane.grids().enumerate().map(|(i, grid)| {
            let (outer, inner) = if by_channel { (i % groups_along, i / groups_along) } else { (i / width, i % width) };
            let inners = if by_channel { rows } else { width };
            ((head * groups_along + outer) * inners + inner, grid)
        });
        let (scale, zero) = (case.floats("scale"), case.floats("zero"));
        for (i, grid) in grids {
            case.close("scale", &[grid.step], &[scale[i]], 2e-7);
            case.close("zero", &[grid.zero], &[zero[i]], 2e-7);
        }
        for suffix in ["ref", "sim"].into_iter().filter(|suffix| case.has(&format!("upper_{suffix}"))) {
            let (upper, lower) = (case.bytes(&format!("upper_{suffix}")), case.bytes(&format!("lower_{suffix}")));
            for (row, channel) in (0..rows).flat_map(|row| (0..width).map(move |channel| (row, channel))) {
                let want = (upper[at(row, channel)], lower[at(row, channel)].cast_signed());
                assert_eq!(plane.codes(row, width, channel), want, "{} {suffix} {row} {channel}", case.name);
            }
        }
        for (name, bytes) in [("packed_upper_triton", plane.packed()[0]), ("packed_lower_triton", plane.packed()[1])] {
            if case.has(name) {
                assert_eq!(bytes, &case.bytes(name)[head * bytes.len()..][..bytes.len()], "{} {name}", case.name);
            }
        }
        for (name, coarse) in [("dequant4", true), ("dequant8", false)].into_iter().filter(|(name, _)| case.has(name)) {
            let want = case.floats(name);
            let mut got = vec![0.0; width];
            for row in 0..rows {
                if by_channel {
                    planes.value(row, coarse, &mut got)
                } else {
                    planes.key(row, coarse, &mut got)
                }
                let want: Vec<f32> = (0..width).map(|channel| want[at(row, channel)]).collect();
                case.close(name, &got, &want, 5e-6);
            }
        }
    }
}

/// The double buffer: prompt, then rounds with given acceptances.
pub async fn cache(case: &Case<'_>) {
    let params = case.ints("params");
    let [prompt, group, channels, quantised] = params[..] else { panic!("{}: params", case.name) };
    let [heads, total, width] = case.shape("k_stream")[..] else { panic!("{}: k_stream", case.name) };
    let [k, v] = ["k_stream", "v_stream"].map(|x| by_row(&case.floats(x), heads, total, width));
    let mut run = Layers::new(&case.on, method(group as usize, channels as usize), 1, heads, heads, width, None);
    let all = heads * width;
    let prompt = prompt as usize;
    run.begin(0, prompt as u32).await;
    run.layer(0, 0, &vec![0.0; prompt * all], &k[..prompt * all], &v[..prompt * all]).await;
    assert_eq!(run.on.quantised(Kv(0)), quantised as u32, "{} after the prompt", case.name);
    let mut committed = prompt;
    for (round, row) in case.ints("trace").chunks(6).enumerate() {
        let [guesses, accepted, length, quantised, rest, _] = row[..] else { panic!("{}: trace", case.name) };
        let rows = guesses as usize + 1;
        // Rejected rows hold what nobody may read later.
        let mut written = [vec![-7.5; rows * all], vec![9.25; rows * all]];
        let keep = (accepted as usize + 1) * all;
        for (written, stream) in written.iter_mut().zip([&k, &v]) {
            written[..keep].copy_from_slice(&stream[committed * all..][..keep]);
        }
        run.kind = Some(PassKind::Verify);
        run.begin(committed as u32, rows as u32).await;
        run.layer(0, committed as u32, &vec![0.0; rows * all], &written[0], &written[1]).await;
        committed += accepted as usize + 1;
        run.finish().await;
        run.on.cut(Kv(0), committed as u32).unwrap();
        run.make_room(0, committed as u32, 1);
        let now = [run.on.live(Kv(0)), run.on.quantised(Kv(0))];
        assert_eq!(now, [length as u32, quantised as u32], "{} round {round}", case.name);
        assert_eq!(rest, length - quantised, "{} round {round}", case.name);
    }
    let mut row = vec![0.0; width];
    for (h, head) in run.on.cache().layer(Kv(0)).iter().enumerate() {
        let planes = head.planes.as_ref().unwrap_or_else(|| panic!("{}: nothing was quantised", case.name));
        for (name, coarse) in [("view4", true), ("view8", false)] {
            for (part, values) in [("k", false), ("v", true)] {
                let want = case.floats(&format!("{part}_{name}"));
                for slot in 0..committed {
                    let want = &want[(h * committed + slot) * width..][..width];
                    if slot < planes.rows {
                        if values {
                            planes.value(slot, coarse, &mut row)
                        } else {
                            planes.key(slot, coarse, &mut row)
                        }
                        case.close(&format!("{part}_{name} {slot}"), &row, want, 5e-6);
                    } else {
                        let rows = if values { &head.v } else { &head.k };
                        assert_eq!(rows.row(slot - planes.rows, width), want, "{} {part}_{name} {slot}", case.name);
                    }
                }
            }
        }
        for (plane, part) in planes.parts().into_iter().zip(["k", "v"]) {
            let (upper, lower) = (case.bytes(&format!("{part}_upper")), case.bytes(&format!("{part}_lower")));
            for (slot, channel) in (0..planes.rows).flat_map(|slot| (0..width).map(move |channel| (slot, channel))) {
                let at = (h * planes.rows + slot) * width + channel;
                let want = (upper[at], lower[at].cast_signed());
                assert_eq!(plane.codes(slot, width, channel), want, "{} {part} codes {slot} {channel}", case.name);
            }
            let grids = plane.grids().len();
            let part_of = |name: &str| case.floats(&format!("{part}_{name}"))[h * grids..][..grids].to_vec();
            let (steps, zeros): (Vec<f32>, Vec<f32>) = plane.grids().map(|grid| (grid.step, grid.zero)).unzip();
            case.close(&format!("{part}_scale"), &steps, &part_of("scale"), 2e-7);
            case.close(&format!("{part}_zero"), &zeros, &part_of("zero"), 2e-7);
        }
    }
}

/// Attention over a quantised prefix and a full-precision tail, by one plane and by both.
pub async fn attend(case: &Case<'_>) {
    let params: Vec<usize> = case.ints("params").iter().map(|&x| x as usize).collect();
    let [prefix, _, rows, group, channels] = params[..] else { panic!("{}: params", case.name) };
    let [query_heads, _, width] = case.shape("q")[..] else { panic!("{}: q", case.name) };
    let [kv_heads, total, _] = case.shape("k_full")[..] else { panic!("{}: k_full", case.name) };
    let q = by_row(&case.floats("q"), query_heads, rows, width);
    let [k, v] = ["k_full", "v_full"].map(|x| by_row(&case.floats(x), kv_heads, total, width));
    let before = total - rows;
    let all = kv_heads * width;
    for (name, quantised, kind) in [
        ("out_fp", 0, PassKind::Verify),
        ("out_draft4", prefix, PassKind::Draft),
        ("out_verify8", prefix, PassKind::Verify),
    ] {
        let method = if quantised == 0 { Method::full() } else { method(group, channels) };
        let mut run = Layers::new(&case.on, method, 1, query_heads, kv_heads, width, None);
        run.begin(0, before as u32).await;
        run.store(0, &vec![0.0; before * query_heads * width], &k[..before * all], &v[..before * all]);
        let groups = PlaneGroups { tokens: group as u32, channels: channels as u32 };
        run.on.quantise(Kv(0), groups, quantised as u32).unwrap();
        run.kind = Some(kind);
        run.begin(before as u32, rows as u32).await;
        let got = run.layer(0, before as u32, &q, &k[before * all..], &v[before * all..]).await;
        assert_eq!(run.on.quantised(Kv(0)), quantised as u32, "{} {name}", case.name);
        case.close(name, &got, &by_row(&case.floats(name), query_heads, rows, width), 2e-6);
    }
}

/// The accept test and the draw after it.
pub fn accept(case: &Case) {
    let (rounds, guesses) = (case.shape("draft")[0], case.shape("draft")[1]);
    let vocabulary = case.shape("q")[2];
    let draft: Vec<u32> = case.ints("draft").iter().map(|&id| id as u32).collect();
    let [q, p, u, last, dist] = ["q", "p", "u", "u_res", "dist"].map(|name| case.floats(name));
    let (held, token) = (case.ints("n_acc"), case.ints("token"));
    for round in 0..rounds {
        let part = |of: &[f32], n: usize| of[round * n..][..n].to_vec();
        let tests = part(&u, guesses);
        // The tests stop at the first failure; the number after that is the draw's.
        let mut given = tests[..guesses.min(held[round] as usize + 1)].iter().chain(&last[round..=round]);
        let verdict = judge(
            &draft[round * guesses..][..guesses],
            &part(&q, guesses * vocabulary),
            &part(&p, (guesses + 1) * vocabulary),
            || *given.next().unwrap_or_else(|| panic!("{}: round {round} asks for too much", case.name)),
        );
        let got = (verdict.held as i32, verdict.token as i32);
        assert_eq!(got, (held[round], token[round]), "{} round {round}", case.name);
        let total: f32 = verdict.from.iter().sum();
        let from: Vec<f32> = verdict.from.iter().map(|x| x / total).collect();
        case.close(&format!("dist {round}"), &from, &part(&dist, vocabulary), 1e-6);
    }
}
