//! Generates the messages and services of `proto/barid`, without protoc: `protox` compiles them.

use std::error::Error;
use std::path::Path;

const FILES: [&str; 6] = [
    "barid/config/v1/config.proto",
    "barid/control/v1/control.proto",
    "barid/model/v1/model.proto",
    "barid/parse/v1/parse.proto",
    "barid/route/v1/route.proto",
    "barid/transform/v1/transform.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    for file in FILES {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }
    let descriptors = protox::compile(FILES, [&root])?;
    tonic_prost_build::configure()
        .bytes(".")
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .disable_comments(["."])
        .skip_debug(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
