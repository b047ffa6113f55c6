//! Kernels on this machine's best instruction set: `cargo bench --bench kernels`.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

mod cases;

fn kernels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kernels");
    for mut case in cases::cases() {
        group.throughput(Throughput::Elements(case.work));
        group.bench_function(&case.name, |bencher| bencher.iter(&mut case.run));
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
