//! One decode attention step of a layer for JavaScript to time: 9 query heads on 3 KV heads of 64, keys and values as
//! f16. The new row is stored and the queries read every slot, or those listed for them.
#![expect(unsafe_code, reason = "exporting a function by name is unsafe to the compiler: two could share a name")]

use attnscope::kernels::{AttendScratch, Element, Keys, Queries, Span, attend_listed, attend_span};
use std::cell::RefCell;

const QUERY_HEADS: usize = 9;
const KV_HEADS: usize = 3;
const HEAD: usize = 64;
const GROUP: usize = QUERY_HEADS / KV_HEADS;

thread_local! {
    static STEP: RefCell<Step> = RefCell::default();
}

/// What a step takes and gives.
#[derive(Default)]
struct Step {
    slots: usize,
    /// `[QUERY_HEADS, HEAD]`
    queries: Vec<f32>,
    /// The new row's key and value, `[KV_HEADS, HEAD]` each.
    new: [Vec<f32>; 2],
    /// Keys and values as they come, `[KV_HEADS, slots, HEAD]` each.
    given: [Vec<f32>; 2],
    /// By KV head keys and values as they are stored.
    stored: Vec<[Vec<u16>; 2]>,
    /// `[QUERY_HEADS, listed]`, each head's ascending.
    lists: Vec<u32>,
    /// Slots a head lists.
    listed: usize,
    /// `[QUERY_HEADS, HEAD]`
    output: Vec<f32>,
    scratch: AttendScratch,
}

impl Step {
    fn store_new(&mut self) {
        for (head, stored) in self.stored.iter_mut().enumerate() {
            for (rows, new) in stored.iter_mut().zip(&self.new) {
                u16::store(&new[head * HEAD..][..HEAD], &mut rows[(self.slots - 1) * HEAD..]);
            }
        }
    }

    fn attend(&mut self, listed: bool) {
        self.store_new();
        for (head, [k, v]) in self.stored.iter().enumerate() {
            let (q, kv) = (&self.queries[head * GROUP * HEAD..], Keys { k, v, rotate: None });
            let q = Queries { q, stride: QUERY_HEADS * HEAD, rows: 1, group: GROUP, head_dim: HEAD, scale: 0.125 };
            let out = &mut self.output[head * GROUP * HEAD..][..GROUP * HEAD];
            if listed {
                let lists: [&[u32]; GROUP] =
                    std::array::from_fn(|g| &self.lists[(head * GROUP + g) * self.listed..][..self.listed]);
                attend_listed(&q, &kv, &lists, out, None, &mut self.scratch);
            } else {
                let all = Span::causal(self.slots);
                attend_span(&q, &kv, all, out, GROUP * HEAD, None, &mut self.scratch);
            }
        }
    }
}

/// Makes room for `slots` slots, the new row's included, and lists of `listed` slots a head.
#[unsafe(no_mangle)]
pub extern "C" fn prepare(slots: usize, listed: usize) {
    let given = || vec![0.0; KV_HEADS * slots * HEAD];
    STEP.set(Step {
        slots,
        queries: vec![0.0; QUERY_HEADS * HEAD],
        new: [vec![0.0; KV_HEADS * HEAD], vec![0.0; KV_HEADS * HEAD]],
        given: [given(), given()],
        stored: (0..KV_HEADS).map(|_| [vec![0; slots * HEAD], vec![0; slots * HEAD]]).collect(),
        lists: vec![0; QUERY_HEADS * listed],
        listed,
        output: vec![0.0; QUERY_HEADS * HEAD],
        scratch: AttendScratch::default(),
    });
}

/// Where to write the queries.
#[unsafe(no_mangle)]
pub extern "C" fn queries() -> *mut f32 {
    STEP.with_borrow_mut(|step| step.queries.as_mut_ptr())
}

/// Where to write the new row's key (0) or value (1).
#[unsafe(no_mangle)]
pub extern "C" fn new_row(part: usize) -> *mut f32 {
    STEP.with_borrow_mut(|step| step.new[part].as_mut_ptr())
}

/// Where to write the keys (0) or values (1).
#[unsafe(no_mangle)]
pub extern "C" fn rows(part: usize) -> *mut f32 {
    STEP.with_borrow_mut(|step| step.given[part].as_mut_ptr())
}

/// Where to write the lists.
#[unsafe(no_mangle)]
pub extern "C" fn lists() -> *mut u32 {
    STEP.with_borrow_mut(|step| step.lists.as_mut_ptr())
}

/// Where to read the output.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const f32 {
    STEP.with_borrow(|step| step.output.as_ptr())
}

/// Stores the keys and values that were written.
#[unsafe(no_mangle)]
pub extern "C" fn store() {
    STEP.with_borrow_mut(|step| {
        for (head, stored) in step.stored.iter_mut().enumerate() {
            for (rows, given) in stored.iter_mut().zip(&step.given) {
                u16::store(&given[head * rows.len()..][..rows.len()], rows);
            }
        }
    });
}

/// `times` steps over every slot.
#[unsafe(no_mangle)]
pub extern "C" fn dense(times: usize) {
    STEP.with_borrow_mut(|step| (0..times).for_each(|_| step.attend(false)));
}

/// `times` steps over the listed slots.
#[unsafe(no_mangle)]
pub extern "C" fn sparse(times: usize) {
    STEP.with_borrow_mut(|step| (0..times).for_each(|_| step.attend(true)));
}
