//! Every kernel with every sample of its constants is valid WGSL of the baseline and within WebGPU's default limits.

use attnscope::backend::gpu::{Chain, SHADERS, STEPS};
use wgpu::naga::{
    AddressSpace,
    front::wgsl,
    proc::Layouter,
    valid::{Capabilities, ValidationFlags, Validator},
};

#[test]
fn kernels_are_within_the_default_limits() {
    for shader in SHADERS {
        for values in shader.samples {
            let buffers = usize::from(shader.memory) + shader.inputs + shader.outputs;
            check(&format!("{} {values:?}", shader.name), &shader.text(values), buffers);
        }
    }
}

#[test]
fn chains_of_steps_are_too() {
    let all = |ops: fn(u32) -> u32| STEPS.iter().map(move |step| (*step, ops(step.ops)));
    let alone = all(|ops| ops).flat_map(|(step, ops)| (0..ops).map(move |op| Chain(vec![(step, op)])));
    // All in one, and every step behind every other and behind itself.
    let long = [Chain(all(|_| 0).collect()), Chain(all(|ops| ops - 1).flat_map(|step| [step; 2]).collect())];
    let pairs = all(|_| 0).flat_map(|first| all(|ops| ops - 1).map(move |second| Chain(vec![first, second])));
    for chain in alone.chain(long).chain(pairs) {
        let name: Vec<_> = chain.0.iter().map(|(step, op)| format!("{} {op}", step.name)).collect();
        check(&name.join(", "), &chain.text(), if chain.inputs() { 3 } else { 1 });
    }
}

/// Checks the text of a kernel with so many storage buffers.
fn check(name: &str, text: &str, buffers: usize) {
    let module = match wgsl::parse_str(text) {
        Ok(module) => module,
        Err(why) => panic!("{name}: {}", why.emit_to_string(text)),
    };
    // What WebGPU has everywhere: `unpack2x16float`, but neither subgroups nor f16 arithmetic.
    let baseline = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let valid = Validator::new(ValidationFlags::all(), baseline).validate(&module);
    if let Err(why) = valid {
        panic!("{name}: {}", why.emit_to_string(text));
    }
    let mut layout = Layouter::default();
    layout.update(module.to_ctx()).unwrap();
    let spaces = || module.global_variables.iter().map(|(_, variable)| variable);
    let workgroup = spaces().filter(|v| v.space == AddressSpace::WorkGroup);
    let bytes: u32 = workgroup.map(|v| layout[v.ty].size.next_multiple_of(16)).sum();
    assert!(bytes <= 16384, "{name}: {bytes} bytes of workgroup memory");
    let storage = spaces().filter(|v| matches!(v.space, AddressSpace::Storage { .. })).count();
    assert_eq!(storage, buffers, "{name}: storage buffers");
    assert!(storage <= 8, "{name}: {storage} storage buffers");
    let invocations: u32 = module.entry_points[0].workgroup_size.iter().product();
    assert!(invocations <= 256, "{name}: {invocations} invocations");
}
