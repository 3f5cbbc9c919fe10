//! The binary `barid`: the engine in one process, and the tool that speaks to it. All of it is in the library.

use barid_runtime::Exit;

fn main() -> Exit {
    barid_standalone::cli::main()
}
