//! Attention of one KV head over listed slots, a list per query head.

use super::attend::attend_one;
use super::{AttendScratch, Element, Keys, MassOut, Queries};

/// Attention of one row whose head g reads the slots `lists[g]` (ascending), into `out` `[group * head_dim]`. An empty
/// list gives zeros.
pub fn attend_listed<E: Element>(
    q: &Queries,
    kv: &Keys<E>,
    lists: &[&[u32]],
    out: &mut [f32],
    mut mass: Option<MassOut>,
    scratch: &mut AttendScratch,
) {
    debug_assert!(q.rows == 1 && lists.len() == q.group, "{} rows, {} lists", q.rows, lists.len());
    for (head, list) in lists.iter().enumerate() {
        let slots = list.iter().map(|slot| *slot as usize);
        let query = &q.q[head * q.head_dim..][..q.head_dim];
        let out = &mut out[head * q.head_dim..][..q.head_dim];
        let column = mass
            .as_mut()
            .filter(|mass| mass.first_row == 0)
            .map(|mass| &mut mass.columns[head * mass.stride..][..mass.stride]);
        attend_one(query, q.scale, kv, slots, out, column, scratch);
    }
}
