//! Every kernel with every sample of its constants is valid WGSL of the baseline and within WebGPU's default limits.

use attnscope::backend::gpu::SHADERS;
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
            let (name, text) = (shader.name, shader.text(values));
            let module = match wgsl::parse_str(&text) {
                Ok(module) => module,
                Err(why) => panic!("{name} {values:?}: {}", why.emit_to_string(&text)),
            };
            // What WebGPU has everywhere: `unpack2x16float`, but neither subgroups nor f16 arithmetic.
            let baseline = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
            let valid = Validator::new(ValidationFlags::all(), baseline).validate(&module);
            if let Err(why) = valid {
                panic!("{name} {values:?}: {}", why.emit_to_string(&text));
            }
            let mut layout = Layouter::default();
            layout.update(module.to_ctx()).unwrap();
            let spaces = || module.global_variables.iter().map(|(_, variable)| variable);
            let workgroup = spaces().filter(|v| v.space == AddressSpace::WorkGroup);
            let bytes: u32 = workgroup.map(|v| layout[v.ty].size.next_multiple_of(16)).sum();
            assert!(bytes <= 16384, "{name} {values:?}: {bytes} bytes of workgroup memory");
            let storage = spaces().filter(|v| matches!(v.space, AddressSpace::Storage { .. })).count();
            assert_eq!(storage, usize::from(shader.memory) + shader.inputs + shader.outputs, "{name}: storage buffers");
            assert!(storage <= 8, "{name}: {storage} storage buffers");
            let invocations: u32 = module.entry_points[0].workgroup_size.iter().product();
            assert!(invocations <= 256, "{name} {values:?}: {invocations} invocations");
        }
    }
}
