//! `quest_pages`: published code; positions and page bounds exact, page scores within 1e-5.

use super::{Case, Layers, by_row};
use attnscope::{
    method::{LayerCx, Method, Select},
    methods::{self, Value},
    ops::{Kv, Read, Scores},
};
use std::{cell::Cell, rc::Rc};

/// The method of the registry; the bounds are also asked for where it reads everything.
struct Watched {
    select: Box<dyn Select>,
    page: u32,
    recent: u32,
    seen: Rc<Cell<Option<(Read, Scores)>>>,
}

impl Select for Watched {
    fn read(&mut self, cx: &mut LayerCx) -> attnscope::Result<Read> {
        let read = self.select.read(cx)?;
        self.seen.set(Some((read, cx.ops.page_scores(cx.kv, self.page, self.recent)?)));
        Ok(read)
    }
}

pub async fn run(case: &Case<'_>) {
    let [heads, n, dim] = ["H", "N", "D"].map(|key| case.param::<usize>(key));
    let [page, budget, recent] = ["page", "budget", "recent"].map(|key| case.param::<u32>(key));
    let given = [("page", page), ("budget", budget), ("recent", recent), ("dense_layers", 0)]
        .map(|(name, value)| (name.to_owned(), Value::Number(value.into())));
    let method = methods::build("quest", &given, &methods::Shape { layers: 1 }).unwrap();
    let seen = Rc::new(Cell::new(None));
    let watched = Watched { select: method.select, page, recent, seen: seen.clone() };
    let mut run =
        Layers::new(&case.on, Method { select: Box::new(watched), ..Method::full() }, 1, heads, heads, dim, None);
    let keys = by_row(&case.floats("k"), heads, n, dim);
    let (old, own) = keys.split_at((n - 1) * heads * dim);
    run.begin(0, n as u32 - 1).await;
    run.store(0, old, old, old);
    run.begin(n as u32 - 1, 1).await;
    run.layer(0, n as u32 - 1, &case.floats("q"), own, own).await;

    let (read, scores) = seen.get().unwrap();
    let kept = case.ints("kept_pos");
    let bounds: Vec<_> = run.on.cache().layer(Kv(0)).iter().map(|head| head.bounds()).collect();
    assert_eq!(
        bounds.iter().flat_map(|b| b.min()).copied().collect::<Vec<_>>(),
        case.floats("page_min"),
        "{}",
        case.name
    );
    assert_eq!(
        bounds.iter().flat_map(|b| b.max()).copied().collect::<Vec<_>>(),
        case.floats("page_max"),
        "{}",
        case.name
    );
    let got: Vec<f32> = (0..heads).flat_map(|head| run.on.scores(scores, head).unwrap().to_vec()).collect();
    case.close("page_score", &got, &case.floats("page_score"), 1e-5);
    for head in 0..heads {
        let got: Vec<u32> = match read {
            Read::Slots(set) => run.on.slots(set, head).unwrap().to_vec(),
            _ => (0..n as u32).collect(),
        };
        case.same(&format!("kept_pos head {head}"), &got, &kept[head * budget as usize..][..budget as usize]);
    }
}
